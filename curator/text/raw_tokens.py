"""Runs of word characters and of marks, and sentences, as RedPajama-V2 counts them.

Its raw words are those of NLTK's WordPunctTokenizer: `\\w+|[^\\w\\s]+`. Its sentences are matches
of `\\b[^.!?]+[.!?]*`, one for each run of characters other than `. ! ?` that has a word character
(togethercomputer/RedPajama-Data, app/src/core/document.py and
app/src/core/quality_signals/natural_language.py).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from curator.text.compile import block
from curator.text.kinds import BLANK, CAPITAL, CLOSING, MINOR, WORDY, Kinds
from curator.text.unicode import LIMIT, decode

COUNTS: Final = ("raw_tokens", "latin_tokens", "capital_tokens", "raw_sentences")


@block
def count_raw_tokens(
    data: npt.NDArray[np.uint8], at: int, end: int, kinds: Kinds, out: npt.NDArray[np.int64]
) -> None:
    """Fill `out` (4,) in the order of `COUNTS`."""
    out[:] = 0
    run, union, latin, spoken = 0, np.uint8(0), 0, False
    while at < end:
        byte = data[at]
        if byte < 128:
            code, width = np.int32(byte), 1
        else:
            code, width = decode(data, at, end)
        flags = kinds.flags[code] if code < LIMIT else np.uint8(0)
        this = 0 if flags & BLANK else 1 if flags & WORDY else 2
        if this != run:
            if run:
                _close(union, latin, out)
            run, union, latin = this, np.uint8(0), 0
        union |= flags
        latin |= 1 if byte < 128 and flags & (CAPITAL | MINOR) else 0
        if flags & CLOSING:
            spoken = False
        elif flags & WORDY and not spoken:
            spoken = True
            out[3] += 1
        at += width
    if run:
        _close(union, latin, out)


@block
def _close(union: np.uint8, latin: int, out: npt.NDArray[np.int64]) -> None:
    """Count one token by the flags that any of its characters has."""
    out[0] += 1
    out[1] += latin
    out[2] += 1 if union & CAPITAL and not union & MINOR else 0
