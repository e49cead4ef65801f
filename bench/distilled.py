"""Our scoring with a fastText model against fastText's own C++, side by side in one run.

    python -m bench.distilled ../shared/data/corpora/web_text/*.jsonl.zst

A DCLM classifier is trained on every other document of the files (first half against second half;
what it learns does not matter here), saved, and asked about the rest. Ways, taken in turns:

  test        fastText's `test` on a file: reading, words, model and counting, all in C++
  predict     fastText's `multilinePredict` on a list of Python strings, both ways into C++ and out
  ours        the same probabilities from the Arrow column, by `curator.score.fasttext_model`
  end to end  a shard from disk, scored by the `classifier` scorer, the sidecar written

Printed: MB of text per CPU second (the best round), the ratio to the faster of fastText's two, and
the largest difference between our probabilities and fastText's.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import pyarrow as pa
import zstandard

from curator.score import classifier
from curator.score.fasttext_model import read_model
from curator.shards import read_shard, write_shard
from curator.stage import Site
from curator.testing import documents
from scorers.classifier import Classifier


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", help="JSON lines with `text`, .zst")
    parser.add_argument("--megabytes", type=float, default=30.0)
    parser.add_argument("--buckets", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    texts = list(read_texts(asked.files, asked.megabytes * 1e6))
    with tempfile.TemporaryDirectory() as folder:
        path = trained(texts[::2], Path(folder), asked.buckets)
        lines = classifier.one_line(pa.array(texts[1::2], pa.large_string()))
        size = sum(len(line.encode()) for line in lines.to_pylist()) / 1e6
        print(f"{len(lines):,} documents, {size:.1f} MB; differs by {difference(path, lines):.1e}")
        ways = ways_of(path, lines, Path(folder))
        seconds = in_turns(ways, asked.rounds)
    theirs = min(seconds["test"], seconds["predict"])
    for way, spent in seconds.items():
        print(f"{way:11} {size / spent:7.1f} MB/s  {theirs / spent:5.2f} x fastText's C++")


def read_texts(files: Iterable[Path], size: float) -> Iterator[str]:
    """Yield texts of the files in turn, about `size` bytes in all."""
    given = list(files)
    for path in given:
        left = size / len(given)
        with zstandard.open(path, "rb") as raw, io.TextIOWrapper(raw, "utf-8") as stream:
            for line in stream:
                text = json.loads(line)["text"]
                left -= len(text.encode())
                yield text
                if left < 0:
                    break


def trained(texts: list[str], folder: Path, buckets: int) -> Path:
    """Return the file of a classifier of the first half of texts against the second."""
    half = len(texts) // 2
    good, bad = (pa.array(part, pa.large_string()) for part in (texts[:half], texts[half:]))
    order = np.random.default_rng(0).permutation(len(texts))
    settings = classifier.Settings(epochs=1, buckets=buckets)
    classifier.save(classifier.train(good, bad, settings, order), folder / "model.bin")
    return folder / "model.bin"


def difference(path: Path, lines: pa.Array) -> float:
    """Return the largest difference between fastText's probability of a label and ours."""
    ours, asked = read_model(path), fasttext.load_model(str(path))
    found = ours.probabilities(lines)
    names, values = asked.predict(lines.to_pylist(), k=-1)
    theirs = np.array(
        [
            [dict(zip(labels, shares, strict=True))[name] for name in ours.labels]
            for labels, shares in zip(names, values, strict=True)
        ]
    )
    return float(np.nanmax(np.abs(found - theirs)))


def ways_of(path: Path, lines: pa.Array, folder: Path) -> dict[str, Callable[[], Any]]:
    """Return what is timed, by name; what can be made ready before is."""
    ours, theirs = read_model(path), fasttext.load_model(str(path))
    strings = [line + "\n" for line in lines.to_pylist()]
    asked = folder / "asked.txt"
    asked.write_text("".join(f"__label__good {line}" for line in strings))
    shard = write_shard(documents(lines.to_pylist()), folder / "shard.arrow", name="shard")
    scorer = Classifier()
    model = scorer.load(Site(fitted=folder))

    def end_to_end() -> None:
        scored = scorer.process(model, read_shard(shard, ("text",)))
        write_shard(scored, folder / "scores.arrow", name="scores")

    return {
        "test": lambda: theirs.test(str(asked)),
        "predict": lambda: theirs.f.multilinePredict(strings, -1, 0.0, "strict"),
        "ours": lambda: ours.probabilities(lines),
        "end to end": end_to_end,
    }


def in_turns(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the CPU seconds of each way, the best round: one before is not counted."""
    best = dict.fromkeys(ways, np.inf)
    for turn in range(rounds + 1):
        for name, way in ways.items():
            begun = time.process_time()
            way()
            spent = time.process_time() - begun
            best[name] = min(best[name], spent) if turn else np.inf
    return best


if __name__ == "__main__":
    main()
