"""Parts of a pool by score: between two quantiles, or above what keeps a share of the tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from curator.errors import BudgetError
from curator.select.pool import Rows
from curator.select.radix import Radix, keys_of
from curator.select.ranked import Grouping, Ranked, Test, together


def within(
    scored: Ranked, band: tuple[float, float], strata: Grouping, n_strata: int, search: Radix
) -> Test:
    """Return the test of lying within two quantiles by tokens, 0 the worst and 1 the best.

    What lies in (low, high) is the longest prefix within the best 1 - low of the tokens without
    the longest prefix within the best 1 - high: neighboring bands share no document and leave none
    out. Each stratum has its own quantiles.
    """
    whole = scored.grouped(strata, n_strata)
    found = whole.survey()
    until, start = (
        search.cut(
            whole.places,
            np.rint(found.tokens * (1 - edge)).astype(np.int64),
            found.tokens,
            found.documents,
        )
        for edge in band
    )

    def test(rows: Rows) -> NDArray[np.bool_]:
        at = whole.at(rows)
        return until.take(at) & ~start.take(at)

    return test


@dataclass(frozen=True)
class Floor:
    """A key that about a share of the tokens reaches, and what it was found on.

    Attributes:
        key: documents of this key or a higher one are above it.
        unseen_tokens: tokens of the documents that it was found on.
        unseen_share: share of these that reaches it, in [0, 1].
        pool_tokens: tokens of all documents with a score.
    """

    key: float
    unseen_tokens: int
    unseen_share: float
    pool_tokens: int


def floor_of(scored: Ranked, rate: float, search: Radix) -> Floor:
    """Return the key that the share nearest to `rate` of the unseen tokens reaches.

    Documents that a classifier was trained on score better than others would: the threshold that
    keeps a share of the tokens is found on others, and counts tokens, not documents (BETR,
    arXiv:2507.12466, appendix A). Equal keys are above or below together.

    Raises:
        BudgetError: no unseen document has a score.
    """
    pool_tokens = int(scored.grouped(together, 1).survey().tokens[0])
    unseen = scored.grouped(together, 1).passing("seen", lambda rows: rows.unseen)
    found = unseen.survey()
    total = int(found.tokens[0])
    if not total:
        raise BudgetError(
            f"select: of {pool_tokens:,} tokens with a score none is unseen, so no threshold can "
            "be found; let the scorer learn from fewer documents"
        )
    wanted = math.floor(Fraction(rate) * total)
    cut = search.cut(unseen.places, np.array([wanted]), found.tokens, found.documents)
    edge = -math.inf if cut.whole[0] else float(keys_of(cut.rank)[0])
    above, equal, lowest = 0, 0, math.inf  # tokens above the edge and at it; the next key above
    for rows, _ in unseen.rows():
        key = unseen.key(rows)
        higher = key > edge
        above += int(rows.tokens[higher].sum())
        equal += int(rows.tokens[key == edge].sum())
        lowest = min(lowest, float(key[higher].min(initial=math.inf)))
    if above and (cut.whole[0] or wanted - above <= above + equal - wanted):
        return Floor(lowest, total, above / total, pool_tokens)
    return Floor(edge, total, (above + equal) / total, pool_tokens)
