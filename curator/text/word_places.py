"""Where the words of texts stand, as `curator.text.words` cuts them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled
from curator.text.unicode import Characters, characters
from curator.text.words import count_words, next_word


def word_places(
    texts: Texts,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(n + 1,) offsets, and the first byte and the end byte of every word within its text.

    `word_places(texts: pa.Array | pa.ChunkedArray)`; words stand in reading order.
    """
    column = utf8(texts)
    counts = count_words(column.offsets, column.data, characters())
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    starts, ends = np.empty(offsets[-1], np.int64), np.empty(offsets[-1], np.int64)
    _place(column.offsets, column.data, characters(), starts, ends)
    return offsets, starts, ends


@compiled
def _place(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    tables: Characters,
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
) -> None:
    made = 0
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        _, start, stop = next_word(data, begin, end, tables)
        while start < end:
            starts[made], ends[made] = start - begin, stop - begin
            made += 1
            _, start, stop = next_word(data, stop, end, tables)
