"""Peak memory of each process while a run reads from 0.25 to 4 GB, or of one that has too little.

    python -m bench.memory [--sizes 0.25 1 4] [--workers 2] [--seconds 0.1] [--no-selection]
    python -m bench.memory --limit [--documents 3400000] [--gib 1]

Inputs are installed text, again and again, each round with its words in another order, so that
rounds are no duplicates. The run ingests, cleans, removes exact and near copies, decontaminates,
trains a tokenizer, counts tokens and selects; `--no-selection` ends with decontamination, a tenth
of the time. Stores are removed when measured. What must be flat
is RssAnon of /proc/PID/status (see `bench.processes`); VmRSS is printed beside it. Ten times the
largest size is needed on disk. `--limit` is another measurement: `bench.memory_limit`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.memory_limit import GIB, run_limited
from bench.processes import Peak, watch
from bench.trial import Trial
from curator.ingest.installed import InstalledReader

GB = 1_000_000_000
FLAT = 0.2  # a peak may grow by so much from the smallest to the largest input
_FILE_BYTES = 64_000_000
_ROLES = ("driver", "worker")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=float, nargs="+", default=[0.25, 1.0, 4.0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.1, help="between two looks")
    parser.add_argument("--shard-mb", type=int, default=64)
    parser.add_argument("--no-selection", action="store_true", help="end with decontamination")
    parser.add_argument("--limit", action="store_true", help="deduplicate in too little memory")
    parser.add_argument("--documents", type=int, default=3_400_000, help="with --limit")
    parser.add_argument("--gib", type=float, default=1.0, help="with --limit, for each process")
    asked = parser.parse_args()
    if asked.limit:
        well = run_limited(asked.documents, int(asked.gib * GIB), asked.workers, asked.seconds)
        return 0 if well else 1
    peaks: dict[float, dict[str, Peak]] = {}
    texts = list(installed_texts())
    print(
        f"{'input':>8} {'documents':>10} {'seconds':>8}  {'driver anon / rss':>19}  "
        f"{'worker anon / rss':>19}  MB; anon peaked after"
    )
    for size in asked.sizes:
        folder = Path(tempfile.mkdtemp(prefix="curator-memory-"))
        try:
            begun = time.monotonic()
            write_text(texts, folder / "in", int(size * GB))
            written = time.monotonic() - begun
            print(f"  ({size} GB written in {written:.0f} s)", file=sys.stderr, flush=True)
            recipe = _recipe(folder / "in", asked.shard_mb, selects=not asked.no_selection)
            trial = Trial(folder, workers=asked.workers).write(recipe)
            peaks[size] = measure(trial, size, asked.seconds)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    first, last = asked.sizes[0], asked.sizes[-1]
    steep = False
    for role in _ROLES:
        ratio = peaks[last][role].anonymous / max(1, peaks[first][role].anonymous)
        steep |= ratio > 1 + FLAT
        print(f"{role}: peak at {last} GB is {ratio:.2f} of that at {first} GB (wanted <= 1.20)")
    return 1 if steep else 0


def measure(trial: Trial, size: float, seconds: float) -> dict[str, Peak]:
    """Run a recipe, print a line, and return the peaks by role."""
    begun = time.monotonic()
    process = trial.start()
    peaks = watch(process, seconds, trial.store)
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}\n{trial.log()}")
    documents = trial.summary()["stages"][0]["rows_in"]
    shown = "  ".join(
        f"{peaks[role].anonymous / 1e6:9.0f} / {peaks[role].resident / 1e6:7.0f}" for role in _ROLES
    )
    steps = ", ".join(f"{role}: {peaks[role].step}" for role in _ROLES)
    print(
        f"{size:5.2f} GB {documents:10,} {time.monotonic() - begun:8.0f}  {shown}  {steps}",
        flush=True,
    )
    for stage in trial.summary()["stages"]:
        print(
            f"    {stage['name']}: {stage['rows_in']:,} in, {stage['rows_out']:,} out, "
            f"{stage['seconds']:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    return peaks


def write_text(texts: list[str], folder: Path, size_bytes: int) -> None:
    """Write JSON lines of so many bytes: texts again and again, each round in another order.

    In round k every text's words are dealt into k + 1 hands, so shingles differ between rounds
    while words and lengths stay. One text in twenty is left as it is: copies for deduplication
    to find. `exam.jsonl` beside the folder is the benchmark.
    """
    folder.mkdir(parents=True)
    exam = [json.dumps({"text": text}) + "\n" for text in texts[:: len(texts) // 200]]
    (folder.parent / "exam.jsonl").write_text("".join(exam))
    files = written = turn = 0
    held: list[bytes] = []
    while written < size_bytes:
        for at, text in enumerate(texts):
            varied = text if at % 20 == turn % 20 else _dealt(text, turn + 1)
            held.append(json.dumps({"text": varied}, ensure_ascii=False).encode() + b"\n")
            written += len(held[-1])
            if written >= min(size_bytes, (files + 1) * _FILE_BYTES):
                files = _flush(folder, files, held)
            if written >= size_bytes:
                break
        turn += 1


def _flush(folder: Path, files: int, held: list[bytes]) -> int:
    """Write what is held as one more file, and return how many there are."""
    (folder / f"part-{files:04d}.jsonl").write_bytes(b"".join(held))
    held.clear()
    return files + 1


def _dealt(text: str, hands: int) -> str:
    words = text.split(" ")
    return " ".join(word for hand in range(hands) for word in words[hand::hands])


def installed_texts() -> Iterator[str]:
    reader = InstalledReader(max_bytes=3_000_000)
    for unit in reader.plan():
        for batch in reader.documents(unit):
            yield from batch.documents["text"].to_pylist()


def _recipe(files: Path, shard_mb: int, *, selects: bool) -> dict[str, Any]:
    corpus = {
        "ingest": [{"reader": "jsonl", "source": "text", "files": str(files)}],
        "shard_bytes": shard_mb << 20,
        "clean": {"language": None, "rules": ["gopher_repetition"]},
        "dedup": {"exact": True, "minhash": {"threshold": 0.8}, "max_source_loss": 1.0},
        "benchmarks": {"exam": {"test": str(files.parent / "exam.jsonl"), "text": "text"}},
        "decontaminate": {"against": ["exam/test"], "ngram": 13},
        "tokenizer": {"bpe": 4096},
    }
    random = {"select": {"method": "random", "tokens": 5_000_000}}
    return {"name": "memory", "corpus": corpus, "arms": {"random": random} if selects else {}}


if __name__ == "__main__":
    sys.exit(main())
