"""What goes with a passage that is cut out, so that the rest reads on as text.

Of the white space before and after the passage one remains: that with more line breaks, so that
paragraphs stay apart; what follows if both have as many, so that the next line keeps its
indentation. Where nothing stands before the passage, lines in front of the rest go with it; where
nothing follows, what stands before the passage goes and the text ends as it did.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled, leaf
from curator.text.pieces import skip_space
from curator.text.spans import Spans
from curator.text.unicode import LIMIT, SPACE, Characters, characters, decode

_NEWLINE = 10


def joined(texts: Texts, spans: Spans) -> Spans:
    """The spans with the white space that goes with them; those that only it parts become one.

    `joined(texts: pa.Array | pa.ChunkedArray, spans: Spans) -> Spans`.

    Args:
        texts: the column.
        spans: rising and apart; they begin and end with what is no white space.
    """
    column = utf8(texts)
    offsets, starts, ends, first = _joined(
        column.offsets, column.data, spans.offsets, spans.starts, spans.ends, characters()
    )
    return Spans(offsets, starts, ends, spans.kinds[first])


@leaf
def _back(data: npt.NDArray[np.uint8], at: int, begin: int, tables: Characters) -> int:
    """Where the white space that ends at byte `at` begins."""
    while at > begin:
        before = at - 1
        while before > begin and data[before] & 0xC0 == 0x80:
            before -= 1
        code, _ = decode(data, before, at)
        if code >= LIMIT or not tables.classes[code] & SPACE:
            break
        at = before
    return at


@leaf
def _breaks(data: npt.NDArray[np.uint8], at: int, end: int) -> tuple[int, int]:
    """How many line feeds there are, and where the last of them ends (`at` if there is none)."""
    count, last = 0, at
    for place in range(at, end):
        if data[place] == _NEWLINE:
            count, last = count + 1, place + 1
    return count, last


@compiled
def _joined(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    bounds: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    tables: Characters,
) -> tuple[
    npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]
]:
    out = np.zeros(len(bounds), np.int64)
    lows = np.empty(len(starts), np.int64)
    highs = np.empty(len(starts), np.int64)
    firsts = np.empty(len(starts), np.int64)
    count = 0
    for row in range(len(bounds) - 1):
        begin, end = offsets[row], offsets[row + 1]
        span = bounds[row]
        while span < bounds[row + 1]:
            firsts[count] = span
            low, high = begin + starts[span], begin + ends[span]
            after = skip_space(data, high, end, tables)
            span += 1
            while span < bounds[row + 1] and begin + starts[span] <= after:
                high = begin + ends[span]
                after = skip_space(data, high, end, tables)
                span += 1
            before = _back(data, low, begin, tables)
            breaks_before, _ = _breaks(data, before, low)
            breaks_after, last = _breaks(data, high, after)
            if before == begin and after < end:
                low = begin
                high = last if breaks_after else after
            elif after == end or (after > high and breaks_after >= breaks_before):
                low = before
            else:
                high = after
            lows[count], highs[count] = low - begin, high - begin
            count += 1
        out[row + 1] = count
    return out, lows[:count].copy(), highs[:count].copy(), firsts[:count].copy()
