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
from curator.text.c4 import BEGIN, END, HELD, TOKENS, Draft, Phrases, edit_line
from curator.text.compile import block, compiled, part
from curator.text.contractions import exceptions, word_hash
from curator.text.edges import skip_blank, strip_end
from curator.text.lines import MARKED, STRETCHES, Rooms, count_stretches, mark_line
from curator.text.measures import MEASURES, Tables, measure_room, measure_text, tables
from curator.text.repetition import places, repeated_ngrams
from curator.text.runs import ALPHABETIC, WORDLIKE, Run, Tokens, run_room, token_room
from curator.text.seen import room
from curator.text.spoken import Spoken
from curator.text.tokens import Language, tokenize_line

# The eight words of Rae et al. 2021, arXiv:2112.11446, appendix A.1.1.
STOP_WORDS: Final = ("the", "be", "to", "of", "and", "that", "have", "with")

_WORDS: Final = ("tokens", "words", "word_characters", "alphabetic_tokens", "stop_words")
_NGRAMS: Final = tuple(
    f"{kind}_{n}_gram_characters"
    for kind, sizes in (("top", range(2, 5)), ("repeated", range(5, 11)))
    for n in sizes
)
COUNTS: Final = (
    *STRETCHES,
    *MARKED,
    *_WORDS,
    *_NGRAMS,
    *(f"c4_{name}" for name in c4.COUNTS),
    *(f"edited_{name}" for name in STRETCHES),
    "edited_tokens",
    *MEASURES,
)
_AT_MARKED = len(STRETCHES)
_AT_WORDS = _AT_MARKED + len(MARKED)
_AT_NGRAMS = _AT_WORDS + len(_WORDS)
_AT_C4 = _AT_NGRAMS + len(_NGRAMS)
_AT_EDITED = _AT_C4 + len(c4.COUNTS)
_AT_EDITED_TOKENS = _AT_EDITED + len(STRETCHES)
_AT_MEASURES = _AT_EDITED_TOKENS + 1


class Counted(NamedTuple):
    """What `count_texts` found.

    Attributes:
        counts: (n, len(COUNTS)) int64, columns in the order of `COUNTS`.
        edited: the texts after C4's line edits.
    """

    counts: npt.NDArray[np.int64]
    edited: Utf8


def count_texts(texts: Texts, asked: int = 0, languages: Spoken | None = None) -> Counted:
    """The counts of each text, and each text as C4 edits it.

    Args:
        texts: a column.
        asked: the groups of `curator.text.measures` to count as well; the others stay 0.
        languages: of the texts, where counts by language are asked for.
    """
    column = utf8(texts)
    stop_words = np.array([word_hash(word) for word in STOP_WORDS], np.uint64)
    language = Language(affixes(), exceptions())
    counts, offsets, data = _count_all(
        column.offsets, column.data, language, c4.phrases(), stop_words, tables(asked, languages)
    )
    return Counted(counts, Utf8(offsets, data))


@compiled
def _count_all(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    language: Language,
    phrases: Phrases,
    stop_words: npt.NDArray[np.uint64],
    measured: Tables,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    rows = len(offsets) - 1
    counts = np.zeros((rows, len(COUNTS)), np.int64)
    edited_offsets = np.zeros(rows + 1, np.int64)
    edited = np.empty(offsets[rows] - offsets[0] + 1, np.uint8)
    draft = Draft(edited, np.zeros(4, np.int64))
    run, tokens, grams = run_room(), token_room(1024), places(1024)
    seen, rooms, more = room(1024), Rooms(room(1024), room(1024)), measure_room()
    for row in range(rows):
        at, end, out = offsets[row], offsets[row + 1], counts[row]
        draft.state[BEGIN] = edited_offsets[row]
        words = _count_lines(data, at, end, language, phrases, run, tokens, draft, out)
        if draft.state[HELD] > len(tokens.hashes):
            size = draft.state[HELD] + draft.state[HELD] // 4
            tokens, grams = token_room(size), places(size)
            words = _count_lines(data, at, end, language, phrases, run, tokens, draft, out)
        rooms = count_stretches(data, at, end, language.affixes, rooms, out[:_AT_MARKED])
        _count_words(tokens, words, stop_words, out[_AT_WORDS:_AT_NGRAMS])
        seen = repeated_ngrams(
            tokens.hashes, tokens.lengths, words, grams, seen, out[_AT_NGRAMS:_AT_C4]
        )
        begin, finish = draft.state[BEGIN], draft.state[END]
        edited_offsets[row + 1] = finish
        edited_out = out[_AT_EDITED:_AT_EDITED_TOKENS]
        rooms = count_stretches(edited, begin, finish, language.affixes, rooms, edited_out)
        out[_AT_EDITED_TOKENS] = draft.state[TOKENS]
        # Counts of further rule sets plug in here: see curator.text.measures.
        more = measure_text(
            data, at, end, row, tokens, words, language, measured, more, out[_AT_MEASURES:]
        )
    return counts, edited_offsets, edited[: edited_offsets[rows]]


@part
def _count_lines(
    data: npt.NDArray[np.uint8],
    at: int,
    end: int,
    language: Language,
    phrases: Phrases,
    run: Run,
    tokens: Tokens,
    draft: Draft,
    out: npt.NDArray[np.int64],
) -> int:
    """Take the text's tokens and C4's edits, line by line; how many tokens it has."""
    marked, c4_out = out[_AT_MARKED:_AT_WORDS], out[_AT_C4:_AT_EDITED]
    marked[:] = 0
    c4_out[:] = 0
    draft.state[END] = draft.state[BEGIN]
    draft.state[TOKENS], draft.state[HELD] = 0, 0
    count = 0
    while at < end:
        line = tokenize_line(data, at, end, language, run, tokens, count)
        first = skip_blank(data, at, line.stop, language.affixes)
        last = strip_end(data, first, line.stop, language.affixes)
        mark_line(data, first, last, marked)
        edit_line(data, first, last, count, line, language, phrases, run, tokens, draft, c4_out)
        count = line.tokens
        at = line.following
    draft.state[HELD] = max(draft.state[HELD], count)
    return count


@block
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
