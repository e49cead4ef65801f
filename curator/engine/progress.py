"""Progress on stderr: documents/s, MB/s, time left, drops by reason; silence under two seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

_PATIENCE_SECONDS = 2.0
_LINE_SECONDS = 10.0  # where stderr is no terminal: a line now and then, never a bar


class StepProgress:
    """The progress of one step; a bar on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, step: str, jobs: int, *, quiet: bool = False, unit: str = "docs") -> None:
        self._step, self._jobs, self._quiet, self._unit = step, jobs, quiet, unit
        self._begun = self._spoke = time.monotonic()
        self._done = self._rows = self._bytes = 0
        self._dropped: dict[str, int] = {}
        self._bar: Progress | None = None

    def __enter__(self) -> StepProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(
        self, rows: int, size_bytes: int, dropped: Mapping[str, int], *, cached: bool = False
    ) -> None:
        """Count one ended job; `cached` ones advance the bar but not the rate."""
        self._done += 1
        if not cached:
            self._rows += rows
            self._bytes += size_bytes
        for reason, n in dropped.items():
            self._dropped[reason] = self._dropped.get(reason, 0) + n
        elapsed = time.monotonic() - self._begun
        if self._quiet or elapsed < _PATIENCE_SECONDS:
            return
        if sys.stderr.isatty():
            self._draw(elapsed)
        elif time.monotonic() - self._spoke > _LINE_SECONDS:
            self._spoke = time.monotonic()
            left = elapsed / self._done * (self._jobs - self._done)
            print(
                f"{self._step}: {self._done}/{self._jobs} · {self._rates(elapsed)} · "
                f"{left:.0f} s left",
                file=sys.stderr,
            )

    def _draw(self, elapsed: float) -> None:
        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rates]}"),
                TimeRemainingColumn(), console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self._bar.start()
            self._bar.add_task(self._step, total=self._jobs, rates="")
        task = self._bar.task_ids[0]
        self._bar.update(task, completed=self._done, rates=self._rates(elapsed))

    def _rates(self, elapsed: float) -> str:
        text = f"{self._rows / elapsed:,.0f} {self._unit}/s"
        if self._bytes:
            text += f" · {self._bytes / elapsed / 1e6:,.1f} MB/s"
        if self._dropped:
            worst = sorted(self._dropped.items(), key=lambda pair: -pair[1])[:3]
            text += " · dropped " + ", ".join(f"{reason} {n:,}" for reason, n in worst)
        return text
