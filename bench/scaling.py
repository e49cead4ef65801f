"""Two cores against one: cleaning, deduplication and decontamination after ingest, the same bytes.

    python -m bench.scaling [--mb 300] [--rounds 3] [--shard-mb 16]

Text is ingested once. Then `curator run --workers 1`, bound to one core, and `--workers 2`, bound
to two, take turns, each on a copy of the store as ingest left it: rules of Gopher, C4 and FineWeb,
exact and near duplicates, 13-grams of a benchmark. Seconds are of the wall clock: a whole command,
and a command less what it takes when everything is in the store already (starting Python, finding
files, the page). Ratios are medians over rounds. Then, for each step, both times and how
much of the time of one core no worker was at work (the
driver's part, which nothing divides: Amdahl). Run it on an idle machine; the load is told.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.memory import installed_texts, write_text
from bench.trial import Trial
from curator.ledger import Store

WANTED = 1.8  # times as fast


@dataclass(frozen=True)
class Timed:
    """One run.

    Attributes:
        seconds: of the whole command.
        again: of the same command with nothing left to do.
        cpu: seconds of all cores, in the whole command.
        steps: seconds of each step, by name, in order.
        worked: seconds of all workers in each step, by name; 0 where records do not say.
        artifacts: what it made, by name: must not depend on the workers.
    """

    seconds: float
    again: float
    cpu: float
    steps: dict[str, float]
    worked: dict[str, float]
    artifacts: dict[str, str]

    @property
    def net(self) -> float:
        """Seconds of the command less those that every command takes."""
        return self.seconds - self.again


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shard-mb", type=int, default=16)
    parser.add_argument("--json", type=Path, help="a file for all figures")
    asked = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("this machine has one core: nothing to compare", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="curator-scaling-") as place:
        folder = Path(place)
        write_text(list(installed_texts()), folder / "in", asked.mb * 1_000_000)
        Trial(folder / "base", workers=2).write(recipe(folder / "in", asked.shard_mb, ())).run()
        run(folder, 2, set(cores[:2]), asked.shard_mb)  # compiles kernels; not counted
        runs: dict[int, list[Timed]] = {1: [], 2: []}
        for number in range(asked.rounds):
            # Who goes first takes turns, so that a drift of the machine meets both.
            for workers in (1, 2) if number % 2 == 0 else (2, 1):
                load = os.getloadavg()[0]
                timed = run(folder, workers, set(cores[:workers]), asked.shard_mb)
                runs[workers].append(timed)
                print(
                    f"{workers} workers: {timed.seconds:6.1f} s, net {timed.net:6.1f} s"
                    f", {timed.cpu:6.1f} CPU seconds (load before {load:.1f})",
                    flush=True,
                )
    if asked.json:
        told = {str(workers): [vars(timed) for timed in each] for workers, each in runs.items()}
        asked.json.write_text(json.dumps(told, indent=1))
    return report(runs[1], runs[2])


def run(folder: Path, workers: int, cores: set[int], shard_mb: int) -> Timed:
    """Run the steps on a copy of the ingested store, bound to some cores, then once more."""
    place = folder / f"run-{workers}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    # Records are written last and never changed: links do as well as copies.
    shutil.copytree(folder / "base" / "store", place / "store", copy_function=os.link)
    trial = Trial(place, workers=workers).write(recipe(folder / "in", shard_mb, STEPS))
    before = _cpu()
    seconds = _timed(trial, cores)
    cpu = _cpu() - before
    stages = trial.summary()["stages"]
    artifacts, worked = {}, {}
    for _, artifact in Store(trial.store).artifacts():
        artifacts[artifact.name] = f"{artifact.id} {artifact.digest}"
        name = _step_of(artifact.name)
        worked[name] = worked.get(name, 0.0) + artifact.seconds
    again = _timed(trial, cores)
    steps = {stage["name"]: stage["seconds"] for stage in stages if stage["name"] != "ingest"}
    return Timed(seconds, again, cpu, steps, worked, artifacts)


def report(one: list[Timed], two: list[Timed]) -> int:
    """Print the ratios and where time goes; 0 if the target is met and the bytes are the same."""
    same = all(timed.artifacts == one[0].artifacts for timed in (*one, *two))
    whole = _ratio(one, two, lambda timed: timed.seconds)
    net = _ratio(one, two, lambda timed: timed.net)
    print(f"\nwhole command: {whole:.2f} times as fast on two cores")
    print(f"without what every command takes: {net:.2f} times (wanted {WANTED})")
    print(f"the same bytes: {'yes' if same else 'NO'}\n")
    print(f"{'step':18} {'1 core':>8} {'2 cores':>8} {'ratio':>6}   no worker at work, of 1 core")
    for name in one[0].steps:
        first, second = (statistics.median(t.steps[name] for t in runs) for runs in (one, two))
        idle = statistics.median(t.steps[name] - t.worked.get(name, 0.0) for t in one)
        print(
            f"{name:18} {first:7.1f}s {second:7.1f}s {first / max(second, 1e-9):6.2f}   "
            f"{max(idle, 0.0):.1f} s"
        )
    between = [
        statistics.median(timed.net - sum(timed.steps.values()) for timed in runs)
        for runs in (one, two)
    ]
    print(f"{'between steps':18} {between[0]:7.1f}s {between[1]:7.1f}s")
    return 0 if same and net >= WANTED else 1


def recipe(files: Path, shard_mb: int, steps: tuple[str, ...]) -> dict[str, Any]:
    """Return the recipe of a run, with some of the sections after ingest."""
    corpus: dict[str, Any] = {
        "ingest": [{"reader": "jsonl", "source": "text", "files": str(files)}],
        "shard_bytes": shard_mb << 20,
        "clean": {"language": None, "rules": ["gopher", "c4", "fineweb"]},
        "dedup": {"exact": True, "minhash": {"threshold": 0.8}, "max_source_loss": 1.0},
        "benchmarks": {"exam": {"test": str(files.parent / "exam.jsonl"), "text": "text"}},
        "decontaminate": {"against": ["exam/test"], "ngram": 13},
    }
    left_out = {"clean", "dedup", "benchmarks", "decontaminate"} - set(steps)
    return {"name": "scaling", "corpus": {k: v for k, v in corpus.items() if k not in left_out}}


STEPS = ("clean", "dedup", "benchmarks", "decontaminate")


def _timed(trial: Trial, cores: set[int]) -> float:
    """Return the seconds that a run takes on some cores."""
    begun = time.monotonic()
    process = trial.start(preexec_fn=lambda: os.sched_setaffinity(0, cores))
    if process.wait() != 0:
        raise RuntimeError(f"exit code {process.returncode}\n{trial.log()}")
    return time.monotonic() - begun


def _cpu() -> float:
    """Return the CPU seconds of all processes that were started from here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _ratio(one: list[Timed], two: list[Timed], what: Callable[[Timed], float]) -> float:
    return statistics.median(what(a) / what(b) for a, b in zip(one, two, strict=True))


def _step_of(artifact: str) -> str:
    """Return the step that a run's summary counts an artifact's work under."""
    name = artifact.removesuffix(".emit").removesuffix(".reduce")
    return "dedup.minhash" if name == "dedup.minhash.bands" else name


if __name__ == "__main__":
    sys.exit(main())
