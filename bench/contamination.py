"""Decontamination: what each method finds of planted copies and where none are, and how fast.

    python -m bench.contamination [--data ../shared/data] [--clean 10000] [--items 60]
        [--sample-mb 2] [--only-peers] [--peer-venvs /tmp/peers] [--no-peers]

Everything is made from the benchmarks and corpora under `--data`, the same on every machine:

1. natural copies: BoolQ passages are from Wikipedia, the other benchmarks are not;
2. recall: `--items` items of each of 14 benchmarks, copied into real documents in five ways, by
   the number of words of the item's question; and texts rewritten by a model and by people;
3. documents flagged among `--clean` real ones that hold no copy that we know of;
4. MB/s on one core with all benchmarks in one index, seconds of CPU, and the index's size;
5. datatrove's n-gram decontamination and the janitor of lm_eval over a sample of the planted
   documents and of clean ones: their speed beside ours, on which documents we disagree, and what
   cutting leaves of a document.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from bench.contaminated import (
    PROSE,
    WIKIPEDIA,
    Planted,
    clean_documents,
    documents,
    find_files,
    items_of,
    plant,
    question_of,
    read_items,
    rewritten,
)
from bench.peer import DATATROVE, ask_peer, peer_python
from curator.dedup.benchmark_index import BenchmarkIndex, build_index
from curator.dedup.contamination import CutContamination
from curator.dedup.coverage import uncovered
from curator.dedup.overlap import find_overlap
from curator.text.words import word_counts

METHODS: dict[str, dict[str, Any]] = {
    "gpt3, 13": {"method": "gpt3"},
    "gpt3, 8-13": {"method": "gpt3", "ngram": "by_benchmark"},
    "tulu3, 8": {"method": "tulu3"},
    "exact": {"method": "exact"},
}
LENGTHS = ((0, 8, "< 8 words"), (8, 13, "8-12"), (13, 1 << 30, ">= 13"))
REWRITTEN_WORDS = (30, 100)  # of a text, as an item
LONGEST = 20_000  # characters of a document in the peers' sample, else it would be a few books


def main() -> None:
    """Print the five parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--clean", type=int, default=10_000)
    parser.add_argument("--items", type=int, default=60)
    parser.add_argument("--sample-mb", type=float, default=2)
    parser.add_argument("--peer-venvs", type=Path, default=Path("/tmp/peers"))
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--only-peers", action="store_true")
    asked = parser.parse_args()
    items = read_items(asked.data)
    clean = clean_documents(asked.data, asked.clean)
    planted = plant(items, clean, asked.items, seed=22)
    if not asked.only_peers:
        alone(items, planted, clean, asked.data)
    if not asked.no_peers:
        beside_peers(items, sample_of(items, planted, clean, asked.sample_mb), asked.peer_venvs)


def alone(items: pa.Table, planted: list[Planted], clean: list[str], data: Path) -> None:
    """Print the parts about our own methods."""
    indices, seconds = {}, {}
    for name, settings in METHODS.items():
        begun = time.process_time()
        indices[name] = build_index(items, **settings)
        seconds[name] = time.process_time() - begun
    natural(indices["gpt3, 13"], data)
    recall(indices, planted, items)
    recall_of_rewritings(data)
    flagged_of_clean(indices, clean)
    speed(indices, seconds, data)


def beside_peers(items: pa.Table, sample: Sample, venvs: Path) -> None:
    """Print the part about other tools."""
    from bench.harness import harness_python  # brings torch

    trove = peer_python(venvs / "datatrove", DATATROVE)
    answer = ask(trove, "datatrove_contamination.py", sample)
    compare("datatrove (query, label and both)", answer, sample, items, 12)
    answer = ask(harness_python(venvs / "lm_eval"), "janitor_contamination.py", sample)
    flagged = compare("janitor of lm_eval (GPT-3's rule)", answer, sample, items, 13)
    cuts(answer, sample, items, flagged)


def column(texts: Sequence[str]) -> pa.Array:
    """Texts as an Arrow column."""
    return pa.array(texts, pa.large_string())


def matches(index: BenchmarkIndex, texts: pa.Array) -> pl.DataFrame:
    """The pairs of document and item that the index's method calls contaminated."""
    return find_overlap(index, texts).above(0.5 if index.method == "tulu3" else 0.0).pairs


def by_benchmark(index: BenchmarkIndex, pairs: pl.DataFrame) -> str:
    """How many documents and items of each benchmark, in words."""
    names = pl.Series(index.items["benchmark"].to_pylist()).gather(pairs["item"])
    counts = pairs.with_columns(name=names).group_by("name").agg(
        pl.col("item").n_unique(), pl.col("document").n_unique()
    )  # fmt: skip
    rows = counts.sort("name").iter_rows()
    return ", ".join(f"{name} {items} items in {many} documents" for name, items, many in rows)


