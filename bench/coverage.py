"""What selections for a target of three modes, 70, 20 and 10 of a hundred, are made of.

    python -m bench.coverage [--corpora ../shared/data/corpora] [--documents 10000] [--targets 300]

Candidates are documents of six kinds, of which three are like a mode of the target (encyclopedia,
questions, code) and three are not (web text, reviews, books: six in ten); targets are examples of
the modes from other files. Compared at a tenth of the candidates, on vectors of words: chance, the
mean cosine over targets (as LESS ranks), the nearest target, TAROT's fixed size with and without
whitening and as its release cuts the last layer, and the set whose size TAROT estimates. Printed:
the share of each kind, the worst mode's share over its share of the target, and the cost of
transport to targets that no selection saw. Nothing is trained and nothing is drawn twice: the
same files give the same table. One CPU minute.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.embedding import documents
from curator.embed.costs import Distances, median_cost
from curator.embed.encoder import open_encoder
from curator.embed.neighbors import Neighbors
from curator.embed.proposals import Clouds, estimated, layers_of, placed
from curator.embed.transport import SHARE, transport
from curator.embed.whitening import Metric, gram

MODES: Final = {"encyclopedia": 0.7, "questions": 0.2, "code": 0.1}
EXAMPLES: Final = {
    "encyclopedia": ["encyclopedia/vital_articles_en"],
    "questions": ["qa/se_music"],
    "code": ["code/tiny_codes_synthetic"],
}
KINDS: Final = {
    "encyclopedia": (["encyclopedia/simple_wikipedia"], 0.15),
    "questions": (["qa/se_beer", "qa/se_matheducators"], 0.1),
    "code": (["code/cpython_stdlib"], 0.15),
    "web": (["web_text/hplt_web_snippets"], 0.2),
    "reviews": (["reviews/movie_reviews"], 0.2),
    "books": (["books/eltec_eng"], 0.2),
}
PIECE: Final = 1000  # characters


class Scene(NamedTuple):
    """Candidates with their kind, targets that are selected for, and targets to judge by."""

    candidates: NDArray[np.float32]
    kind: NDArray[np.int64]
    targets: NDArray[np.float32]
    judges: NDArray[np.float32]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, default=Path("../shared/data/corpora"))
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--targets", type=int, default=300)
    asked = parser.parse_args()
    scene = scene_of(asked.corpora, asked.documents, asked.targets)
    names = list(KINDS)
    print(f"{len(scene.candidates)} candidates, {len(scene.targets)} targets, and as many to judge")
    print(f"{'selection':22}{'documents':>10}", *(f"{n[:9]:>10}" for n in names), "  worst  cost")
    for name, rows in selections(scene).items():
        shares = np.bincount(scene.kind[rows], minlength=len(names)) / len(rows)
        worst = min(share / wanted for share, wanted in zip(shares, MODES.values(), strict=False))
        cost = transport(Distances(scene.candidates, scene.judges, rows_N=rows)).value
        told = " ".join(f"{share:10.3f}" for share in shares)
        print(f"{name:22}{len(rows):10d} {told} {worst:6.2f} {cost:.4f}", flush=True)


def selections(scene: Scene) -> dict[str, NDArray[np.int64]]:
    """Return the rows that each way takes."""
    size = len(scene.candidates) // 10
    products = scene.candidates @ scene.targets.T
    metric = Metric.fit(gram([scene.candidates, scene.targets]))
    white = Clouds(metric.units(scene.candidates), metric.units(scene.targets))
    plain = Clouds(scene.candidates, scene.targets)
    found = {
        "random": np.random.default_rng(0).permutation(len(scene.candidates))[:size],
        "mean cosine": np.argsort(-products.mean(axis=1), kind="stable")[:size],
        "nearest target": np.argsort(-products.max(axis=1), kind="stable")[:size],
        "TAROT": fixed(white, size),
        "TAROT, not whitened": fixed(plain, size),
        "TAROT, release's cut": fixed(white, size, release=True),
    }
    nearest = Neighbors(white.candidates).top_k(white.targets, 500)
    eps = SHARE * median_cost(Distances(*white))
    fold = np.arange(len(white.targets)) % 10
    for name, release in (("TAROT, estimated", False), ("the same, release", True)):
        folds = estimated(white, nearest, fold, eps=eps, release=release)
        found[name] = np.unique(np.concatenate([part.rows for part in folds]))
    return found


def fixed(clouds: Clouds, size: int, *, release: bool = False) -> NDArray[np.int64]:
    """Return the first `size` rows, layer after layer."""
    keep = 2
    while True:
        layer = layers_of(
            Neighbors(clouds.candidates).top_k(clouds.targets, keep)[1], len(clouds.candidates)
        )
        if np.count_nonzero(layer) >= size:
            return placed(clouds, layer, release=release).rows[:size]
        keep *= 2


def scene_of(corpora: Path, count: int, targets: int) -> Scene:
    """Return pieces of documents as unit vectors; targets are mixed, so that folds are alike."""
    encoder = open_encoder("wordllama")

    def vectors(files: list[str], wanted: int) -> NDArray[np.float32]:
        pieces = [
            text[start : start + PIECE]
            for file in files
            for text in documents([corpora / f"{file}.jsonl.zst"], 20_000)
            for start in range(0, min(len(text), 8 * PIECE), PIECE)
        ]
        chosen = np.linspace(0, len(pieces) - 1, min(wanted, len(pieces))).astype(int)
        found = encoder.encode([pieces[one] for one in chosen])
        return found[found.any(axis=1)]

    parts = [vectors(files, round(share * count)) for files, share in KINDS.values()]
    kind = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    examples = [
        vectors(EXAMPLES[mode], 2 * round(share * targets)) for mode, share in MODES.items()
    ]
    order = np.random.default_rng(1)
    asked, judges = (
        np.concatenate([part[half::2] for part in examples])[
            order.permutation(sum(len(part[half::2]) for part in examples))
        ]
        for half in (0, 1)
    )
    return Scene(np.concatenate(parts), kind, asked, judges)


if __name__ == "__main__":
    main()
