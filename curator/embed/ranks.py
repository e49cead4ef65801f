"""How near documents are to target examples, as ranks: for each target, its nearest documents.

Mizrahi et al. 2025, "Language Models Improve When Pretraining Data Matches Target Tasks"
(arXiv:2507.12466), section 3.4: every target sorts all documents by cosine, and a document's value
is its best rank over targets. Ranks, unlike cosines, cannot be won by documents that are a little
near to everything. They are ranks among all documents: shards are added one after the other to one
`TargetRanks`, and nothing is ranked before the last.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curator.embed.best import Best
from curator.embed.directions import directions
from curator.errors import RecipeError
from curator.identity import random_bits

# Shapes: T targets, N documents, D dimensions, R ranks kept a target, M documents kept.
GRID = 1e-4  # of a cosine: nearer ones are equally near, and chance decides
_DOCUMENTS = 4096  # multiplied at a time
_TARGETS = 512  # at most; what threads share
_FORGET = 1 << 20  # ids held before those that no target keeps are let go: 16 MB


class Nearest(NamedTuple):
    """The documents that some target keeps, and each target's list of them.

    Attributes:
        ids: (M, 16) uint8, distinct, sorted.
        document_TR: (T, R) int64, rows of `ids`, the nearest first; -1 beyond the last document.
        cosine_TR: (T, R) float32 on a grid of 0.0001; NaN beyond the last document.
    """

    ids: NDArray[np.uint8]
    document_TR: NDArray[np.int64]
    cosine_TR: NDArray[np.float32]


class BestRanks(NamedTuple):
    """The best rank of every document that some target keeps.

    Attributes:
        ids: (M, 16) uint8, distinct, sorted.
        rank: (M,) uint32, from 1: the document is some target's nearest.
        cosine: (M,) float32 with that target; of several that rank it so, the largest.
        target: (M,) int64, that target; the first of equal ones.
        margin: (M,) float32, by how much the document's cosine passes that of the target's next
            one; of several that rank it so, the largest; 2 where a target keeps no next one.
    """

    ids: NDArray[np.uint8]
    rank: NDArray[np.uint32]
    cosine: NDArray[np.float32]
    target: NDArray[np.int64]
    margin: NDArray[np.float32]


class TargetRanks:
    """The `keep` nearest documents of every target, among all that are added.

    Which are kept depends on ids and vectors alone, neither on the order of documents nor on how
    they are cut into shards: cosines are compared on a grid of 0.0001, equal ones by a chance that
    belongs to the document. A document that is added twice takes two ranks of a target.

    Costs 2 * T * N * D operations; holds 20 * T * keep bytes and the targets.

    Args:
        targets_TD: float32 vectors of any length but zero.
        keep: ranks kept; a document farther from every target has none.
        seed: of the chance.
        threads: share the targets, 512 at a time.

    Raises:
        RecipeError: no target, nothing to keep, or a target without direction.
    """

    def __init__(
        self, targets_TD: NDArray[np.float32], keep: int, *, seed: int = 0, threads: int = 1
    ) -> None:
        if keep < 1:
            raise RecipeError(f"keep is {keep}; wanted a rank of 1 or more")
        if not len(targets_TD):
            raise RecipeError("no targets; wanted at least one to be near to")
        self._targets_TD = directions(targets_TD, where="targets")
        self._best = Best(len(targets_TD), keep, grid=GRID)
        self._threads = threads
        self._ids = np.zeros((0, 16), np.uint8)
        self._forget = _FORGET
        self._seed = seed

    def add(self, ids: NDArray[np.uint8], vectors_ND: NDArray[np.float32]) -> None:
        """Let every target choose among more documents.

        Args:
            ids: (N, 16), as `curator.identity.id_matrix` gives them.
            vectors_ND: float32 or float16 vectors of any length but zero.

        Raises:
            RecipeError: a vector has other dimensions than the targets, or no direction.
        """
        if len(ids) != len(vectors_ND):
            raise RecipeError(f"{len(ids)} ids for {len(vectors_ND)} vectors; wanted one each")
        dimensions, before = self._targets_TD.shape[1], len(self._ids)
        self._ids = np.concatenate([self._ids, ids])
        for start in range(0, len(ids), _DOCUMENTS):
            stop = min(start + _DOCUMENTS, len(ids))
            found = directions(vectors_ND[start:stop], dimensions=dimensions, where="documents")
            ties = random_bits(ids[start:stop], "best_rank", self._seed)
            self._offer(found, ties, before + np.arange(start, stop))
        if len(self._ids) > self._forget:
            self._let_go()

    def best(self, ranks: int | None = None) -> BestRanks:
        """Return the best rank of every document that some target keeps.

        Args:
            ranks: of a target that count; None: all that are kept.
        """
        ids, document_TR, cosine_TR = self.nearest()
        target, place = np.nonzero(document_TR[:, :ranks] >= 0)
        document, cosine = document_TR[target, place], cosine_TR[target, place]
        order = np.lexsort((target, -cosine, place, document))
        found, first, row = np.unique(document[order], return_index=True, return_inverse=True)
        chosen = order[first]
        after_TR = np.pad(cosine_TR[:, 1:], ((0, 0), (0, 1)), constant_values=np.nan)
        ahead = cosine - np.nan_to_num(after_TR[target, place], nan=-np.inf)
        margin = np.full(len(found), -np.inf, np.float32)
        best = place[order] == place[chosen][row]
        np.maximum.at(margin, row[best], np.minimum(ahead[order][best], np.float32(2)))
        rank = (place[chosen] + 1).astype(np.uint32)
        return BestRanks(ids[found], rank, cosine[chosen], target[chosen], margin)

    def nearest(self) -> Nearest:
        """Return every target's list."""
        self._let_go()
        value, _, number = self._best.kept()
        whole = self._ids.view("V16").ravel()
        distinct, place = np.unique(whole, return_inverse=True)
        document = np.where(number >= 0, np.append(place, -1)[number], -1)
        cosine = np.where(number >= 0, value * np.float32(GRID), np.float32(np.nan))
        return Nearest(distinct.view(np.uint8).reshape(-1, 16), document, cosine)

    def _offer(
        self,
        vectors_ND: NDArray[np.float32],
        ties: NDArray[np.uint64],
        numbers: NDArray[np.int64],
    ) -> None:
        """Multiply in blocks of one shape, so that sums come in one order."""
        block_ND = np.zeros((_DOCUMENTS, vectors_ND.shape[1]), np.float32)
        block_ND[: len(vectors_ND)] = vectors_ND
        size = min(_TARGETS, len(self._targets_TD))

        def multiply(start: int) -> None:
            # The last block begins earlier and is cut: the same shape again.
            begin = min(start, len(self._targets_TD) - size)
            products_TN = self._targets_TD[begin : begin + size] @ block_ND.T
            self._best.offer(start, products_TN[start - begin :], ties, numbers)

        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(multiply, range(0, len(self._targets_TD), size)))

    def _let_go(self) -> None:
        """Forget the ids of documents that no target keeps."""
        number = self._best.kept().number_QK
        live = np.unique(number[number >= 0])
        renumbered = np.full(len(self._ids), -1, np.int64)
        renumbered[live] = np.arange(len(live))
        self._best.renumber(renumbered)
        self._ids = self._ids[live]
        self._forget = max(_FORGET, 2 * len(live))