def natural(index: BenchmarkIndex, data: Path) -> None:
    """Print which benchmarks' items stand in which corpora of English prose."""
    print("natural copies, gpt3 with 13-grams, test items of all benchmarks")
    files, rest = find_files(data), []
    for name in (*WIKIPEDIA, *PROSE):
        texts = column([record["text"] for record in documents(files[name])])
        told = by_benchmark(index, matches(index, texts))
        rest += [] if told else [name]
        if told:
            print(f"  {name:20s} {told}")
    print(f"  none in {', '.join(rest)}")


def recall(indices: dict[str, BenchmarkIndex], planted: list[Planted], items: pa.Table) -> None:
    """Print the share of planted copies that are found as what they are, by words asked."""
    chosen = items.take(pa.array([copy.item for copy in planted])).to_pylist()
    asked = word_counts(column([question_of(row["text"], row["parts"]) for row in chosen]))
    texts = column([copy.text for copy in planted])
    kinds = list(dict.fromkeys(copy.kind for copy in planted))
    print(f"\nrecall of {len(planted):,} planted copies, by words of the question")
    print(f"  {'':28s}" + "".join(f"{name:>33s}" for name in indices))
    print(f"  {'':28s}" + "".join(f"{told:>11s}" for _ in indices for _, _, told in LENGTHS))
    found = {
        name: set(matches(index, texts).select("document", "item").rows())
        for name, index in indices.items()
    }
    for kind in kinds:
        shares = []
        for name in indices:
            hits = np.array([(at, copy.item) in found[name] for at, copy in enumerate(planted)])
            mine = np.array([copy.kind == kind for copy in planted])
            for low, high, _ in LENGTHS:
                group = mine & (asked >= low) & (asked < high)
                shares.append(f"{hits[group].mean():.1%}" if group.any() else "-")
        print(f"  {kind:28s}" + "".join(f"{share:>11s}" for share in shares))
    counts = [
        int(((asked >= low) & (asked < high)).sum()) // len(kinds) for low, high, _ in LENGTHS
    ]
    print(f"  copies of a kind: {', '.join(map(str, counts))}")


def recall_of_rewritings(data: Path) -> None:
    """Print the share of rewritten texts that are found by the beginning of the original."""
    print("\nrecall of rewritten texts, the beginning of the original as item")
    for kind, pairs in rewritten(data).items():
        texts = column([text for _, text in pairs])
        for words in REWRITTEN_WORDS:
            items = items_of([original for original, _ in pairs], words)
            told = []
            for name, settings in METHODS.items():
                found = matches(build_index(items, **settings), texts)
                mine = found.filter(pl.col("document") == pl.col("item"))
                told.append(f"{name} {len(mine) / len(pairs):.1%}")
            print(f"  {kind:22s} {len(pairs):,} pairs, {words:3d} words: {'; '.join(told)}")


def flagged_of_clean(indices: dict[str, BenchmarkIndex], clean: list[str]) -> None:
    """Print how many documents are flagged where no copy was planted, and for which benchmark."""
    print(f"\nflagged among {len(clean):,} documents without a planted copy")
    texts = column(clean)
    for name, index in indices.items():
        pairs = matches(index, texts)
        share = pairs["document"].n_unique() / len(clean)
        print(f"  {name:12s} {share:.3%}  {by_benchmark(index, pairs)}")


def speed(indices: dict[str, BenchmarkIndex], seconds: dict[str, float], data: Path) -> None:
    """Print megabytes of text a second of CPU, and what each index weighs."""
    texts = column([r["text"] for path in find_files(data).values() for r in documents(path)])
    size = texts.nbytes / 1e6
    items = next(iter(indices.values())).items.num_rows
    print(
        f"\nspeed on {size:.0f} MB of text, one core; all benchmarks in one index: {items:,} items"
    )
    for name, index in indices.items():
        spent = timed(lambda index=index: matches(index, texts))
        with tempfile.TemporaryDirectory() as folder:
            index.save(Path(folder))
            disk = sum(path.stat().st_size for path in Path(folder).iterdir())
        memory = sum(part.nbytes for runs in index.runs for part in runs[1:])
        memory += index.sieve.bits.nbytes
        print(
            f"  {name:12s} {size / spent:6.1f} MB/s; built in {seconds[name]:.1f} s, "
            f"{disk / 1e6:.0f} MB on disk, {memory / 1e6:.0f} MB in memory; "
            f"{len(uncovered(index)):,} items found only alone or not at all"
        )


