"""What is counted by a document's language: its stop words, and words of unspaced scripts.

FineWeb-2 (huggingface/fineweb-2, fineweb-2-pipeline.py) asks how many different stop words of the
document's language it has. Where words are parted by spaces, a stop word is a token of
`curator.text.tokens`, as it stands. Where they are not (and in Korean, whose stop words are
particles grown onto words), a stop word is counted wherever its letters stand: a word's own
borders cannot be told without a dictionary, so a few are found inside longer words.

Words of unspaced scripts (Han, kana, Thai, Lao, Khmer, Myanmar) are their letters, with the marks
that follow them: as in `curator.text.words`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.compile import block, leaf
from curator.text.contractions import word_hash
from curator.text.runs import Tokens
from curator.text.unicode import LETTER, LIMIT, MARK, NUMBER, SOLO, SPACE, decode

COUNTS: Final = ("spoken_stop_words", "letter_words", "letter_tokens", "letter_alphabetic")
NOBODYS: Final = -1  # the number of a language that the table does not know
_MOST: Final = 64  # stop words of a language: they are bits of one number

Data = npt.NDArray[np.uint8]


class Spoken(NamedTuple):
    """The stop words of some languages, and the language of each text of a column.

    Attributes:
        numbers: (texts,) int64, the row of the tables below; `NOBODYS`: none of them.
        counts: (languages,) int64, how many stop words there are.
        hashes: (languages, most) uint64, each word's, as of a token.
        marks: (languages,) uint64, a bit for each value that the hashes' last six bits have.
        letters: (languages, most, longest) uint8, each word's bytes.
        sizes: (languages, most) int64, how many bytes.
        inside: (languages,) bool, whether stop words are counted inside words.
    """

    numbers: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]
    marks: npt.NDArray[np.uint64]
    letters: npt.NDArray[np.uint8]
    sizes: npt.NDArray[np.int64]
    inside: npt.NDArray[np.bool_]


def spoken(
    numbers: npt.NDArray[np.int64], stop_words: Sequence[Sequence[str]], inside: Sequence[bool]
) -> Spoken:
    """The tables for texts whose languages are `numbers`.

    Args:
        numbers: (texts,) the place of each text's language in `stop_words`; `NOBODYS`: none.
        stop_words: of each language, 64 at most.
        inside: of each language, whether its stop words are counted inside words.
    """
    words = [[word.encode() for word in language] for language in stop_words]
    most = max((len(language) for language in words), default=0)
    if most > _MOST:
        raise ValueError(f"a language has {most} stop words; at most {_MOST} are counted")
    longest = max((len(word) for language in words for word in language), default=0)
    shape = (len(words), most)
    hashes, sizes = np.zeros(shape, np.uint64), np.zeros(shape, np.int64)
    marks = np.zeros(len(words), np.uint64)
    letters = np.zeros((*shape, longest), np.uint8)
    for row, language in enumerate(words):
        for place, word in enumerate(language):
            hashes[row, place] = hashed = word_hash(word.decode())
            marks[row] |= np.uint64(1) << (hashed & np.uint64(63))
            sizes[row, place] = len(word)
            letters[row, place, : len(word)] = np.frombuffer(word, np.uint8)
    counts = np.array([len(language) for language in words], np.int64)
    return Spoken(
        numbers.astype(np.int64),
        counts,
        hashes,
        marks,
        letters,
        sizes,
        np.array(inside, np.bool_),
    )


@block
def count_spoken(
    data: Data,
    at: int,
    end: int,
    row: int,
    tokens: Tokens,
    count: int,
    table: Spoken,
    classes: npt.NDArray[np.uint16],
    out: npt.NDArray[np.int64],
) -> None:
    """Fill `out` (4,) in the order of `COUNTS` for text `row`."""
    out[:] = 0
    language = table.numbers[row]
    if language >= 0:
        if table.inside[language]:
            found = _inside(data, at, end, language, table)
        else:
            found = _among(tokens, count, language, table)
        for number in range(table.counts[language]):
            out[0] += 1 if found >> np.uint64(number) & np.uint64(1) else 0
    if language < 0 or table.inside[language]:  # nobody asks for the letters of other languages
        _count_letters(data, at, end, classes, out)


@block
def _among(tokens: Tokens, count: int, language: int, table: Spoken) -> np.uint64:
    """A bit for each stop word that is a token."""
    found, words, marks = np.uint64(0), table.counts[language], table.marks[language]
    for place in range(min(count, len(tokens.hashes))):
        hashed = tokens.hashes[place]
        if not marks >> (hashed & np.uint64(63)) & np.uint64(1):
            continue  # no stop word's hash ends so: three of four tokens
        for number in range(words):
            if hashed == table.hashes[language, number]:
                found |= np.uint64(1) << np.uint64(number)
    return found


@block
def _inside(data: Data, at: int, end: int, language: int, table: Spoken) -> np.uint64:
    """A bit for each stop word whose letters stand somewhere."""
    found, words = np.uint64(0), table.counts[language]
    for place in range(at, end):
        for number in range(words):
            if data[place] == table.letters[language, number, 0]:
                bit = np.uint64(1) << np.uint64(number)
                if not found & bit and _stands(data, place, end, language, number, table):
                    found |= bit
    return found


@leaf
def _stands(data: Data, at: int, end: int, language: int, number: int, table: Spoken) -> bool:
    size = table.sizes[language, number]
    if at + size > end:
        return False
    same = True
    for place in range(size):
        same = same and data[at + place] == table.letters[language, number, place]
    return same


@block
def _count_letters(
    data: Data, at: int, end: int, classes: npt.NDArray[np.uint16], out: npt.NDArray[np.int64]
) -> None:
    """Count words, tokens (words, and each other visible character) and words with a letter."""
    inside, lettered = False, False
    while at < end:
        code, width = decode(data, at, end)
        flags = classes[code] if code < LIMIT else np.uint16(0)
        at += width
        if flags & MARK:
            continue  # belongs to what stands before it
        if flags & (LETTER | NUMBER):
            alone = flags & SOLO
            if not inside or alone:
                out[1] += 1
                out[2] += 1
                lettered = False
            if flags & LETTER and not lettered:
                out[3] += 1
                lettered = True
            inside = not alone
        else:
            inside = False
            out[2] += 0 if flags & SPACE else 1
