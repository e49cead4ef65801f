"""Repeated passages by a suffix array, as Lee et al. find them: what `bench.substring` verifies by.

arXiv:2107.06499, section 4.1: all documents in one sequence of tokens, the starts of all suffixes
sorted, and passages repeated where neighbors in that order begin with the same k tokens. Nothing
here is hashed. The array is built by doubling (Manber and Myers 1993): 8 bytes a token for each of
five arrays, so for samples only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.unicode import LIMIT, MARK, SOLO, characters

Pieces = list[tuple[int, int]]


class Tokens(NamedTuple):
    """Documents end to end, each followed by a token that stands nowhere else.

    Attributes:
        ids: (n,) int64, equal for equal pieces.
        documents: (n,) int64, where the piece stands.
        places: (n,) int64, which of the document's pieces it is.
        bytes: for each document the first and end byte of every piece.
    """

    ids: npt.NDArray[np.int64]
    documents: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    bytes: list[Pieces]


def tokens_of(texts: Sequence[str]) -> Tokens:
    """The pieces of all texts (`curator.text.pieces`), by the definition."""
    known: dict[str, int] = {}
    ids: list[int] = []
    cuts: list[Pieces] = []
    for number, text in enumerate(texts):
        cuts.append([])
        at = 0
        for piece in pieces(text):
            start = text.index(piece, at)
            at = start + len(piece)
            ids.append(known.setdefault(piece, len(known)))
            cuts[-1].append((start, at))
        if not text.isascii():
            ends = np.cumsum([0, *(len(character.encode()) for character in text)]).tolist()
            cuts[-1] = [(ends[start], ends[end]) for start, end in cuts[-1]]
        ids.append(-1 - number)
    sizes = np.array([len(one) + 1 for one in cuts])
    places = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return Tokens(np.array(ids, np.int64), np.repeat(np.arange(len(texts)), sizes), places, cuts)


def pieces(text: str) -> list[str]:
    """What stands between white space; letters of scripts without spaces, with marks, alone."""
    found = []
    for word in text.split():
        if word.isascii():
            found.append(word)
            continue
        start, alone = 0, False
        for at, character in enumerate(word):
            code = ord(character)
            flags = int(characters().classes[code]) if code < LIMIT else 0
            if at and (flags & SOLO or (alone and not flags & MARK)):
                found.append(word[start:at])
                start, alone = at, False
            alone = alone or bool(flags & SOLO)
        found.append(word[start:])
    return found


def suffix_array(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The starts of all suffixes in the order of what they say."""
    _, rank = np.unique(ids, return_inverse=True)
    length = 1
    while True:
        # Past the end stands something smaller than everything.
        after = np.zeros_like(rank)
        after[:-length] = rank[length:] + 1
        order = np.lexsort((after, rank))
        new = np.empty_like(rank)
        differs = (np.diff(rank[order]) != 0) | (np.diff(after[order]) != 0)
        new[order] = np.concatenate([np.zeros(1, np.int64), np.cumsum(differs)])
        rank, length = new, 2 * length
        if rank.max() == len(ids) - 1 or length >= len(ids):
            return order


def repeated(
    tokens: Tokens, k: int, ranks: npt.NDArray[np.int64]
) -> tuple[list[Pieces], npt.NDArray[np.bool_]]:
    """The repeated spans of each document in bytes, and (n,) bool: which pieces are cut.

    Args:
        tokens: of all documents.
        k: pieces in a window.
        ranks: (documents,) int64: equal windows are kept in the document of the smallest.
    """
    ids = tokens.ids
    order = suffix_array(ids)
    order = order[order <= len(ids) - k]
    same = np.ones(len(order) - 1, np.bool_)
    for ahead in range(k):
        same &= ids[order[1:] + ahead] == ids[order[:-1] + ahead]
    kind = np.concatenate([np.zeros(1, np.int64), np.cumsum(~same)])
    shared = np.concatenate([same, [False]]) | np.concatenate([[False], same])
    starts, kind = order[shared], kind[shared]
    best = np.lexsort((tokens.places[starts], ranks[tokens.documents[starts]], kind))
    first = np.concatenate([[True], np.diff(kind[best]) != 0]) if len(best) else best > 0
    starts = starts[best]
    kept = starts[np.maximum.accumulate(np.where(first, np.arange(len(best)), 0))]
    # Of a window that overlaps the one kept, only what goes past the end of that is cut.
    near = (tokens.documents[starts] == tokens.documents[kept]) & (starts - kept < k)
    lows = np.where(near, kept + k, starts)
    covered, cut = _covered(starts, starts + k, len(ids)), _covered(lows, starts + k, len(ids))
    return _spans(tokens, covered), cut


def _covered(
    lows: npt.NDArray[np.int64], highs: npt.NDArray[np.int64], n: int
) -> npt.NDArray[np.bool_]:
    steps = np.zeros(n + 1, np.int64)
    np.add.at(steps, lows, 1)
    np.add.at(steps, highs, -1)
    inside: npt.NDArray[np.bool_] = np.cumsum(steps)[:-1] > 0
    return inside


def _spans(tokens: Tokens, covered: npt.NDArray[np.bool_]) -> list[Pieces]:
    found: list[Pieces] = [[] for _ in tokens.bytes]
    borders = np.flatnonzero(np.diff(np.concatenate([[False], covered, [False]]).astype(np.int8)))
    for start, end in borders.reshape(-1, 2).tolist():
        document = tokens.documents[start]
        cut = tokens.bytes[document]
        found[document].append((cut[tokens.places[start]][0], cut[tokens.places[end - 1]][1]))
    return found
