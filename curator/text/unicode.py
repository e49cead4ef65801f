"""What every character is, as tables that kernels index by code point.

Built once a process from Python's `unicodedata`; `UNICODE_VERSION` says which standard that is.
Code points at or above `LIMIT` (private use, unassigned, variation selectors) have no class.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.compile import leaf

UNICODE_VERSION: Final = unicodedata.unidata_version
LIMIT: Final = 0x33480  # past the last assigned letter (CJK extension H ends at 0x323AF)

LETTER: Final = 1  # str.isalpha
NUMBER: Final = 2  # str.isnumeric, so also fractions and circled digits
MARK: Final = 4  # category M: accents and vowel signs that attach to a letter
SPACE: Final = 8  # str.isspace
SOLO: Final = 16  # letter of a script written without spaces: a word of its own
SYMBOL: Final = 32  # category S: currency, mathematics, arrows, emoji
PUNCTUATION: Final = 64  # category P
UPPER: Final = 128  # category Lu or Lt
LOWER: Final = 256  # category Ll
LINE_BREAK: Final = 512  # str.splitlines cuts here
TERMINAL: Final = 1024  # ends a sentence: Unicode property Sentence_Terminal
CONTROL: Final = 2048  # category Cc
DIGIT: Final = 4096  # category Nd: what `\\d` matches
PICTURE: Final = 8192  # category So: arrows, box drawing, dingbats, emoji

# Scripts whose words are not parted by spaces; first and last code point of each range.
_SOLO_RANGES: Final = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # Katakana, phonetic extensions
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0xF900, 0xFAFF),  # Han, compatibility
    (0xFF66, 0xFF9D),  # Katakana, half width
    (0x20000, 0x323AF),  # Han, extensions B to H
)
# Unicode property Sentence_Terminal (PropList.txt of Unicode 15), hexadecimal, first-last.
_TERMINALS: Final = (
    "21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 "
    "166E 1735-1736 17D4-17D6 17D9-17DA 1803 1809 1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F "
    "1B7D-1B7E 1C3B-1C3C 1C7E-1C7F 203C-203D 2047-2049 2E2E 2E3C 2E53-2E54 3002 A4FF "
    "A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE52 "
    "FE56-FE57 FF01 FF0E FF1F FF61 10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 "
    "110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF 11238-11239 1123B-1123C 112A9 "
    "1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944 11946 11A42-11A43 "
    "11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44 "
    "16E98 1BC9F 1DA88 "
)
_BY_CATEGORY: Final = {
    "Lu": UPPER,
    "Lt": UPPER,
    "Ll": LOWER,
    "Cc": CONTROL,
    "Nd": DIGIT,
    "So": PICTURE,
}
_ACCENTS: Final = range(0x0300, 0x0370)  # the accents of Latin, Greek and Cyrillic
_LINE_BREAKS: Final = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


class Characters(NamedTuple):
    """The tables, by code point below `LIMIT`.

    Attributes:
        classes: (LIMIT,) uint16, a sum of the class flags above.
        folded: (LIMIT,) int32, the code point to compare by: lower case, without accents and
            compatibility forms; 0 for an accent, which is skipped.
        lower: (LIMIT,) int32, the code point in lower case (the first of several).
        words: (128,) uint8, for ASCII: the folded byte inside a word, 0 between words.
    """

    classes: npt.NDArray[np.uint16]
    folded: npt.NDArray[np.int32]
    lower: npt.NDArray[np.int32]
    words: npt.NDArray[np.uint8]


@cache
def characters() -> Characters:
    """The tables of this process (0.3 s when first asked for)."""
    classes = np.zeros(LIMIT, np.uint16)
    folded = np.arange(LIMIT, dtype=np.int32)
    lower = np.arange(LIMIT, dtype=np.int32)
    for code in range(LIMIT):
        character = chr(code)
        category = unicodedata.category(character)
        if category == "Cn":  # unassigned
            continue
        classes[code] = _class(character, category)
        lower[code] = ord(character.lower()[0])
        folded[code] = _fold(character)
    for start, stop in _SOLO_RANGES:
        block = classes[start : stop + 1]
        block[(block & LETTER) != 0] |= SOLO
    for span in _TERMINALS.split():
        first, _, last = span.partition("-")
        classes[int(first, 16) : int(last or first, 16) + 1] |= TERMINAL
    words = np.where(classes[:128] & (LETTER | NUMBER), folded[:128], 0).astype(np.uint8)
    return Characters(classes, folded, lower, words)


def _class(character: str, category: str) -> int:
    flags = 0
    if character.isalpha():
        flags |= LETTER
    if character.isnumeric():
        flags |= NUMBER
    if character.isspace():
        flags |= SPACE
    if character in _LINE_BREAKS:
        flags |= LINE_BREAK
    flags |= {"M": MARK, "S": SYMBOL, "P": PUNCTUATION}.get(category[0], 0)
    return flags | _BY_CATEGORY.get(category, 0)


def _fold(character: str) -> int:
    """The base letter in lower case; ligatures and syllables that fall apart stay whole."""
    if ord(character) < 128:
        return ord(character.lower())
    if ord(character) in _ACCENTS:
        return 0
    base = unicodedata.normalize("NFKD", character)
    if len(base) > 1 and not all(ord(accent) in _ACCENTS for accent in base[1:]):
        base = character
    return ord(base[0].lower()[0])


@leaf
def decode(data: npt.NDArray[np.uint8], at: int, end: int) -> tuple[np.int32, int]:
    """The code point at byte `at` and its width in bytes; a broken sequence is U+FFFD, one byte."""
    first = np.int32(data[at])
    if first < 0x80:
        return first, 1
    if first >= 0xC2 and first < 0xE0 and at + 1 < end:
        return ((first & 0x1F) << 6) | np.int32(data[at + 1] & 0x3F), 2
    if first >= 0xE0 and first < 0xF0 and at + 2 < end:
        high = ((first & 0x0F) << 12) | (np.int32(data[at + 1] & 0x3F) << 6)
        return high | np.int32(data[at + 2] & 0x3F), 3
    if first >= 0xF0 and first < 0xF5 and at + 3 < end:
        high = ((first & 0x07) << 18) | (np.int32(data[at + 1] & 0x3F) << 12)
        return high | (np.int32(data[at + 2] & 0x3F) << 6) | np.int32(data[at + 3] & 0x3F), 4
    return np.int32(0xFFFD), 1
