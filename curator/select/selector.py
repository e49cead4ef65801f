"""Choose documents from a pool under a budget of tokens.

A selection is the longest prefix in rank order whose total is within the budget. It is a function
of ids, scores and the seed: not of the order of rows, of files, or of workers. A document that
the pool holds several times is taken, and paid for, once; `copies` says how often it was there.
The pool is read a handful of times; memory is bounded by a batch, a histogram and the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.identity import uniform
from curator.select import gumbel, poisson, quota, taylor
from curator.select.bands import Floor, floor_of, within
from curator.select.placebo import draw, strata_of
from curator.select.pool import Pool, Rows
from curator.select.quota import Shortfall
from curator.select.radix import Radix
from curator.select.ranked import Key, Ranked, Survey, Taken, gather, numbered
from curator.select.spec import REST, SelectSpec

VERSION = 4  # raise it when the same pool and spec start giving another selection or account
RANDOM = "select.random"
PLACEBO = "select.placebo"


@dataclass(frozen=True)
class Selection:
    """What was taken, best first, and the account of what was not.

    Attributes:
        table: `SELECTION` rows in rank order.
        sources: source -> {"tokens", "documents"} taken.
        asked: budget name ("*" without quotas) -> tokens it could spend.
        shortfalls: budgets that had less than they were asked for, or that one large document
            kept from being spent.
        cuts: budget name -> key of the last document taken.
        dropped: reason -> distinct documents not taken.
        documents_in: distinct documents in the pool = taken + dropped.
        threshold: of `rate`, in the column's own unit, and which shares of tokens reach it; empty
            where none was looked for.
        effective_share: of `gumbel`, Kish's effective sample size at its temperature over the
            eligible documents: 1 is a uniform draw, near 0 is top-k.
        poisson: of `poisson`, its alpha, the documents that were certain of a place and Kish's
            effective sample size of what was drawn, in documents.
    """

    table: pa.Table
    sources: Mapping[str, Mapping[str, int]]
    asked: Mapping[str, int]
    shortfalls: tuple[Shortfall, ...]
    cuts: Mapping[str, float]
    dropped: Mapping[str, int]
    documents_in: int
    threshold: Mapping[str, Any] = field(default_factory=dict)
    effective_share: float | None = None
    poisson: Mapping[str, float] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Tokens taken, each document once."""
        return sum(each["tokens"] for each in self.sources.values())

    @property
    def documents(self) -> int:
        """Documents taken."""
        return int(self.table.num_rows)

    def summary(self) -> dict[str, Any]:
        """Return everything but the rows as plain JSON types."""
        return {
            "tokens": self.tokens,
            "documents": self.documents,
            "documents_in": self.documents_in,
            "sources": {name: dict(each) for name, each in self.sources.items()},
            "asked": dict(self.asked),
            "shortfalls": [vars(each) for each in self.shortfalls],
            "cuts": dict(self.cuts),
            "dropped": dict(self.dropped),
            **({"threshold": dict(self.threshold)} if self.threshold else {}),
            **({} if self.effective_share is None else {"effective_share": self.effective_share}),
            **({"poisson": dict(self.poisson)} if self.poisson else {}),
        }


def select(
    frame: pl.LazyFrame,
    spec: SelectSpec,
    better: Mapping[str, str] | None = None,
    *,
    of: pa.Table | None = None,
    radix: Radix | None = None,
) -> Selection:
    """Return the documents of a pool that `spec` asks for.

    Args:
        frame: doc_id (Binary, 16 bytes), source, tokens and score columns; may repeat a doc_id.
        spec: what is wanted.
        better: score column -> "higher", "lower" or "neither", as `score_field` declares.
        of: what the arm took that a placebo stands beside, as `SELECTION`.
        radix: how much memory the search for the cut may use.

    Raises:
        RecipeError: a column or a quota's group does not exist, a column has no direction, or a
            placebo has nothing of this pool to stand beside.
        BudgetError: there is less than asked for, and `spec.shortfall` is "error"; or the first
            document in rank order is larger than the budget; or a threshold has no unseen
            document to be found on.
        PluginError: a score is NaN, or a document has no source or cost.
    """
    search = radix or Radix()
    if spec.method == "placebo":
        return _placebo(frame, spec, of, search)
    sign = spec.direction(better or {})
    pool = Pool(
        frame,
        by=spec.by,
        group=spec.quota_by,
        within=spec.within,
        unseen=spec.unseen,
        quotas=spec.quotas if isinstance(spec.quotas, str) else "",
        lower=sign < 0,
    )
    spec = quota.with_quotas(spec, pool)
    names, budget_of = quota.group_of(spec, pool.groups())
    budget = numbered(lambda rows: rows.group, budget_of)
    scored = Ranked(pool, spec.seed, _signed(sign), budget, len(names))
    scored = scored.passing("no_score", lambda rows: rows.scored)
    scored = scored.passing("no_quota", lambda rows: budget(rows) >= 0)
    eligible, floor = _bounded(spec, sign, scored, search)
    if spec.method == "poisson":
        return _poisson(spec, sign, eligible, search)
    if spec.method == "taylor":
        return _taylor(spec, sign, eligible, search)
    key, even = _key(spec, sign, eligible)
    ranked = eligible.by(key)
    survey = ranked.survey()
    allowed, short = quota.budgets(spec, names, survey.tokens.tolist())
    cuts = search.cut(ranked.places, np.array(allowed, np.int64), survey.tokens, survey.documents)
    taken = gather(ranked, cuts)
    short += quota.blocked(spec, names, allowed, taken.spent, taken.following)
    above = int(survey.tokens.sum())
    chosen = _account(taken, survey, names, allowed, short)
    return replace(chosen, threshold=_told(floor, sign, above), effective_share=even)


