"""Choose documents from a pool under a budget of tokens.

A selection is the longest prefix in rank order whose total is within the budget. It is a function
of ids, scores and the seed: not of the order of rows, of files, or of workers. A document that
the pool holds several times is taken, and paid for, once; `copies` says how often it was there.
The pool is read a handful of times; memory is bounded by a batch, a histogram and the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from curator.identity import uniform
from curator.schema import SELECTION
from curator.select import gumbel, quota
from curator.select.pool import Pool, Rows
from curator.select.quota import Shortfall
from curator.select.radix import Cuts, Places, Radix, places
from curator.select.spec import SelectSpec

VERSION = 2  # raise it when the same pool and spec start giving another selection or account
RANDOM = "select.random"
Key = Callable[[Rows], NDArray[np.float64]]


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
    """

    table: pa.Table
    sources: Mapping[str, Mapping[str, int]]
    asked: Mapping[str, int]
    shortfalls: tuple[Shortfall, ...]
    cuts: Mapping[str, float]
    dropped: Mapping[str, int]
    documents_in: int

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
        }


def select(
    frame: pl.LazyFrame,
    spec: SelectSpec,
    better: Mapping[str, str] | None = None,
    *,
    radix: Radix | None = None,
) -> Selection:
    """Return the documents of a pool that `spec` asks for.

    Args:
        frame: doc_id (Binary, 16 bytes), source, tokens and score columns; may repeat a doc_id.
        spec: what is wanted.
        better: score column -> "higher", "lower" or "neither", as `score_field` declares.
        radix: how much memory the search for the cut may use.

    Raises:
        RecipeError: a column or a quota's group does not exist, or a column has no direction.
        BudgetError: there is less than asked for, and `spec.shortfall` is "error"; or the first
            document in rank order is larger than the budget.
        PluginError: a score is NaN, or a document has no source or cost.
    """
    sign = spec.direction(better or {})
    pool = Pool(frame, by=spec.by, group=spec.quota_by)
    search = radix or Radix()
    names, budget_of = quota.group_of(spec, pool.groups())
    floor = None if spec.threshold is None else sign * pool.rounded(spec.threshold)
    scored = _Ranked(pool, spec.seed, _signed(sign), budget_of, len(names), floor)
    if spec.band is not None:
        scored = scored.between(spec.band, search)
    ranked = scored.by(_key(spec, sign, scored))
    survey = ranked.survey()
    allowed, short = quota.budgets(spec, names, survey.tokens.tolist())
    cuts = search.cut(ranked.places, np.array(allowed, np.int64), survey.tokens, survey.documents)
    taken = _gather(ranked, cuts, len(names))
    short += quota.blocked(spec, names, allowed, taken.spent, taken.following)
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


@dataclass
class _Survey:
    """Eligible tokens and documents of each budget, and how many are ineligible, by reason."""

    tokens: NDArray[np.int64]
    documents: NDArray[np.int64]
    dropped: dict[str, int] = field(default_factory=dict)

    def drop(self, reason: str, count: int) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + count


@dataclass(frozen=True)
class _Band:
    """The documents before one cut and not before another, in order of an earlier key."""

    key: Key
    until: Cuts
    start: Cuts


