"""The documents that may be taken, with their places in rank order, as a stream read again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.identity import id_array
from curator.schema import SELECTION
from curator.select.pool import Pool, Rows
from curator.select.radix import Cuts, Places, places

Key = Callable[[Rows], NDArray[np.float64]]  # higher is taken earlier
Grouping = Callable[[Rows], NDArray[np.int64]]  # the number of each document's group
Test = Callable[[Rows], NDArray[np.bool_]]  # which documents may be taken


@dataclass
class Survey:
    """Eligible tokens and documents of each group, and how many are ineligible, by reason."""

    tokens: NDArray[np.int64]
    documents: NDArray[np.int64]
    dropped: dict[str, int] = field(default_factory=dict)

    def drop(self, reason: str, count: int) -> None:
        """Count documents that a test leaves out."""
        self.dropped[reason] = self.dropped.get(reason, 0) + count


@dataclass(frozen=True)
class Ranked:
    """A pool's documents that pass all tests, with their keys and groups.

    Attributes:
        pool: where they are.
        seed: of ties.
        key: what they are ranked by.
        group: which budget they draw on.
        n_groups: how many there are.
        tests: (reason, test) in order; a document is dropped for the first that it fails.
    """

    pool: Pool
    seed: int
    key: Key
    group: Grouping
    n_groups: int
    tests: tuple[tuple[str, Test], ...] = ()

    def by(self, key: Key) -> Ranked:
        """Return the same documents under another key."""
        return replace(self, key=key)

    def grouped(self, group: Grouping, n_groups: int) -> Ranked:
        """Return the same documents in other groups."""
        return replace(self, group=group, n_groups=n_groups)

    def passing(self, reason: str, test: Test) -> Ranked:
        """Return those of the documents that pass one more test."""
        return replace(self, tests=(*self.tests, (reason, test)))

    def rows(self, survey: Survey | None = None) -> Iterator[tuple[Rows, Places]]:
        """Yield eligible documents with their places; count the others in `survey`."""
        for batch in self.pool.batches():
            rest = batch
            for reason, test in self.tests:
                mask = test(rest)
                if survey is not None:
                    survey.drop(reason, int((~mask).sum()))
                rest = rest.where(mask)
            yield rest, self.at(rest)

    def at(self, rows: Rows) -> Places:
        """Return where documents stand."""
        return places(rows.doc_id, self.key(rows), self.group(rows), rows.tokens, self.seed)

    def places(self) -> Iterator[Places]:
        """Yield the places of all eligible documents."""
        return (at for _, at in self.rows())

    def survey(self) -> Survey:
        """Return what there is to choose from."""
        found = Survey(np.zeros(self.n_groups, np.int64), np.zeros(self.n_groups, np.int64))
        for _, at in self.rows(found):
            np.add.at(found.tokens, at.group, at.tokens)
            np.add.at(found.documents, at.group, 1)
        return found


def numbered(column: Callable[[Rows], pa.Array], number_of: Mapping[str, int]) -> Grouping:
    """Return the grouping by a column of names, each with the number that a mapping has for it."""
    return lambda rows: codes(column(rows), number_of)


def codes(names: pa.Array, number_of: Mapping[str, int]) -> NDArray[np.int64]:
    """Return (n,) the number that a mapping has for each name."""
    encoded = names.dictionary_encode()
    lookup = np.array([number_of[name] for name in encoded.dictionary.to_pylist()] or [0], np.int64)
    found: NDArray[np.int64] = lookup[encoded.indices.to_numpy(zero_copy_only=False)]
    return found


def together(rows: Rows) -> NDArray[np.int64]:
    """Return the grouping of all documents as one."""
    return np.zeros(len(rows.tokens), np.int64)


@dataclass(frozen=True)
class Taken:
    """What was taken and, of each group, its last key, its sum and what came next."""

    table: pa.Table  # SELECTION rows in rank order
    last_key: list[float | None]
    spent: list[int]
    following: dict[int, tuple[str, int]]  # group -> id in hex and tokens


def gather(ranked: Ranked, cuts: Cuts) -> Taken:
    """Return the documents before the cuts, best first, and where each group ended."""
    tables, kept = [SELECTION.empty_table()], []
    following: dict[int, tuple[str, int]] = {}
    for rows, at in ranked.rows():
        mask = cuts.take(at)
        chosen = rows.where(mask)
        kept.append(at.at(mask))
        tables.append(_selection_table(chosen, ranked.key(chosen)))
        for row in np.flatnonzero(cuts.first_left(at)).tolist():  # one a group at most
            following[int(at.group[row])] = rows.doc_id[row].tobytes().hex(), int(at.tokens[row])
    n_groups = ranked.n_groups
    table = pa.concat_tables(tables).combine_chunks()
    if not kept:
        return Taken(table, [None] * n_groups, [0] * n_groups, following)
    all_places = Places.concat(kept)
    order = np.lexsort((all_places.id_low, all_places.id_high, all_places.tie, all_places.rank))
    table = table.take(pa.array(order))
    group, keys = all_places.group[order], table["key"].to_numpy()
    last = np.full(n_groups, -1, np.int64)
    last[group] = np.arange(len(group))  # of one group's rows the last assignment stays
    spent = np.zeros(n_groups, np.int64)
    np.add.at(spent, all_places.group, all_places.tokens)
    last_key = [float(keys[row]) if row >= 0 else None for row in last.tolist()]
    return Taken(table, last_key, spent.tolist(), following)


def _selection_table(rows: Rows, key: NDArray[np.float64]) -> pa.Table:
    columns = [
        id_array(rows.doc_id),
        rows.source.cast(pa.string()),
        pa.array(rows.tokens.astype(np.uint32)),
        pa.array(rows.copies),
        pa.array(key),
    ]
    return pa.table(columns, schema=SELECTION)
