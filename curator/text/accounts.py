"""Payment cards (ISO/IEC 7812) and bank accounts (ISO 13616), each proved by its check digits."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from curator.text.ascii import is_alphanumeric, is_digit, is_upper, is_wordlike
from curator.text.compile import block, leaf
from curator.text.figures import AFTER, BEGIN, DASH, END, SIZE, SPACE, Groups

Data = npt.NDArray[np.uint8]
_PLUS: Final = 43
# Issuers by their first digits, from and to, as four digits, and the fewest and most digits of
# their numbers: Visa, Mastercard (two ranges), American Express, Diners Club (three), Discover
# (three), JCB, UnionPay, Maestro. Ranges as the networks publish them, gathered in Wikipedia's
# "Payment card number". Visa's old 13 digits are left out: they are barcodes (EAN-13) today.
_ISSUERS: Final = np.array(
    [
        (4000, 4999, 16, 16), (4000, 4999, 19, 19), (5100, 5599, 16, 16),
        (2221, 2720, 16, 16), (3400, 3499, 15, 15), (3700, 3799, 15, 15), (3000, 3059, 14, 14),
        (3095, 3095, 14, 14), (3600, 3699, 14, 14), (3800, 3999, 14, 14), (6011, 6011, 16, 19),
        (6440, 6599, 16, 19), (3528, 3589, 16, 19), (6200, 6299, 16, 19), (5018, 5018, 16, 19),
        (5020, 5020, 16, 19), (5038, 5038, 16, 19), (5893, 5893, 16, 19), (6304, 6304, 16, 19),
        (6759, 6759, 16, 19), (6761, 6763, 16, 19),
    ],
    np.int64,
)  # fmt: skip
# Letters and digits of an IBAN by country: SWIFT's IBAN registry, release 101, as python-stdnum
# (stdnum/iban.dat) reads it.
_LENGTHS: Final = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 "
    "DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 "
    "IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 "
    "MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 "
    "SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
)


def iban_lengths() -> dict[str, int]:
    """The length of an IBAN by the two letters of its country."""
    return {entry[:2]: int(entry[2:]) for entry in _LENGTHS.split()}


def _by_letters() -> npt.NDArray[np.int64]:
    table = np.zeros(26 * 26, np.int64)
    for country, length in iban_lengths().items():
        table[(ord(country[0]) - 65) * 26 + ord(country[1]) - 65] = length
    return table


_BY_LETTERS: Final = _by_letters()


@block
def card_span(
    data: Data, low: int, at: int, high: int, groups: Groups, count: int
) -> tuple[int, int]:
    """The card number whose first digit is at `at`, groups read; (-1, -1): none.

    Digits of one issuer's ranges and lengths that pass Luhn's test (ISO/IEC 7812-1, annex B),
    together or in the groups printed on cards (4-4-4-4 and up to 3 more, 4-6-5, 4-6-4) with one
    kind of separator, and not part of a longer number or name.
    """
    if groups[0, SIZE] != 4 and groups[0, SIZE] < 14:
        return -1, -1
    if at > low and (is_wordlike(data[at - 1]) or _joins(data, low, at - 1, -1, high)):
        return -1, -1
    if at > low and data[at - 1] == _PLUS:
        return -1, -1  # a telephone number
    if groups[0, SIZE] != 4:
        fits = _is_card(data, groups, 1, groups[0, SIZE])
        return (at, groups[0, END]) if fits and _free(data, low, groups[0, END], high) else (-1, -1)
    between = groups[0, AFTER]
    if between != SPACE and between != DASH:
        return -1, -1
    best, total = -1, 4
    for number in range(1, min(count, 5)):
        total += groups[number, SIZE]
        if not _printed(groups, number):
            break
        if total >= 14 and _is_card(data, groups, number + 1, total):
            best = groups[number, END]
            if total >= 16 and not (number + 1 < count and groups[number, AFTER] == DASH):
                break
        if groups[number, AFTER] != between:
            break
    return (at, best) if best > 0 and _free(data, low, best, high) else (-1, -1)


@leaf
def _printed(groups: Groups, number: int) -> bool:
    size = int(groups[number, SIZE])
    if number == 1:
        return size == 4 or size == 6
    if number == 2:
        return size == 4 or (size == 5 and int(groups[1, SIZE]) == 6)
    if number == 3:
        return size == 4 and int(groups[1, SIZE]) == 4
    return size <= 3


@leaf
def _joins(data: Data, low: int, at: int, step: int, high: int) -> bool:
    """True if the sign at `at` ties a number to more digits or letters."""
    beyond = at + step
    if beyond < low or beyond >= high:
        return False
    if data[at] == 46 or data[at] == 44:
        return is_digit(data[beyond])
    return data[at] == 45 and is_alphanumeric(data[beyond])


@leaf
def _free(data: Data, low: int, end: int, high: int) -> bool:
    return end >= high or not (is_wordlike(data[end]) or _joins(data, low, end, 1, high))


@block
def _is_card(data: Data, groups: Groups, count: int, total: int) -> bool:
    """True if the first groups, `total` digits, are an issuer's and pass Luhn's test."""
    begin = groups[0, BEGIN]
    prefix = 0
    for place in range(4):
        prefix = prefix * 10 + data[begin + place] - 48
    issued = False
    for row in range(len(_ISSUERS)):
        ranged = _ISSUERS[row, 0] <= prefix <= _ISSUERS[row, 1]
        issued = issued or (ranged and _ISSUERS[row, 2] <= total <= _ISSUERS[row, 3])
    if not issued:
        return False
    remainder, number, varied = 0, 0, False
    for group in range(count):
        for place in range(groups[group, BEGIN], groups[group, END]):
            digit = data[place] - 48
            varied = varied or data[place] != data[begin]
            if (total - number) % 2 == 0:
                digit = 2 * digit - 9 if digit > 4 else 2 * digit
            remainder += digit
            number += 1
    return varied and remainder % 10 == 0


@block
def iban_span(data: Data, low: int, at: int, high: int) -> tuple[int, int]:
    """The IBAN whose first digit, its third character, is at `at`; (-1, -1): none.

    Capital letters and digits, as many as the country's have, together or in fours with a space
    between, and 1 modulo 97 (ISO 7064, MOD 97-10) after the first four are put last.
    """
    start = at - 2
    if start < low or not (is_upper(data[start]) and is_upper(data[start + 1])):
        return -1, -1
    if at + 1 >= high or not is_digit(data[at + 1]):
        return -1, -1
    length = _BY_LETTERS[(data[start] - 65) * 26 + data[start + 1] - 65]
    if not length or (start > low and is_wordlike(data[start - 1])):
        return -1, -1
    place, spaced, remainder = at + 2, False, 0
    for number in range(4, length):
        if number % 4 == 0 and (spaced or number == 4):
            width = _blank(data, place, high)
            if spaced and not width:
                return -1, -1
            place, spaced = place + width, width > 0
        if place >= high or not (is_digit(data[place]) or is_upper(data[place])):
            return -1, -1
        remainder = _carried(remainder, data[place])
        place += 1
    for number in range(4):
        remainder = _carried(remainder, data[start + number])
    if remainder != 1 or (place < high and is_wordlike(data[place])):
        return -1, -1
    return start, place


@leaf
def _blank(data: Data, at: int, high: int) -> int:
    """The bytes of a space or no-break space; 0: there is none."""
    if at < high and data[at] == 32:
        return 1
    return 2 if at + 1 < high and data[at] == 0xC2 and data[at + 1] == 0xA0 else 0


@leaf
def _carried(remainder: int, byte: int) -> int:
    if byte < 58:
        return (remainder * 10 + byte - 48) % 97
    return (remainder * 100 + byte - 55) % 97
