"""What the substring steps must find, in plain Python: slow, by the letter of the definitions."""

from __future__ import annotations

import re
from collections import defaultdict

from curator.text.unicode import LIMIT, MARK, SOLO, characters

BLANK = re.compile(r"\s")


def pieces(text: str) -> list[tuple[str, int, int]]:
    """(piece, first byte, end byte) of each piece, as `curator.text.pieces` defines them."""
    found: list[list] = []
    at, opened, alone = 0, False, False
    for character in text:
        size = len(character.encode())
        flags = int(characters().classes[ord(character)]) if ord(character) < LIMIT else 0
        if character.isspace() and ord(character) < LIMIT:
            opened = False
        elif opened and not flags & SOLO and (not alone or flags & MARK):
            found[-1][0] += character
            found[-1][2] = at + size
        else:
            found.append([character, at, at + size])
            opened, alone = True, bool(flags & SOLO)
        at += size
    return [tuple(piece) for piece in found]


def windows(texts: list[str], k: int) -> dict[tuple[str, ...], list[tuple[int, int]]]:
    """Every window of k pieces, and the (text, first piece) where it stands."""
    places = defaultdict(list)
    for number, text in enumerate(texts):
        words = [piece for piece, _, _ in pieces(text)]
        for at in range(len(words) - k + 1):
            places[tuple(words[at : at + k])].append((number, at))
    return places


def repeated_pieces(texts: list[str], k: int, ranks: list) -> tuple[list[set], list[set]]:
    """The pieces of each text that are repeated, and those of them that it can lose.

    `ranks` orders the texts: of equal windows the one of the smallest (rank, place) is kept, and
    those of the same text that overlap it lose only what goes past its end.
    """
    covered, lost = [set() for _ in texts], [set() for _ in texts]
    for places in windows(texts, k).values():
        if len(places) < 2:
            continue
        best, first = min(places, key=lambda place: (ranks[place[0]], place[1]))
        for number, at in places:
            covered[number] |= set(range(at, at + k))
            if (number, at) != (best, first):
                low = max(at, first + k) if number == best else at
                lost[number] |= set(range(low, at + k))
    return covered, lost


def spans(text: str, numbers: set[int]) -> list[tuple[int, int]]:
    """(first byte, end byte) of each maximal stretch of the pieces with these numbers."""
    found: list[tuple[int, int]] = []
    for number, (_, start, end) in enumerate(pieces(text)):
        if number in numbers:
            if number - 1 in numbers:
                found[-1] = (found[-1][0], end)
            else:
                found.append((start, end))
    return found


def remaining(text: str, lost: set[int]) -> list[str]:
    """The pieces of the text without those lost."""
    return [piece for number, (piece, _, _) in enumerate(pieces(text)) if number not in lost]
