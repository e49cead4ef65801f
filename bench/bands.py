"""Which perplexity band is best, on a clean pool and on the same pool with junk planted in it.

    python -m bench.bands [--data ../shared/data/corpora] [--store /tmp/bands] [--megabytes 9]

The claim to test is that the best band depends on the pool (Ankner et al. 2024, arXiv:2405.20541).
Both pools hold six sources of like size; into one, junk is planted until it is a fifth of the
bytes: documents with their words shuffled, boilerplate made from a few forms, and six near copies
each of some documents. Half of the pool is kept: the easiest, the middle, the hardest, or any; the
reference model reads text that leaves the pool. Printed: bits per byte on held-out text of the
clean sources minus those of random, with 95 % intervals, and the junk's share of each selection.
About ten CPU minutes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.filters import read_lines
from curator.engine.run import Inline
from curator.ledger import Store
from pipelines.check import checked
from pipelines.running import execute

CLEAN = {
    "encyclopedia": "encyclopedia/simple_wikipedia.jsonl.zst",
    "web": "web_text/slimpajama_web.jsonl.zst",
    "textbooks": "synthetic_textbooks/tinytextbooks_lessons.jsonl.zst",
    "books": "books/eltec_eng.jsonl.zst",
    "qa": "qa/se_music.jsonl.zst",
    "reviews": "reviews/movie_reviews.jsonl.zst",
}
PIECE = 2000  # characters: no single book fills a band
COPIES = 6
FORMS = (
    "We use cookies to improve {a} and to analyze {b}. By clicking Accept you agree to our {a} "
    "policy. Accept all. Reject all. Manage {b} preferences. ",
    "Home | {a} | {b} | About us | Contact | Login | Register | Cart (0) | Terms | Privacy | ",
    "Posted by admin on {n} in {a}. Tags: {a}, {b}. Leave a comment. Share this on social media. ",
    "error {n}: connection to {a} timed out after {n} ms, retrying {b} ({n} of {n}) ",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/corpora"))
    parser.add_argument("--store", type=Path, default=Path("/tmp/bands"))
    parser.add_argument("--megabytes", type=float, default=9.0, help="of clean text")
    parser.add_argument("--junk", type=float, default=0.2, help="share of the planted pool's bytes")
    parser.add_argument("--proxy", default="d2")
    parser.add_argument("--tokens", type=int, default=400_000)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    clean = {
        source: list(pieces(asked.data / path, asked.megabytes * 1e6 / len(CLEAN), rng))
        for source, path in CLEAN.items()
    }
    junk = planted(clean, asked.junk, rng)
    for name, pool in (("clean", clean), ("planted", clean | junk)):
        files = asked.store / name
        write(pool, files)
        content = recipe(files, asked.proxy, asked.tokens, asked.seeds)
        engine = Inline()
        try:
            store = Store(asked.store / "store")
            execute(checked(content, name), store, engine, asked.store / f"run-{name}", quiet=True)
        finally:
            engine.close()
        tell(name, json.loads((asked.store / f"run-{name}" / "run.json").read_text()))


def pieces(path: Path, size: float, rng: np.random.Generator) -> Iterator[str]:
    """Yield pieces of at most `PIECE` characters of a file's documents, `size` bytes in all."""
    texts = [json.loads(line)["text"] for line in read_lines(path)]
    cut = [t[at : at + PIECE] for t in texts for at in range(0, len(t), PIECE)]
    cut = [piece for piece in cut if len(piece) > PIECE // 4]
    for number in rng.permutation(len(cut)):
        if size <= 0:
            return
        yield cut[number]
        size -= len(cut[number].encode())


def planted(
    clean: dict[str, list[str]], share: float, rng: np.random.Generator
) -> dict[str, list[str]]:
    """Return the junk by kind, so much that it is a share of the bytes of a pool with it."""
    every = [text for texts in clean.values() for text in texts]
    size = sum(len(text.encode()) for text in every) * share / (1 - share) / 3

    def shuffled() -> Sequence[str]:
        return [" ".join(rng.permutation(every[rng.integers(len(every))].split()))]

    def boilerplate() -> Sequence[str]:
        words = every[rng.integers(len(every))].split()
        form = FORMS[rng.integers(len(FORMS))]
        filled = [
            form.format(a=rng.choice(words), b=rng.choice(words), n=rng.integers(1, 9999))
            for _ in range(rng.integers(4, 10))
        ]
        return ["".join(filled)]

    def copies() -> Sequence[str]:
        text = every[rng.integers(len(every))]
        return [f"{text} {number}" for number in range(COPIES)]

    found: dict[str, list[str]] = {}
    for make in (shuffled, boilerplate, copies):
        made = found.setdefault(f"junk-{make.__name__}", [])
        left = size
        while left > 0:
            texts = make()
            made += texts
            left -= sum(len(text.encode()) for text in texts)
    return found


def write(pool: dict[str, list[str]], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for source, texts in pool.items():
        lines = (json.dumps({"source": source, "text": text}) + "\n" for text in texts)
        (folder / f"{source}.jsonl").write_text("".join(lines))


def recipe(files: Path, proxy: str, tokens: int, seeds: int) -> dict[str, Any]:
    """Return the recipe of the bands over a folder; nothing is deduplicated, the copies stay."""
    bands = {"low": [0.5, 1.0], "medium": [0.25, 0.75], "high": [0.0, 0.5]}
    return {
        "name": "bands",
        "seed": 17,
        "corpus": {
            "ingest": [{"reader": "jsonl", "source": {"column": "source"}, "files": str(files)}],
            "heldout": {source: {"share": 0.03} for source in CLEAN},
            "tokenizer": {"bpe": 2048},
        },
        "models": {"ref": {"train": {"proxy": proxy, "tokens": tokens}}},
        "score": [
            {"use": "perplexity", "as": "ppl", "model": "ref", "max_characters": 1000,
             "context": 256, "stride": 192},
            {"use": "length_group", "as": "lengths", "of": ["ppl"]},
        ],
        "arms": {
            "random": {"select": {"method": "random", "share": 0.5}},
            **{
                name: {"select": {"method": "band", "by": "ppl", "band": band}}
                for name, band in bands.items()
            },
            "high_within": {
                "select": {"method": "band", "by": "ppl", "band": bands["high"],
                           "within": "lengths"}
            },
        },
        "baseline": "random",
        "train": {"proxy": proxy, "tokens": tokens, "seeds": list(range(1, seeds + 1))},
        "evaluate": {"heldout": list(CLEAN)},
    }  # fmt: skip


def tell(name: str, run: dict[str, Any]) -> None:
    """Print what a run found, an arm a line."""
    effects = {row["arm"]: row for row in run["comparison"] if row["metric"] == "heldout"}
    print(f"\n{name} pool: arm, bits/byte minus random [95 % interval], verdict, junk selected")
    for arm, told in run["arms"].items():
        sources = told["selection"]["sources"]
        total = sum(sources.values())
        kinds = [
            f"{source.removeprefix('junk-')} {tokens / total:.1%}"
            for source, tokens in sorted(sources.items())
            if source.startswith("junk-")
        ]
        row = effects.get(arm)
        effect = "baseline"
        if row is not None:
            interval = f"[{row['low']:+.4f}, {row['high']:+.4f}]"
            effect = f"{row['effect']:+.4f} {interval} {row['verdict']}"
        print(f"  {arm:12s} {effect:44s} {', '.join(kinds)}", flush=True)


if __name__ == "__main__":
    main()
