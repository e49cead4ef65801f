"""A 128-bit hash of each text as read past case, accents, spacing and punctuation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled
from curator.text.hashing import OTHER, STEP, mixed
from curator.text.unicode import LIMIT, SYMBOL, Characters, characters, decode
from curator.text.words import next_word


def normalized_hash(texts: Texts) -> npt.NDArray[np.uint64]:
    """(n, 2) uint64: equal for texts of equal words and symbols, in order.

    `normalized_hash(texts: pa.Array | pa.ChunkedArray) -> np.ndarray`. Words as in
    `curator.text.words` (lower case, accents and punctuation dropped, digits kept); symbols
    (Unicode category S: `+ < = > | ~ $`, arrows, emoji) count, so `1 + 2` is not `1 < 2`.
    A text with neither word nor symbol is hashed byte by byte. Two unequal texts agree by chance
    once in 2**128; no defense against texts made to collide.
    """
    column = utf8(texts)
    return _hash_texts(column.offsets, column.data, characters())


@compiled
def _hash_texts(
    offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8], tables: Characters
) -> npt.NDArray[np.uint64]:
    out = np.empty((len(offsets) - 1, 2), np.uint64)
    for row in range(len(out)):
        at, end = offsets[row], offsets[row + 1]
        first, second = STEP, OTHER
        tokens = 0
        while at < end:
            hashed, start, stop = next_word(data, at, end, tables)
            while at < start:
                code, width = decode(data, at, end)
                at += width
                if code < LIMIT and tables.classes[code] & SYMBOL:
                    tokens += 1
                    symbol = mixed(np.uint64(code) + STEP)
                    first = mixed(first ^ symbol) + STEP
                    second = (second ^ symbol) * OTHER
            if start < end:
                tokens += 1
                first = mixed(first ^ hashed) + STEP
                second = (second ^ hashed) * OTHER
                at = stop
        if not tokens:
            for place in range(offsets[row], end):
                byte = mixed(np.uint64(data[place]) + OTHER)
                first = mixed(first ^ byte) + STEP
                second = (second ^ byte) * OTHER
        out[row, 0], out[row, 1] = first, mixed(second)
    return out
