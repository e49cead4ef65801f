"""Where an e-mail address stands around an at sign.

The shape is the one browsers accept (HTML Living Standard, "valid e-mail address"), narrowed to
what stands in running text. The local part is RFC 5322's dot-atom of letters, digits and
!#$%&'*+-^_~ (an equals sign only where a list rewrote a sender, `a+b=c.org@list.org`), begins
with a letter, digit or underscore, and has at most 64 bytes (RFC 5321, 4.5.3.1.1). The domain has
two labels or more (RFC 1123, 2.1: letters, digits, inner hyphens), the last of them a top-level
domain. Letters of alphabets other than Latin may stand in both (RFC 6531; IDNA), but in the local
part none of scripts written without spaces: there an address follows words directly.
Not taken: quoted local parts, address literals `a@[1.2.3.4]`, `a at b dot org`, the domains
reserved for examples (RFC 2606, section 3), and `git@host:path`, which names a repository.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from curator.text.ascii import is_alphanumeric
from curator.text.compile import block, leaf
from curator.text.domains import is_top_level
from curator.text.unicode import LETTER, LIMIT, MARK, SOLO, decode

Data = npt.NDArray[np.uint8]
Classes = npt.NDArray[np.uint16]
_LONGEST_LOCAL: Final = 64
_LONGEST_LABEL: Final = 252  # 63 characters (RFC 1035, 2.3.4) of four bytes
_SIGNS: Final = np.zeros(128, np.bool_)
_SIGNS[[ord(sign) for sign in "!#$%&'*+-^_~."]] = True
_GIT: Final = np.frombuffer(b"git", np.uint8)
_EXAMPLE: Final = np.frombuffer(b"example.", np.uint8)
_AT, _DOT, _DASH, _EQUALS, _PLUS, _UNDERSCORE, _COLON = 64, 46, 45, 61, 43, 95, 58


@block
def mail_span(data: Data, classes: Classes, low: int, at: int, high: int) -> tuple[int, int]:
    """The first byte of the address around the at sign and the byte past it; (-1, -1): none."""
    start = _local_start(data, classes, low, at)
    if start < 0:
        return -1, -1
    end = _domain_end(data, classes, at + 1, high)
    if end < 0 or _is_example(data, at + 1, end):
        return -1, -1
    git = at - start == 3 and data[start] == _GIT[0] and data[start + 1] == _GIT[1]
    if git and data[start + 2] == _GIT[2] and end < high and data[end] == _COLON:
        return -1, -1
    return start, end


@block
def _local_start(data: Data, classes: Classes, low: int, at: int) -> int:
    if at <= low or data[at - 1] == _DOT:
        return -1
    start = _stretch(data, classes, low, at)
    if start > low and data[start - 1] == _EQUALS:
        further = _stretch(data, classes, low, start - 1)
        for place in range(further, start - 1):
            if data[place] == _PLUS:
                start = further
                break
    while start < at and data[start] < 128:
        if is_alphanumeric(data[start]) or data[start] == _UNDERSCORE:
            break
        start += 1
    return start if 0 < at - start <= _LONGEST_LOCAL else -1


@block
def _stretch(data: Data, classes: Classes, low: int, at: int) -> int:
    """Where the characters of a local part that end before `at` begin."""
    place = at
    while place > low and at - place <= _LONGEST_LOCAL:
        byte = data[place - 1]
        if byte < 128:
            if not (is_alphanumeric(byte) or _SIGNS[byte]):
                break
            if byte == _DOT and place < at and data[place] == _DOT:
                return place + 1  # an ellipsis before the address
            place -= 1
            continue
        lead = place - 1
        while lead > low and data[lead] & 0xC0 == 0x80:
            lead -= 1
        if not _is_letter(data, classes, lead, at, SOLO):
            break
        place = lead
    return place


@leaf
def _is_letter(data: Data, classes: Classes, at: int, high: int, barred: int) -> bool:
    code, _ = decode(data, at, high)
    if code >= LIMIT:
        return False
    return bool(classes[code] & (LETTER | MARK)) and not bool(classes[code] & barred)


@block
def _domain_end(data: Data, classes: Classes, at: int, high: int) -> int:
    """The byte past the longest domain at `at`: one that ends in a top-level domain; -1: none."""
    best, label, labels = -1, at, 0
    while label < high:
        ascii_end = label
        while ascii_end < high and (is_alphanumeric(data[ascii_end]) or data[ascii_end] == _DASH):
            ascii_end += 1
        end = _label_end(data, classes, ascii_end, high)
        if end == label or end - label > _LONGEST_LABEL or data[label] == _DASH:
            break
        if labels:
            if end > ascii_end and _ends(data, label, ascii_end):
                best = ascii_end  # words of a script without spaces follow
            elif _ends(data, label, end):
                best = end
        labels += 1
        if end >= high or data[end] != _DOT or data[end - 1] == _DASH:
            break
        label = end + 1
    while best > at and data[best - 1] == _DASH:
        best -= 1
    return best


@block
def _label_end(data: Data, classes: Classes, at: int, high: int) -> int:
    while at < high:
        if data[at] < 128:
            if not (is_alphanumeric(data[at]) or data[at] == _DASH):
                break
            at += 1
            continue
        if not _is_letter(data, classes, at, high, 0):
            break
        _, width = decode(data, at, high)
        at += width
    return at


@leaf
def _ends(data: Data, label: int, end: int) -> bool:
    while end > label and data[end - 1] == _DASH:
        end -= 1
    return is_top_level(data, label, end)


@block
def _is_example(data: Data, at: int, end: int) -> bool:
    """True for example.com, .net, .org and what is below them."""
    size = 11
    begin = end - size
    if begin < at or (begin > at and data[begin - 1] != _DOT):
        return False
    same = True
    for place in range(len(_EXAMPLE)):
        same = same and data[begin + place] | 0x20 == _EXAMPLE[place] | 0x20
    return same
