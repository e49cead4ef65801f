"""Semantic deduplication: what clusters miss, what each mode removes, and whether that is right.

    python -m bench.semantic FILE.jsonl[.zst] ... [--documents 20000] [--eps 0.02 0.05 0.1]

Into the documents five copies each of some are planted, one word of twenty changed. Printed for
each eps: the share of all pairs closer than eps (every pair compared) that fall into one cluster,
documents removed by each mode, the share of planted copies removed, and of a sample of the other
removals the share whose words overlap (five-word shingles, Jaccard above 0.2): the rest are alike
in subject at best. Seconds are of CPU, one core.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np

from bench.filters import read_lines
from curator.dedup.cosines import nearest, similar
from curator.embed.encoder import open_encoder, unit
from curator.embed.kmeans import spherical_kmeans

COPIES = 5
NOISE = 0.05
CHARACTERS = 8192
SAMPLE = 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--planted", type=int, default=200)
    parser.add_argument("--encoder", default="wordllama")
    parser.add_argument("--eps", nargs="+", type=float, default=[0.01, 0.02, 0.05, 0.1])
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    texts = documents(asked.files, asked.documents, rng)
    texts, copy_of = planted(texts, asked.planted, rng)
    begun = time.process_time()
    encoder = open_encoder(asked.encoder)
    vectors = unit(
        encoder.encode([text[:CHARACTERS] for text in texts]).astype(np.float16).astype(np.float32)
    )
    size = sum(len(text.encode()) for text in texts) / 1e6
    speed = size / (time.process_time() - begun)
    print(f"{len(texts)} documents, {size:.1f} MB; vectors {speed:.1f} MB/s")
    begun = time.process_time()
    clusters = math.isqrt(len(texts))
    order = rng.permutation(len(texts))
    centroids = spherical_kmeans(vectors[order], clusters, seed=asked.seed)
    owner, _ = nearest(vectors, centroids)
    spent, largest = time.process_time() - begun, np.bincount(owner).max()
    print(f"{clusters} clusters in {spent:.1f} s, largest {largest}")
    print("eps    pairs  in one cluster  kept_only  paper  planted removed  others that overlap")
    for eps in asked.eps:
        report(eps, texts, vectors, owner, copy_of, rng)


def documents(files: list[Path], count: int, rng: np.random.Generator) -> list[str]:

    texts = [json.loads(line)["text"] for path in files for line in read_lines(path)]
    texts = list(dict.fromkeys(texts))
    chosen = rng.permutation(len(texts))[:count]
    return [texts[place] for place in sorted(chosen.tolist())]


def planted(texts: list[str], count: int, rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
    """The texts and after them the noisy copies; (n,) what each is a copy of, -1: none."""
    long_enough = [place for place, text in enumerate(texts) if len(text.split()) >= 40]
    words = [word for text in texts[:500] for word in text.split()]
    copies, owners = [], []
    for place in rng.permutation(long_enough)[:count].tolist():
        for _ in range(COPIES):
            copy = texts[place].split()
            for at in np.flatnonzero(rng.random(len(copy)) < NOISE):
                copy[at] = words[rng.integers(len(words))]
            copies.append(" ".join(copy))
            owners.append(place)
    return texts + copies, np.array([-1] * len(texts) + owners)


def report(
    eps: float,
    texts: list[str],
    vectors: np.ndarray,
    owner: np.ndarray,
    copy_of: np.ndarray,
    rng: np.random.Generator,
) -> None:
    pairs, together = 0, 0
    for start in range(0, len(texts), 1024):
        close = np.argwhere(vectors[start : start + 1024] @ vectors.T > 1 - eps)
        close = close[close[:, 0] + start < close[:, 1]]
        pairs += len(close)
        together += int((owner[close[:, 0] + start] == owner[close[:, 1]]).sum())
    gone, removals = {}, []
    for mode in ("kept_only", "paper"):
        original = np.full(len(texts), -1)
        for cluster in np.unique(owner):
            rows = np.flatnonzero(owner == cluster)
            found = similar(vectors[rows], 1 - eps, kept_only=mode == "kept_only").original
            original[rows[found >= 0]] = rows[found[found >= 0]]
        gone[mode] = int((original >= 0).sum())
        if mode == "kept_only":
            caught = (original[copy_of >= 0] >= 0).mean()
            removals = np.flatnonzero((original >= 0) & (copy_of < 0)).tolist()
            pairs_removed = [(row, int(original[row])) for row in removals]
    sample = rng.permutation(len(pairs_removed))[:SAMPLE].tolist()
    overlap = [
        jaccard(texts[pairs_removed[at][0]], texts[pairs_removed[at][1]]) > 0.2 for at in sample
    ]
    alike = float(np.mean(overlap)) if overlap else math.nan
    print(
        f"{eps:<5}{pairs:>8}  {together / max(1, pairs):>13.1%}  {gone['kept_only']:>9}  "
        f"{gone['paper']:>5}  {caught:>15.1%}  {alike:>12.1%} of {len(pairs_removed)}"
    )


def jaccard(one: str, other: str) -> float:
    sets = []
    for text in (one, other):
        words = text.lower().split()
        sets.append({tuple(words[at : at + 5]) for at in range(max(1, len(words) - 4))})
    return len(sets[0] & sets[1]) / max(1, len(sets[0] | sets[1]))


if __name__ == "__main__":
    main()
