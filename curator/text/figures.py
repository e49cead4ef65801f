"""Numbers that people write in groups: `4111 1111 1111 1111`, `(212) 555-0123`, `030/12 34 56`."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from curator.text.ascii import is_digit
from curator.text.compile import block, part

Data = npt.NDArray[np.uint8]
Groups = npt.NDArray[np.int64]
MOST: Final = 8  # groups that are read
DIGITS: Final = 20  # and digits
SPACE, DASH, DOT, SLASH, CLOSED, OPENED = 1, 2, 3, 4, 5, 6
# Columns of `Groups`, one row a group.
SIZE, BEGIN, END, AFTER = 0, 1, 2, 3


@part
def group_room() -> Groups:
    """Room for the groups of one number: rows of size, first byte, byte past, separator after."""
    return np.zeros((MOST, 4), np.int64)


@block
def read_groups(data: Data, at: int, high: int, groups: Groups) -> int:
    """Read the groups of digits from `at`, a digit, on; how many. After the last stands 0.

    Between groups stands one space (also a no-break space), hyphen (also U+2010 to U+2013), dot or
    slash, a hyphen or slash with spaces around it, or a parenthesis with its space.
    """
    count, total, place = 0, 0, at
    while count < MOST:
        begin = place
        while place < high and is_digit(data[place]) and place - begin <= DIGITS:
            place += 1
        total += place - begin
        if total > DIGITS:
            break
        groups[count, SIZE], groups[count, BEGIN], groups[count, END] = place - begin, begin, place
        groups[count, AFTER] = 0
        count += 1
        kind, width = _separator(data, place, high)
        if not kind or place + width >= high or not is_digit(data[place + width]):
            break
        groups[count - 1, AFTER] = kind
        place += width
    if count:
        groups[count - 1, AFTER] = 0
    return count


@block
def _separator(data: Data, at: int, high: int) -> tuple[int, int]:
    """The kind of the separator at `at` and its bytes; 0, 0: none."""
    if at >= high:
        return 0, 0
    byte = data[at]
    following = data[at + 1] if at + 1 < high else np.uint8(0)
    if byte == 32:
        if following == 40:
            return OPENED, 2
        if (following == 45 or following == 47) and at + 2 < high and data[at + 2] == 32:
            return (DASH if following == 45 else SLASH), 3
        return SPACE, 1
    if byte == 45:
        return (OPENED, 2) if following == 40 else (DASH, 1)
    if byte == 46:
        return DOT, 1
    if byte == 47:
        return SLASH, 2 if following == 32 else 1
    if byte == 40:
        return OPENED, 1
    if byte == 41:
        return CLOSED, 2 if following in (32, 45, 47) else 1
    if byte == 0xC2 and following == 0xA0:
        return SPACE, 2
    if byte == 0xE2 and following == 0x80 and at + 2 < high:
        if data[at + 2] == 0xAF:
            return SPACE, 3
        if 0x90 <= data[at + 2] <= 0x93:
            return DASH, 3
    return 0, 0
