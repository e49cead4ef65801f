"""Spans of personal data and secrets in a text column: one pass, set off by few bytes.

Every byte is looked up in a table of what it may be part of; only at an at sign, the first digit of
a number, a colon, a hyphen and the like does a detector look around. What each takes and refuses
is said in its module: `mail`, `ip`, `phones`, `accounts`, `credentials`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.accounts import card_span, iban_span
from curator.text.ascii import is_digit
from curator.text.buffers import Texts, utf8
from curator.text.compile import block, compiled, leaf, part
from curator.text.credentials import jwt_span, pem_span, token_span
from curator.text.figures import Groups, group_room, read_groups
from curator.text.ip import v4_span, v6_span
from curator.text.mail import mail_span
from curator.text.phones import phone_span
from curator.text.spans import Spans
from curator.text.unicode import characters

Data = npt.NDArray[np.uint8]
Classes = npt.NDArray[np.uint16]
KINDS: Final = ("email", "ip", "phone", "card", "iban", "key")
_EMAIL, _IP, _PHONE, _CARD, _IBAN, _KEY = range(6)
# Where spans overlap they become one, of the kind that stands first here.
_RANK: Final = np.array([1, 4, 5, 3, 2, 0], np.int64)

_AT_SIGN, _DIGIT, _COLON, _TOKEN, _BIG_A, _BIG_J = range(1, 7)
_SETS_OFF: Final = np.zeros(256, np.uint8)
_SETS_OFF[ord("@")] = _AT_SIGN
_SETS_OFF[ord("0") : ord("9") + 1] = _DIGIT
_SETS_OFF[ord(":")] = _COLON
_SETS_OFF[[ord("_"), ord("-")]] = _TOKEN
_SETS_OFF[ord("A")] = _BIG_A
_SETS_OFF[ord("J")] = _BIG_J


class Found(NamedTuple):
    """Room for spans of all texts."""

    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.uint8]


def find_pii(texts: Texts, kinds: Sequence[str] = KINDS, *, private_ips: bool = False) -> Spans:
    """The spans of some of `KINDS` in each text; `Spans.kinds` are places in `KINDS`.

    Args:
        texts: a text column; null reads as empty.
        kinds: the ones to find.
        private_ips: also addresses that no route leads to over the Internet.

    Raises:
        ValueError: a kind is none of `KINDS`.
    """
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise ValueError(f"kinds {unknown} are unknown; wanted some of {list(KINDS)}")
    column = utf8(texts)
    wanted = np.array([kind in kinds for kind in KINDS])
    classes = characters().classes
    offsets, found = _find_all(column.offsets, column.data, classes, wanted, private_ips)
    return Spans(offsets, found.starts, found.ends, found.kinds)


@compiled
def _find_all(
    offsets: npt.NDArray[np.int64],
    data: Data,
    classes: Classes,
    wanted: npt.NDArray[np.bool_],
    private_ips: bool,  # noqa: FBT001 - kernels take no keywords
) -> tuple[npt.NDArray[np.int64], Found]:
    rows = len(offsets) - 1
    out = np.zeros(rows + 1, np.int64)
    found, groups, count = _room(1024), group_room(), 0
    for row in range(rows):
        low, high = offsets[row], offsets[row + 1]
        first, at = count, low
        while True:
            at = _next(data, at, high)
            if at >= high:
                break
            what = _SETS_OFF[data[at]]
            if count == len(found.kinds):
                found = _grown(found)
            start, end, kind = _look(
                data, classes, low, at, high, what, groups, wanted, private_ips
            )
            if end > 0:
                count = _add(found, first, count, start - low, end - low, kind)
                at = max(at + 1, end)
            else:
                at += 1
        out[row + 1] = count
    return out, Found(found.starts[:count], found.ends[:count], found.kinds[:count])


@block
def _next(data: Data, at: int, high: int) -> int:
    """The next byte that sets something off; `high` if there is none."""
    while at < high and _SETS_OFF[data[at]] == 0:
        at += 1
    return at


@part
def _room(size: int) -> Found:
    return Found(np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.uint8))


@part
def _grown(found: Found) -> Found:
    larger, held = _room(2 * len(found.kinds)), len(found.kinds)
    larger.starts[:held], larger.ends[:held] = found.starts, found.ends
    larger.kinds[:held] = found.kinds
    return larger


@part
def _add(found: Found, first: int, count: int, start: int, end: int, kind: int) -> int:
    """Put one span behind the others of its text; how many there are then."""
    while count > first and found.ends[count - 1] > start:
        count -= 1
        start, end = min(start, found.starts[count]), max(end, found.ends[count])
        if _RANK[found.kinds[count]] < _RANK[kind]:
            kind = found.kinds[count]
    found.starts[count], found.ends[count], found.kinds[count] = start, end, kind
    return count + 1


@part
def _look(
    data: Data,
    classes: Classes,
    low: int,
    at: int,
    high: int,
    what: int,
    groups: Groups,
    wanted: npt.NDArray[np.bool_],
    private_ips: bool,  # noqa: FBT001
) -> tuple[int, int, int]:
    """The first byte, the byte past the last and the kind of what is around `at`; -1, -1: none."""
    if what == _DIGIT:
        if at > low and is_digit(data[at - 1]):
            return -1, -1, 0
        return _number(data, low, at, high, groups, wanted, private_ips)
    if what == _AT_SIGN:
        if wanted[_EMAIL]:
            start, end = mail_span(data, classes, low, at, high)
            return start, end, _EMAIL
    elif what == _COLON:
        if wanted[_IP] and _first_of_groups(data, low, at, high):
            start, end = v6_span(data, low, at, high, private_ips)
            return start, end, _IP
    elif wanted[_KEY]:
        return _secret(data, low, at, high, what)
    return -1, -1, 0


@leaf
def _first_of_groups(data: Data, low: int, at: int, high: int) -> bool:
    """True for a colon with something but blanks on both sides."""
    return at > low and data[at - 1] > 47 and at + 1 < high and data[at + 1] > 47


@part
def _secret(data: Data, low: int, at: int, high: int, what: int) -> tuple[int, int, int]:
    start, end = -1, -1
    if what == _BIG_J:
        if at - 2 >= low and data[at - 2] == 101 and data[at - 1] == 121:
            start, end = jwt_span(data, low, at - 2, high)
    elif data[at] == 45 and at + 4 < high and data[at + 1] == 45:
        if at == low or data[at - 1] != 45:
            start, end = pem_span(data, low, at, high)
    elif at + 3 < high and data[at + 1] > 47:
        start, end = token_span(data, low, at, high)
    return start, end, _KEY


@part
def _number(
    data: Data,
    low: int,
    at: int,
    high: int,
    groups: Groups,
    wanted: npt.NDArray[np.bool_],
    private_ips: bool,  # noqa: FBT001
) -> tuple[int, int, int]:
    """The account, card, address or telephone number whose first digit is at `at`."""
    if wanted[_IBAN] and at - 2 >= low and 65 <= data[at - 1] <= 90:
        start, end = iban_span(data, low, at, high)
        if end > 0:
            return start, end, _IBAN
    if wanted[_IP] and _dotted(data, at, high):
        start, end = v4_span(data, low, at, high, private_ips)
        if end > 0:
            return start, end, _IP
    if not (wanted[_CARD] or wanted[_PHONE]) or at + 6 >= high:
        return -1, -1, 0
    if at > low and (data[at - 1] | 0x20) - 97 < 26 and (data[at - 1] | 0x20) >= 97:
        return -1, -1, 0
    count = read_groups(data, at, high, groups)
    digits = 0
    for number in range(count):
        digits += groups[number, 0]
    if digits < 7:
        return -1, -1, 0
    if wanted[_CARD] and digits >= 14:
        start, end = card_span(data, low, at, high, groups, count)
        if end > 0:
            return start, end, _CARD
    if wanted[_PHONE]:
        start, end = phone_span(data, low, at, high, groups, count)
        if end > 0:
            return start, end, _PHONE
    return -1, -1, 0


@leaf
def _dotted(data: Data, at: int, high: int) -> bool:
    """True if one to three digits and a dot follow."""
    return at + 6 < high and (data[at + 1] == 46 or data[at + 2] == 46 or data[at + 3] == 46)
