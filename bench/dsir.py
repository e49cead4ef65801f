"""Importance resampling by hashed n-grams against the `data-selection` package (DSIR's authors).

    python -m bench.dsir [--corpora ../shared/data/corpora] [--megabytes 20] [--target biomedical]

Both read one JSONL file of real documents and one of a target, fit, score, draw a quarter of the
documents and write them, on two cores: we once with the package's settings (sums, SHA-256 buckets,
its floor, documents of 100 tokens) and once with our defaults (nats per n-gram, our own hash, a
prior). Printed: seconds of CPU and by the clock for each step, how the log weights agree, and how
much of what is taken is the same. The package runs in an environment of its own (--peer-venv, made
if absent).
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.json
from numpy.typing import NDArray

from bench.peer import ask_peer, peer_python
from curator.identity import document_ids
from curator.schema import DOCUMENT, conform
from curator.select.selector import select
from curator.select.spec import SelectSpec
from curator.shards import read_shard, write_shard
from curator.stage import Corpus, Site
from curator.testing import corpus, example_texts
from scorers.ngrams import Ngrams

# NLTK of the package's time: from 3.10 on its \w, of another engine, takes combining marks too.
PEER = ("data-selection==1.0.3", "nltk==3.8.1")
THREADS = 2
LONGEST = 20_000  # characters of a document
PACKAGE = Ngrams(normalize="sum", smoothing=0, hash="sha256", min_tokens=100)
SETTINGS = {"package's": PACKAGE, "ours": Ngrams()}


@dataclass
class Timed:
    """Seconds of CPU and by the clock, by step."""

    seconds: dict[str, float] = field(default_factory=dict)
    clock: dict[str, float] = field(default_factory=dict)

    def run(self, step: str, work: Callable[[], Any]) -> Any:
        """What `work` returns, timed."""
        begun, used = time.monotonic(), time.process_time()
        found = work()
        self.clock[step] = time.monotonic() - begun
        self.seconds[step] = time.process_time() - used
        return found


@dataclass(frozen=True)
class Ours:
    """What one of our settings makes of the files; rows are those of the raw file."""

    timed: Timed
    weights: NDArray[np.float64]  # NaN: too short
    drawn: set[int]
    top: set[int]
    report: dict[str, Any]


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, default=Path("../shared/data/corpora"))
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--target", default="biomedical")
    parser.add_argument("--peer-venv", type=Path, default=Path("/tmp/peers/dsir"))
    asked = parser.parse_args()
    python = peer_python(asked.peer_venv, PEER)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        count = write_files(asked.corpora, asked.target, asked.megabytes, place)
        warm(place)
        ours = {
            name: resample(scorer, place, count, place / str(number))
            for number, (name, scorer) in enumerate(SETTINGS.items())
        }
        files = (str(place / "raw.jsonl"), str(place / "target.jsonl"))
        peer = ask_peer(python, "dsir_resample.py", *files, str(place / "peer"), str(count))
    print_times({"data-selection": Timed(peer["seconds"], peer["clock"])}, ours)
    print_agreement(peer, ours, count)


def texts_of(path: Path) -> Iterator[str]:
    """The texts of a compressed JSONL file, cut to size."""
    for line in pa.CompressedInputStream(str(path), "zstd").read().splitlines():
        yield json.loads(line)["text"][:LONGEST]


def write_files(corpora: Path, target: str, megabytes: float, place: Path) -> int:
    """Write raw.jsonl of all domains in turn and target.jsonl of one; a quarter of the documents.

    Half of the target's domain is the target, the other half is in the raw text with the rest.
    """
    chance = random.Random(0)
    domains = [domain for domain in sorted(corpora.iterdir()) if domain.is_dir()]
    files = {domain.name: sorted(domain.glob("*.jsonl.zst")) for domain in domains}
    found = {name: [text for each in files[name] for text in texts_of(each)] for name in files}
    for texts in found.values():
        chance.shuffle(texts)
    half = len(found[target]) // 2
    wanted, found[target] = found[target][:half], found[target][half:]
    raw, size = [], 0
    while size < megabytes * 1e6 and any(found.values()):
        for texts in found.values():
            if texts:
                raw.append(texts.pop())
                size += len(raw[-1].encode())
    for name, texts in (("raw", raw), ("target", wanted)):
        lines = (json.dumps({"id": at, "text": text}) for at, text in enumerate(texts))
        (place / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    print(f"{len(raw):,} documents of {size / 1e6:.1f} MB; {len(wanted):,} of the target")
    return len(raw) // 4


def warm(place: Path) -> None:
    """Compile or load every kernel, on other text."""
    for scorer in SETTINGS.values():
        texts = example_texts("target", 800)
        corpora = {role: corpus(place / f"warm-{role}", texts) for role in ("target", "raw")}
        scorer.fit(corpora, place, Site(threads=THREADS))


def resample(scorer: Ngrams, place: Path, count: int, out: Path) -> Ours:
    """Fit, score, draw and write, as the package does."""
    out.mkdir()
    timed = Timed()
    corpora: dict[str, Corpus] = timed.run("read", lambda: read_files(place, out))
    timed.run("fit", lambda: scorer.fit(corpora, out, Site(threads=THREADS)))
    table = read_shard(corpora["raw"].shards[0])
    weights = timed.run("score", lambda: scored(scorer, out, table))
    spec = SelectSpec("gumbel", "weight", tokens=count, temperature=1.0, standardize=False, seed=1)
    narrow = pl.DataFrame(
        {
            "doc_id": pl.Series(table["doc_id"].cast(pa.binary())),
            "source": ["raw"] * table.num_rows,
            "tokens": np.ones(table.num_rows, np.uint32),  # documents are counted, as there
            "weight": pl.Series(weights, nan_to_null=True),
        }
    )

    def drawn() -> set[int]:
        rows = rows_of(table, select(narrow.lazy(), spec).table)
        chosen = table.select(["source_id", "text"]).take(pa.array(sorted(rows)))
        pl.DataFrame(pl.from_arrow(chosen)).write_ndjson(out / "drawn.jsonl")
        return rows

    taken = timed.run("resample", drawn)
    top = select(narrow.lazy(), SelectSpec("topk", "weight", tokens=count, seed=1)).table
    report = json.loads((out / "report.json").read_text())
    return Ours(timed, weights, taken, rows_of(table, top), report)


def read_files(place: Path, out: Path) -> dict[str, Corpus]:
    """The two files as corpora of one shard."""
    made = {}
    for role in ("raw", "target"):
        read = pa.json.read_json(place / f"{role}.jsonl")
        texts = read["text"].cast(pa.large_string()).combine_chunks()
        names = {name: pa.repeat(role, len(texts)) for name in ("source", "origin")}
        columns = {"doc_id": document_ids(role, texts), **names, "text": texts}
        columns["source_id"] = read["id"].cast(pa.string())
        shard = write_shard(conform(pa.table(columns), DOCUMENT), out / f"{role}.arrow", name=role)
        made[role] = Corpus((shard,))
    return made


def scored(scorer: Ngrams, fitted: Path, table: pa.Table) -> NDArray[np.float64]:
    """The log weights, two threads at work."""
    model = scorer.load(Site(fitted=fitted))
    parts = [table.slice(start, 1000) for start in range(0, table.num_rows, 1000)]
    with ThreadPoolExecutor(THREADS) as pool:
        columns = list(pool.map(lambda part: scorer.process(model, part)["log_ratio"], parts))
    return np.concatenate([column.to_numpy() for column in columns]).astype(np.float64)


def rows_of(table: pa.Table, chosen: pa.Table) -> set[int]:
    """The rows whose documents were chosen, the first of equal ones."""
    place = {doc_id: at for at, doc_id in reversed(list(enumerate(table["doc_id"].to_pylist())))}
    return {place[doc_id] for doc_id in chosen["doc_id"].to_pylist()}


def print_times(peer: dict[str, Timed], ours: dict[str, Ours]) -> None:
    """Print seconds of CPU (by the clock) of each step."""
    steps = ("read", "fit", "score", "resample")
    print(f"\nseconds of CPU (by the clock), {THREADS} at work; the package reads in every step")
    print(f"  {'':16s}" + "".join(f"{step:>18s}" for step in (*steps, "all")))
    (base,) = peer.values()
    for name, timed in {**peer, **{name: each.timed for name, each in ours.items()}}.items():
        cells = [f"{timed.seconds.get(s, 0):.2f} ({timed.clock.get(s, 0):.2f})" for s in steps]
        all_cpu, all_clock = sum(timed.seconds.values()), sum(timed.clock.values())
        cells.append(f"{all_cpu:.2f} ({all_clock:.2f})")
        more = sum(base.seconds.values()) / all_cpu, sum(base.clock.values()) / all_clock
        told = "" if timed is base else f"   {more[0]:.1f} x ({more[1]:.1f} x)"
        print(f"  {name:16s}" + "".join(f"{cell:>18s}" for cell in cells) + told)


def print_agreement(peer: dict[str, Any], ours: dict[str, Ours], count: int) -> None:
    """Print how weights and what is taken agree with the package's."""
    weights, drawn, top = np.array(peer["weights"]), set(peer["drawn"]), set(peer["top"])
    print(f"\nagreement with the package; {count:,} documents are taken")
    print(f"  its own draw and its own top: {len(drawn & top) / count:.1%} the same")
    for name, each in ours.items():
        both = ~np.isnan(each.weights)
        pearson = np.corrcoef(weights[both], each.weights[both])[0, 1]
        shares = [len(a & b) / count for a, b in ((each.top, top), (each.drawn, drawn))]
        print(
            f"  {name:10s} log weights correlate {pearson:.6f}; of the top {shares[0]:.1%} is "
            f"the same, of the draw {shares[1]:.1%}; own draw and own top "
            f"{len(each.drawn & each.top) / count:.1%}; effective share of documents "
            f"{each.report['effective_share_sum']:.2g} by sums, "
            f"{each.report['effective_share_per_ngram']:.2g} by n-gram"
        )


if __name__ == "__main__":
    main()
