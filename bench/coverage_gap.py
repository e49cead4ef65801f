"""The claim check of AITP's difference set: which domain a reference set lacks, found by density.

One of six domains of real text is withheld from the reference half; `coverage_gap`'s density says
of the other half how far outside each document lies. The bar is an AUROC above 0.9 (the project's
specification, R9). `python -m bench.coverage_gap` (half a minute, one core).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import zstandard

from curator.embed.density import Density, principal
from curator.embed.encoder import open_encoder
from curator.embed.whitening import gram
from curator.score.heldout import auc

DATA = Path(__file__).parents[2] / "shared" / "data" / "corpora"
DOMAINS = ("biomedical", "code", "law", "math", "reference", "reviews")
PIECE, LEAST, PIECES, DOCUMENTS = 2000, 300, 20, 1500  # characters, pieces, texts a domain


def texts_of(domain: str) -> list[str]:
    """Return pieces of a domain's documents."""
    found: list[str] = []
    for path in sorted((DATA / domain).glob("*.jsonl.zst")):
        with zstandard.open(path, "rt", encoding="utf8") as lines:
            for line in lines:
                text = json.loads(line)["text"][: PIECE * PIECES]
                pieces = (text[at : at + PIECE] for at in range(0, len(text), PIECE))
                found += [piece for piece in pieces if len(piece) > LEAST]
    return found


def main() -> None:
    """Print a line for each estimator and withheld domain."""
    rng = np.random.default_rng(0)
    encoder = open_encoder("wordllama")
    parts, names = [], []
    for domain in DOMAINS:
        texts = texts_of(domain)
        chosen = rng.permutation(len(texts))[:DOCUMENTS]
        parts.append(encoder.encode([texts[row] for row in chosen]))
        names += [domain] * len(chosen)
    vectors, domains = np.concatenate(parts), np.array(names)
    half = rng.random(len(vectors)) < 0.5
    for estimator in ("kernels", "nearest"):
        for domain in DOMAINS:
            reference = vectors[(domains != domain) & half]
            plane = principal((gram([reference]), gram([vectors])), 32, 0.9)
            density = Density.fit(reference, plane, estimator=estimator, k=10, where=domain)
            gaps = np.percentile(density.left_out(), 10) - density.at(vectors[~half])
            missing = domains[~half] == domain
            print(
                f"{estimator} without {domain}: AUROC {auc(gaps[missing], gaps[~missing]):.3f}, "
                f"outside: {np.mean(gaps[missing] > 0):.2f} of it, "
                f"{np.mean(gaps[~missing] > 0):.2f} of the others; "
                f"{len(plane.axes)} directions hold {plane.explained:.2f} of the variance"
            )


if __name__ == "__main__":
    main()
