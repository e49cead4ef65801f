"""Spans of bytes in texts: what was found where, and texts with spans replaced.

Offsets are bytes from a text's own start and always stand between characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curator.text.buffers import Texts, Utf8, utf8
from curator.text.compile import compiled

SPAN: Final = pa.struct(
    [
        pa.field("start", pa.int64(), nullable=False),  # the first byte
        pa.field("end", pa.int64(), nullable=False),  # past the last byte
        pa.field("kind", pa.string(), nullable=False),
    ]
)
SPANS: Final = pa.large_list(SPAN)


class Spans(NamedTuple):
    """Spans of a text column, text after text, rising and apart from each other within a text.

    Attributes:
        offsets: (texts + 1,) int64; the spans of text i are `offsets[i]:offsets[i + 1]`.
        starts: int64, the first byte, from the text's own start.
        ends: int64, past the last byte.
        kinds: uint8, a place in a list of names that goes with the spans.
    """

    offsets: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.uint8]

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Bytes covered in each text, (texts,) int64."""
        covered = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.ends - self.starts)])
        covered_by_text: npt.NDArray[np.int64] = np.diff(covered[self.offsets])
        return covered_by_text


def merge_spans(
    texts: int,
    rows: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.uint8],
) -> Spans:
    """Spans in any order as `Spans`: those that overlap become one, of the kind of the first.

    Spans of one kind that touch become one too. Empty ones are left out. Of spans that begin
    together the longest comes first, then the smallest kind.
    """
    full = ends > starts
    rows, starts, ends, kinds = rows[full], starts[full], ends[full], kinds[full]
    order = np.lexsort((kinds, -ends, starts, rows))
    rows, starts, ends, kinds = rows[order], starts[order], ends[order], kinds[order]
    kept = _merge(rows, starts, ends, kinds)
    counts = np.bincount(rows[kept], minlength=texts)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return Spans(offsets, starts[kept], ends[kept], kinds[kept])


def replace_spans(
    texts: Texts, spans: Spans, replacements: Sequence[str] = ("",)
) -> pa.LargeStringArray:
    """The texts with every span of kind i replaced by `replacements[i]`.

    Raises:
        ValueError: spans overlap, leave their text, cut a character, or have no replacement.
    """
    column = utf8(texts)
    _check(column, spans, len(replacements))
    encoded = [word.encode() for word in replacements]
    lengths = np.array([len(word) for word in encoded], np.int64)
    joined = np.frombuffer(b"".join(encoded), np.uint8)
    begins = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    change = lengths[spans.kinds] - (spans.ends - spans.starts)
    total = np.concatenate([np.zeros(1, np.int64), np.cumsum(change)])
    sizes = np.diff(column.offsets) + total[spans.offsets[1:]] - total[spans.offsets[:-1]]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    data = np.empty(offsets[-1], np.uint8)
    _replace(column.offsets, column.data, *spans, begins, joined, offsets, data)
    return pa.LargeStringArray.from_buffers(len(column), pa.py_buffer(offsets), pa.py_buffer(data))


def span_lists(spans: Spans, names: Sequence[str]) -> pa.LargeListArray:
    """The spans as an Arrow column of `SPANS`, one list a text, kinds by their names."""
    words = pa.array(list(names), pa.string()).take(pa.array(spans.kinds))
    structs = pa.StructArray.from_arrays(
        [pa.array(spans.starts), pa.array(spans.ends), words], fields=list(SPAN)
    )
    return pa.LargeListArray.from_arrays(pa.array(spans.offsets), structs, type=SPANS)


def spans_of(column: pa.Array | pa.ChunkedArray, names: Sequence[str]) -> Spans:
    """What `span_lists` made a column of; a null is no span.

    Raises:
        ValueError: a kind is none of `names`.
    """
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if whole.null_count:
        whole = whole.fill_null([])
    flat = whole.flatten()
    lengths = whole.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    kinds = pa.compute.index_in(flat.field("kind"), pa.array(list(names), pa.string()))
    if kinds.null_count:
        strange = sorted(set(flat.field("kind").filter(kinds.is_null()).to_pylist()))
        raise ValueError(f"spans are of kinds {strange}; wanted {sorted(names)}")
    return Spans(
        offsets,
        flat.field("start").to_numpy(),
        flat.field("end").to_numpy(),
        kinds.to_numpy(zero_copy_only=False).astype(np.uint8),
    )


def _check(column: Utf8, spans: Spans, kinds: int) -> None:
    texts = np.repeat(np.arange(len(column)), np.diff(spans.offsets))
    starts, ends = column.offsets[texts] + spans.starts, column.offsets[texts] + spans.ends
    inside = (spans.starts >= 0) & (spans.ends >= spans.starts)
    inside &= ends <= column.offsets[texts + 1]
    follows = texts[1:] == texts[:-1]
    apart = bool((~follows | (spans.starts[1:] >= spans.ends[:-1])).all())
    if len(spans.offsets) != len(column) + 1 or not inside.all() or not apart:
        raise ValueError("spans overlap or leave their text; wanted rising spans inside each text")
    if len(spans.kinds) and int(spans.kinds.max()) >= kinds:
        raise ValueError(
            f"a span is of kind {spans.kinds.max()}; replacements were given to {kinds}"
        )
    borders = np.concatenate([starts, ends])
    borders = borders[borders < column.offsets[-1]]
    if len(borders) and (column.data[borders] & 0xC0 == 0x80).any():
        raise ValueError("a span begins or ends inside a character; wanted offsets between them")


@compiled
def _merge(
    rows: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.uint8],
) -> npt.NDArray[np.bool_]:
    """Which of the sorted spans remain; `ends` of those grow over what they swallow."""
    kept = np.ones(len(rows), np.bool_)
    head = 0
    for place in range(1, len(rows)):
        overlaps = starts[place] < ends[head]
        touches = starts[place] == ends[head] and kinds[place] == kinds[head]
        if rows[place] == rows[head] and (overlaps or touches):
            ends[head] = max(ends[head], ends[place])
            kept[place] = False
        else:
            head = place
    return kept


@compiled
def _replace(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    span_offsets: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.uint8],
    begins: npt.NDArray[np.int64],
    words: npt.NDArray[np.uint8],
    out_offsets: npt.NDArray[np.int64],
    out: npt.NDArray[np.uint8],
) -> None:
    for row in range(len(offsets) - 1):
        at, to = offsets[row], out_offsets[row]
        for span in range(span_offsets[row], span_offsets[row + 1]):
            stop = offsets[row] + starts[span]
            out[to : to + stop - at] = data[at:stop]
            to += stop - at
            low, high = begins[kinds[span]], begins[kinds[span] + 1]
            out[to : to + high - low] = words[low:high]
            to += high - low
            at = offsets[row] + ends[span]
        out[to : to + offsets[row + 1] - at] = data[at : offsets[row + 1]]
