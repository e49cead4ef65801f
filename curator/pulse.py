"""How far work has come whose end is minutes off: a share in a small file, for who shows progress.

The one that works may be another process than the one that shows, and be killed at any time: what
a pulse says is never needed for a result, and a folder that takes no pulse stops no work.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

_SECONDS = 1.0  # between two tellings
_PREFIX = "pulse-"


class Pulse:
    """Tells, now and then, which share of some work is done.

    Args:
        path: the file; None: nobody looks.
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self._spoke = path, 0.0

    @classmethod
    def beside(cls, folder: Path | None) -> Pulse:
        """Return the pulse of this process in a folder that several work in."""
        return cls(None if folder is None else folder / f"{_PREFIX}{os.getpid()}")

    def tell(self, done: int, of: int) -> None:
        """Write that `done` of `of` parts are, unless that was written a moment ago."""
        now = time.monotonic()
        if self._path is not None and now - self._spoke > _SECONDS:
            self._spoke = now
            with suppress(OSError):
                self._path.write_text(str(done / of))

    def end(self) -> None:
        """Say nothing any more."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()


def told(path: Path) -> float:
    """Return the share that a pulse tells; 0 before it begins and after it ends."""
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return 0.0


def told_in(folder: Path) -> float:
    """Return the sum of what the pulses of a folder tell."""
    return sum(map(told, folder.glob(f"{_PREFIX}*")))


def forget_in(folder: Path) -> None:
    """Remove the pulses that killed processes left."""
    for path in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            path.unlink()
