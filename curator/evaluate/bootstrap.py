"""Intervals from items: over the documents that could have been held out, over seeds, over both.

The number is a mean over groups (held-out sources; one group if there are none) and over runs of

    sum of what the group's documents got / sum of their sizes

with bits over bytes for text and correct answers over 1 for questions. Three questions, three
intervals. "documents": which text is harder for these runs. "seeds": which mixture is better on
this text. "both": which is better on text of this kind; runs and documents are crossed, every
run reads the same ones, so they are resampled independently of each other (Owen 2007, Ann. Appl.
Stat. 1:386). For a comparison take `difference` first: then runs and documents stay paired.

Resampled numbers are divided by their own standard error (bootstrap-t: Efron & Tibshirani 1993,
section 12.5), which holds for skewed sizes where percentiles are too narrow. From fewer than
`FEWEST_SEEDS` runs nothing can be resampled: there the seeds' part is Student's t.
"""

# Shapes: S runs, N documents, B resamples.
from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.special import stdtrit

from curator.errors import BudgetError, RecipeError
from curator.evaluate.statistics import CONFIDENCE

Over = Literal["documents", "seeds", "both"]
RESAMPLES = 2000
FEWEST_SEEDS = 8
CELLS = 1 << 22  # of a block of document counts: bounds memory to some 100 MB
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """What runs got on the same documents, which lie group by group."""

    total_SN: Array
    size_N: Array
    bounds: tuple[int, ...]  # where each group begins, and the end
    keys: pa.Array | None = None  # (N,) what names each document

    def __post_init__(self) -> None:
        """Refuse groups that no interval can be had from."""
        sums = np.add.reduceat(self.size_N, self.bounds[:-1]) if len(self.size_N) else np.zeros(1)
        if min(np.diff(self.bounds), default=0) < 2 or sums.min() <= 0:
            raise BudgetError(
                f"groups of {np.diff(self.bounds).tolist()} documents; each needs at least two, "
                "with text: hold out more"
            )

    def groups(self) -> Iterator[slice]:
        """Yield the documents of each group."""
        return (slice(start, stop) for start, stop in pairwise(self.bounds))

    def per_run(self) -> Array:
        """Return the number of each run, (S,)."""
        parts = [self.total_SN[:, g].sum(1) / self.size_N[g].sum() for g in self.groups()]
        return np.asarray(np.mean(parts, axis=0), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with the ends of its interval, and what else could have been drawn."""

    value: float
    low: float
    high: float
    over: Over
    seeds: int
    documents: int


def scores_of(
    tables: Sequence[pa.Table],
    column: str = "bits",
    *,
    size: str | None = "bytes",
    group: str | None = "source",
    key: str = "doc_id",
) -> Scores:
    """Return what runs got, from one table a run, with the same documents in any order.

    Args:
        tables: of per-document numbers.
        column: what is summed.
        size: what it is divided by; None: the number of documents.
        group: the column whose values count alike; None: all documents together.
        key: what names a document.

    Raises:
        RecipeError: the runs were measured on other documents.
        BudgetError: no runs, or a group with fewer than two documents.
    """
    if not tables:
        raise BudgetError("no run was measured; give at least one")
    ordered = [each.take(pc.sort_indices(each[key].cast(_key_type(each, key)))) for each in tables]
    first = ordered[0]
    for table in ordered[1:]:
        if not table[key].combine_chunks().equals(first[key].combine_chunks()):
            raise RecipeError("runs were measured on other documents; compare like with like")
    names = first[group].to_numpy(zero_copy_only=False) if group else np.zeros(first.num_rows)
    order = np.argsort(names, kind="stable")
    starts = np.flatnonzero(np.r_[True, names[order][1:] != names[order][:-1]])
    return Scores(
        np.array([table[column].to_numpy()[order] for table in ordered], dtype=np.float64),
        first[size].to_numpy()[order].astype(np.float64) if size else np.ones(first.num_rows),
        (*starts.tolist(), first.num_rows),
        first[key].combine_chunks().take(pa.array(order)),
    )


def difference(arm: Scores, baseline: Scores) -> Scores:
    """Return what the arm's runs got beyond the baseline's, paired by run and document.

    Runs are paired by position: give the tables of both in the order of their seeds.

    Raises:
        RecipeError: they have other documents or another number of runs.
    """
    same = arm.bounds == baseline.bounds and np.array_equal(arm.size_N, baseline.size_N)
    if arm.keys is not None and baseline.keys is not None:
        same &= arm.keys.equals(baseline.keys)
    if not same or arm.total_SN.shape != baseline.total_SN.shape:
        raise RecipeError(
            f"{arm.total_SN.shape} runs and documents against {baseline.total_SN.shape}, or others;"
            " give the same seeds and the same documents in both"
        )
    return dataclasses.replace(arm, total_SN=arm.total_SN - baseline.total_SN)


def interval(
    scores: Scores,
    over: Over,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return the mean over runs and groups with its interval.

    Args:
        scores: of one arm, or a `difference`.
        over: what else could have been drawn.
        confidence: of the interval.
        resamples: how many times to draw again.
        seed: of the resampling.

    Raises:
        BudgetError: an interval over seeds from fewer than two.
    """
    runs, documents = scores.total_SN.shape
    if over != "documents" and runs < 2:
        raise BudgetError(f"{runs} seeds; an interval over seeds needs at least 2, better 5")
    value = float(scores.per_run().mean())
    chance = np.random.default_rng(seed)
    if over == "seeds":
        below, above = _over_seeds(scores.per_run(), confidence, resamples, chance)
    elif over == "both" and runs < FEWEST_SEEDS:
        below = above = _students(scores, confidence)
    else:
        below, above = _over_documents(scores, confidence, resamples, chance, both=over == "both")
    return Interval(value, value - below, value + above, over, runs, documents)


def _over_seeds(
    per_run: Array, confidence: float, resamples: int, chance: np.random.Generator
) -> tuple[float, float]:
    """Return how far the interval reaches below and above the mean."""
    runs, error = len(per_run), _error(per_run)
    if runs < FEWEST_SEEDS:
        reach = float(stdtrit(runs - 1, (1 + confidence) / 2)) * error
        return reach, reach
    drawn = per_run[chance.integers(0, runs, (resamples, runs))]
    spread = drawn.std(1, ddof=1) / math.sqrt(runs)
    return _reaches(drawn.mean(1) - per_run.mean(), spread, error, confidence)


def _over_documents(
    scores: Scores,
    confidence: float,
    resamples: int,
    chance: np.random.Generator,
    *,
    both: bool,
) -> tuple[float, float]:
    """Return how far the interval reaches below and above; `both`: runs are drawn again too."""
    per_run = scores.per_run()
    runs = len(per_run)
    error = math.hypot(_document_error(scores), _error(per_run) if both else 0.0)
    shifts, spreads = [], []
    rows = max(1, CELLS // scores.total_SN.shape[1])
    for begin in range(0, resamples, rows):
        count = min(rows, resamples - begin)
        drawn_BS, variance_B = _resampled(scores, count, chance)
        if both:
            picked = chance.integers(0, runs, (count, runs))
            drawn_BS = np.take_along_axis(drawn_BS, picked, axis=1)
            variance_B = variance_B + drawn_BS.var(1, ddof=1) / runs
        shifts.append(drawn_BS.mean(1) - per_run.mean())
        spreads.append(np.sqrt(variance_B))
    return _reaches(np.concatenate(shifts), np.concatenate(spreads), error, confidence)


def _resampled(scores: Scores, count: int, chance: np.random.Generator) -> tuple[Array, Array]:
    """Return the number of each run on `count` draws of documents, (B, S), and variances, (B,).

    Groups keep their number of documents. The variance is that of the mean over runs, of a ratio
    by its linear part: sum of w^2 (total - ratio size)^2 / (sum of w size)^2 for each group.
    """
    groups = list(scores.groups())
    numbers = np.zeros((count, len(scores.total_SN)))
    variance = np.zeros(count)
    for group in groups:
        total_SN, size = scores.total_SN[:, group], scores.size_N[group]
        n, mean = len(size), total_SN.mean(0)
        times_BN = chance.multinomial(n, np.full(n, 1 / n), size=count).astype(np.float64)
        sizes = times_BN @ size
        safe = np.where(sizes > 0, sizes, np.nan)  # only documents without text were drawn
        numbers += (times_BN @ total_SN.T) / safe[:, None]
        ratio = (times_BN @ mean) / safe
        squares = (
            times_BN @ mean**2
            - 2 * ratio * (times_BN @ (mean * size))
            + ratio**2 * (times_BN @ size**2)
        )
        variance += np.maximum(squares, 0) / safe**2 * n / (n - 1)
    return numbers / len(groups), variance / len(groups) ** 2


def _document_error(scores: Scores) -> float:
    """Return the standard error of the mean over runs that comes from the choice of documents."""
    total = 0.0
    groups = list(scores.groups())
    for group in groups:
        mean, size = scores.total_SN[:, group].mean(0), scores.size_N[group]
        n = len(size)
        rest = mean - size * mean.sum() / size.sum()
        total += float((rest**2).sum() / size.sum() ** 2 * n / (n - 1))
    return math.sqrt(total) / len(groups)


def _students(scores: Scores, confidence: float) -> float:
    """Return how far an interval over both reaches, from few seeds: variances added.

    Degrees of freedom after Satterthwaite (1946, Biometrics Bulletin 2:110).
    """
    parts = np.array([_error(scores.per_run()), _document_error(scores)]) ** 2
    if parts.sum() == 0:
        return 0.0
    spare = np.array([len(scores.total_SN) - 1, scores.total_SN.shape[1] - len(scores.bounds) + 1])
    freedom = parts.sum() ** 2 / (parts**2 / spare).sum()
    return float(stdtrit(freedom, (1 + confidence) / 2)) * math.sqrt(parts.sum())


def _reaches(shift: Array, spread: Array, error: float, confidence: float) -> tuple[float, float]:
    """Return how far the interval reaches below and above, from resampled numbers and errors."""
    useful = (spread > 0) & np.isfinite(shift)
    if not useful.any():
        return 0.0, 0.0
    low, high = np.quantile(
        shift[useful] / spread[useful], [(1 - confidence) / 2, (1 + confidence) / 2]
    )
    # A resampled number too high by so much means that the number itself may be too high by that.
    return max(0.0, float(high) * error), max(0.0, -float(low) * error)


def _error(per_run: Array) -> float:
    return float(per_run.std(ddof=1)) / math.sqrt(len(per_run))


def _key_type(table: pa.Table, key: str) -> pa.DataType:
    """Return a type of the key that Arrow can sort by."""
    kind = table.schema.field(key).type
    return pa.binary() if pa.types.is_fixed_size_binary(kind) else kind
