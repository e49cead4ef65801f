"""Engines that maximize any set function: naive, lazy, stochastic, by thresholds, by partitions.

A `SetFunction` knows its members and says what each candidate would add. For a monotone submodular
one every engine is near the best set of that size: naive and lazy within 1 - 1/e (Nemhauser,
Wolsey, Fisher 1978) and equal to each other, stochastic within 1 - 1/e - eps in expectation,
thresholds within 1 - 1/e - eps. Of equal gains the lower chance comes first, never the lower row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.submodular.chance import ranks_of

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


class SetFunction(Protocol):
    """A function of a set that grows by one element at a time."""

    @property
    def n(self) -> int:
        """How many elements there are."""

    @property
    def state_bytes(self) -> int:
        """Memory that the function takes."""

    def gains(self, candidates: Rows) -> Floats:
        """Return (C,) what each candidate, none a member, would add to the value."""

    def add(self, element: int) -> None:
        """Make an element a member."""


class Greedy(NamedTuple):
    """Members in the order in which they were taken.

    Attributes:
        order: (K,) int64.
        gains: (K,) float64, what each added when it was taken.
        rest: (N,) float64, what each element would still add at the end, 0 for members; empty
            where an engine does not know.
    """

    order: Rows
    gains: Floats
    rest: Floats = np.zeros(0)


def naive(function: SetFunction, k: int, *, chance: Floats | None = None) -> Greedy:
    """Return `k` members, each of the largest gain of all: the reference for the others."""
    ranks = _ranks(function, k, chance)
    left = np.argsort(ranks)  # by chance: the first of the largest gains is the one wanted
    order, taken = [], []
    for _ in range(k):
        gains = function.gains(left)
        place = int(np.argmax(gains))
        order.append(int(left[place]))
        taken.append(float(gains[place]))
        function.add(order[-1])
        left = np.delete(left, place)
    return _greedy(order, taken)


def exhausted(function: SetFunction) -> Greedy:
    """Return what `naive` takes until one element is left, and what that one would add."""
    found = naive(function, function.n - 1)
    rest = np.zeros(function.n)
    left = np.setdiff1d(np.arange(function.n), found.order)
    rest[left] = function.gains(left)
    return found._replace(rest=rest)


def lazy(function: SetFunction, k: int, *, chance: Floats | None = None, block: int = 16) -> Greedy:
    """Return what `naive` returns, computing few gains again: gains of the past are upper bounds.

    Minoux 1978; CELF, Leskovec et al. 2007. Only for submodular functions, whose gains never rise.

    Args:
        function: not yet with members.
        k: members.
        chance: of each element; decides between equal gains.
        block: candidates whose gains are computed at a time.
    """
    ranks = _ranks(function, k, chance)
    everyone = np.arange(function.n)
    first = function.gains(everyone)
    heap = [(-gain, int(ranks[at]), at, 0) for at, gain in enumerate(first.tolist())]
    heapify(heap)
    order: list[int] = []
    taken: list[float] = []
    while len(order) < k:
        if heap[0][3] == len(order):
            gain, _, element, _ = heappop(heap)
            function.add(element)
            order.append(element)
            taken.append(-gain)
            continue
        stale: list[int] = []
        while heap and len(stale) < block and heap[0][3] < len(order):
            stale.append(heappop(heap)[2])
        for at, gain in zip(stale, function.gains(np.array(stale)).tolist(), strict=True):
            heappush(heap, (-gain, int(ranks[at]), at, len(order)))
    return _greedy(order, taken)


def stochastic(
    function: SetFunction, k: int, *, eps: float = 0.1, seed: int = 0, chance: Floats | None = None
) -> Greedy:
    """Return `k` members, each the best of a fresh sample of (n / k) ln(1 / eps) elements.

    "Lazier than lazy greedy", Mirzasoleiman et al. 2015, arXiv:1409.7938: n ln(1 / eps) gains are
    computed whatever `k` is.
    """
    if not 0 < eps < 1:
        raise RecipeError(f"eps is {eps!r}; wanted a number between 0 and 1")
    ranks = _ranks(function, k, chance)
    left = np.argsort(ranks)
    size = max(1, math.ceil(function.n / max(1, k) * math.log(1 / eps)))
    random = np.random.default_rng(seed)
    order, taken = [], []
    for _ in range(k):
        drawn = np.sort(random.choice(len(left), size=min(size, len(left)), replace=False))
        gains = function.gains(left[drawn])
        place = int(np.argmax(gains))
        order.append(int(left[drawn[place]]))
        taken.append(float(gains[place]))
        function.add(order[-1])
        left = np.delete(left, drawn[place])
    return _greedy(order, taken)


def threshold(
    function: SetFunction, k: int, *, eps: float = 0.1, chance: Floats | None = None
) -> Greedy:
    """Return up to `k` members: all whose gain reaches a threshold that falls by 1 - eps a pass.

    After Badanidiyuru and Vondrák 2014 (SODA): elements are visited in one order and none
    is compared with another, so that (n / eps) ln(n / eps) gains at most are computed. For
    functions whose gains do not fall below 0: what adds less than eps / n of the first is left.
    """
    if not 0 < eps < 1:
        raise RecipeError(f"eps is {eps!r}; wanted a number between 0 and 1")
    ranks = _ranks(function, k, chance)
    visited = np.argsort(ranks)
    bounds = function.gains(visited)
    bar = highest = float(bounds.max(initial=0.0))
    order: list[int] = []
    taken: list[float] = []
    while len(order) < k and bar > eps * highest / function.n:
        for place in np.flatnonzero(bounds >= bar).tolist():
            gain = float(function.gains(visited[place : place + 1])[0])
            bounds[place] = gain
            if gain >= bar and len(order) < k:
                function.add(int(visited[place]))
                order.append(int(visited[place]))
                taken.append(gain)
                bounds[place] = -np.inf
        bar *= 1 - eps
    return _greedy(order, taken)


def partitioned(parts: Iterable[Rows], choose: Callable[[Rows], Greedy]) -> Greedy:
    """Return the members of every partition, those of larger gains first.

    Gains of different partitions are of different functions: the order says who came early in his
    own, by gain, and no more.

    Args:
        parts: rows of each partition; together the elements, none twice.
        choose: returns the members of one, numbered within it.
    """
    orders, taken = [np.zeros(0, np.int64)], [np.zeros(0)]
    for rows in parts:
        found = choose(rows)
        orders.append(rows[found.order])
        taken.append(found.gains)
    gains = np.concatenate(taken)
    first = np.argsort(-gains, kind="stable")
    return Greedy(np.concatenate(orders)[first], gains[first])


def value_of(function: SetFunction, members: Iterable[int]) -> float:
    """Return the value of a set: the sum of what its members add, one after another."""
    total = 0.0
    for element in members:
        total += float(function.gains(np.array([element]))[0])
        function.add(element)
    return total


def _ranks(function: SetFunction, k: int, chance: Floats | None) -> Rows:
    if not 0 <= k <= function.n:
        raise RecipeError(f"cannot take {k!r} of {function.n!r} elements; wanted 0 to all")
    return ranks_of(chance, function.n)


def _greedy(order: list[int], taken: list[float]) -> Greedy:
    return Greedy(np.array(order, np.int64), np.array(taken, np.float64))
