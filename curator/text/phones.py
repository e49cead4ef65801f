"""Telephone numbers, by what sets them apart from all the other numbers in a text.

Three kinds are taken, from the surest down:
1. international: `+` or `00`, a country code (ITU-T E.164, 6.2.1; those that libphonenumber 9.0.43
   knows) and 8 to 15 digits together (E.164, 6.1); exactly 11 in zones 1 and 7;
2. written as is done at home, and as hardly anything else is: North America's NPA-NXX-XXXX (digits
   as the North American Numbering Plan admits them) with dashes, dots, spaces or a parenthesis, and
   numbers with the trunk prefix 0 (ITU-T E.123, 2.2) in pairs, after a parenthesis, or in two to
   four groups of 9 to 12 digits;
3. 7 to 13 digits in any grouping but a date's, up to three words after `phone`, `tel`, `fax` or
   another word for it on the same line.
A number inside a longer name, after a currency sign or next to a decimal point is none.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from curator.text.ascii import is_alphanumeric, is_digit, is_wordlike
from curator.text.compile import block, leaf
from curator.text.domains import label_hash, lowered_hash
from curator.text.figures import (
    AFTER,
    BEGIN,
    CLOSED,
    DASH,
    DOT,
    END,
    OPENED,
    SIZE,
    SLASH,
    SPACE,
    Groups,
)

Data = npt.NDArray[np.uint8]
_CODES: Final = (
    "1 7 20 27 30-34 36 39-41 43-49 51-58 60-66 81 82 84 86 90-95 98 211-213 216 218 220-258 "
    "260-269 290 291 297-299 350-359 370-378 380-383 385-387 389 420 421 423 500-509 590-599 670 "
    "672-683 685-692 800 808 850 852 853 855 856 870 878 880-883 886 888 960-968 970-977 979 "
    "992-996 998"
)
_WORDS: Final = (
    "call calls cellphone dial fax faks fono fon gsm hotline mob mobil mobile mobiltelefon mobitel "
    "movil móvil phone phones ph rufnummer sms tel tél tele "
    "telefax telefon telefone telefono teléfono telefoni telefonnummer telephone téléphone telf "
    "tlf tfno voicemail whatsapp телефон тел факс 电话 手机 電話"
)


def _codes() -> npt.NDArray[np.bool_]:
    known = np.zeros(1000, np.bool_)
    for span in _CODES.split():
        first, _, last = span.partition("-")
        known[int(first) : int(last or first) + 1] = True
    return known


_KNOWN_CODES: Final = _codes()
_WORD_HASHES: Final = np.array(sorted(label_hash(word) for word in _WORDS.split()), np.uint64)
_REACH: Final = 40  # bytes before a number in which a word for "phone" is looked for
_FEWEST, _MOST = 8, 15
_NEWLINE, _LEFT, _PLUS = 10, 40, 43


@block
def phone_span(
    data: Data, low: int, at: int, high: int, groups: Groups, count: int
) -> tuple[int, int]:
    """The telephone number whose first digit is at `at`, groups read; (-1, -1): none."""
    start, plus, opened = at, False, False
    if start > low and data[start - 1] == _PLUS:
        start, plus = start - 1, True
    if start > low and data[start - 1] == _LEFT and groups[0, AFTER] == CLOSED:
        start, opened = start - 1, True
    if not _begins(data, low, start):
        return -1, -1
    if plus:
        taken = _international(data, groups, count, 0)
    elif data[at] == 48 and at + 1 < high and data[at + 1] == 48:
        taken = _international(data, groups, count, 2)
        if count < 2 and not _word_before(data, low, start):
            taken = 0
    else:
        taken = _american(data, groups, count, opened)
        if not taken and data[at] == 48:
            taken = _trunk(data, groups, count, opened)
        loose = taken and not opened and groups[0, AFTER] == SPACE
        if loose and _in_columns(data, low, start, groups[taken - 1, END], high):
            taken = 0
        if not taken:
            taken = _any(data, groups, count)
            if taken and not _word_before(data, low, start):
                taken = 0
    if not taken:
        return -1, -1
    end = groups[taken - 1, END]
    return (start, end) if _stops(data, end, high) else (-1, -1)


@leaf
def _begins(data: Data, low: int, start: int) -> bool:
    if start == low:
        return True
    byte = data[start - 1]
    if is_wordlike(byte) or byte in (35, 36, 38, 37, 64, 92):  # one of #$&%@\
        return False
    if byte >= 128 and start - 3 > low and data[start - 3] == 0xE2 and data[start - 2] == 0x80:
        return not (0x90 <= byte <= 0x93 and is_wordlike(data[start - 4]))  # a long hyphen
    if byte == 45 and (start - 1 == low or data[start - 2] <= 32):
        return False  # a negative number
    if byte == 45 and is_alphanumeric(data[start - 2]):
        return False
    joined = byte in (44, 46, 47, 43, 58)  # one of ,./+:
    if byte == 47:
        return start - 1 > low and data[start - 2] == 32
    return not (joined and start - 1 > low and is_digit(data[start - 2]))


@leaf
def _stops(data: Data, end: int, high: int) -> bool:
    if end >= high:
        return True
    byte, following = int(data[end]), int(data[end + 1]) if end + 1 < high else 32
    if byte == 120:  # x, of an extension
        return is_digit(following)
    if is_wordlike(byte) or byte == 37:
        return False
    if byte == 45:
        return not is_alphanumeric(following)  # 1-800-FLOWERS is written on
    return not (byte in (46, 47, 58) and is_digit(following))


@leaf
def _in_columns(data: Data, low: int, start: int, end: int, high: int) -> bool:
    """True next to two blanks or a tab, or behind a number: part of a table."""
    if start - 2 >= low and data[start - 1] in (9, 32):
        before = int(data[start - 2])
        if data[start - 1] == 9 or before == 32 or is_digit(before):
            return True
    return end < high and (data[end] == 9 or (end + 1 < high and data[end] == data[end + 1] == 32))


@block
def _international(data: Data, groups: Groups, count: int, prefix: int) -> int:
    """How many groups make an international number; 0: none.

    Args:
        data: of the text.
        groups: of the number.
        count: of them.
        prefix: digits before the country code: 2 of `00`, none after `+`.
    """
    first = 1 if prefix == 2 and groups[0, SIZE] == 2 else 0
    skipped = 0 if first else prefix
    if count <= first:
        return 0
    size, begin = groups[first, SIZE] - skipped, groups[first, BEGIN] + skipped
    code = 0
    for digits in range(min(size, 3)):
        code = code * 10 + data[begin + digits] - 48
        if _KNOWN_CODES[code] and code >= _least(digits):
            break
    if not _KNOWN_CODES[code] or code == 0:
        return 0
    most = 11 if code in (1, 7) else _MOST
    fewest = most if code in (1, 7) else _FEWEST
    total, taken = -skipped, 0
    for number in range(first, count):
        trunk = (
            groups[number, SIZE] == 1
            and data[groups[number, BEGIN]] == 48
            and groups[number, AFTER] == CLOSED
        )
        total += 0 if trunk else groups[number, SIZE]
        if total > most:
            break
        taken = number + 1 if total >= fewest else 0
    if taken and taken < count and groups[taken - 1, AFTER] != SPACE:
        return 0
    if count == 2 and size in (4, 6) and groups[1, SIZE] == size + 1 and groups[0, AFTER] == DASH:
        return 0  # latitude and longitude (ISO 6709): +DDMM-DDDMM, +DDMMSS-DDDMMSS
    return taken


@leaf
def _least(digits: int) -> int:
    """The least code of so many digits and one more: 1, 10, 100."""
    return 1 if digits == 0 else (10 if digits == 1 else 100)


@block
def _american(data: Data, groups: Groups, count: int, opened: bool) -> int:  # noqa: FBT001
    first = 1 if groups[0, SIZE] == 1 and data[groups[0, BEGIN]] == 49 else 0
    if count < first + 3 or (opened and first):
        return 0
    for place in range(3):
        if groups[first + place, SIZE] != (4 if place == 2 else 3):
            return 0
    area, exchange = groups[first, BEGIN], groups[first + 1, BEGIN]
    for begin in (area, exchange):
        if data[begin] < 50 or (data[begin + 1] == 49 and data[begin + 2] == 49):
            return 0
    if data[area + 1] == 57:
        return 0
    one, two = groups[first, AFTER], groups[first + 1, AFTER]
    enclosed = one == CLOSED and (opened or (first == 1 and groups[0, AFTER] == OPENED))
    if enclosed:
        fits = two in (DASH, DOT, SPACE)
    else:
        fits = (one == two and one in (DASH, DOT, SPACE)) or (one in (SLASH, SPACE) and two == DASH)
    last = groups[first + 2, AFTER]
    alone = last == 0 or (last in (SPACE, OPENED, SLASH) and (enclosed or one != SPACE))
    return first + 3 if fits and alone else 0


@block
def _trunk(data: Data, groups: Groups, count: int, opened: bool) -> int:  # noqa: FBT001
    size, begin, after = groups[0, SIZE], groups[0, BEGIN], groups[0, AFTER]
    if size < 2 or size > 6 or data[begin + 1] == 48 or after == 0:
        return 0
    if opened:
        return _after_parenthesis(groups, count)
    total, pairs, even = size, size == 2, True
    for number in range(1, count):
        total += groups[number, SIZE]
        pairs = pairs and groups[number, SIZE] == 2
        even = even and (number + 1 == count or groups[number, AFTER] == groups[1, AFTER])
    even = even and (count == 2 or groups[1, AFTER] == after or after == SLASH)
    if pairs:
        return 5 if count == 5 and even and groups[1, AFTER] == after else 0
    if size > 5 or total < 9 or total > (12 if count == 2 else 11):
        return 0
    if _later_pairs(groups, count):
        return count
    if not even or count > 4 or (after == DOT and (size < 3 or count != 3)):
        return 0
    for number in range(1, count):
        if groups[number, SIZE] < 2 or groups[number, SIZE] > 8:
            return 0
    fewest = 5 if count == 2 else 3
    fits = after in (SPACE, DASH, SLASH, DOT) and groups[count - 1, SIZE] >= fewest
    return count if fits else 0


@block
def _later_pairs(groups: Groups, count: int) -> bool:
    """True for an area code and pairs behind it, or three digits and two pairs: `044 123 45 67`."""
    if count < 4 or count > 5 or groups[0, SIZE] < 3:
        return False
    paired = groups[1, SIZE] == 2 or (groups[1, SIZE] == 3 and count == 4)
    for number in range(2, count):
        paired = paired and groups[number, SIZE] == 2
        paired = paired and groups[number - 1, AFTER] == groups[1, AFTER]
    return bool(paired) and groups[1, AFTER] in (SPACE, DASH, DOT)


@block
def _after_parenthesis(groups: Groups, count: int) -> int:
    total, taken = groups[0, SIZE], 0
    for number in range(1, count):
        if groups[number, SIZE] < 2:
            break
        total += groups[number, SIZE]
        if total > 12:
            break
        taken = number + 1 if total >= 8 else 0
    return taken


@block
def _any(data: Data, groups: Groups, count: int) -> int:
    """How many groups may be a number if a word says so: all of them, or 0."""
    total = 0
    for number in range(count):
        total += groups[number, SIZE]
    if total < 7 or total > 13 or count > 6 or (count == 2 and groups[0, AFTER] == DOT):
        return 0
    first, second = groups[0, SIZE], groups[1, SIZE]
    three = count == 3 and total <= 8
    if three and (first == 4 or (first <= 2 and second <= 2)):
        return 0  # a date
    if count == 2 and first == 4 and second == 4 and groups[0, AFTER] == DASH:
        years = True
        for number in range(2):
            begin = groups[number, BEGIN]
            century = data[begin] == 49 or (data[begin] == 50 and data[begin + 1] == 48)
            years = years and century
        if years:
            return 0
    if count == 4 and groups[0, AFTER] == DOT and total <= 12:
        return 0 if first <= 3 and second <= 3 and groups[3, SIZE] <= 3 else count
    return count


@block
def _word_before(data: Data, low: int, start: int) -> bool:
    """True if one of the three words before, on the same line, is a word for a telephone."""
    floor = max(low, start - _REACH)
    end, words = start, 0
    while words < 3:
        while end > floor and data[end - 1] < 128 and not is_alphanumeric(data[end - 1]):
            if data[end - 1] == _NEWLINE:
                return False
            end -= 1
        begin = end
        while begin > floor and (data[begin - 1] >= 128 or is_alphanumeric(data[begin - 1])):
            begin -= 1
        if begin == end:
            return False
        if _is_phone_word(data, begin, end):
            return True
        words += 1
        end = begin
    return False


@block
def _is_phone_word(data: Data, begin: int, end: int) -> bool:
    wanted = lowered_hash(data, begin, end)
    low, high = 0, len(_WORD_HASHES)
    while low < high:
        middle = (low + high) // 2
        if _WORD_HASHES[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low < len(_WORD_HASHES) and _WORD_HASHES[low] == wanted
