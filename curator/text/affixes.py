"""Which characters are cut off a word's ends, or cut it in the middle, as a table of flags.

The classes follow spaCy's English tokenizer (spacy/lang/punctuation.py and char_classes.py, MIT),
where they are written as regular expressions.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from curator.text.unicode import (
    LETTER,
    LIMIT,
    LINE_BREAK,
    LOWER,
    MARK,
    PICTURE,
    PUNCTUATION,
    SPACE,
    TERMINAL,
    UPPER,
    characters,
)

PREFIX: Final = 1  # cut off the front
SUFFIX: Final = 2  # cut off the end
BEFORE_DOT: Final = 4  # a dot after it, at the end, is cut off
ICON: Final = 8  # cut out wherever it stands
INFIX: Final = 16  # may cut a word in the middle, by what stands beside it
SMALL: Final = 32  # lower case, without case, or a quotation mark: a dot may end a sentence after
LARGE: Final = 64  # upper case, without case, or a quotation mark: a sentence may begin with it
LETTERED: Final = 128  # a letter: hyphens, commas and the like cut between two of them
DASH: Final = 256  # hyphens and dashes
CURRENCY: Final = 512
SYMBOLIC: Final = 1024  # a token of these alone is no word: see `curator.text.tokens`
PUNCTUAL: Final = 2048  # Unicode category P
BLANK: Final = 4096  # white space
STOP: Final = 8192  # ends a sentence when it is a token of its own
FIGURE: Final = 16384  # 0 to 9
BREAK: Final = 32768  # `str.splitlines` cuts here

_PUNCTUATION: Final = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪"
_QUOTES: Final = "'\"”“`‘´’‚„»«「」『』（）〔〕【】《》〈〉〈〉⟦⟧"
_CURRENCIES: Final = "$£€¥฿₽﷼₴" + "".join(map(chr, range(0x20A0, 0x20C0)))
_DASHES: Final = "-–—~"
# Scripts whose vowel signs and points stand among spaCy's letters without case: Hebrew, Devanagari,
# Bengali, Tamil, Telugu, Kannada, Sinhala.
_VOWEL_SIGNS: Final = (
    (0x591, 0x5F4),
    (0x900, 0x9FF),
    (0xB80, 0xCFF),
    (0xD80, 0xDFF),
)
# Marks that datatrove's PUNCTUATION (utils/text.py) has beyond ASCII; control characters with them.
_WIDE_MARKS: Final = "—”：％１〈、━【「」，】；“《„’∶´．（–？！：～«〉》）。…►»"


@cache
def affixes() -> npt.NDArray[np.uint16]:
    """(LIMIT,) uint16: a sum of the flags above for each code point."""
    classes = characters().classes
    flags = np.zeros(LIMIT, np.uint16)
    lettered = (classes & LETTER) != 0
    cased = (classes & (LOWER | UPPER)) != 0
    flags[lettered] |= LETTERED
    flags[lettered & ((classes & LOWER) != 0)] |= SMALL | BEFORE_DOT
    flags[lettered & ((classes & UPPER) != 0)] |= LARGE
    flags[lettered & ~cased] |= SMALL | LARGE | BEFORE_DOT
    for first, last in _VOWEL_SIGNS:
        block = flags[first : last + 1]
        block[(classes[first : last + 1] & MARK) != 0] |= SMALL | LARGE | BEFORE_DOT
    for marks, flag in _MARKED:
        flags[np.fromiter(map(ord, marks), np.int64)] |= flag
    flags[(classes & PICTURE) != 0] |= ICON | PREFIX | SUFFIX | INFIX
    flags[(classes & TERMINAL) != 0] |= STOP | SYMBOLIC
    flags[(classes & PUNCTUATION) != 0] |= PUNCTUAL
    flags[(classes & SPACE) != 0] |= BLANK
    flags[(classes & LINE_BREAK) != 0] |= BREAK
    return flags


_MARKED: Final = (
    ("0123456789", FIGURE),
    ("0123456789%²-+|", BEFORE_DOT),  # the bar: spaCy writes the class as alternatives
    (_PUNCTUATION, PREFIX | SUFFIX | BEFORE_DOT),
    (_QUOTES, PREFIX | SUFFIX | BEFORE_DOT | SMALL | LARGE),
    ("§%=—–", PREFIX),
    ("—–", SUFFIX),
    (_CURRENCIES, PREFIX | CURRENCY),
    (_DASHES, DASH),
    (".…+*^,:<>=/" + _DASHES, INFIX),
    ("…", ICON),
    ("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", SYMBOLIC),
    (_WIDE_MARKS, SYMBOLIC),
    ("".join(map(chr, (*range(9), *range(11, 32), *range(127, 160)))), SYMBOLIC),
)