@dataclass(frozen=True)
class _Ranked:
    """The pool's eligible documents with their keys, as a stream that can be read again."""

    pool: Pool
    seed: int
    key: Key
    budget_of: Mapping[str, int]
    n_budgets: int
    floor: float | None = None
    band: _Band | None = None

    def by(self, key: Key) -> _Ranked:
        """Return the same documents under another key."""
        return _Ranked(**{**vars(self), "key": key})

    def rows(self, survey: _Survey | None = None) -> Iterator[tuple[Rows, Places]]:
        """Yield eligible documents with their places; count the others in `survey`."""
        for batch in self.pool.batches():
            rest = batch
            for reason, test in self._tests():
                mask = test(rest)
                if survey is not None:
                    survey.drop(reason, int((~mask).sum()))
                rest = rest.where(mask)
            yield rest, self._places(rest, self.key(rest), self._budget(rest))

    def places(self) -> Iterator[Places]:
        """Yield the places of all eligible documents."""
        return (at for _, at in self.rows())

    def survey(self) -> _Survey:
        """Return what there is to choose from."""
        found = _Survey(np.zeros(self.n_budgets, np.int64), np.zeros(self.n_budgets, np.int64))
        for _, at in self.rows(found):
            np.add.at(found.tokens, at.group, at.tokens)
            np.add.at(found.documents, at.group, 1)
        return found

    def between(self, band: tuple[float, float], search: Radix) -> _Ranked:
        """Return the documents within two quantiles by tokens, 0 the worst and 1 the best.

        What lies in (low, high) is the longest prefix within the best 1 - low of the tokens
        without the longest prefix within the best 1 - high: neighboring bands share no document
        and leave none out.
        """
        whole = _Ranked(**{**vars(self), "budget_of": dict.fromkeys(self.budget_of, 0)})
        found = whole.survey()
        total = int(found.tokens.sum())
        bounds = [
            search.cut(
                whole.places,
                np.array([round(total * (1 - edge))] + [0] * (self.n_budgets - 1), np.int64),
                found.tokens,
                found.documents,
            )
            for edge in band
        ]
        return _Ranked(**{**vars(self), "band": _Band(self.key, *bounds)})

    def _tests(self) -> list[tuple[str, Callable[[Rows], NDArray[np.bool_]]]]:
        tests: list[tuple[str, Callable[[Rows], NDArray[np.bool_]]]] = [
            ("no_score", lambda rows: rows.scored),
            ("no_quota", lambda rows: self._budget(rows) >= 0),
        ]
        if self.floor is not None:
            floor = self.floor
            tests.append(("below_threshold", lambda rows: self.key(rows) >= floor))
        if self.band is not None:
            tests.append(("outside_band", self._in_band))
        return tests

    def _in_band(self, rows: Rows) -> NDArray[np.bool_]:
        assert self.band is not None
        at = self._places(rows, self.band.key(rows), np.zeros(len(rows.tokens), np.int64))
        return self.band.until.take(at) & ~self.band.start.take(at)

    def _budget(self, rows: Rows) -> NDArray[np.int64]:
        encoded = rows.group.dictionary_encode()
        lookup = np.array([self.budget_of[name] for name in encoded.dictionary.to_pylist()] or [0])
        codes: NDArray[np.int64] = lookup.astype(np.int64)[
            encoded.indices.to_numpy(zero_copy_only=False)
        ]
        return codes

    def _places(self, rows: Rows, key: NDArray[np.float64], budget: NDArray[np.int64]) -> Places:
        return places(rows.doc_id, key, budget, rows.tokens, self.seed)


def _signed(sign: int) -> Key:
    """Return the key "score, higher is better"; one constant key where there is no score."""

    def key(rows: Rows) -> NDArray[np.float64]:
        return np.zeros(len(rows.tokens)) if rows.score is None else sign * rows.score

    return key


def _key(spec: SelectSpec, sign: int, scored: _Ranked) -> Key:
    """Return what documents are finally ranked by; only Gumbel has to look at the pool first."""
    signed = _signed(sign)
    if spec.method in ("random", "band"):
        return lambda rows: uniform(rows.doc_id, RANDOM, spec.seed)
    if spec.method != "gumbel":
        return signed
    noisy = gumbel.GumbelKey(spec.temperature, spec.seed)
    if spec.standardize:
        scores = (signed(rows) for rows, _ in scored.rows())
        noisy = gumbel.standardized(spec.temperature, spec.seed, scores)
    return lambda rows: noisy(rows.doc_id, signed(rows))


@dataclass(frozen=True)
class _Taken:
    """What was taken and, of each budget, its last key, its sum and what came next."""

    table: pa.Table
    last_key: list[float | None]
    spent: list[int]
    following: dict[int, tuple[str, int]]  # budget -> id in hex and tokens


def _gather(ranked: _Ranked, cuts: Cuts, n_budgets: int) -> _Taken:
    """Return the taken rows as a table in rank order, and where each budget ended."""
    tables, kept = [SELECTION.empty_table()], []
    following: dict[int, tuple[str, int]] = {}
    for rows, at in ranked.rows():
        mask = cuts.take(at)
        chosen = rows.where(mask)
        kept.append(at.at(mask))
        tables.append(_selection_table(chosen, ranked.key(chosen)))
        for row in np.flatnonzero(cuts.first_left(at)).tolist():  # one a budget at most
            following[int(at.group[row])] = rows.doc_id[row].tobytes().hex(), int(at.tokens[row])
    table = pa.concat_tables(tables).combine_chunks()
    if not kept:
        return _Taken(table, [None] * n_budgets, [0] * n_budgets, following)
    all_places = Places.concat(kept)
    order = np.lexsort((all_places.id_low, all_places.id_high, all_places.tie, all_places.rank))
    table = table.take(pa.array(order))
    budget, keys = all_places.group[order], table["key"].to_numpy()
    of_budget = [keys[budget == each] for each in range(n_budgets)]
    last_key = [float(each[-1]) if len(each) else None for each in of_budget]
    spent = np.zeros(n_budgets, np.int64)
    np.add.at(spent, all_places.group, all_places.tokens)
    return _Taken(table, last_key, spent.tolist(), following)


def _selection_table(rows: Rows, key: NDArray[np.float64]) -> pa.Table:
    ids = pa.Array.from_buffers(
        pa.binary(16), len(key), [None, pa.py_buffer(np.ascontiguousarray(rows.doc_id))]
    )
    columns = [
        ids,
        rows.source.cast(pa.string()),
        pa.array(rows.tokens.astype(np.uint32)),
        pa.array(rows.copies),
        pa.array(key),
    ]
    return pa.table(columns, schema=SELECTION)


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
