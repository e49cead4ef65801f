"""Kill runs at random moments, driver and workers in turn, rerun, and hold every digest to that
of an undisturbed run: `python -m bench.kills [--kills 20] [--engine inline|ray|both] [--seed 0]`.

Checked after each store is done: equal artifact ids and digests, folders, manifests, tokens,
weights and evaluations; no record that was there at a kill is gone or was written again; no
process outlives its driver. Exit code 1 where anything differs.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from bench.trial import Trial, made_up, recipe, write_files

ORPHAN_SECONDS = 15.0  # a worker looks for its driver twice a second; Ray takes a few seconds
_RAY_WORKERS = ("raylet", "ray::")


@dataclass
class Kill:
    """One kill: of whom, when, with how much done."""

    store: int
    victim: str
    moment: float  # seconds since the run began
    records: int  # of finished work, at that moment
    strays: int = 0  # processes that outlived their driver


@dataclass
class Outcome:
    """What came of one store."""

    store: int
    differences: list[str] = field(default_factory=list)
    lost: int = 0
    redone: int = 0
    kept: int = 0  # records that were there at some kill


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--engine", choices=("inline", "ray", "both"), default="both")
    parser.add_argument("--documents", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    engines = ("inline", "ray") if asked.engine == "both" else (asked.engine,)
    folder = Path(tempfile.mkdtemp(prefix="curator-kills-"))
    try:
        files = write_files(made_up(asked.documents), folder / "in", 6)
        Trial(folder / "first").write(recipe(files)).run()  # compiles the kernels
        begun = time.monotonic()
        calm = Trial(folder / "calm").write(recipe(files))
        calm.run()
        seconds = time.monotonic() - begun
        print(f"undisturbed: {seconds:.1f} s, {len(calm.results())} digests", flush=True)
        faults = 0
        for engine in engines:
            storm = Storm(folder / engine, engine, files, calm.results(), seconds, asked.seed)
            faults += storm.rage(asked.kills)
        return 1 if faults else 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Storm:
    """Kills runs of one recipe on one engine until there were enough kills."""

    folder: Path
    engine: str
    files: Path
    wanted: Mapping[str, str]
    seconds: float  # that an undisturbed run takes
    seed: int = 0
    sections: Mapping[str, object] = field(default_factory=dict)
    kills: list[Kill] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def rage(self, kills: int) -> int:
        """Kill so often, print a table, and return the number of faults."""
        self._chance = np.random.default_rng(self.seed)
        while len(self.kills) < kills:
            trial = Trial(self.folder / f"{len(self.outcomes):02d}", self.engine)
            self.outcomes.append(self._one_store(trial, kills))
            shutil.rmtree(trial.folder, ignore_errors=True)
            print(f"{self.engine}: {len(self.kills)} of {kills} kills", flush=True)
        for line in self.table():
            print(line, flush=True)
        return sum(len(o.differences) + o.lost + o.redone for o in self.outcomes) + sum(
            kill.strays for kill in self.kills
        )

    def table(self) -> Iterator[str]:
        """Yield the lines of the table: kills, then stores, then the sum."""
        yield f"{self.engine}: store  victim    after  records done  strays"
        for kill in self.kills:
            yield (
                f"{'':>{len(self.engine)}}  {kill.store:5d}  {kill.victim:7s} {kill.moment:6.1f} s "
                f"{kill.records:13d} {kill.strays:7d}"
            )
        for outcome in self.outcomes:
            yield (
                f"{self.engine} store {outcome.store}: {len(self.wanted)} digests, "
                f"{len(outcome.differences)} differ; of {outcome.kept} records there at a kill "
                f"{outcome.lost} lost, {outcome.redone} written again"
            )
            yield from (f"  DIFFERS {line}" for line in outcome.differences[:10])
        yield f"{self.engine}: {len(self.kills)} kills over {len(self.outcomes)} stores"

    def _one_store(self, trial: Trial, kills: int) -> Outcome:
        """Run a fresh store to its end through kills, and compare."""
        trial.write(recipe(self.files, **self.sections))
        seen: dict[str, int] = {}
        while not self._run(trial, seen, kills):
            pass
        found, now = trial.results(), trial.records()
        names = sorted(self.wanted.keys() | found.keys())
        return Outcome(
            len(self.outcomes),
            [
                f"{name}: {found.get(name)} for {self.wanted.get(name)}"
                for name in names
                if found.get(name) != self.wanted.get(name)
            ],
            lost=sum(path not in now for path in seen),
            redone=sum(now.get(path, when) != when for path, when in seen.items()),
            kept=len(seen),
        )

    def _run(self, trial: Trial, seen: dict[str, int], kills: int) -> bool:
        """Start or resume a run; return whether it came to its end."""
        process = trial.start()
        begun = time.monotonic()
        while process.poll() is None:
            moment = float(self._chance.uniform(0.05, 0.8)) * self.seconds
            enough = len(self.kills) >= kills
            if enough or not _alive_for(process, moment):
                process.wait()
                break
            for path, when in trial.records().items():
                seen.setdefault(path, when)
            victim = ("worker", "driver")[len(self.kills) % 2]
            kill = Kill(len(self.outcomes), victim, time.monotonic() - begun, len(seen))
            if victim == "driver":
                kill.strays = _kill_driver(process)
                self.kills.append(kill)
                return False
            if _kill_worker(process.pid, self._chance):
                self.kills.append(kill)
        if process.returncode != 0 and not _expected(trial.log()):
            raise RuntimeError(f"exit code {process.returncode}\n{trial.log()}")
        return process.returncode == 0


def _expected(log: str) -> bool:
    """Return whether a run that failed said that a worker died; Ray's driver may just go."""
    return "its worker died" in log or "raylet" in log.lower() or not log.strip()


def _alive_for(process: subprocess.Popen[str], seconds: float) -> bool:
    """Wait, and return whether the process still runs."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    return True


def _kill_driver(process: subprocess.Popen[str]) -> int:
    """Kill a driver and return how many of its workers are still there after a while.

    Ray's own agents look for their node only now and then; they hold nothing of ours.
    """
    family = _descendants(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, strays = psutil.wait_procs(family, timeout=ORPHAN_SECONDS)
    workers = sum(_works(stray) for stray in strays)
    for stray in strays:
        stray.kill()
    return workers


def _kill_worker(driver: int, chance: np.random.Generator) -> bool:
    """Kill one of a driver's workers, chosen by chance; return whether there was one."""
    workers = [each for each in _descendants(driver) if _works(each)]
    if not workers:
        return False
    try:
        workers[int(chance.integers(len(workers)))].kill()
    except psutil.NoSuchProcess:
        return False
    return True


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _works(process: psutil.Process) -> bool:
    """Return whether a process is a pool's worker, a Ray worker or Ray's node."""
    try:
        name, line = process.name(), " ".join(process.cmdline())
        if name.endswith("Agent"):
            return False
        return "spawn_main" in line or name.startswith(_RAY_WORKERS) or "ray::" in line
    except psutil.Error:
        return False


if __name__ == "__main__":
    sys.exit(main())
