"""IP addresses: four decimal octets (RFC 791) and eight groups of hexadecimals (RFC 4291, 2.2).

Only addresses that are reached over the Internet are somebody's: IANA's registries of special
addresses (RFC 6890 and its updates) say which are not. Others are found if asked for.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from curator.text.ascii import is_alphanumeric, is_digit, is_hexadecimal, is_wordlike
from curator.text.compile import block, leaf
from curator.text.domains import label_hash, lowered_hash

Data = npt.NDArray[np.uint8]
_DOT, _COLON, _DASH, _SPACE, _SLASH = 46, 58, 45, 32, 47
# A number with three dots after one of these counts editions or sections.
_NUMBERED_BY: Final = (
    "version versions ver v release releases rev revision build firmware section sections sec "
    "chapter clause paragraph para article table figure fig appendix oid ec"
)
_NUMBERED: Final = np.array([label_hash(word) for word in _NUMBERED_BY.split()], np.uint64)
# IANA IPv4 Special-Purpose Address Registry, those not globally reachable, with multicast
# (RFC 5771) and 192.88.99.0/24 (RFC 7526): first address and bits of the prefix.
_V4: Final = (
    ("0.0.0.0", 8), ("10.0.0.0", 8), ("100.64.0.0", 10), ("127.0.0.0", 8), ("169.254.0.0", 16),
    ("172.16.0.0", 12), ("192.0.0.0", 24), ("192.0.2.0", 24), ("192.88.99.0", 24),
    ("192.168.0.0", 16), ("198.18.0.0", 15), ("198.51.100.0", 24), ("203.0.113.0", 24),
    ("224.0.0.0", 4), ("240.0.0.0", 4),
)  # fmt: skip


def _number(dotted: str) -> int:
    parts = [int(part) for part in dotted.split(".")]
    return (parts[0] << 24) | (parts[1] << 16) | (parts[2] << 8) | parts[3]


_V4_FIRST: Final = np.array([_number(first) for first, _ in _V4], np.int64)
_V4_SHIFT: Final = np.array([32 - bits for _, bits in _V4], np.int64)


@block
def v4_span(data: Data, low: int, at: int, high: int, private: bool) -> tuple[int, int]:  # noqa: FBT001
    """The IPv4 address whose first digit is at `at`; (-1, -1): none.

    Four numbers up to 255 without leading zeros, with nothing that would make them part of more
    (a letter, a fifth number). With one digit in all octets but one, and two there, it is taken for
    a section's number, as `9.15.2.3`: of all addresses one in 11,600 looks like that.
    """
    if at > low and (is_wordlike(data[at - 1]) or _joined_before(data, low, at)):
        return -1, -1
    place, value, beyond = at, 0, 0
    for octet in range(4):
        first = place
        number = 0
        while place < high and is_digit(data[place]) and place - first < 4:
            number = number * 10 + data[place] - 48
            place += 1
        if place == first or number > 255 or (place - first > 1 and data[first] == 48):
            return -1, -1
        beyond += place - first - 1
        value = (value << 8) | number
        if octet < 3:
            if place >= high or data[place] != _DOT:
                return -1, -1
            place += 1
    if beyond < 2 or (place < high and is_wordlike(data[place])):
        return -1, -1
    if place + 1 < high and data[place] in (_DOT, _DASH) and is_digit(data[place + 1]):
        return -1, -1
    if not (private or _global_v4(value)) or _numbered(data, low, at):
        return -1, -1
    return at, place


@leaf
def _joined_before(data: Data, low: int, at: int) -> bool:
    """True after a dot or dash that follows a letter or digit: part of a longer name."""
    return data[at - 1] in (_DOT, _DASH) and at - 1 > low and is_alphanumeric(data[at - 2])


@block
def _global_v4(value: int) -> bool:
    for number in range(len(_V4_FIRST)):
        if value >> _V4_SHIFT[number] == _V4_FIRST[number] >> _V4_SHIFT[number]:
            return False
    return True


@block
def _numbered(data: Data, low: int, at: int) -> bool:
    end = at
    while end > low and data[end - 1] in (_SPACE, _COLON, _DOT, 40, _SLASH) and at - end < 3:
        end -= 1
    begin = end
    while begin > low and 97 <= data[begin - 1] | 0x20 <= 122 and end - begin < 12:
        begin -= 1
    if begin == end:
        return end - 2 >= low and data[end - 2] == 0xC2 and data[end - 1] == 0xA7  # the sign §
    wanted = lowered_hash(data, begin, end)
    known = False
    for number in range(len(_NUMBERED)):
        known = known or _NUMBERED[number] == wanted
    return known


@block
def v6_span(data: Data, low: int, colon: int, high: int, private: bool) -> tuple[int, int]:  # noqa: FBT001
    """The IPv6 address whose first colon is at `colon`; (-1, -1): none.

    Eight groups of one to four hexadecimals, or fewer around one `::`. Public is 2000::/3 without
    the parts for documentation (RFC 3849, RFC 9637), protocols (RFC 2928) and 6to4 (RFC 7526);
    of the others, unique local (RFC 4193) and link-local ones are found. An IPv4 address inside is
    found by itself.
    """
    start = _group_start(data, low, colon)
    if start == colon or (start > low and not _free(data[start - 1])):
        return -1, -1
    place, groups, shortened, first, second = start, 0, False, 0, 0
    while place < high and is_hexadecimal(data[place]):
        begin, value = place, 0
        while place < high and is_hexadecimal(data[place]) and place - begin < 5:
            value = value * 16 + _hexadecimal(data[place])
            place += 1
        if place - begin > 4:
            return -1, -1
        first = value if groups == 0 else first
        second = value if groups == 1 and not shortened else second
        groups += 1
        if place + 1 >= high or data[place] != _COLON:
            break
        if data[place + 1] == _COLON and not shortened:
            shortened = True
            place += 2
        elif is_hexadecimal(data[place + 1]):
            place += 1
        else:
            break
    if (groups != 8 and not shortened) or groups > 8 - shortened:
        return -1, -1
    if _goes_on(data, place, high):
        return -1, -1
    return (start, place) if _wanted_v6(first, second, private) else (-1, -1)


@block
def _group_start(data: Data, low: int, colon: int) -> int:
    start = colon
    while start > low and is_hexadecimal(data[start - 1]) and colon - start < 5:
        start -= 1
    return start if colon - start <= 4 else colon


@leaf
def _goes_on(data: Data, place: int, high: int) -> bool:
    """True if what follows is part of the same: a letter, or a colon or dot with more behind it."""
    if place >= high or _free(data[place]):
        more = place + 1 < high and is_digit(data[place + 1])
        return more and data[place] == _DOT
    after = int(data[place + 1]) if place + 1 < high else 32
    return is_wordlike(data[place]) or is_wordlike(after) or after == _COLON


@leaf
def _free(byte: int) -> bool:
    return not (is_wordlike(byte) or byte == _COLON)


@leaf
def _hexadecimal(byte: int) -> int:
    return byte - 48 if byte < 58 else (byte | 0x20) - 87


@block
def _wanted_v6(first: int, second: int, private: bool) -> bool:  # noqa: FBT001
    if first >> 13 == 1:
        documentation = first == 0x2001 and second == 0xDB8
        documentation = documentation or (first == 0x3FFF and second < 0x1000)
        protocols = first == 0x2001 and second < 0x200
        return private or not (documentation or protocols or first == 0x2002)
    unique_local, link_local = first >> 9 == 0x7E, first >> 6 == 0x3FA
    return private and (unique_local or link_local)
