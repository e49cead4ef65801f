"""Programs of chunks run over a column of documents; what is wrong leaves them as they were.

Policy "exact" is ours. Line numbers are those of the document as it came; a chunk's calls may name
its own lines only; its replacements see what is left of that chunk, within lines, capped. Policy
"legacy" runs them in the order of ProX's own executor (GAIR-NLP/ProX; Zhou et al. 2024,
arXiv:2409.17115): every replacement first, on the whole text, then lines by their numbers in what
came of that. Both accept by ProX's rules. Of strings that its splitter of calls would misread,
"legacy" counts the calls and runs none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curator.errors import PluginError, RecipeError
from curator.refine.programs import (
    KINDS,
    MAX_LINE_BYTES,
    MAX_OPS,
    MAX_PROGRAM_BYTES,
    MAX_STRING_BYTES,
    Op,
    parse_line,
)

if TYPE_CHECKING:
    from curator.text.edited_lines import Edits
    from curator.text.program_lines import Calls

Policy = Literal["exact", "legacy"]
# What became of a document, as `curator.text.edited_lines` numbers it. The first: its programs ran.
VERDICTS: Final = (
    "accepted", "share", "short", "errors", "wordless", "refused", "lines", "growth",
)  # fmt: skip
DROPPED: Final = ("share", "short")
MAX_LINES: Final = 100_000  # of a document; one with more stays as it was
_MOST_GROWTH: Final = 16  # ours, under "legacy": times its size that a document may grow to
_LEAST_REPLACED: Final = 64  # ours: bytes of a chunk that replacements may touch, however short

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rules:
    """How programs are run, and when what came of them is accepted.

    Attributes:
        policy: see above.
        max_errors: with more, the document stays as it was; ProX's `error_op` of 2 is 1 here.
        max_removed: share of words in [0, 1]; a document that would lose so many or more is dropped
            (ProX's threshold_2).
        least_words: a document of which so many or fewer are left is dropped (ProX). Under "exact"
            only one that its program changed, without too many errors.
        max_replacements: under "exact", how often one call replaces in a chunk.
        max_replaced: under "exact", share of a chunk's bytes that its replacements may touch.
    """

    policy: Policy = "exact"
    max_errors: int = 1
    max_removed: float = 0.95
    least_words: int = 10
    max_replacements: int = 20
    max_replaced: float = 0.2

    def __post_init__(self) -> None:
        """Refuse shares and counts that mean nothing."""
        for name in ("max_removed", "max_replaced"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise RecipeError(f"{name}={getattr(self, name)!r}; wanted a share from 0 to 1")
        for name in ("max_errors", "least_words", "max_replacements"):
            if getattr(self, name) < 0:
                raise RecipeError(f"{name}={getattr(self, name)!r}; wanted 0 or more")


@dataclass(frozen=True)
class Programs:
    """Programs of chunks, document after document.

    Attributes:
        rows: (p,) int64, the document of each, rising.
        firsts: (p,) int64, the first line of its chunk, from 0; chunks of a document rise and are
            apart.
        lasts: (p,) int64, the last line of its chunk.
        sources: (p,) what the model wrote.
    """

    rows: Counts
    firsts: Counts
    lasts: Counts
    sources: pa.Array

    def __post_init__(self) -> None:
        """Refuse chunks that are not documents' lines in order."""
        sizes = {len(self.rows), len(self.firsts), len(self.lasts), len(self.sources)}
        if len(sizes) > 1:
            raise PluginError(f"columns of {sorted(sizes)} programs; wanted as many of each")
        same = self.rows[1:] == self.rows[:-1]
        if (self.rows[1:] < self.rows[:-1]).any() or (
            same & (self.firsts[1:] <= self.lasts[:-1])
        ).any():
            raise PluginError("chunks overlap or are out of order; wanted rising ones, apart")
        if ((self.firsts < 0) | (self.lasts < self.firsts)).any():
            raise PluginError("a chunk ends before it begins, or begins below 0; wanted lines")


@dataclass(frozen=True)
class Edited:
    """What became of documents.

    Attributes:
        texts: (n,) large_string; of one whose verdict is not "accepted", its old text.
        verdicts: (n,) int64, places in `VERDICTS`.
        errors: (n,) int64: calls that are none, or of lines that are not there.
        misread: (n,) int64, under "legacy": replacements that ProX's splitter would misread.
        removed: (n,) int64: lines that went.
        replaced: (n,) int64: places at which a text was put for another.
        words: (n, 2) int64: before and after.
    """

    texts: pa.LargeStringArray
    verdicts: Counts
    errors: Counts
    misread: Counts
    removed: Counts
    replaced: Counts
    words: Counts


def execute(
    texts: pa.Array | pa.ChunkedArray, programs: Programs, rules: Rules | None = None
) -> Edited:
    """Return documents after their programs; one without a program stays as it is.

    Raises:
        PluginError: the column is no valid UTF-8, or a program is of no row.
    """
    from curator.text.buffers import utf8
    from curator.text.edited_lines import Rules as KernelRules
    from curator.text.legacy_edits import legacy_edits
    from curator.text.program_edits import program_edits

    rules = rules or Rules()
    _require(texts, programs)
    column = utf8(texts)
    told = KernelRules(
        rules.max_errors, 1.0 - rules.max_removed, rules.least_words, MAX_LINES,
        rules.max_replacements, rules.max_replaced, _LEAST_REPLACED, _MOST_GROWTH,
    )  # fmt: skip
    run = legacy_edits if rules.policy == "legacy" else program_edits
    edits = _edits(programs, len(column), legacy=rules.policy == "legacy")
    offsets, data, counts = run(column.offsets, column.data, edits, told)
    new = pa.LargeStringArray.from_buffers(len(column), pa.py_buffer(offsets), pa.py_buffer(data))
    verdicts, errors, misread, removed, replaced, before, after = counts.T
    words = np.stack([before, after], axis=1)
    return Edited(new, verdicts, errors, misread, removed, replaced, words)


def is_utf8(texts: pa.Array | pa.ChunkedArray) -> bool:
    """Return whether every text of a column is valid UTF-8 (at 10 GB/s; Arrow's check has 0.5)."""
    import polars as pl

    from curator.text.buffers import utf8

    column = utf8(texts)
    data = column.data[column.offsets[0] : column.offsets[-1]]
    begins = column.offsets[:-1][np.diff(column.offsets) > 0]
    if (column.data[begins] & 0xC0 == 0x80).any():  # a text that begins within a character
        return False
    bounds = pa.py_buffer(np.array([0, len(data)], np.int64))
    end_to_end = pa.Array.from_buffers(pa.large_binary(), 1, [None, bounds, pa.py_buffer(data)])
    try:
        pl.Series(end_to_end).cast(pl.String)
    except pl.exceptions.ComputeError:
        return False
    return True


def _require(texts: pa.Array | pa.ChunkedArray, programs: Programs) -> None:
    for column, word in ((texts, "texts"), (programs.sources, "programs")):
        if not is_utf8(column):
            raise PluginError(f"{word} are no valid UTF-8; decode what they came from first")
    strange = programs.rows[(programs.rows < 0) | (programs.rows >= len(texts))]
    if len(strange):
        raise PluginError(
            f"a program of row {int(strange[0])}; rows are 0 to {len(texts) - 1}: run programs "
            "over the documents that they were written for"
        )


def _edits(programs: Programs, documents: int, *, legacy: bool) -> Edits:
    """Return programs as kernels run them; the lines not plainly spelled are parsed here."""
    from curator.text.buffers import utf8
    from curator.text.edited_lines import Edits
    from curator.text.program_lines import program_lines

    calls = program_lines(
        programs.sources,
        longest_line=MAX_LINE_BYTES,
        longest_string=MAX_STRING_BYTES,
        most_lines=MAX_OPS,
    )
    column = utf8(programs.sources)
    refused = np.diff(calls.offsets) > MAX_OPS
    refused |= np.diff(column.offsets) > MAX_PROGRAM_BYTES
    extra = _parsed(calls, column.data, refused, legacy=legacy)
    lasts = np.where(refused, programs.firsts - 1, programs.lasts)
    rows = np.bincount(programs.rows, minlength=documents)
    return Edits(
        np.concatenate([np.zeros(1, np.int64), np.cumsum(rows)]),
        programs.firsts,
        lasts,
        calls.offsets,
        calls.kinds,
        calls.numbers,
        np.concatenate([column.data, np.frombuffer(extra, np.uint8)]),
    )


def _parsed(
    calls: Calls, data: npt.NDArray[np.uint8], refused: npt.NDArray[np.bool_], *, legacy: bool
) -> bytes:
    """Read the unread calls into place; returns the strings that they add to the programs' own.

    A loop: these are the lines that are not plainly spelled, and faults. Under "legacy" all of
    them are faults, as they are to ProX's splitter.
    """
    if legacy:
        return b""
    owner = np.repeat(refused, np.diff(calls.offsets))
    added: list[bytes] = []
    size = len(data)
    for place in np.flatnonzero((calls.kinds < 0) & ~owner).tolist():
        low, high = calls.numbers[place, :2].tolist()
        op = parse_line(data[low:high].tobytes().decode())
        if not isinstance(op, Op) or "\n" in op.source + op.target:
            continue  # a replacement must not move lines
        calls.kinds[place] = KINDS.index(op.kind)
        calls.numbers[place] = (op.first, op.last, 0, 0)
        if op.kind == "normalize":
            strings = [op.source.encode(), op.target.encode()]
            middle = size + len(strings[0])
            calls.numbers[place] = (size, middle, middle, middle + len(strings[1]))
            added += strings
            size = middle + len(strings[1])
    return b"".join(added)


def whole(rows: Sequence[int], lines: Sequence[int], sources: Sequence[str]) -> Programs:
    """Return one program for each of some documents, about all of its `lines` lines."""
    last = np.asarray(lines, np.int64) - 1
    texts = pa.array(list(sources), pa.large_string())
    return Programs(np.asarray(rows, np.int64), np.zeros(len(last), np.int64), last, texts)