def timed(call: Callable[[], object]) -> float:
    """The fewest seconds of CPU of three calls."""
    seconds = []
    for _ in range(3):
        begun = time.process_time()
        call()
        seconds.append(time.process_time() - begun)
    return min(seconds)


@dataclass(frozen=True)
class Sample:
    """Texts that a peer gets, what each is, and the items to look for."""

    items: list[dict[str, Any]]
    kinds: np.ndarray
    texts: list[str]


def sample_of(
    items: pa.Table, planted: list[Planted], clean: list[str], megabytes: float
) -> Sample:
    """Planted copies of every kind and clean documents, of each as many bytes."""
    kinds, texts = [], []
    taken: Counter[str] = Counter()
    pairs = [(copy.kind, copy.text) for copy in planted] + [("clean", text) for text in clean]
    share = megabytes * 1e6 / len({kind for kind, _ in pairs})
    random.Random(1).shuffle(pairs)
    for kind, text in pairs:
        if taken[kind] < share and len(text) < LONGEST:
            taken[kind] += len(text.encode())
            kinds.append(kind)
            texts.append(text)
    return Sample(items.to_pylist(), np.array(kinds), texts)


def compare(
    name: str, answer: dict[str, Any], sample: Sample, items: pa.Table, ngram: int
) -> np.ndarray:
    """Print a peer's speed and decisions beside ours, both with n-grams of so many words.

    Speed is over clean documents, which is what a corpus has; ours over copies of them, because
    what a call costs whatever it reads would weigh on a small sample.
    """
    index = build_index(items, ngram=ngram)
    mine = np.zeros(len(sample.texts), np.bool_)
    mine[matches(index, column(sample.texts))["document"].to_numpy()] = True
    clean = sample.kinds == "clean"
    texts = [text for text, chosen in zip(sample.texts, clean.tolist(), strict=True) if chosen]
    size = sum(len(text.encode()) for text in texts) / 1e6
    many = column(texts * round(100 / size))
    ours = many.nbytes / 1e6 / timed(lambda: matches(index, many))
    theirs = size / np.array(answer["seconds"])[clean].sum()
    print(f"\n{name}, {ngram}-grams: {theirs:.2f} MB/s on {size:.1f} MB of clean documents")
    print(f"  ours on copies of the same {ours:.1f} MB/s: {ours / theirs:.0f} times as fast")
    agree(name.split()[0], sample.kinds, mine, np.array(answer["dropped"]))
    return mine


def cuts(answer: dict[str, Any], sample: Sample, items: pa.Table, flagged: np.ndarray) -> None:
    """Print what cutting leaves of the documents that both flag, ours and the janitor's."""
    index = build_index(items)
    both = flagged & np.array(answer["dropped"])
    texts = column([text for text, mine in zip(sample.texts, both.tolist(), strict=True) if mine])
    made = CutContamination(index=index.digest).process(index, pa.table({"text": texts}))
    before = sum(map(len, texts.to_pylist()))
    ours = sum(len(text) for text in made["text"].to_pylist() if text)
    theirs = np.array(answer["left"])[both]
    given_up = made.num_rows - sum(made["keep"].to_pylist())
    print(
        f"  cutting {made.num_rows:,} documents: ours gives up {given_up:,} and keeps "
        f"{ours / before:.1%} of the characters, the janitor {(theirs == 0).sum():,} and "
        f"{theirs.sum() / before:.1%}"
    )


def ask(python: Path, script: str, sample: Sample) -> dict[str, Any]:
    """What a peer says of the texts, given the items as queries and labels."""
    with tempfile.TemporaryDirectory() as folder:
        items, texts = Path(folder) / "items.jsonl", Path(folder) / "documents.jsonl"
        (Path(folder) / "index").mkdir()
        with items.open("w") as file:
            for row in sample.items:
                raw = row["text"].encode()
                cut = row["parts"][0]["end"]
                item = {"query": raw[:cut].decode(), "label": raw[cut:].decode()}
                file.write(json.dumps(item) + "\n")
        texts.write_text("".join(json.dumps({"text": text}) + "\n" for text in sample.texts))
        return dict(ask_peer(python, script, str(items), str(texts), str(Path(folder) / "index")))


def agree(name: str, kinds: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> None:
    """Print who flags how many documents of each kind."""
    for kind, n in Counter(kinds.tolist()).items():
        mine = kinds == kind
        both, only = (ours & theirs)[mine].sum(), (ours & ~theirs)[mine].sum()
        same = (ours == theirs)[mine].mean()
        print(
            f"  {kind:28s} {n:5d}: both {both}, only ours {only}, only {name} "
            f"{(~ours & theirs)[mine].sum()}, agreement {same:.2%}"
        )


if __name__ == "__main__":
    main()
