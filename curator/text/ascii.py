"""What kind of character one byte of UTF-8 is; bytes of longer characters are none of these."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curator.text.compile import leaf


@leaf
def is_digit(byte: int) -> bool:
    """True for 0-9."""
    return 48 <= byte <= 57


@leaf
def is_upper(byte: int) -> bool:
    """True for A-Z."""
    return 65 <= byte <= 90


@leaf
def is_alphanumeric(byte: int) -> bool:
    """True for A-Z, a-z, 0-9."""
    return 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122


@leaf
def is_wordlike(byte: int) -> bool:
    """True for what may stand inside a name of a program: A-Z, a-z, 0-9, underscore."""
    return 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 or byte == 95


@leaf
def is_hexadecimal(byte: int) -> bool:
    """True for 0-9, A-F, a-f."""
    return 48 <= byte <= 57 or 65 <= byte <= 70 or 97 <= byte <= 102


@leaf
def starts_with(
    data: npt.NDArray[np.uint8], at: int, high: int, wanted: npt.NDArray[np.uint8]
) -> bool:
    """True if the bytes `wanted` stand at `at`, before `high`."""
    if at < 0 or at + len(wanted) > high:
        return False
    same = True
    for place in range(len(wanted)):
        same = same and data[at + place] == wanted[place]
    return same
