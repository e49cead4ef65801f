"""Names and addresses as stand-ins, the same for the same name: found by capitals, not by meaning.

TinyHelen (EmpathYang/TinyHelen, prompts/simplification) has names of persons replaced by one of a
fixed list with the same initial, places and organizations by two capitals and a word. Here a name
is a run of capitalized words not all of which are in the vocabulary; behind a preposition of place
it is a place, in capitals throughout a group, and else a person.
"""

# Shapes: W words, N names.
from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from curator.text.buffers import utf8
from curator.text.pii import KINDS, find_pii
from curator.text.sentences import CAPITAL, FIRST, LETTERS, LOUD, Sentences, word_hashes
from curator.text.spans import replace_spans

_PERSONS: Final = (
    "Adam Ben Carl Dan Eric Fred George Henry Ian Jack Kevin Leo Mike Nick Oscar Peter Quentin "
    "Ray Sam Tom Umar Victor Will Xavier Yuri Zach "
    "Anna Beth Carol Diana Emma Fiona Grace Helen Irene Jane Kate Lucy Mary Nora Olive Paula "
    "Queenie Rose Sarah Tina Una Vera Wendy Xenia Yvonne Zoe"
)  # 26 men and 26 women, by initial
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PLACE, _GROUP, _LINK = "place", "group", "LINK"
_PRIVATE: Final = ("EMAIL", "ADDRESS", "PHONE", "NUMBER", "NUMBER", "KEY")  # as KINDS
_BEFORE_PLACES: Final = "in at from near to toward towards around across"
_URL: Final = r"(?:https?://|www\.)[^\s<>\"]*[^\s<>\".,;:!?)]"
BESIDE: Final = tuple(dict.fromkeys([*_PERSONS.split(), _PLACE, _GROUP, _LINK, *_PRIVATE]))
STAND_INS: Final = (
    *_PERSONS.split(),
    *(f"{a}{b} {word}" for word in (_PLACE, _GROUP) for a in _LETTERS for b in _LETTERS),
)


class Names(NamedTuple):
    """Names in a text column.

    Attributes:
        first: (N,) the word that each begins with.
        last: (N,) the word that it ends with.
        stand_in: (N,) a place in `STAND_INS`.
        inside: (W,) whether a word is part of one.
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    stand_in: NDArray[np.int64]
    inside: NDArray[np.bool_]


def without_addresses(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """Return the texts with links, mail addresses, telephone and other numbers as stand-ins."""
    links = pl.Series(texts.cast(pa.large_string())).str.replace_all(_URL, _LINK)
    plain = links.to_arrow().cast(pa.large_string())
    return replace_spans(plain, find_pii(plain, KINDS), _PRIVATE)


def find_names(
    texts: pa.Array | pa.ChunkedArray, found: Sentences, held: NDArray[np.bool_]
) -> Names:
    """Return the names among words of which some are held to be no names.

    A run that only begins a sentence counts if its word is one elsewhere in the same text.

    Args:
        texts: the column.
        found: its words.
        held: (W,) whether a word is in the vocabulary.
    """
    rows = np.repeat(np.arange(len(found.offsets) - 1), np.diff(found.offsets))
    begins = (found.flags & FIRST) > 0
    member = ((found.flags & CAPITAL) > 0) & ((found.flags & LETTERS) > 0) & ~(begins & held)
    follows = np.zeros(len(member), np.bool_)
    follows[1:] = (
        member[1:]
        & member[:-1]
        & ~begins[1:]
        & (rows[1:] == rows[:-1])
        & (found.starts[1:] - found.ends[:-1] == 1)
    )
    first = np.flatnonzero(member & ~follows)
    run = np.cumsum(member & ~follows) - 1
    count = len(first)
    last = np.zeros(count, np.int64)
    last[run[member]] = np.flatnonzero(member)
    strange = np.bincount(run[member & ~held], minlength=count) > 0
    sure = strange & ((last > first) | ~begins[first])
    known = np.unique(_keys(rows, found.hashes)[member & ~begins & ~held])
    again = strange & np.isin(_keys(rows, found.hashes)[first], known)
    wanted = sure | again
    first, last = first[wanted], last[wanted]
    inside = np.zeros(len(member), np.bool_)
    inside[member] = wanted[run[member]]
    return Names(first, last, _stand_ins(texts, found, rows, first), inside)


def _keys(rows: NDArray[np.int64], hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a number for each word that is equal for equal words of one text."""
    return hashes ^ (rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def _stand_ins(
    texts: pa.Array | pa.ChunkedArray,
    found: Sentences,
    rows: NDArray[np.int64],
    first: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the place of each name's stand-in: of its first letters, or of its hash without."""
    column = utf8(texts)
    at = column.offsets[rows[first]] + found.starts[first]
    letters = [_letter(column.data, at + by, found.hashes[first], by) for by in (0, 1)]
    pair = letters[0] * len(_LETTERS) + letters[1]
    woman = (found.hashes[first] >> np.uint64(20)) & np.uint64(1)
    person = letters[0] + len(_LETTERS) * woman.astype(np.int64)
    persons, pairs = 2 * len(_LETTERS), len(_LETTERS) ** 2
    before = np.maximum(first - 1, 0)
    placed = np.isin(found.hashes[before], _prepositions())
    placed &= (first > 0) & (found.sentence[before] == found.sentence[first])
    loud = (found.flags[first] & LOUD) > 0
    stand_in: NDArray[np.int64] = np.where(
        placed, persons + pair, np.where(loud, persons + pairs + pair, person)
    )
    return stand_in


def _letter(
    data: NDArray[np.uint8], at: NDArray[np.int64], hashes: NDArray[np.uint64], by: int
) -> NDArray[np.int64]:
    """Return the letter of the alphabet at some bytes; one by hash where there is none."""
    byte = data[np.minimum(at, len(data) - 1)].astype(np.int64) & ~32 if len(data) else at
    place = byte - ord("A")
    chance = ((hashes >> np.uint64(8 * by)) % np.uint64(len(_LETTERS))).astype(np.int64)
    return np.where((place >= 0) & (place < len(_LETTERS)), place, chance)


@cache
def _prepositions() -> NDArray[np.uint64]:
    return word_hashes(_BEFORE_PLACES.split())
