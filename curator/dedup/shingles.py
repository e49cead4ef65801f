"""Exact shingle sets, and who is a copy of whom: the check that candidates must pass.

Within a cluster documents are taken in the order of their standing. Each is compared with every
survivor so far that it could be a copy of, found by its rarest shingles (the prefix filter of
Chaudhuri, Ganti and Kaushik, "A primitive operator for similarity joins in data cleaning", ICDE
2006): a copy may miss only few of its shingles in the original, so of any few and one more
shingles one is in the original. The filter loses nothing; templates, whose rare shingles differ,
cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curator.dedup.survivors import segment_starts
from curator.text.buffers import Texts
from curator.text.compile import compiled
from curator.text.normalized import normalized_hash
from curator.text.word_hashes import shingle_hashes

_SLACK: Final = 1e-9  # 0.95 * 20 may come out just above 19
_PORTION: Final = 1 << 20  # shingles compared at a time: 80 MB


class ShingleSets(NamedTuple):
    """Sets of 64-bit hashes end to end.

    Attributes:
        offsets: (n + 1,) int64; set i is `values[offsets[i]:offsets[i + 1]]`.
        values: uint64, rising and without repeats within a set.
    """

    offsets: npt.NDArray[np.int64]
    values: npt.NDArray[np.uint64]


class Matches(NamedTuple):
    """What each document is a copy of.

    Attributes:
        original: (n,) int64, the place of the survivor, -1 where the document survives.
        shared: (n,) int64, shingles in common with it, 0 where the document survives.
    """

    original: npt.NDArray[np.int64]
    shared: npt.NDArray[np.int64]


def shingle_sets(texts: Texts, ngram: int) -> ShingleSets:
    """Return the set of each text's `ngram`-word shingles.

    A text of fewer words has one shingle, its normalized hash.
    """
    offsets, values = shingle_hashes(texts, ngram)
    short = np.flatnonzero(values[offsets[:-1]] == 0)
    values[offsets[short]] = normalized_hash(texts.take(pa.array(short)))[:, 0]
    # A loop over texts, because NumPy sorts one run of numbers ten times faster than all by owner.
    for begin, end in pairwise(offsets.tolist()):
        values[begin:end].sort()
    fresh = np.ones(len(values), np.bool_)
    fresh[1:] = values[1:] != values[:-1]
    fresh[offsets[:-1]] = True
    kept = np.concatenate([np.zeros(1, np.int64), np.cumsum(fresh)])
    return ShingleSets(kept[offsets], values[fresh])


def match_copies(
    sets: ShingleSets,
    cluster: npt.NDArray[np.uint64],
    *,
    threshold: float,
    containment: float,
    fixed: npt.NDArray[np.bool_] | None = None,
) -> Matches:
    """Return which documents are copies of an earlier survivor of their cluster.

    A document is a copy of the first survivor whose set has a Jaccard similarity of at least
    `threshold` with its own and holds at least the share `containment` of it. Memory: about 80
    bytes a shingle of one million, or of the largest cluster if it has more.

    Args:
        sets: (n,) sets, none empty.
        cluster: (n,) uint64, equal for documents to compare, which stand together, the best first.
        threshold: in (0, 1].
        containment: in [0, 1].
        fixed: (n,) bool, True for documents that survive whatever they are copies of; None: none.
    """
    stays = np.zeros(len(cluster), np.bool_) if fixed is None else fixed
    original, shared = np.full(len(cluster), -1, np.int64), np.zeros(len(cluster), np.int64)
    for begin, end in _portions(sets.offsets, cluster):
        offsets = sets.offsets[begin : end + 1]
        part = ShingleSets(offsets - offsets[0], sets.values[offsets[0] : offsets[-1]])
        found = _match_portion(part, cluster[begin:end], stays[begin:end], threshold, containment)
        original[begin:end] = np.where(found.original < 0, -1, found.original + begin)
        shared[begin:end] = found.shared
    return Matches(original, shared)


def _portions(
    offsets: npt.NDArray[np.int64], cluster: npt.NDArray[np.uint64]
) -> Iterator[tuple[int, int]]:
    """Yield [begin, end) of documents: whole clusters of `_PORTION` shingles, or one of more."""
    ends = np.append(np.flatnonzero(cluster[1:] != cluster[:-1]) + 1, len(cluster))
    begin = 0
    while begin < len(cluster):
        fitting = np.searchsorted(offsets[ends], offsets[begin] + _PORTION, side="right")
        least = np.searchsorted(ends, begin, side="right")
        end = int(ends[max(fitting - 1, least)])
        yield begin, end
        begin = end


def _match_portion(
    sets: ShingleSets,
    cluster: npt.NDArray[np.uint64],
    fixed: npt.NDArray[np.bool_],
    threshold: float,
    containment: float,
) -> Matches:
    # Shingles are renamed to dense numbers that differ between clusters, rising within a set.
    # A loop over clusters for the reason that there is one over texts in `shingle_sets`.
    borders = sets.offsets[np.append(np.flatnonzero(segment_starts(cluster)), len(cluster))]
    order = np.empty(len(sets.values), np.int64)
    first = np.ones(len(order), np.bool_)
    for begin, end in pairwise(borders.tolist()):
        order[begin:end] = begin + np.argsort(sets.values[begin:end])
    ranked = sets.values[order]
    first[1:] = ranked[1:] != ranked[:-1]
    first[borders[:-1]] = True
    shingle = np.empty(len(order), np.int64)
    shingle[order] = np.cumsum(first) - 1
    frequency = np.diff(np.append(np.flatnonzero(first), len(order)))
    return Matches(*_match(sets.offsets, shingle, frequency, fixed, threshold, containment))


@compiled
def _match(
    offsets: npt.NDArray[np.int64],
    shingle: npt.NDArray[np.int64],
    frequency: npt.NDArray[np.int64],
    fixed: npt.NDArray[np.bool_],
    threshold: float,
    containment: float,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    n = len(offsets) - 1
    begins = np.cumsum(frequency) - frequency
    held = np.zeros(len(frequency), np.int64)  # survivors listed for each shingle so far
    holders = np.empty(len(shingle), np.int64)
    original = np.full(n, -1, np.int64)
    shared = np.zeros(n, np.int64)
    met = np.full(n, -1, np.int64)
    candidates = np.empty(n, np.int64)
    for document in range(n):
        mine = shingle[offsets[document] : offsets[document + 1]]
        # A copy shares at least this many: Jaccard >= t implies containment >= t.
        needed = int(np.ceil(max(threshold, containment) * len(mine) - _SLACK))
        rarest = np.argsort(frequency[mine], kind="mergesort")
        found = 0
        for place in rarest[: 0 if fixed[document] else len(mine) - needed + 1]:
            rare = mine[place]
            for at in range(begins[rare], begins[rare] + held[rare]):
                if met[holders[at]] != document:
                    met[holders[at]] = document
                    candidates[found] = holders[at]
                    found += 1
        for survivor in np.sort(candidates[:found]):
            theirs = shingle[offsets[survivor] : offsets[survivor + 1]]
            # Sizes alone can rule a Jaccard similarity out.
            if min(len(mine), len(theirs)) < threshold * max(len(mine), len(theirs)) - _SLACK:
                continue
            both = _common(mine, theirs)
            either = len(mine) + len(theirs) - both
            if both >= threshold * either - _SLACK and both >= containment * len(mine) - _SLACK:
                original[document], shared[document] = survivor, both
                break
        if original[document] < 0:
            for rare in mine:
                holders[begins[rare] + held[rare]] = document
                held[rare] += 1
    return original, shared


@compiled
def _common(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> int:
    here, there, both = 0, 0, 0
    while here < len(left) and there < len(right):
        if left[here] == right[there]:
            here, there, both = here + 1, there + 1, both + 1
        elif left[here] < right[there]:
            here += 1
        else:
            there += 1
    return both
