"""A table of arms by groups of held-out text: what each arm changes in each, and the pattern of it.

    degradation: bits(trained on i, tested on j) - bits(trained on j, tested on j), over i != j

A seed's number for the whole table is the mean over its cells, so its interval comes from seeds
alone, as in `curator.evaluate.statistics`. Differences in bits per byte; positive is worse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from curator.errors import BudgetError
from curator.evaluate.statistics import mean_interval

LEAST_SEEDS: Final = 2


@dataclass(frozen=True)
class Pattern:
    """A number for a whole table.

    Attributes:
        mean: over seeds.
        low: lower end of the 95 % interval.
        high: upper end.
        seeds: how many.
        holds: cells of `cells` in which the pattern holds, by their means over seeds.
        cells: how many there are.
    """

    mean: float
    low: float
    high: float
    seeds: int
    holds: int
    cells: int


def mismatch(bits: NDArray[np.float64]) -> Pattern:
    """Return what it costs to be tested on another group than one was trained on.

    With two groups twice this is the interaction of training and test group.

    Args:
        bits: (K, K, S) bits per byte of the arm of group i on group j, by seed.

    Raises:
        BudgetError: fewer than two groups or seeds.
    """
    costs = _costs(bits)
    off = ~np.eye(len(bits), dtype=np.bool_)
    return _pattern(costs[off].mean(axis=0), costs[off].mean(axis=1) > 0)


def slope(bits: NDArray[np.float64], years: Sequence[float]) -> Pattern:
    """Return what each year between training and test costs: bits per byte and year.

    Least squares through the origin, for no distance costs nothing.

    Args:
        bits: as in `mismatch`.
        years: (K,) the middle of each group.

    Raises:
        BudgetError: as `mismatch`.
    """
    costs = _costs(bits)
    gap = np.abs(np.subtract.outer(np.asarray(years, float), np.asarray(years, float)))
    slopes = np.einsum("ij,ijs->s", gap, costs) / (gap**2).sum()
    off = ~np.eye(len(bits), dtype=np.bool_)
    return _pattern(slopes, costs[off].mean(axis=1) > 0)


def own_loss(differences: NDArray[np.float64]) -> Pattern:
    """Return how much more leaving a group out costs on that group than on the others.

    `holds` counts the groups whose own arm is hurt most there, of all groups.

    Args:
        differences: (K, K, S) the arm without group i minus the baseline, on group j.

    Raises:
        BudgetError: fewer than two groups or seeds.
    """
    _require(differences)
    groups = len(differences)
    diagonal = np.eye(groups, dtype=np.bool_)
    own = differences[diagonal].mean(axis=0)
    others = differences[~diagonal].mean(axis=0)
    means = differences.mean(axis=2)
    return _pattern(own - others, means.argmax(axis=1) == np.arange(groups))


def cell_bits(
    bits: NDArray[np.float64], size: NDArray[np.int64], group: Sequence[str | None]
) -> Mapping[str, tuple[float, int, int]]:
    """Return group -> bits per byte, documents, bytes of the documents that have one.

    Args:
        bits: (n,) of each document.
        size: (n,) its bytes.
        group: (n,) its group; None: in none.
    """
    names = np.array([name or "" for name in group], object)
    found = {}
    for name in sorted({name for name in group if name}):
        own = names == name
        total = int(size[own].sum())
        value = float(bits[own].sum()) / total if total else float("nan")
        found[name] = (value, int(own.sum()), total)
    return found


def _costs(bits: NDArray[np.float64]) -> NDArray[np.float64]:
    _require(bits)
    own = np.einsum("jjs->js", bits)
    return np.asarray(bits - own[None])


def _require(cells: NDArray[np.float64]) -> None:
    if len(cells) < 2 or cells.shape[2] < LEAST_SEEDS:
        raise BudgetError(
            f"{len(cells)} groups and {cells.shape[-1]} seeds; wanted two or more of both"
        )


def _pattern(by_seed: NDArray[np.float64], holds: NDArray[np.bool_]) -> Pattern:
    mean, low, high = mean_interval(by_seed)
    return Pattern(mean, low, high, len(by_seed), int(holds.sum()), len(holds))