def _poisson(spec: SelectSpec, sign: int, eligible: Ranked, search: Radix) -> Selection:
    """Return a draw of each document by a chance of its own, with weights.

    Raises:
        RecipeError: low scores are the better ones, or a score is not above 0.
        BudgetError: there is less than asked for, no document was drawn, or few have all the
            weight.
    """
    if sign < 0:
        raise RecipeError(
            f"select: {spec.by!r} is better where it is lower, and `poisson` draws in proportion "
            "to it; give a column that is higher for what should be drawn more often"
        )
    whole = eligible.survey()
    names = [REST]
    allowed, short = quota.budgets(spec, names, whole.tokens.tolist())
    budget = min(allowed[0], int(whole.tokens[0]))
    odds = poisson.odds_of(eligible, spec.by, budget, spec.seed)
    drawn = eligible.by(odds.key).passing("not_drawn", odds.drawn)
    survey = drawn.survey()
    taken = gather(drawn, search.cut(drawn.places, survey.tokens, survey.tokens, survey.documents))
    poisson.require_some(taken.table.num_rows, budget, int(whole.documents.sum()))
    table = odds.weighted(taken.table)
    told = {
        "alpha": odds.alpha,
        "certain": int(np.count_nonzero(table["weight"].to_numpy() == 1)),
        "effective_sample_size": poisson.effective_size(table["weight"].to_numpy()),
    }
    if spec.weighted:
        taken = replace(taken, table=table)
    return replace(_account(taken, survey, names, allowed, short), poisson=told)


def _taylor(spec: SelectSpec, sign: int, eligible: Ranked, search: Radix) -> Selection:
    """Return a draw by gains, of the same share of every group's tokens.

    Raises:
        RecipeError: low scores are the better ones, or a score is below 0.
        BudgetError: there is less than asked for.
    """
    if sign < 0:
        raise RecipeError(
            f"select: {spec.by!r} is better where it is lower, and `taylor` draws by gains; give a "
            "column that is higher for what should be drawn more often"
        )
    names = eligible.pool.strata()
    group = numbered(lambda rows: rows.within, {name: at for at, name in enumerate(names)})
    ranked = eligible.grouped(group, len(names)).by(
        taylor.TaylorKey(spec.by, spec.temperature, spec.seed)
    )
    survey = ranked.survey()
    total = int(survey.tokens.sum())
    allowed, short = quota.budgets(spec, [REST], [total])
    has = dict(zip(names, survey.tokens.tolist(), strict=True))
    parts = quota.divide(min(allowed[0], total), {name: float(each) for name, each in has.items()})
    budgets = [parts[name] for name in names]
    cuts = search.cut(ranked.places, np.array(budgets), survey.tokens, survey.documents)
    taken = gather(ranked, cuts)
    # A group too small for its first document gives nothing; that is for the account to say.
    lenient = replace(spec, shortfall="accept")
    short += quota.blocked(lenient, names, budgets, taken.spent, taken.following)
    return _account(taken, survey, names, budgets, short)


