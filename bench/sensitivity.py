"""How well sampled rows keep ||A x||_p for all x: the theorems of l_p sensitivity sampling.

    python -m bench.sensitivity [--rows 1000] [--copies 20] [--seeds 20] [--out FILE.json]

A is coherent: most rows are Gaussian, each there 20 times, so that a sample is a small part of all;
a few point where no other does. Rows are kept by chances of their own in proportion to a score and
counted 1/pi times, as `select: {method: poisson}` does it; what is measured is the largest relative
error of ||S A x||_p**p over 1,000 random x. Theory says that it falls with the root of the sample
where the score bounds what a row can be (slope -1/2 of the logarithms), and that uniform chances
keep missing the rows that matter. Sensitivities for p other than 2 are exact here, by a convex
program a row, beside Lewis weights, which bound them. The last column is the pitfall: the largest
draw without its weights, scaled to the pool. One core, a minute, half of it for linear programs.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linprog
from scipy.stats import t as student

from curator.embed.leverage import leverage, lewis
from curator.shards import write_atomically

DIRECTIONS = 1000
SPIKES = 12  # rows that point where no other does
ROUNDS = 80  # of reweighted least squares, for p above 2


@dataclass(frozen=True)
class Line:
    """One score at one p: median distortion over seeds by sample size, and the slope."""

    p: float
    score: str
    total: float  # sum of the scores: what theory asks samples in proportion to
    distortion: dict[int, float]
    slope: float
    low: float
    high: float
    unweighted: float  # distortion at the largest size without weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000, help="different ones")
    parser.add_argument("--copies", type=int, default=20)
    parser.add_argument("--dimensions", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 200, 400, 800, 1600])
    parser.add_argument("--norms", type=float, nargs="+", default=[1.0, 2.0, 3.0])
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    rows, copies = coherent(asked.rows, asked.dimensions, asked.copies)
    lines = []
    print(f"p  {'score':<14} total  slope (95 %)            ", *asked.sizes, "  unweighted")
    for p in asked.norms:
        for name, score in scores_of(rows, copies, p).items():
            whole = np.repeat(rows, copies, axis=0), np.repeat(score, copies)
            line = measured(*whole, p, name, asked.sizes, asked.seeds)
            lines.append(line)
            figures = "  ".join(f"{each:.3f}" for each in line.distortion.values())
            interval = f"{line.slope:+.2f} ({line.low:+.2f}, {line.high:+.2f})"
            print(f"{p:g}  {name:<14} {line.total:6.2f}  {interval:<24} {figures}   "
                  f"{line.unweighted:.3f}")  # fmt: skip
    if asked.out:
        write_atomically(asked.out, json.dumps([asdict(line) for line in lines]).encode())


def coherent(n: int, d: int, copies: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, d) rows and how often each is there, the few that half the dimensions need once.

    Sensitivities are then convex programs of n rows and not of all.
    """
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(n, d))
    rows[:, d // 2 :] *= 3e-4
    spikes = np.zeros((SPIKES, d))
    spikes[np.arange(SPIKES), d // 2 + np.arange(SPIKES) % (d - d // 2)] = rng.uniform(1, 4, SPIKES)
    rows[:SPIKES] = spikes
    return rows, np.where(np.arange(n) < SPIKES, 1, copies)


def scores_of(rows: np.ndarray, copies: np.ndarray, p: float) -> dict[str, np.ndarray]:
    """Return (n,) scores by name, each of one copy."""

    def stream() -> list[np.ndarray]:
        return [np.repeat(rows, copies, axis=0)]

    found = {"uniform": np.full(len(rows), 1 / len(rows))}
    found["leverage"] = leverage(stream).scores(rows)
    if p == 2:
        return found
    if p < 2:
        found["root leverage"] = leverage(stream, p=p).scores(rows)
    found["Lewis"] = lewis(stream, p=p).scores(rows)
    found["sensitivity"] = sensitivities(rows, copies, p)
    return found


def sensitivities(rows: np.ndarray, copies: np.ndarray, p: float) -> np.ndarray:
    """Return (n,) the largest share of ||A x||_p**p that each row can have, for p of 1 or above 2.

    It is 1 over the least ||A x||_p**p under <a, x> = 1: a linear program for p = 1; for p above 2
    least squares reweighted by |A x|**(p - 2), with steps of 1 / (p - 1), which converge.
    """
    if p == 1:
        return np.array([1 / _least_sum(rows * copies[:, None], row) for row in rows])
    n, d = rows.shape
    products = np.einsum("nd,ne->nde", rows, rows).reshape(n, d * d)
    point = _constrained(np.tile((copies @ products).reshape(d, d), (n, 1, 1)), rows)
    for _ in range(ROUNDS):
        weight = copies * np.abs(point @ rows.T) ** (p - 2)
        step = _constrained((weight @ products).reshape(n, d, d), rows)
        point += (step - point) / (p - 1)
    found: np.ndarray = 1 / (np.abs(point @ rows.T) ** p @ copies)
    return found


def _constrained(forms: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return for each row a the x that minimizes x^T M x under <a, x> = 1, (n, d)."""
    solved = np.linalg.solve(forms, rows[:, :, None])[:, :, 0]
    found: np.ndarray = solved / np.einsum("nd,nd->n", solved, rows)[:, None]
    return found


def _least_sum(rows: np.ndarray, row: np.ndarray) -> float:
    """Return min |A x|_1 under <row, x> = 1, by its dual: max t with |y| <= 1, A^T y = t row."""
    n, _ = rows.shape
    found = linprog(
        np.r_[np.zeros(n), -1.0],
        A_eq=np.c_[rows.T, -row],
        b_eq=np.zeros(rows.shape[1]),
        bounds=[(-1, 1)] * n + [(None, None)],
        method="highs",
    )
    return float(-found.fun)


def measured(
    rows: np.ndarray, score: np.ndarray, p: float, name: str, sizes: list[int], seeds: int
) -> Line:
    """Return the distortion by sample size, and its slope over seeds."""
    found = np.empty((seeds, len(sizes)))
    naive = np.empty(seeds)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        # Directions of the columns' span, evenly: A x is then as likely to point anywhere.
        triangle = np.linalg.qr(rows)[1]
        points = np.linalg.solve(triangle, rng.normal(size=(rows.shape[1], DIRECTIONS)))
        powers = np.abs(rows @ points) ** p
        chance = rng.random(len(rows))
        for place, size in enumerate(sizes):
            share = shares(score, size)
            kept = chance < share
            found[seed, place] = distortion(powers, kept, 1 / share[kept])
        naive[seed] = distortion(powers, kept, np.full(kept.sum(), len(rows) / kept.sum()))
    logs = np.log(np.array(sizes))
    logs -= logs.mean()
    slopes = np.log(found) @ logs / (logs @ logs)
    half = student.ppf(0.975, seeds - 1) * slopes.std(ddof=1) / np.sqrt(seeds)
    return Line(
        p, name, float(score.sum()),
        {size: float(each) for size, each in zip(sizes, np.median(found, axis=0), strict=True)},
        float(slopes.mean()), float(slopes.mean() - half), float(slopes.mean() + half),
        float(np.median(naive)),
    )  # fmt: skip


def distortion(powers: np.ndarray, kept: np.ndarray, weights: np.ndarray) -> float:
    """Return the largest |estimate / truth - 1| over directions; `powers` is (n, directions)."""
    return float(np.abs(weights @ powers[kept] / powers.sum(axis=0) - 1).max())


def shares(score: np.ndarray, size: int) -> np.ndarray:
    """Return min(1, alpha x score) of sum `size`, (n,)."""
    low, high = 0.0, size / score.min()
    for _ in range(200):
        middle = (low + high) / 2
        below = np.minimum(1, middle * score).sum() < size
        low, high = (middle, high) if below else (low, middle)
    found: np.ndarray = np.minimum(1, high * score)
    return found


if __name__ == "__main__":
    main()
