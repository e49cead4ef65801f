"""Interpolated modified Kneser-Ney: from a stream of word numbers to probabilities and backoffs.

Chen & Goodman 1999, "An empirical study of smoothing techniques for language modeling"; the
estimate is the one of KenLM's lmplz (Heafield et al. 2013, "Scalable modified Kneser-Ney language
model estimation"), whose choices are followed where the paper leaves any:

- an n-gram below the highest order counts its different left neighbors, unless it begins with
  `<s>`: then its occurrences (adjusted counts, section 3 there);
- discounts per order from the adjusted counts of all n-grams, pruned ones too (equation 26 of Chen
  & Goodman); where a count of counts is zero or a discount falls outside (0, count], the order gets
  `FALLBACK`, what `lmplz --discount_fallback` gives: after a discount of 0 a context
  could leave nothing to what it has not seen;
- unigrams are interpolated with the uniform distribution over all words, `</s>` and `<unk>`;
- the mass of pruned n-grams goes to the backoff weight of their context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.text.lm_stream import BEGIN, FIRST_WORD, UNKNOWN

FALLBACK: Final = (0.5, 1.0, 1.5)  # lmplz_main.cc: discount_fallback_default
_SHIFT: Final = np.uint64(32)

Ints = NDArray[np.int32]  # a stream has fewer than 2**31 words
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ngrams:
    """The different n-grams of one order, sorted by (suffix, first word).

    Attributes:
        suffix: (g,) int32, the row of the n-gram without its first word, one order below.
        first: (g,) int32, the number of its first word.
        context: (g,) int32, the row of the n-gram without its last word, one order below.
        raw: (g,) int32, how often it occurs.
    """

    suffix: Ints
    first: Ints
    context: Ints
    raw: Ints


@dataclass(frozen=True)
class Estimate:
    """Probabilities of one order's n-grams that were not pruned.

    Attributes:
        suffix: (g,) int32, row of the suffix among the kept ones of the order below.
        first: (g,) int32, the number of the first word; of unigrams, of the word itself.
        prob: (g,) float64 in (0, 1].
        backoff: (g,) float64: the weight of the shorter context after this one; 1 where it never
            was a context.
        discounts: what counts of 1, 2 and 3 or more were lowered by.
        fell_back: the discounts are `FALLBACK`.
    """

    suffix: Ints
    first: Ints
    prob: Floats
    backoff: Floats
    discounts: tuple[float, float, float]
    fell_back: bool


def estimate(
    stream: NDArray[np.int32], words: int, order: int, prune: Sequence[int] = ()
) -> list[Estimate]:
    """Return the model of every order, unigrams first.

    Args:
        stream: (t,) int32 of `curator.text.lm_stream`.
        words: how many different words there are besides `<unk>`, `<s>` and `</s>`.
        order: words of the longest n-grams.
        prune: for each order from 1 on, n-grams that occur as often as this or less are left out;
            the last holds for all higher orders. KenLM's `--prune`.

    Raises:
        RecipeError: there are no words, or `prune` falls or touches unigrams.
    """
    thresholds = thresholds_of(prune, order)
    if not words or not len(stream):
        raise RecipeError("the reference has no words; wanted some text to learn from")
    counted = count_ngrams(stream, FIRST_WORD + words, order)
    adjusted = [_adjusted(counted, number) for number in range(order)]
    kept = [one.raw > threshold for one, threshold in zip(counted, thresholds, strict=True)]
    kept[0][:] = True
    spared = [discounts_of(counts) for counts in adjusted]
    probabilities, backoffs = _interpolated(counted, adjusted, kept, spared)
    places = [(np.cumsum(keep) - 1).astype(np.int32) for keep in kept]
    return [
        Estimate(
            suffix=places[n - 1][counted[n].suffix[keep]] if n else counted[0].suffix,
            first=_only(counted[n].first, keep),
            prob=_only(probabilities[n], keep),
            backoff=_only(backoffs[n], keep),
            discounts=spared[n][0],
            fell_back=spared[n][1],
        )
        for n, keep in enumerate(kept)
    ]


def _only(values: NDArray[Any], keep: NDArray[np.bool_]) -> NDArray[Any]:
    """Return the kept values, without a copy where all are."""
    return values if keep.all() else values[keep]


def thresholds_of(prune: Sequence[int], order: int) -> list[int]:
    """Return a pruning threshold for every order.

    Raises:
        RecipeError: they fall, touch unigrams, or are more than the orders.
    """
    given = [*prune] or [0]
    thresholds = (given + [given[-1]] * order)[:order]
    if len(given) > order or given[0] != 0 or thresholds != sorted(thresholds):
        raise RecipeError(
            f"prune={list(prune)!r}; wanted 0 for unigrams, then numbers that do not fall, at most "
            f"{order} of them"
        )
    return thresholds


def count_ngrams(stream: NDArray[np.int32], size: int, order: int) -> list[Ngrams]:
    """Return the n-grams of orders 1 to `order` within sentences; numbers are below `size`.

    Order by order, an n-gram is the pair of its suffix's row and its first word, so one sort of
    64-bit numbers counts an order whatever its length.
    """
    whole = np.arange(size, dtype=np.int32)
    raw = np.bincount(stream, minlength=size).astype(np.int32)
    none = np.zeros(size, np.int32)
    found = [Ngrams(suffix=none, first=whole, context=none, raw=raw)]
    rows = stream.astype(np.int32)  # the row of the n-gram that ends at each place
    at = np.flatnonzero(stream != BEGIN)
    for n in range(2, order + 1):
        if n > 2:  # the n-gram one shorter began with <s>: nothing stands before it
            at = at[stream[at - n + 2] != BEGIN]
        keys = rows[at].astype(np.uint64) << _SHIFT | stream[at - n + 1].astype(np.uint64)
        sorting = np.argsort(keys)
        keys = keys[sorting]
        new = np.ones(len(keys), bool)
        new[1:] = keys[1:] != keys[:-1]
        starts = np.flatnonzero(new)
        found.append(
            Ngrams(
                suffix=(keys[starts] >> _SHIFT).astype(np.int32),
                first=(keys[starts] & np.uint64(0xFFFFFFFF)).astype(np.int32),
                context=rows[at[sorting[starts]] - 1],
                raw=np.diff(starts, append=len(keys)).astype(np.int32),
            )
        )
        longer = np.full(len(rows), -1, np.int32)
        longer[at[sorting]] = np.cumsum(new) - 1
        rows = longer
    return found


def _adjusted(counted: list[Ngrams], number: int) -> Ints:
    """Return the adjusted counts of one order's n-grams; those of `<s>` and `<unk>` are 0."""
    one = counted[number]
    if number == len(counted) - 1:
        counts = one.raw.copy()
    else:
        neighbors = np.bincount(counted[number + 1].suffix, minlength=len(one.raw))
        counts = np.where(one.first == BEGIN, one.raw, neighbors)
    if number == 0:
        counts[[UNKNOWN, BEGIN]] = 0
    return counts.astype(np.int32)