def _bounded(
    spec: SelectSpec, sign: int, scored: Ranked, search: Radix
) -> tuple[Ranked, Floor | None]:
    """Return the documents that a threshold or a band leaves, and the threshold if it was found."""
    pool = scored.pool
    if spec.band is not None:
        strata = {name: number for number, name in enumerate(pool.strata())}
        group = numbered(lambda rows: rows.within, strata)
        test = within(scored, spec.band, group, len(strata), search)
        return scored.passing("outside_band", test), None
    floor = None if spec.rate is None else floor_of(scored, spec.rate, search)
    if floor is None and spec.threshold is None:
        return scored, None
    least = floor.key if floor else sign * pool.rounded(spec.threshold or 0.0)
    key = scored.key
    return scored.passing("below_threshold", lambda rows: key(rows) >= least), floor


def _told(floor: Floor | None, sign: int, above: int) -> Mapping[str, Any]:
    """Return what a summary says of a threshold that was found; nothing where none was."""
    if floor is None:
        return {}
    return {
        "value": sign * floor.key,
        "unseen_tokens": floor.unseen_tokens,
        "share_of_unseen": floor.unseen_share,
        "share_of_pool": above / floor.pool_tokens,
    }


def _placebo(
    frame: pl.LazyFrame, spec: SelectSpec, of: pa.Table | None, search: Radix
) -> Selection:
    """Return a random selection of as many tokens of each length, perhaps source, as `of` has.

    Raises:
        RecipeError: there is no `of`, or it was not chosen from this pool.
    """
    pool = Pool(frame)
    strata = strata_of(pool, by_source=spec.within == "source")
    if of is None:
        raise RecipeError(f"select: a placebo of {spec.of!r} needs what {spec.of!r} took")
    budgets = np.zeros(len(strata.names), np.int64)
    cost = of["tokens"].to_numpy().astype(np.int64)
    np.add.at(budgets, strata.number(of["source"].combine_chunks(), cost), cost)
    ranked = Ranked(pool, spec.seed, _chance(PLACEBO, spec.seed), strata.of, len(strata.names))
    survey = ranked.survey()
    if (budgets > survey.tokens).any():
        raise RecipeError(
            f"select: {spec.of!r} took more than this pool has; a placebo draws from the pool that "
            "the other selection was made from"
        )
    taken = draw(ranked, survey, budgets, search)
    return _account(taken, survey, strata.names, budgets.tolist(), [])


def _account(
    taken: Taken,
    survey: Survey,
    names: Sequence[str],
    allowed: Sequence[int],
    short: Sequence[Shortfall],
) -> Selection:
    """Return what was taken with the account of what was not."""
    dropped = {**survey.dropped, "over_budget": int(survey.documents.sum()) - taken.table.num_rows}
    return Selection(
        taken.table,
        _totals(taken.table),
        dict(zip(names, allowed, strict=True)),
        tuple(short),
        {name: key for name, key in zip(names, taken.last_key, strict=True) if key is not None},
        {reason: count for reason, count in dropped.items() if count},
        int(survey.documents.sum()) + sum(survey.dropped.values()),
    )


def _chance(purpose: str, seed: int) -> Key:
    """Return the key that is each document's own chance."""
    return lambda rows: uniform(rows.doc_id, purpose, seed)


def _signed(sign: int) -> Key:
    """Return the key "score, higher is better"; one constant key where there is no score."""

    def key(rows: Rows) -> NDArray[np.float64]:
        return np.zeros(len(rows.tokens)) if rows.score is None else sign * rows.score

    return key


def _key(spec: SelectSpec, sign: int, scored: Ranked) -> tuple[Key, float | None]:
    """Return what documents are finally ranked by and, of Gumbel, the effective share.

    Only Gumbel has to look at the pool first.
    """
    signed = _signed(sign)
    if spec.method in ("random", "band"):
        return _chance(RANDOM, spec.seed), None
    if spec.method != "gumbel":
        return signed, None
    noisy = gumbel.GumbelKey(spec.temperature, spec.seed)
    if spec.standardize:
        scores = (signed(rows) for rows, _ in scored.rows())
        noisy = gumbel.standardized(spec.temperature, spec.seed, scores)
    even = gumbel.effective_share(lambda: (noisy.odds(signed(rows)) for rows, _ in scored.rows()))
    return lambda rows: noisy(rows.doc_id, signed(rows)), even


def _totals(table: pa.Table) -> dict[str, dict[str, int]]:
    frame = pl.from_arrow(table.select(["source", "tokens"]))
    assert isinstance(frame, pl.DataFrame)
    totals = frame.group_by("source").agg(
        pl.col("tokens").cast(pl.Int64).sum(), pl.len().cast(pl.Int64).alias("documents")
    )
    return {
        row["source"]: {"tokens": row["tokens"], "documents": row["documents"]}
        for row in totals.sort("source").to_dicts()
    }
