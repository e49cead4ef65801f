"""What each step takes for each byte of text that it looks at, measured on one core.

`measure` is `python -m bench.cost --measure FILES`: a run with one worker over JSON lines to which
a near copy of every third is added, so that deduplication has work. All statistics of rule sets are
made, and the rules against repetition applied. Seconds are those of the median task (the first also
loads libraries), times the share of the core that the run had.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.scaling import STEPS, recipe
from bench.trial import ROOT, Trial
from curator.dedup.clusters import find_clusters
from curator.dedup.minhash import EDGES
from curator.ledger import Artifact, Store
from curator.shards import read_shard

SHARD_MB = 16
# Each step, and the decision whose survivors it looks at.
AFTER = {
    "ingest": "", "clean.statistics": "", "clean": "",
    "dedup.exact.emit": "clean", "dedup.exact.reduce": "clean", "dedup.exact": "clean",
    "dedup.minhash.bands.emit": "dedup.exact", "dedup.minhash.bands.reduce": "dedup.exact",
    "dedup.minhash.emit": "dedup.exact", "dedup.minhash.reduce": "dedup.exact",
    "dedup.minhash": "dedup.exact", "decontaminate": "dedup.minhash",
}  # fmt: skip
# These read the text of all living documents; the others read columns of some bytes each.
READ_TEXT = (
    "clean.statistics", "dedup.exact.emit", "dedup.minhash.bands.emit", "dedup.minhash.emit",
    "decontaminate",
)  # fmt: skip
_COPIES = 3  # of so many documents one is copied
_EDGES = 4_000_000  # on which the one step that is not parallel is measured
_EXAM = 200  # documents that serve as a benchmark's items, about


@dataclass(frozen=True)
class Rate:
    """What one step takes.

    Attributes:
        seconds: of one core, for each byte of text that it looks at.
        written: bytes left on disk, for each document that it looks at; of text, for each byte.
        read: bytes read, for each byte of text that it looks at.
        whole: whether it sees all documents, or those that cleaning kept.
    """

    seconds: float
    written: float
    read: float
    whole: bool


@dataclass(frozen=True)
class Rates:
    """What was measured.

    Attributes:
        measured: where and when: files, machine, commit, date, share of a core.
        text_bytes: of the sample.
        documents: in it.
        steps: rates by step, in order.
        edges: for each document that cleaning and exact deduplication kept.
        edge_bytes: that one process holds for each edge when it finds clusters.
        edge_seconds: that it takes for each.
        task_seconds: of the driver, for each task.
    """

    measured: dict[str, str]
    text_bytes: int
    documents: int
    steps: dict[str, Rate]
    edges: float
    edge_bytes: float
    edge_seconds: float
    task_seconds: float


def read_rates(path: Path) -> Rates:
    """Return the rates in a file that `--measure` wrote."""
    content = json.loads(path.read_text())
    content["steps"] = {name: Rate(**rate) for name, rate in content["steps"].items()}
    return Rates(**content)


def measure(files: Path) -> Rates:
    """Run the steps over some files on one core and return their rates."""
    core = min(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="curator-cost-") as place:
        folder = Path(place)
        (folder / "in").mkdir()
        _write_sample(files, folder)
        content = recipe(folder / "in", SHARD_MB, STEPS)
        content["corpus"]["clean"]["rules"] = ["gopher_repetition"]
        trial = Trial(folder, workers=1).write(content)
        begun, used = time.monotonic(), _cpu()
        process = trial.start(preexec_fn=lambda: os.sched_setaffinity(0, {core}))
        if process.wait():
            raise RuntimeError(f"exit code {process.returncode}\n{trial.log()}")
        share = min(1.0, (_cpu() - used) / (time.monotonic() - begun))
        made = {artifact.name: artifact for _, artifact in Store(trial.store).artifacts()}
        stages = trial.summary()["stages"]
        return _rates(made, sum(stage["seconds"] for stage in stages), share, files)


def _rates(made: dict[str, Artifact], wall: float, share: float, files: Path) -> Rates:
    ingest, bands = made["ingest"], made["dedup.minhash.bands.reduce"]
    text, documents = living(ingest, None)
    worked = sum(artifact.seconds for artifact in made.values())
    tasks = sum(len(artifact.tasks) for artifact in made.values())
    edge_bytes, edge_seconds = _clusters()
    return Rates(
        measured={
            "on": time.strftime("%Y-%m-%d"), "commit": _commit(),
            "machine": f"{platform.machine()} with {os.cpu_count()} cores",
            "over": files.name, "share of a core": f"{share:.2f}",
        },
        text_bytes=text,
        documents=documents,
        steps={name: rate_of(made, name, share) for name in AFTER if name in made},
        edges=sum(shard.rows for shard in bands.shards) / made["dedup.exact"].rows_out,
        edge_bytes=edge_bytes,
        edge_seconds=edge_seconds,
        task_seconds=max(0.0, wall - worked) * share / tasks,
    )  # fmt: skip


def rate_of(made: dict[str, Artifact], name: str, share: float) -> Rate:
    """Return the rate of one step from what a run left in its store."""
    artifact = made[name]
    text, documents = living(made["ingest"], made.get(AFTER[name]))
    written = sum(shard.size_bytes for shard in artifact.shards)
    seconds = [float(task.notes.get("seconds", 0.0)) for task in artifact.tasks]
    spent = statistics.median(seconds) * len(seconds) if seconds else 0.0
    before = made.get(_before(name))
    if name == "ingest":
        read = float(sum(task.notes.get("read", 0) for task in artifact.tasks))
    elif name in READ_TEXT:
        read = float(text)
    else:
        read = float(sum(shard.size_bytes for shard in before.shards)) if before else 0.0
    per = text if name == "ingest" else documents
    return Rate(spent * share / text, written / per, read / text, whole=not AFTER[name])


def _before(name: str) -> str:
    """Return the step whose rows one reads: of a verdict the statistics, or what was reduced."""
    if name.endswith(".reduce"):
        return f"{name.removesuffix('.reduce')}.emit"
    return "clean.statistics" if name == "clean" else f"{name}.reduce"


def living(ingest: Artifact, decision: Artifact | None) -> tuple[int, int]:
    """Return the bytes of text and the number of documents that a decision left alive."""
    size = documents = 0
    for number, shard in enumerate(ingest.shards):
        lengths = pc.binary_length(read_shard(shard, ("text",))["text"])
        if decision is not None:
            keep = read_shard(decision.shards[number], ("keep",))["keep"]
            lengths = lengths.filter(pc.fill_null(keep, fill_value=False))
        size += pc.sum(lengths).as_py() or 0
        documents += len(lengths)
    return size, documents


def _write_sample(files: Path, folder: Path) -> None:
    """Write the files' lines and near copies of some, and `exam.jsonl`, the benchmark."""
    paths = sorted(files.rglob("*.jsonl")) if files.is_dir() else [files]
    exam: list[bytes] = []
    for number, path in enumerate(paths):
        lines = path.read_bytes().splitlines()
        copies = [_shortened(line) for line in lines[::_COPIES]]
        (folder / "in" / f"{number:04d}.jsonl").write_bytes(b"\n".join([*lines, *copies]) + b"\n")
        exam += lines[:: max(1, len(lines) * len(paths) // _EXAM)]
    (folder / "exam.jsonl").write_bytes(b"\n".join(exam) + b"\n")


def _shortened(line: bytes) -> bytes:
    """Return a record without the last word of its text."""
    record = json.loads(line)
    text = str(record.get("text", "")).rsplit(None, 1)
    return json.dumps({"text": text[0] if text else ""}).encode()


def _clusters() -> tuple[float, float]:
    """Return the bytes and seconds that finding clusters takes for each edge."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.cost_rates"], cwd=ROOT, capture_output=True, check=True
    )
    held, spent = json.loads(done.stdout)
    return held / _EDGES, spent / _EDGES


def _held_by_clusters() -> tuple[int, float]:
    """Return how far this process grew to find the clusters of many edges, and how long it took."""
    chance = np.random.default_rng(3)
    heads = np.repeat(chance.integers(0, 1 << 63, _EDGES // 2, np.uint64), 2)  # clusters of three
    edges = pa.table([pa.array(heads), pa.array(heads + chance.integers(1, 99, _EDGES, np.uint64))],
                     schema=EDGES)  # fmt: skip
    find_clusters([edges.slice(0, 10)])  # compiles
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    find_clusters([edges])
    spent = time.process_time() - begun
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) * 1024, spent


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    print(json.dumps(_held_by_clusters()))
