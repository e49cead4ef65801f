"""Which documents to label, when a cheap model is then to say the same of all others.

    python -m bench.annotation FILE.jsonl[.zst] ... --target FILE.jsonl [--documents 5000]

IDEAL's claim (Zhang et al. 2024, arXiv:2310.10873) carried over from prompts to distillation, with
no language model. Of every seed's documents `--labels` are chosen by chance, by k-means (nearest to
each centroid), by vote-k (Su et al. 2022, arXiv:2209.01975: most votes of neighbors, one counting
a tenth for each neighbor chosen before) or by IDEAL. A teacher labels them, a ridge regression on
vectors learns them and is judged by Spearman's correlation with the teacher over all documents
not chosen. Two teachers: nearness, the largest cosine with a text of FILE's, which a regression on
the same vectors should learn, and n-grams, DSIR's log ratio, which has nothing to do with them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.semantic import documents
from curator.embed.graph import knn_graph, shared_out, transposed
from curator.embed.kmeans import spherical_kmeans
from curator.embed.units import units
from curator.embed.vectors import Embed
from curator.evaluate.statistics import compare
from curator.identity import id_matrix, random_bits
from curator.score.heldout import spearman
from curator.score.linear import ridge
from curator.shards import write_shard
from curator.stage import Corpus, Site
from curator.submodular.cascade import InEdges, most_influential, reverse_sets
from curator.testing import documents as as_documents
from scorers.ngrams import Ngrams

VOTERS = 150  # neighbors of vote-k's graph, and what a vote loses: both of its authors' code
LOSES = 10.0
Rows = NDArray[np.int64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--target", type=Path, required=True)
    parser.add_argument("--fields", nargs="+", default=["context"])
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--labels", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--encoder", default="wordllama")
    asked = parser.parse_args()
    every = documents(asked.files, 10**9, np.random.default_rng(0))
    table = embedded(every, asked.encoder)
    lines = asked.target.read_text("utf-8").splitlines()
    target = embedded(
        [" ".join(str(json.loads(x)[f]) for f in asked.fields) for x in lines], asked.encoder
    )
    teachers = {"nearness": nearness(table, target), "n-grams": log_ratios(table, target)}
    vectors, ids = units(table["vector"], where="bench"), id_matrix(table["doc_id"])
    found: dict[tuple[str, str], list[float]] = {}
    seconds: dict[str, float] = {}
    for seed in range(asked.seeds):
        rows = np.random.default_rng(seed).permutation(len(vectors))[: asked.documents]
        for name, choose in WAYS.items():
            begun = time.process_time()
            chosen = choose(vectors[rows], ids[rows], asked.labels, seed)
            seconds[name] = seconds.get(name, 0.0) + time.process_time() - begun
            for teacher, labels in teachers.items():
                said = distilled(vectors[rows], labels[rows], chosen)
                found.setdefault((teacher, name), []).append(said)
    print(f"{asked.labels} of {asked.documents} documents labelled, {asked.seeds} seeds")
    for (teacher, name), values in found.items():
        line = f"{teacher:10}{name:10}{np.mean(values):7.4f} sd {np.std(values, ddof=1):.4f}"
        if name != "random":
            over = compare(values, found[teacher, "random"])
            line += f"  {over.effect:+.4f} [{over.low:+.4f}, {over.high:+.4f}]"
        print(f"{line}  {seconds[name] / asked.seeds:.1f} s")


def embedded(texts: list[str], encoder: str) -> pa.Table:
    """Return documents of texts that have a vector, and their vectors."""
    table = as_documents(texts)
    embed = Embed(encoder)
    table = table.append_column("vector", embed.process(embed.load(Site()), table)["vector"])
    return table.filter(table["vector"].is_valid())


def nearness(table: pa.Table, target: pa.Table) -> NDArray[np.float64]:
    """Return each document's largest cosine with a text of the target."""
    examples = units(target["vector"], where="bench")
    found: NDArray[np.float64] = (units(table["vector"], where="bench") @ examples.T).max(axis=1)
    return found.astype(np.float64)


def log_ratios(table: pa.Table, target: pa.Table) -> NDArray[np.float64]:
    """Return DSIR's log ratio per n-gram of every document."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        shards = [
            write_shard(each, folder / f"{name}.arrow", name=name)
            for name, each in (("target", target), ("raw", table))
        ]
        scorer = Ngrams()
        scorer.fit(
            dict(zip(("target", "raw"), (Corpus((s,)) for s in shards), strict=True)),
            folder,
            Site(),
        )
        scored = scorer.process(scorer.load(Site(fitted=folder)), table)
    found: NDArray[np.float64] = scored.column(0).cast(pa.float64()).to_numpy()
    return found


def distilled(vectors: NDArray[np.float32], labels: NDArray[np.float64], chosen: Rows) -> float:
    """Return Spearman's correlation of labels with what was learned of the chosen ones."""
    rest = np.setdiff1d(np.arange(len(vectors)), chosen)
    weights = ridge(vectors[chosen].astype(np.float64), labels[chosen], 1.0)
    return spearman(labels[rest], vectors[rest] @ weights[:-1])


def by_chance(vectors: NDArray[np.float32], ids: Any, count: int, seed: int) -> Rows:
    """Return rows drawn by chance."""
    return np.random.default_rng([seed, 1]).permutation(len(vectors))[:count]


def by_centroids(vectors: NDArray[np.float32], ids: Any, count: int, seed: int) -> Rows:
    """Return the row nearest to each of `count` centroids; of equal ones the next."""
    likeness = spherical_kmeans(vectors, count, seed=seed) @ vectors.T
    chosen: list[int] = []
    for row in likeness:
        row[chosen] = -2
        chosen.append(int(row.argmax()))
    return np.array(chosen)


def by_votes(vectors: NDArray[np.float32], ids: Any, count: int, seed: int) -> Rows:
    """Return the rows that most neighbors vote for, votes of the satisfied counting less."""
    graph = knn_graph(vectors, VOTERS)
    voters = transposed(graph)
    weight = np.ones(len(vectors))
    standing = np.bincount(graph.indices, minlength=len(vectors)).astype(np.float64)
    chosen: list[int] = []
    for _ in range(count):
        best = int(standing.argmax())
        chosen.append(best)
        theirs = np.append(voters.indices[voters.indptr[best] : voters.indptr[best + 1]], best)
        lost = weight[theirs] * (1 - 1 / LOSES)
        lost[-1] = weight[best]  # one that is labelled votes no more
        weight[theirs] -= lost
        ballots = graph.indices.reshape(-1, VOTERS)[theirs]
        np.subtract.at(standing, ballots, lost[:, None])
        standing[best] = -np.inf
    return np.array(chosen)


def by_cascades(vectors: NDArray[np.float32], ids: Any, count: int, seed: int) -> Rows:
    """Return the rows from which cascades reach most."""
    turned = transposed(shared_out(knn_graph(vectors, 10)))
    keys = random_bits(ids, "bench", seed)
    edges = InEdges(turned.indptr, turned.indices, turned.weight, keys)
    sets = reverse_sets(edges, 1_000_000, seed=seed)
    return most_influential(sets, len(vectors), count).nodes


WAYS: dict[str, Callable[[NDArray[np.float32], Any, int, int], Rows]] = {
    "random": by_chance,
    "k-means": by_centroids,
    "vote-k": by_votes,
    "ideal": by_cascades,
}


if __name__ == "__main__":
    main()
