"""What the processes of a run hold while it goes on: sampled from /proc.

Shards are memory-mapped, and pages of a map count as resident until the kernel wants them back:
they are cache that never needs room. What can not be given back is RssAnon of /proc/PID/status.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

ROLES = ("driver", "worker", "all")  # `all`: what all of them held at one time


@dataclass
class Peak:
    """The most that any process of one role held, in bytes, and what the driver did then."""

    anonymous: int = 0
    resident: int = 0
    step: str = ""


def watch(process: subprocess.Popen[str], seconds: float, store: Path) -> dict[str, Peak]:
    """Return the peaks of a run's processes by role, once it has ended."""
    peaks = {role: Peak() for role in ROLES}
    while process.poll() is None:
        anonymous = resident = 0
        for role, pid in _family(process.pid):
            held = _held(pid)
            anonymous += held.get("RssAnon", 0)
            resident += held.get("VmRSS", 0)
            _raise(peaks[role], held.get("RssAnon", 0), held.get("VmRSS", 0), store)
        _raise(peaks["all"], anonymous, resident, store)
        time.sleep(seconds)
    return peaks


def _raise(peak: Peak, anonymous: int, resident: int, store: Path) -> None:
    if anonymous > peak.anonymous:
        peak.anonymous, peak.step = anonymous, latest_step(store)
    peak.resident = max(peak.resident, resident)


def _family(pid: int) -> Iterator[tuple[str, int]]:
    yield "driver", pid
    try:
        for child in psutil.Process(pid).children(recursive=True):
            yield "worker", child.pid
    except psutil.NoSuchProcess:
        return


def _held(pid: int) -> dict[str, int]:
    """Return RssAnon and VmRSS of a process in bytes; nothing if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split(":") for line in lines if line.startswith(("RssAnon", "VmRSS")))
    return {name: int(value.split()[0]) * 1024 for name, value in pairs}


def latest_step(store: Path) -> str:
    """Return the step whose record was written last."""
    folders = [path for path in (store / "shards").glob("*") if path.is_dir()]
    return max(folders, key=lambda path: path.stat().st_mtime_ns).name if folders else "start"
