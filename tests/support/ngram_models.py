"""Small n-gram models and the text they are learned from."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curator.score.ngram_lm import NgramModel

ZIPF = [1 / rank for rank in range(1, 31)]


def sentences(count: int = 150, seed: int = 0) -> list[str]:
    """Lines of a made-up language of thirty words, common and rare, in which words recur."""
    chance = np.random.default_rng(seed)
    names = [f"{a}{b}" for a in "bdfgk" for b in "aeiouy"]
    found = []
    for _ in range(count):
        line = list(chance.choice(names, size=chance.integers(1, 9), p=np.array(ZIPF) / sum(ZIPF)))
        found.append(" ".join(line + line[:2] if chance.random() < 0.4 else line))
    return found


def trained(lines: list[str], order: int, prune: tuple[int, ...] = ()) -> NgramModel:
    return NgramModel.trained([pa.array(lines, pa.large_string())], order=order, prune=prune)
