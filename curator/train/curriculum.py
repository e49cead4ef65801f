"""The order of a run's documents by how hard they are: the same documents, read in another order.

A run reads the documents of its window in an order by chance; a curriculum permutes exactly these,
so that arms of one seed differ in order alone. Difficulty is a column of an earlier score, which
lies beside the mixture.

Strategies: `sorted`, from easy to hard; `paced`, by chance among the share c(t) that is easiest,
c(t) = min(1, c0 + (1 - c0) t^q) (competence: Platanios et al. 2019, arXiv:1903.09848);
`interleaved`, several sweeps from easy to hard; `warmup`, the easiest share sorted and the rest by
chance (arXiv:2506.11300 reports a lasting gain of that). `reverse` reads the hardest first.
"""

# Shapes: n documents of a run.
from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.identity import uniform

STRATEGIES = ("sorted", "paced", "interleaved", "warmup")
HARD = ("higher", "lower")


@dataclass(frozen=True, slots=True, kw_only=True)
class Curriculum:
    """How a run's documents are ordered.

    Attributes:
        by: the column that says how hard they are.
        strategy: one of `STRATEGIES`.
        hard: "higher" where larger numbers are harder, "lower" where smaller ones are.
        reverse: whether the hardest come first.
        start: c0, the share of the tokens that is open at first, of `paced`.
        power: q, how the share grows, of `paced`.
        sweeps: of `interleaved`.
        warmup: share of the tokens that is sorted, of `warmup`.
        placebo: whether difficulties are dealt to other documents.
        seed: of that chance.
    """

    by: str
    strategy: str = "sorted"
    hard: str = "higher"
    reverse: bool = False
    start: float = 0.2
    power: float = 1.0
    sweeps: int = 5
    warmup: float = 0.2
    placebo: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that order nothing."""
        for key, known in (("strategy", STRATEGIES), ("hard", HARD)):
            if getattr(self, key) not in known:
                raise RecipeError(f"{key} is {getattr(self, key)!r}; write {' or '.join(known)}")
        if not 0 < self.start <= 1:
            raise RecipeError(f"start is {self.start!r}; wanted a share in (0, 1]")
        if not 0 < self.power < np.inf:
            raise RecipeError(f"power is {self.power!r}; wanted a number above 0")
        if self.sweeps < 2:
            raise RecipeError(f"sweeps is {self.sweeps!r}; wanted at least 2: one is `sorted`")
        if not 0 < self.warmup < 1:
            raise RecipeError(f"warmup is {self.warmup!r}; wanted a share inside (0, 1)")


def arranged(
    curriculum: Curriculum,
    difficulty: NDArray[np.float64],
    lengths: NDArray[np.int64],
    doc_ids: NDArray[np.uint8],
) -> NDArray[np.int64]:
    """Return the order in which documents are read, (n,): a permutation.

    Equal difficulties stay in the order by chance that the documents are given in.

    Args:
        curriculum: the settings.
        difficulty: (n,) of each document, in the order by chance.
        lengths: (n,) tokens that the run reads of each.
        doc_ids: (n, 16) uint8.
    """
    turned = (curriculum.hard == "lower") != curriculum.reverse
    easy = easy_first(
        difficulty, doc_ids, turned=turned, placebo=curriculum.placebo, seed=curriculum.seed
    )
    end = np.cumsum(lengths[easy])
    if curriculum.strategy == "interleaved":
        return np.concatenate([easy[k :: curriculum.sweeps] for k in range(curriculum.sweeps)])
    if curriculum.strategy == "warmup":
        head = int(np.searchsorted(end, curriculum.warmup * end[-1], side="right"))
        return np.concatenate([easy[:head], np.sort(easy[head:])])
    if curriculum.strategy == "paced":
        share = (end - lengths[easy] / 2) / end[-1]
        opens = np.maximum(0, (share - curriculum.start) / (1 - curriculum.start or 1))
        return _paced(easy, opens ** (1 / curriculum.power), lengths / end[-1])
    return easy


def easy_first(
    difficulty: NDArray[np.float64],
    doc_ids: NDArray[np.uint8],
    *,
    turned: bool,
    placebo: bool,
    seed: int,
) -> NDArray[np.int64]:
    """Return documents from easy to hard, (n,): a permutation; equal ones as they are given.

    Args:
        difficulty: (n,) of each document.
        doc_ids: (n, 16) uint8.
        turned: whether large numbers are easy.
        placebo: whether difficulties are dealt to other documents.
        seed: of that chance.
    """
    value = np.array(difficulty, np.float64)
    if placebo:
        chance = uniform(doc_ids, "train.order.placebo", seed)
        value = value[np.argsort(chance, kind="stable")]
    return np.argsort(-value if turned else value, kind="stable")


def require_difficulties(difficulty: NDArray[np.float64], by: str) -> None:
    """Return only if documents can be ordered by these numbers.

    Raises:
        RecipeError: a document has none, or all have the same.
    """
    unknown = int((~np.isfinite(difficulty)).sum())
    if unknown:
        raise RecipeError(
            f"{unknown} of {len(difficulty)} documents have no {by!r} to be ordered by; select "
            "documents that have one (`topk` and `threshold` leave the others out)"
        )
    if len(difficulty) > 1 and np.ptp(difficulty) == 0:
        raise RecipeError(
            f"all {len(difficulty)} documents have the {by!r} {float(difficulty[0])!r}: nothing to "
            "order by; choose another column"
        )


def _paced(
    easy: NDArray[np.int64], opens: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return documents in the order by chance among those open; where none is, the next easiest.

    A loop over documents, once a run: which are open depends on all that were read before.

    Args:
        easy: documents from easy to hard.
        opens: (n,) aligned: when each opens, as a share of the run; rising.
        shares: (n,) by document: of the run's tokens.
    """
    waiting, now, found = list[int](), 0.0, list[int]()
    due, place = list(zip(opens.tolist(), easy.tolist(), strict=True)), 0
    while place < len(due) or waiting:
        while place < len(due) and (due[place][0] <= now or not waiting):
            # Documents are numbered in an order by chance: the least number is one drawn.
            heapq.heappush(waiting, due[place][1])
            place += 1
        found.append(heapq.heappop(waiting))
        now += float(shares[found[-1]])
    return np.array(found, np.int64)
