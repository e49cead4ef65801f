"""Progress on stderr: rate, time left, drops by reason; silence under two seconds.

A thread keeps the display moving while long jobs run. `watch` may tell how far the jobs that are
under way have come; training does, by a small file in each run's folder.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

_PATIENCE_SECONDS = 2.0
_TICK_SECONDS = 1.0
_LINE_SECONDS = 10.0  # where stderr is no terminal: a line now and then, never a bar


class StepProgress:
    """The progress of one step; a bar on a terminal, a line every ten seconds elsewhere.

    Args:
        step: what is being done.
        jobs: how many jobs there are.
        quiet: say nothing.
        unit: what `rows` counts.
        watch: returns how many jobs' worth of work is done in jobs under way.
    """

    def __init__(
        self,
        step: str,
        jobs: int,
        *,
        quiet: bool = False,
        unit: str = "docs",
        watch: Callable[[], float] | None = None,
    ) -> None:
        self._step, self._jobs, self._quiet, self._unit = step, jobs, quiet, unit
        self._watch = watch or (lambda: 0.0)
        self._begun = self._spoke = time.monotonic()
        self._done = self._rows = self._bytes = 0
        self._dropped: dict[str, int] = {}
        self._bar: Progress | None = None
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> StepProgress:
        if not self._quiet and self._jobs:
            self._ticker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._ticker.is_alive():
            self._ticker.join()
        if self._bar is not None:
            self._bar.stop()

    def advance(self, rows: int, size_bytes: int, dropped: Mapping[str, int]) -> None:
        """Count one ended job."""
        self._done += 1
        self._rows += rows
        self._bytes += size_bytes
        for reason, n in dropped.items():
            self._dropped[reason] = self._dropped.get(reason, 0) + n

    def _tick(self) -> None:
        while not self._ended.wait(_TICK_SECONDS):
            elapsed = time.monotonic() - self._begun
            if elapsed < _PATIENCE_SECONDS:
                continue
            done = min(self._jobs, self._done + self._watch())
            if sys.stderr.isatty():
                self._draw(done, elapsed)
            elif time.monotonic() - self._spoke > _LINE_SECONDS:
                self._spoke = time.monotonic()
                left = (
                    f"{elapsed / done * (self._jobs - done):.0f} s left" if done else "just begun"
                )
                line = (
                    f"{self._step}: {self._done}/{self._jobs} · {self._rates(done, elapsed)}{left}"
                )
                print(line, file=sys.stderr)

    def _said(self, done: float) -> str:
        elapsed = time.monotonic() - self._begun
        left = f"{elapsed / done * (self._jobs - done):.0f} s left" if done else "just begun"
        return self._rates(done, elapsed) + left

    def _draw(self, done: float, elapsed: float) -> None:
        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rates]}"),
                TimeRemainingColumn(), console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self._bar.start()
            self._bar.add_task(self._step, total=self._jobs, rates="")
        task = self._bar.task_ids[0]
        self._bar.update(task, completed=done, rates=self._rates(done, elapsed))

    def _rates(self, done: float, elapsed: float) -> str:
        if not self._done:
            return f"{done / max(1, self._jobs):.0%} · " if done else ""
        # Work under way counts at the rate of what has ended.
        scale = done / self._done / elapsed
        rate, per = self._rows * scale, "s"
        if rate < 1:
            rate, per = 60 * rate, "min"
        text = f"{rate:,.0f} {self._unit}/{per} · "
        if self._bytes:
            text += f"{self._bytes * scale / 1e6:,.1f} MB/s · "
        if self._dropped:
            worst = sorted(self._dropped.items(), key=lambda pair: -pair[1])[:3]
            text += "dropped " + ", ".join(f"{reason} {n:,}" for reason, n in worst) + " · "
        return text
