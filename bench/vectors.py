"""Selections on vectors over a pool of real documents: what each step costs, and what it misses.

    python -m bench.vectors FILE.jsonl[.zst] ... --target FILE.jsonl [--documents 40000]

The documents are embedded once; then `novelty` (SemDeDup), `prototypes` (D4), `novel_best` (DEITA)
and `best_rank` (BETR) are fitted to them and score them, as the pipeline does it. Seconds are of
CPU, one core. For novelty also: of the documents that have an earlier one nearer than eps anywhere
in the pool (every pair compared), the share that is found when each is compared in its nearest
cluster, and in its two and three nearest; and the removals and what planted copies are found
(`bench.semantic` says how they are planted). Targets are the texts of the lines of FILE, field
by field.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench.semantic import documents, planted
from curator.dedup.cosines import nearest
from curator.dedup.in_memory import reduced
from curator.embed.units import units
from curator.embed.vectors import Embed
from curator.shards import write_shard
from curator.stage import Corpus, Site, WideScorer
from curator.testing import documents as as_documents
from scorers.best_rank import BestRank
from scorers.letters import Letters
from scorers.novel_best import NovelBest
from scorers.novelty import Novelty
from scorers.prototypes import Prototypes

SHARD = 4096  # documents


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--target", type=Path, required=True)
    parser.add_argument("--fields", nargs="+", default=["query", "choices"])
    parser.add_argument("--documents", type=int, default=40_000)
    parser.add_argument("--planted", type=int, default=200)
    parser.add_argument("--encoder", default="wordllama")
    parser.add_argument("--eps", nargs="+", type=float, default=[0.02, 0.05, 0.1])
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    texts, copy_of = planted(documents(asked.files, asked.documents, rng), asked.planted, rng)
    table = as_documents(texts)
    size = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts)} documents, {size:.1f} MB; {asked.planted} x 5 of them planted copies")
    with timed("vectors"):
        embed = Embed(asked.encoder)
        vectors = embed.process(embed.load(Site()), table)["vector"]
    table = table.append_column("vector", vectors)
    known = np.asarray(vectors.is_valid())
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        novelties(asked, table.filter(pa.array(known)), copy_of[known], folder)
        deita_and_d4(asked, table, folder)
        betr(asked, table, folder)


def novelties(
    asked: argparse.Namespace, table: pa.Table, copy_of: np.ndarray, folder: Path
) -> None:
    """Print cost, recall, removals and planted copies found by modes of `novelty`."""
    base = Novelty(encoder=asked.encoder, mode="paper")
    site = fit(base, table, folder, "novelty, centroids")
    exact = closest_anywhere(table, np.load(site.fitted / "centroids.npy"))
    print("                                found at eps", *asked.eps)
    for assign in (1, 2, 3):
        scorer = replace(base, assign=assign)
        with timed(f"novelty, paper, {assign} clusters", end="  "):
            found = wide_scores(scorer, table, site)
        shares = [(found[exact > 1 - eps] > 1 - eps).mean() for eps in asked.eps]
        print("  ".join(f"{share:.1%}" for share in shares))
    print("eps   mode        removed  planted copies found  others removed")
    family = np.where(copy_of >= 0, copy_of, np.arange(len(copy_of)))
    planted_here = np.isin(family, np.unique(copy_of[copy_of >= 0]))
    for eps in asked.eps:
        for mode in ("kept_only", "paper"):
            scorer = replace(base, mode=mode, eps=eps, order="survivors")
            gone = wide_scores(scorer, table, site) > 1 - eps + 1e-6
            copies = gone[planted_here].sum() / (copy_of >= 0).sum()
            print(
                f"{eps:<5} {mode:<10} {gone.sum():>8}  {min(copies, 1):>20.1%}  "
                f"{gone[~planted_here].mean():>13.1%}"
            )


def deita_and_d4(asked: argparse.Namespace, table: pa.Table, folder: Path) -> None:
    letters = Letters()
    scored = letters.process(None, table)
    table = table.append_column(scored.schema.field(0), scored[0])
    best = NovelBest(of=(scored.schema.names[0],), encoder=asked.encoder)
    site = fit(best, table, folder, "novel_best, greedy visit")
    kept = best.process(best.load(site), table)[0]
    print(f"  {len(kept) - kept.null_count} of {len(kept)} documents kept")
    base = Novelty(encoder=asked.encoder, mode="paper")
    found = wide_scores(base, table, Site(fitted=folder / "novelty, centroids"))
    values = pa.array(found.astype(np.float32), mask=np.isnan(found))
    table = table.append_column(base.writes.field(0).with_name("novelty"), values)
    prototypes = Prototypes(encoder=asked.encoder)
    site = fit(prototypes, table, folder, "prototypes, centroids")
    with timed("prototypes, scores"):
        prototypes.process(prototypes.load(site), table)


def betr(asked: argparse.Namespace, table: pa.Table, folder: Path) -> None:
    lines = [json.loads(line) for line in asked.target.read_text().splitlines()]
    examples = as_documents(
        ["\n".join(text_of(line[field]) for field in asked.fields) for line in lines], source="exam"
    )
    corpora = {"target": written(examples, folder / "examples")}
    for aggregate in ("max", "mean_log"):
        scorer = BestRank(encoder=asked.encoder, aggregate=aggregate)
        where = f"best_rank, {aggregate}, {len(lines)} examples"
        site = fit(scorer, table, folder, where, corpora)
        report = json.loads((site.fitted / "report.json").read_text())
        print(f"  {report['documents']} documents, ranks {report['ranks_kept']} kept, "
              f"{report['ranked_share']:.1%} ranked")  # fmt: skip
    with timed("best_rank, scores"):
        scorer.process(scorer.load(site), table)


def closest_anywhere(table: pa.Table, centroids: np.ndarray) -> np.ndarray:
    """(n,) the largest cosine with any document that comes before in the order `hard`."""
    vectors = units(table["vector"], where="bench")
    _, cosine = nearest(vectors, centroids)
    ids = np.array([list(each) for each in table["doc_id"].to_pylist()], np.uint8)
    lengths = np.array([len(text.encode()) for text in table["text"].to_pylist()])
    order = np.lexsort((*ids.T[::-1], -lengths, np.rint(cosine * 1000)))
    ordered, best = vectors[order], np.full(len(vectors), -1.0)
    for start in range(0, len(vectors), 512):
        stop = min(start + 512, len(vectors))
        products = ordered[start:stop] @ ordered[:stop].T
        products[np.arange(stop)[None, :] >= np.arange(start, stop)[:, None]] = -1
        best[order[start:stop]] = np.rint(products.max(axis=1) * 1000) / 1000
    return best


def wide_scores(scorer: WideScorer, table: pa.Table, site: Site) -> np.ndarray:
    """(n,) scores, NaN where there is none."""
    told = reduced(scorer, table, scorer.load(site))
    found = np.full(table.num_rows, np.nan)
    found[told["row"].to_numpy().astype(np.int64)] = told[scorer.writes.names[0]].to_numpy()
    return found


def fit(
    scorer: Any, table: pa.Table, folder: Path, what: str, corpora: dict[str, Corpus] | None = None
) -> Site:
    """Where the scorer was fitted to the pool; prints what that took."""
    out = folder / what
    out.mkdir()
    raw = written(table, folder / f"{what} raw")
    with timed(what):
        scorer.fit({"raw": raw, **(corpora or {})}, out, Site())
    return Site(fitted=out)


def written(table: pa.Table, folder: Path) -> Corpus:
    starts = range(0, table.num_rows, SHARD)
    return Corpus(
        tuple(
            write_shard(table.slice(start, SHARD), folder / f"{start}.arrow", name=str(start))
            for start in starts
        )
    )


def text_of(value: object) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


@contextmanager
def timed(what: str, *, end: str = "\n") -> Iterator[None]:
    begun = time.process_time()
    yield
    print(f"{what:<44} {time.process_time() - begun:6.1f} s", end=end, flush=True)


if __name__ == "__main__":
    main()
