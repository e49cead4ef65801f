"""The tokens of runs that were cut before: most of what needs cutting is written again and again.

A run of 16 bytes or less that made four tokens or fewer is kept in a table of 4,096 lines of 64
bytes (one line of the processor's cache, 256 KiB in all); a new run takes the place of the one it
meets there. A run is recognized by all of its bytes, so nothing can be mistaken for another.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from curator.text.blocks import word_at
from curator.text.compile import leaf, part
from curator.text.hashing import STEP, mixed
from curator.text.runs import Tokens, store

LONGEST: Final = 16  # bytes
MOST: Final = 4  # tokens
_LINE: Final = 8  # words: two of bytes, one of sizes and kinds, four of hashes, one of nothing
_SLOTS: Final = 4096

Data = npt.NDArray[np.uint8]
# (_SLOTS * _LINE,) uint64. The third word of a line: bits 0 to 7 the run's bytes, 8 to 15 how many
# tokens, 16 to 47 their lengths, 48 to 63 their kinds, four bits each.
Memo = npt.NDArray[np.uint64]
_ALL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
_255, _15 = np.uint64(255), np.uint64(15)


@part
def memo_room() -> Memo:
    """An empty memo."""
    return np.zeros(_SLOTS * _LINE, np.uint64)


@leaf
def read_run(data: Data, at: int, size: int) -> tuple[np.uint64, np.uint64, int]:
    """The bytes of a run of 1 to 16 as two numbers, and the line where they belong."""
    first, second = word_at(data, at), np.uint64(0)
    if size <= 8:
        first &= _ALL >> np.uint64(64 - 8 * size)
    else:
        second = word_at(data, at + 8) & (_ALL >> np.uint64(128 - 8 * size))
    slot = mixed(first ^ (second * STEP)) & np.uint64(_SLOTS - 1)
    return first, second, int(slot) * _LINE


@leaf
def knows(memo: Memo, line: int, first: np.uint64, second: np.uint64, size: int) -> bool:
    """True if this very run stands in the line."""
    return bool(
        (memo[line] == first)
        & (memo[line + 1] == second)
        & ((memo[line + 2] & _255) == np.uint64(size))
    )


@leaf
def recall(memo: Memo, line: int, tokens: Tokens, count: int) -> int:
    """Append the tokens that stand in the line; the new count."""
    sizes = memo[line + 2]
    found = int((sizes >> np.uint64(8)) & _255)
    for place in range(found):
        length = int((sizes >> np.uint64(16 + 8 * place)) & _255)
        kind = int((sizes >> np.uint64(48 + 4 * place)) & _15)
        count = store(tokens, count, memo[line + 3 + place], length, kind)
    return count


@leaf
def remember(
    memo: Memo,
    line: int,
    first: np.uint64,
    second: np.uint64,
    size: int,
    tokens: Tokens,
    before: int,
    count: int,
) -> None:
    """Write the tokens from `before` to `count` into the line, if they fit and were stored."""
    found = count - before
    if found > MOST or count > len(tokens.hashes):
        return
    sizes = np.uint64(size) | np.uint64(found) << np.uint64(8)
    for place in range(found):
        sizes |= np.uint64(tokens.lengths[before + place]) << np.uint64(16 + 8 * place)
        sizes |= np.uint64(tokens.kinds[before + place]) << np.uint64(48 + 4 * place)
        memo[line + 3 + place] = tokens.hashes[before + place]
    memo[line], memo[line + 1], memo[line + 2] = first, second, sizes