def discounts_of(counts: Ints) -> tuple[tuple[float, float, float], bool]:
    """Return what counts of 1, 2 and 3 or more are lowered by, and True if that is `FALLBACK`.

    Chen & Goodman, equation 26: D(k) = k - (k + 1) * Y * n(k+1) / n(k), Y = n1 / (n1 + 2 n2).
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6).astype(np.float64)
    if not n[1:4].all():
        return FALLBACK, True
    y = n[1] / (n[1] + 2 * n[2])
    first, second, more = (float(k - (k + 1) * y * n[k + 1] / n[k]) for k in (1, 2, 3))
    if not (0 < first <= 1 and 0 < second <= 2 and 0 < more <= 3):
        return FALLBACK, True
    return (first, second, more), False


def _interpolated(
    counted: list[Ngrams],
    adjusted: list[Ints],
    kept: list[NDArray[np.bool_]],
    spared: list[tuple[tuple[float, float, float], bool]],
) -> tuple[list[Floats], list[Floats]]:
    """Return the probability and the backoff weight of every n-gram, order by order."""
    probabilities: list[Floats] = []
    backoffs: list[Floats] = []
    for n, (one, counts, keep) in enumerate(zip(counted, adjusted, kept, strict=True)):
        taken = np.array([0.0, *spared[n][0]])[np.minimum(counts, 3)]
        contexts = len(counted[n - 1].raw) if n else 1
        total = np.bincount(one.context, counts, contexts)
        spare = np.bincount(one.context, np.where(keep, taken, counts), contexts)
        weight = np.divide(spare, total, out=np.ones(contexts), where=total > 0)
        seen = (counts - taken) / np.maximum(total, 1)[one.context]
        if n:
            lower = probabilities[n - 1][one.suffix]
            backoffs.append(weight)
        else:
            lower = np.full(len(counts), 1.0 / (len(counts) - 1))  # <s> is never foretold
        found = seen + weight[one.context] * lower
        if not n:
            found[BEGIN] = 1.0  # by convention; nothing reads it
        probabilities.append(found)
    backoffs.append(np.ones(len(counted[-1].raw)))
    return probabilities, backoffs
