"""Tokens as NLTK's WordPunct cuts lower-cased text: `\\w+|[^\\w\\s]+` of Python's `re`.

Runs of word characters (letters, numbers, underscore), and runs of anything else that is not white
space. Marks are no word characters: a word of Devanagari is several tokens.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from curator.text.compile import leaf
from curator.text.hashing import FNV_PRIME, FNV_START, mixed
from curator.text.unicode import LETTER, LIMIT, NUMBER, SPACE, Characters, decode

_UNDERSCORE: Final = 95


@leaf
def next_token(
    data: npt.NDArray[np.uint8], at: int, end: int, tables: Characters
) -> tuple[np.uint64, int, int]:
    """The hash of the first token at or after byte `at`, its first byte and its end byte.

    Letters are hashed in lower case. The end byte is -1 when no token is left.
    """
    hashed = FNV_START
    start = at
    kind = 0  # 0: not begun, 1: word characters, 2: others
    while at < end:
        code, width = np.int32(data[at]), 1
        if code >= 128:
            code, width = decode(data, at, end)
        flags = tables.classes[code] if code < LIMIT else np.uint16(0)
        if flags & SPACE:
            if kind:
                break
            at += width
            start = at
            continue
        this = 1 if flags & (LETTER | NUMBER) or code == _UNDERSCORE else 2
        if kind and this != kind:
            break
        kind = this
        lowered = tables.lower[code] if code < LIMIT else code
        hashed = (hashed ^ np.uint64(lowered)) * FNV_PRIME
        at += width
    return mixed(hashed), start, at if kind else -1
