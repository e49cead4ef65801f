"""What the rule sets of Dolma and RedPajama-V2 ask of a character, as tables by code point."""

from __future__ import annotations

import string
import unicodedata
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.unicode import LETTER, LIMIT, NUMBER, SPACE, characters

BLANK: Final = 1  # str.isspace: words are what is between
ALPHA: Final = 2  # str.isalpha
WORDY: Final = 4  # `\\w` of Python's re: letters, numbers, the underscore
CAPITAL: Final = 8  # str.isupper
MINOR: Final = 16  # str.islower, or title case: str.isupper is false of a word with one
STRIPPED: Final = 32  # string.punctuation, which RedPajama-V2 takes out before it counts words
SYMBOLIC: Final = 64  # `#` and the ellipsis, Dolma's symbols
CLOSING: Final = 128  # . ! ?


class Kinds(NamedTuple):
    """The tables, by code point below `LIMIT`.

    Attributes:
        flags: (LIMIT,) uint8, a sum of the flags above.
        lower: (LIMIT,) int32, the code point in lower case (the first of several).
        sizes: (LIMIT,) uint8, code points of the lower case in NFD: what RedPajama-V2 counts.
    """

    flags: npt.NDArray[np.uint8]
    lower: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.uint8]


@cache
def kinds() -> Kinds:
    """The tables of this process (0.2 s when first asked for)."""
    tables = characters()
    flags = np.zeros(LIMIT, np.uint8)
    flags[(tables.classes & SPACE) != 0] |= BLANK
    flags[(tables.classes & LETTER) != 0] |= ALPHA
    flags[(tables.classes & (LETTER | NUMBER)) != 0] |= WORDY
    sizes = np.ones(LIMIT, np.uint8)
    for code in range(LIMIT):
        character = chr(code)
        if character.isupper():
            flags[code] |= CAPITAL
        elif character.islower() or character.istitle():
            flags[code] |= MINOR
        if code >= 128:
            sizes[code] = len(unicodedata.normalize("NFD", character.lower()))
    for marks, flag in (
        ("_", WORDY),
        (string.punctuation, STRIPPED),
        ("#…", SYMBOLIC),
        (".!?", CLOSING),
    ):
        flags[np.fromiter(map(ord, marks), np.int64)] |= flag
    return Kinds(flags, tables.lower, sizes)
