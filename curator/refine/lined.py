"""Documents as lines, and lines that should go as the programs that remove them.

A line is what `str.split` gives at newlines, blank ones included: so programs number them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curator.identity import id_matrix, uniform
from curator.refine.execute import Programs
from curator.refine.programs import MAX_OPS, Op, parse, spelled

Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Lined(NamedTuple):
    """The lines of a text column, document after document.

    Attributes:
        texts: (n,) large_string.
        rows: (n,) int64, the document of each.
        offsets: (documents + 1,) int64; those of document i are `offsets[i]:offsets[i + 1]`.
        blank: (n,) bool, whether nothing but white space stands there.
    """

    texts: pa.LargeStringArray
    rows: Counts
    offsets: Counts
    blank: Flags

    @property
    def numbers(self) -> Counts:
        """The number of each line in its document, from 0."""
        numbered: Counts = np.arange(len(self.rows)) - self.offsets[self.rows]
        return numbered


def lines_of(texts: pa.Array | pa.ChunkedArray) -> Lined:
    """Return the lines of every text; an empty text has one, which is empty."""
    column = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    lists = pc.split_pattern(column.cast(pa.large_string()), "\n")
    counts = lists.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    flat = lists.flatten()
    sizes = pc.binary_length(pc.utf8_trim_whitespace(flat)).to_numpy(zero_copy_only=False)
    return Lined(flat, np.repeat(np.arange(len(column)), counts), offsets, sizes == 0)


def chance_of(lined: Lined, ids: pa.ChunkedArray, purpose: str, seed: int) -> npt.NDArray[Any]:
    """Return (n,) float64 in (0, 1): chance of each line's document and its number in it."""
    named = np.ascontiguousarray(id_matrix(ids)[lined.rows]).view(np.uint64).reshape(-1, 2).copy()
    named[:, 1] ^= lined.numbers.astype(np.uint64)
    return uniform(named.view(np.uint8).reshape(-1, 16), purpose, seed)


def lowest(lined: Lined, chance: npt.NDArray[np.float64], counts: Counts) -> Flags:
    """Return (n,) bool: as many lines of each document as `counts` says, by their chance.

    Blank lines are taken last.
    """
    order = np.lexsort((chance, lined.blank, lined.rows))
    chosen = np.zeros(len(lined.rows), np.bool_)
    chosen[order] = lined.numbers < counts[lined.rows]
    return chosen


def removing(lined: Lined, gone: Flags, *, further: dict[int, list[Op]] | None = None) -> Programs:
    """Return a program for each document that has lines to remove, about all of its lines.

    A document that takes more operations than a program may have is cut into chunks.

    Args:
        lined: the documents.
        gone: (n,) bool, the lines that are to go.
        further: replacements by the number of the document, of which no line is cut into chunks.
    """
    wide = np.concatenate([np.zeros(1, np.bool_), gone, np.zeros(1, np.bool_)])
    first = np.zeros(len(gone) + 1, np.bool_)
    first[lined.offsets[:-1]] = True  # a run ends with its document
    begins = np.flatnonzero(gone & (~wide[:-2] | first[:-1]))
    ends = np.flatnonzero(gone & (~wide[2:] | first[1:] | (np.arange(len(gone)) == len(gone) - 1)))
    rows: list[int] = []
    bounds: list[tuple[int, int]] = []
    sources: list[str] = []
    numbers = lined.numbers
    spans = np.stack([lined.rows[begins], numbers[begins], numbers[ends]], axis=1)
    changed = np.union1d(spans[:, 0], np.array(sorted(further or {}), np.int64))
    places = np.searchsorted(spans[:, 0], np.append(changed, len(lined.offsets)))
    # A loop over documents that change: each gets a text of its own.
    for row, (low, high) in zip(changed.tolist(), pairwise(places.tolist()), strict=True):
        ops = [Op("remove_lines", a, b) for _, a, b in spans[low:high].tolist()]
        last = int(lined.offsets[row + 1] - lined.offsets[row]) - 1
        for chunk in _chunks(ops, (further or {}).get(row, []), last):
            rows.append(row)
            bounds.append(chunk[:2])
            sources.append("\n".join(spelled(op) for op in chunk[2]))
    low_high = np.array(bounds, np.int64).reshape(-1, 2)
    texts = pa.array(sources, pa.large_string())
    return Programs(np.array(rows, np.int64), low_high[:, 0], low_high[:, 1], texts)


def removed_by(programs: Programs, lined: Lined) -> Flags:
    """Return (n,) bool: the lines that programs name for removal inside their chunks."""
    gone = np.zeros(len(lined.rows), np.bool_)
    columns = (programs.rows, programs.firsts, programs.lasts)
    told = zip(*(one.tolist() for one in columns), programs.sources.to_pylist(), strict=True)
    for row, low, high, source in told:  # each program is parsed
        begin, end = lined.offsets[row : row + 2].tolist()
        for op in parse(source).ops:
            first, last = (low, high) if op.kind == "remove_all" else (op.first, op.last)
            named = op.kind in ("remove_lines", "remove_all")
            if named and low <= first <= last <= high < end - begin:
                gone[begin + first : begin + last + 1] = True
    return gone


def _chunks(removals: list[Op], further: list[Op], last: int) -> list[tuple[int, int, list[Op]]]:
    """Return first line, last line and operations of each chunk of one document."""
    room = MAX_OPS - min(len(further), MAX_OPS // 2)
    found: list[tuple[int, int, list[Op]]] = []
    low = 0
    for start in range(0, max(1, len(removals)), room):
        mine = removals[start : start + room]
        more = start + room < len(removals)
        high = mine[-1].last if more else last
        found.append((low, high, [*mine, *further[: MAX_OPS // 2]]))
        low = high + 1
    return found
