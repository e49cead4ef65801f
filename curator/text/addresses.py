"""Whether a run of characters is a web or mail address: addresses are one token.

The shape follows spaCy's URL pattern (spacy/lang/tokenizer_exceptions.py): an optional scheme, an
optional user before `@`, dotted labels ending in two or more lower-case letters or four numbers,
an optional port, an optional path. So `os.path` and `a@b.org` are addresses too.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curator.text.affixes import FIGURE, LETTERED, SMALL
from curator.text.compile import block, leaf

Codes = npt.NDArray[np.int32]
Flags = npt.NDArray[np.uint16]
_PLUS, _SLASH, _COLON, _AT, _DOT, _DASH, _UNDERSCORE = 43, 47, 58, 64, 46, 45, 95


@block
def is_address(codes: Codes, flags: Flags, low: int, high: int) -> bool:
    """True if the characters from `low` to `high` are an address and nothing else."""
    dotted = False
    for place in range(low + 1, high - 2):
        dotted = dotted or codes[place] == _DOT
    if not dotted:
        return False
    if _host(codes, flags, low, high):
        return True
    for place in range(low, high - 3):
        if codes[place] == _AT and place > low and _host(codes, flags, place + 1, high):
            return True
        if (
            codes[place] == _COLON
            and codes[place + 1] == _SLASH
            and codes[place + 2] == _SLASH
            and _scheme(codes, flags, low, place)
            and _host(codes, flags, place + 3, high)
        ):
            return True
    return False


@leaf
def _scheme(codes: Codes, flags: Flags, low: int, high: int) -> bool:
    for place in range(low, high):
        code = codes[place]
        wordy = flags[place] & (LETTERED | FIGURE) or code == _UNDERSCORE
        if not (wordy or code in (_PLUS, _DASH, _DOT)):
            return False
    return high - low >= 2


@leaf
def _host(codes: Codes, flags: Flags, low: int, high: int) -> bool:
    """True if a host, its port and a path take up everything from `low` to `high`."""
    place, label, labels, figures = low, low, 0, 0
    while place < high and _in_host(codes[place]):
        if codes[place] == _DOT:
            if not _is_label(codes, label, place):
                return False
            figures += 1 if _all(flags, label, place, FIGURE) else 0
            labels += 1
            label = place + 1
        place += 1
    named = labels >= 1 and place - label >= 2 and _all(flags, label, place, SMALL | LETTERED)
    numbered = labels == 3 and figures == 3 and place > label and _all(flags, label, place, FIGURE)
    return (named or numbered) and _rest(codes, flags, place, high)


@leaf
def _in_host(code: int) -> bool:
    alphanumeric = 48 <= code <= 57 or 65 <= code <= 90 or 97 <= code <= 122
    return alphanumeric or code in (_DOT, _DASH, _UNDERSCORE) or 0xA1 <= code <= 0xFFFF


@leaf
def _is_label(codes: Codes, low: int, high: int) -> bool:
    """True for 1 to 64 characters that neither begin nor end with a dash or underscore."""
    if not 1 <= high - low <= 64:
        return False
    first, last = codes[low], codes[high - 1]
    return first not in (_DASH, _UNDERSCORE) and last not in (_DASH, _UNDERSCORE)


@leaf
def _all(flags: Flags, low: int, high: int, wanted: int) -> bool:
    shared = wanted
    for place in range(low, high):
        shared &= flags[place]
    return shared == wanted


@leaf
def _rest(codes: Codes, flags: Flags, place: int, high: int) -> bool:
    if place < high and codes[place] == _COLON:
        start = place + 1
        place = start
        while place < high and flags[place] & FIGURE:
            place += 1
        if not 2 <= place - start <= 5:
            return False
    return place >= high or codes[place] == _SLASH or codes[place] == 63 or codes[place] == 35
