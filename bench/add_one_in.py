"""A set grown by choices against the best by score and against chance; the judge is scripted.

    python -m bench.add_one_in FILE.jsonl[.zst] ... [--documents 2000] [--take 200] [--seeds 5]

Real documents with planted qualities, half of them their cluster's: the best are of few clusters,
so that quality alone is narrow. The judge knows a candidate's quality and how far it lies from what
it is shown of the set, and names the candidate of the largest sum (Add-One-In: Li et al. 2025,
arXiv:2503.02359, says quality and diversity). It answers through the client, wording and reading of
answers of any judge. Printed for every way, means over seeds: clusters of `--clusters` that the
chosen cover, their mean quality as a quantile of the pool, and the mean cosine of a document with
the nearest chosen one. `windows` are questions asked at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.annotation import embedded
from bench.semantic import documents
from curator.embed.kmeans import spherical_kmeans
from curator.embed.units import units
from curator.generate.adding import Growth, grow
from curator.generate.asking import Answer, Request
from curator.generate.choosing import labels_of
from curator.generate.client import Client
from curator.generate.prompts import cut, find_prompt
from curator.identity import id_matrix

SHOWN = 200  # characters of a document in a question; the judge looks at ids
NOVELTY = 1.0  # what a distance of 1 - cosine = 1 weighs beside a quality from 0 to 1


class Scripted:
    """A judge that knows qualities and vectors, and names the best sum of quality and novelty."""

    model = "scripted"

    def __init__(
        self, names: Sequence[str], quality: NDArray[np.float64], vectors: NDArray[np.float32],
        context: int,
    ) -> None:  # fmt: skip
        self._row = {name: row for row, name in enumerate(names)}
        self._quality, self._vectors, self._context = quality, vectors, context
        self._labels = labels_of(find_prompt("add_one"))

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """Yield [[LABEL]] of the candidate that adds most."""
        for place, request in enumerate(requests):
            rows = [self._row[name] for name in request.documents]
            chosen, options = rows[: self._context], rows[self._context :]
            near = (self._vectors[options] @ self._vectors[chosen].T).max(axis=1)
            best = int(np.argmax(self._quality[options] + NOVELTY * (1 - near)))
            yield place, Answer(f"[[{self._labels[best]}]]")

    def prompt_tokens(self, request: Request) -> int:
        """Return 0: nothing is read."""
        return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--take", type=int, default=200)
    parser.add_argument("--clusters", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--encoder", default="wordllama")
    asked = parser.parse_args()
    found: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(asked.seeds):
        texts = documents(asked.files, asked.documents, np.random.default_rng(seed))
        table = embedded(texts, asked.encoder)
        vectors, ids = units(table["vector"], where="bench"), id_matrix(table["doc_id"])
        shown = [cut(text, SHOWN)[0] for text in table["text"].to_pylist()]
        owner = (vectors @ spherical_kmeans(vectors, asked.clusters, seed=seed).T).argmax(axis=1)
        quality = planted(owner, asked.clusters, seed)
        ways = {
            "random": np.random.default_rng([seed, 1]).permutation(len(ids))[: asked.take],
            "top by quality": np.argsort(-quality, kind="stable")[: asked.take],
        }
        names = [bytes(one).hex() for one in ids]
        for windows in (1, 8):
            growth = Growth(asked.take, windows=windows, seed=seed)
            judge = Scripted(names, quality, vectors, growth.context)
            grown = grow(Client(judge), find_prompt("add_one"), ids, shown, growth)
            ways[f"add-one-in, {windows} window{'s' * (windows > 1)}"] = np.array(grown.chosen)
        for name, chosen in ways.items():
            rank = np.argsort(np.argsort(quality)) / len(quality)
            near = float((vectors @ vectors[chosen].T).max(axis=1).mean())
            told = (float(len(np.unique(owner[chosen]))), float(rank[chosen].mean()), near)
            found.setdefault(name, []).append(told)
    print(f"{asked.take} of {asked.documents} documents, {asked.seeds} seeds")
    for name, values in found.items():
        mean, sd = np.mean(values, axis=0), np.std(values, axis=0, ddof=1)
        print(
            f"{name:24} covers {mean[0]:5.1f} (sd {sd[0]:.1f}) of {asked.clusters} clusters, "
            f"quality at {mean[1]:.3f} (sd {sd[1]:.3f}), nearest chosen {mean[2]:.3f}"
        )


def planted(owner: NDArray[np.int64], clusters: int, seed: int) -> NDArray[np.float64]:
    """Return a quality from 0 to 1 of every document, half of it its cluster's."""
    rng = np.random.default_rng([seed, 2])
    return (rng.uniform(size=clusters)[owner] + rng.uniform(size=len(owner))) / 2


if __name__ == "__main__":
    main()
