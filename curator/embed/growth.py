"""A distribution that grows by chunks, each of what brings it nearest to a target.

The calibrated gradient of a transport's cost holds at the beginning only: all of a selection made
by it can lie in the one mode that is lacking most. So the plan is made again after each chunk, from
what was there and what was taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curator.embed.costs import Distances
from curator.embed.transport import Calibrated, Solved, calibrated, extended, transport

# Shapes: N documents of the pool, n of the sample, M targets, D dimensions.
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


class Plan(NamedTuple):
    """A plan from a distribution to a target, and what calibrates its potentials."""

    solved: Solved
    scale: Calibrated


class Chunk(NamedTuple):
    """What was taken at once.

    Attributes:
        rows: of the pool.
        gain: (len(rows),) how fast the cost fell as mass was moved to them.
        plan: with them in the distribution.
    """

    rows: I64
    gain: F64
    plan: Plan


def plan_of(
    sample: F32,
    targets: F32,
    *,
    eps: float | None,
    tolerance: float,
    where: str,
    masses: F64 | None = None,
    begin: F32 | None = None,
    threads: int = 1,
) -> Plan:
    """Return the plan that moves a sample to the targets; potentials are calibrated beside it.

    Raises:
        RecipeError: the plan's marginals are off by more than `tolerance`.
    """
    costs = Distances(sample, targets, where=where)
    solved = transport(
        costs, masses, eps=eps, tolerance=tolerance, begin=begin, threads=threads
    ).converged(tolerance, where=where)
    return Plan(solved, calibrated(solved.f))


def grown(
    plan: Plan,
    sample: F32,
    targets: F32,
    pool: NDArray[np.floating[Any]],
    sizes: list[int],
    gain_of: Callable[[F64], F64],
    *,
    tolerance: float,
    where: str,
    threads: int = 1,
) -> list[Chunk]:
    """Return chunks of the pool, each the best by the plan that those before it leave.

    What was taken weighs in the distribution as many documents as it is, beside the N of the pool;
    of more than the sample has, its first ones by row stand for it.

    Args:
        plan: from the sample to the targets.
        sample: (n, D) unit vectors, of equal mass.
        targets: (M, D) unit vectors.
        pool: (N, D) unit vectors, in memory or in a file; of equal gains the lower row is taken.
        sizes: documents of each chunk.
        gain_of: turns calibrated gradients into what is taken highest first.
        tolerance: of marginals.
        where: what an error is about.
        threads: share blocks of costs.
    """
    free = np.ones(len(pool), bool)
    chunks: list[Chunk] = []
    for size in sizes:
        f = extended(Distances(pool, targets, where=where), plan.solved, threads=threads)
        gain = gain_of(plan.scale.of(f))
        left = np.flatnonzero(free)
        rows = left[np.argsort(-gain[left], kind="stable")[:size]]
        free[rows] = False
        stood_for = np.flatnonzero(~free)[: len(sample)]
        share = np.count_nonzero(~free) / (len(pool) + np.count_nonzero(~free))
        masses = np.repeat(
            [(1 - share) / len(sample), share / len(stood_for)], [len(sample), len(stood_for)]
        )
        grown_sample = np.concatenate([sample, pool[stood_for].astype(np.float32)])
        solved = plan_of(
            grown_sample,
            targets,
            eps=plan.solved.eps,
            tolerance=tolerance,
            where=where,
            masses=masses,
            begin=plan.solved.g,
            threads=threads,
        ).solved
        plan = Plan(solved, calibrated(solved.f[: len(sample)]))
        chunks.append(Chunk(rows, gain[rows], plan))
    return chunks
