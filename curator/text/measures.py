"""Where the counts of further rule sets plug into the one pass of `curator.text.statistics`.

For each text of a column, after its tokens were taken and the counts of Gopher, C4 and FineWeb
made, `measure_text` is called once, while the text is still in the processor's cache. Each group
of counts is made only if it is asked for: no rule set needs all, and together they cost about as
much as those of Gopher, C4 and FineWeb. To add counts: name them in `MEASURES`; give kernels the
tables they look things up in through `Tables` and room that outlives a text through `Room`; fill
`out` in `measure_text`, which calls the kernels of other files.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text import diversity, ngram_shares, raw_tokens, split_lines, white_words
from curator.text import spoken as by_language
from curator.text.compile import part
from curator.text.diversity import diversity as measure_diversity
from curator.text.kinds import Kinds, kinds
from curator.text.ngram_shares import Grams, gram_room, gram_shares, top_bigram
from curator.text.raw_tokens import count_raw_tokens
from curator.text.runs import Tokens
from curator.text.seen import Seen, room
from curator.text.split_lines import LineRoom, count_split_lines, line_room, newlines
from curator.text.spoken import Spoken, count_spoken, spoken
from curator.text.tokens import Language
from curator.text.unicode import characters
from curator.text.white_words import WhiteWords, known_hashes, read_words, white_room

DOLMA: Final = 1  # groups of counts, to be added up
REDPAJAMA: Final = 2
LANGUAGES: Final = 4

MEASURES: Final[tuple[str, ...]] = (
    *white_words.COUNTS,
    *split_lines.COUNTS,
    *ngram_shares.COUNTS,
    *diversity.COUNTS,
    "plain_top_2_gram",
    *raw_tokens.COUNTS,
    *by_language.COUNTS,
)
_AT_LINES: Final = len(white_words.COUNTS)
_AT_GRAMS: Final = _AT_LINES + len(split_lines.COUNTS)
_AT_DIVERSITY: Final = _AT_GRAMS + len(ngram_shares.COUNTS)
_AT_BIGRAM: Final = _AT_DIVERSITY + len(diversity.COUNTS)
_AT_RAW: Final = _AT_BIGRAM + 1
_AT_SPOKEN: Final = _AT_RAW + len(raw_tokens.COUNTS)


class Tables(NamedTuple):
    """What the kernels look up; made once a column by `tables`.

    Attributes:
        asked: the groups of counts that are made.
        classes: (LIMIT,) uint16, `curator.text.unicode.characters().classes`.
        kinds: `curator.text.kinds.kinds()`.
        known: (9,) uint64, `curator.text.white_words.known_hashes()`.
        spoken: the language of each text, and what is counted by it.
    """

    asked: int
    classes: npt.NDArray[np.uint16]
    kinds: Kinds
    known: npt.NDArray[np.uint64]
    spoken: Spoken


class Room(NamedTuple):
    """Room that is used again for each text.

    Attributes:
        seen: a set of hashes, to be emptied by whoever uses it.
        words: for words parted by white space.
        grams: for their n-grams.
        lines: for lines parted by newlines.
    """

    seen: Seen
    words: WhiteWords
    grams: Grams
    lines: LineRoom


def tables(asked: int = 0, languages: Spoken | None = None) -> Tables:
    """The tables for a column of texts.

    Args:
        asked: the sum of the groups of counts to make.
        languages: the texts' languages, where `LANGUAGES` is asked for.
    """
    if asked & LANGUAGES and languages is None:
        raise ValueError("counts by language need the language of each text")
    nobody = spoken(np.zeros(0, np.int64), [], [])
    return Tables(asked, characters().classes, kinds(), known_hashes(), languages or nobody)


@part
def measure_room() -> Room:
    """Room for the first text."""
    return Room(room(1024), white_room(1024), gram_room(1024), line_room(1024))


@part
def measure_text(
    data: npt.NDArray[np.uint8],
    at: int,
    end: int,
    row: int,
    tokens: Tokens,
    count: int,
    language: Language,
    tables: Tables,
    room: Room,
    out: npt.NDArray[np.int64],
) -> Room:
    """Fill `out` (len(MEASURES),) for text `row`, `data[at:end]`; the room, maybe grown.

    `tokens` holds the text's tokens in its first `count` places: those of `curator.text.tokens`.
    """
    if tables.asked & LANGUAGES:
        count_spoken(
            data, at, end, row, tokens, count, tables.spoken, tables.classes, out[_AT_SPOKEN:]
        )
    if not tables.asked & (DOLMA | REDPAJAMA):
        return room
    seen, words, grams, lines = _grown(room, count, newlines(data, at, end) + 1)
    read_words(data, at, end, tables.kinds, tables.known, words, out[:_AT_LINES])
    seen = count_split_lines(data, at, end, language.affixes, lines, seen, out[_AT_LINES:_AT_GRAMS])
    if tables.asked & DOLMA:
        shares = out[_AT_GRAMS:_AT_DIVERSITY]
        seen = gram_shares(words.hashes, words.lengths, out[0], grams, seen, shares)
    if tables.asked & REDPAJAMA:
        plain = out[7]
        seen = measure_diversity(words.plain, plain, seen, out[_AT_DIVERSITY:_AT_BIGRAM])
        seen, top = top_bigram(words.plain, words.plain_lengths, plain, grams, seen)
        out[_AT_BIGRAM] = top
        count_raw_tokens(data, at, end, tables.kinds, out[_AT_RAW:_AT_SPOKEN])
    return Room(seen, words, grams, lines)


@part
def _grown(room: Room, words: int, lines: int) -> Room:
    """The room, with places for this many words and lines; a word is at least one token."""
    held, grams, rows = room.words, room.grams, room.lines
    if words > len(held.hashes):
        held, grams = white_room(words + words // 4), gram_room(words + words // 4)
    if lines > len(rows.slots):
        rows = line_room(lines + lines // 4)
    return Room(room.seen, held, grams, rows)
