"""Every count that the published filters need, in one pass over a text column.

Each text is read once: its tokens, lines and paragraphs are counted, its repeated n-grams found,
C4's line edits made in a buffer of its own and the edited text counted again as FineWeb wants it.
Counts are whole numbers; shares are made of them where rules are written (`curator.clean`).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text import c4
from curator.text.affixes import affixes
from curator.text.buffers import Texts, Utf8, utf8
from curator.text.c4 import Phrases, edit
from curator.text.compile import compiled, inlined
from curator.text.contractions import exceptions, word_hash
from curator.text.edges import characters_in
from curator.text.lines import marked_lines, newline_lines, paragraphs
from curator.text.repetition import places, repeated_ngrams
from curator.text.seen import room
from curator.text.tokens import (
    ALPHABETIC,
    LONGEST_RUN,
    WORDLIKE,
    Language,
    Run,
    Tokens,
    tokenize,
)

# The eight words of Rae et al. 2021, arXiv:2112.11446, appendix A.1.1.
STOP_WORDS: Final = ("the", "be", "to", "of", "and", "that", "have", "with")

_WORDS: Final = ("tokens", "words", "word_characters", "alphabetic_tokens", "stop_words")
_MARKED: Final = ("hashes", "ellipses", "lines", "bullet_lines", "ellipsis_lines")
_NEWLINES: Final = (
    "newlines",
    "repetition_lines",
    "repeated_lines",
    "repeated_line_characters",
    "visible_lines",
    "ended_lines",
    "short_lines",
    "repeated_visible_characters",
)
_PARAGRAPHS: Final = ("paragraphs", "repeated_paragraphs", "repeated_paragraph_characters")
_NGRAMS: Final = tuple(
    f"{kind}_{n}_gram_characters"
    for kind, sizes in (("top", range(2, 5)), ("repeated", range(5, 11)))
    for n in sizes
)
COUNTS: Final = (
    "characters",
    *_WORDS,
    *_MARKED,
    *_NEWLINES,
    *_PARAGRAPHS,
    *_NGRAMS,
    *(f"c4_{name}" for name in c4.COUNTS),
    *(f"edited_{name}" for name in ("characters", "tokens", *_NEWLINES)),
)
_AT_WORDS = 1
_AT_MARKED = _AT_WORDS + len(_WORDS)
_AT_NEWLINES = _AT_MARKED + len(_MARKED)
_AT_PARAGRAPHS = _AT_NEWLINES + len(_NEWLINES)
_AT_NGRAMS = _AT_PARAGRAPHS + len(_PARAGRAPHS)
_AT_C4 = _AT_NGRAMS + len(_NGRAMS)
_AT_EDITED = _AT_C4 + len(c4.COUNTS)


class Counted(NamedTuple):
    """What `count_texts` found.

    Attributes:
        counts: (n, len(COUNTS)) int64, columns in the order of `COUNTS`.
        edited: the texts after C4's line edits.
    """

    counts: npt.NDArray[np.int64]
    edited: Utf8


def count_texts(texts: Texts) -> Counted:
    """The counts of each text, and each text as C4 edits it."""
    column = utf8(texts)
    stop_words = np.array([word_hash(word) for word in STOP_WORDS], np.uint64)
    language = Language(affixes(), exceptions())
    counts, offsets, data = _count_all(
        column.offsets, column.data, language, c4.phrases(), stop_words
    )
    return Counted(counts, Utf8(offsets, data))


@compiled
def _count_all(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    language: Language,
    phrases: Phrases,
    stop_words: npt.NDArray[np.uint64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    rows = len(offsets) - 1
    counts = np.zeros((rows, len(COUNTS)), np.int64)
    edited_offsets = np.zeros(rows + 1, np.int64)
    edited = np.empty(offsets[rows] - offsets[0] + 1, np.uint8)
    run = Run(
        np.empty(LONGEST_RUN, np.int32),
        np.empty(LONGEST_RUN, np.uint16),
        np.empty(LONGEST_RUN, np.int32),
    )
    tokens, grams, seen = _tokens(1024), places(1024), room(1024)
    for row in range(rows):
        at, end, out = offsets[row], offsets[row + 1], counts[row]
        words, _, _ = tokenize(data, at, end, language, run, tokens, 0)
        if words > len(tokens.hashes):
            tokens, grams = _tokens(words + words // 4), places(words + words // 4)
            words, _, _ = tokenize(data, at, end, language, run, tokens, 0)
        out[0] = characters_in(data, at, end)
        _count_words(tokens, words, stop_words, out[_AT_WORDS:_AT_MARKED])
        marked_lines(data, at, end, language.affixes, out[_AT_MARKED:_AT_NEWLINES])
        lines_out = out[_AT_NEWLINES:_AT_PARAGRAPHS]
        seen = newline_lines(data, at, end, language.affixes, seen, lines_out)
        seen = paragraphs(data, at, end, language.affixes, seen, out[_AT_PARAGRAPHS:_AT_NGRAMS])
        seen = repeated_ngrams(
            tokens.hashes, tokens.lengths, words, grams, seen, out[_AT_NGRAMS:_AT_C4]
        )
        written = edited_offsets[row]
        finish, out[_AT_EDITED + 1] = edit(
            data, at, end, language, phrases, run, tokens, edited, written, out[_AT_C4:_AT_EDITED]
        )
        edited_offsets[row + 1] = finish
        out[_AT_EDITED] = characters_in(edited, written, finish)
        lines_out = out[_AT_EDITED + 2 :]
        seen = newline_lines(edited, written, finish, language.affixes, seen, lines_out)
    return counts, edited_offsets, edited[: edited_offsets[rows]]


@inlined
def _tokens(size: int) -> Tokens:
    return Tokens(np.empty(size, np.uint64), np.empty(size, np.int32), np.empty(size, np.uint8))


@inlined
def _count_words(
    tokens: Tokens, count: int, stop_words: npt.NDArray[np.uint64], out: npt.NDArray[np.int64]
) -> None:
    """Fill `out` (5,) in the order of `_WORDS`."""
    out[:] = 0
    out[0] = count
    found = 0
    for place in range(count):
        kind, size = tokens.kinds[place], tokens.lengths[place]
        if kind & WORDLIKE:
            out[1] += 1
            out[2] += size
        out[3] += 1 if kind & ALPHABETIC else 0
        if 2 <= size <= 4:
            for number in range(len(stop_words)):
                found |= int(tokens.hashes[place] == stop_words[number]) << number
    for number in range(len(stop_words)):
        out[4] += (found >> number) & 1
