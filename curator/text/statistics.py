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
from curator.text.blocks import SLACK, ones
from curator.text.buffers import Texts, Utf8, utf8
from curator.text.c4 import BEGIN, END, HELD, TOKENS, Again, Draft, Phrases, edit_lines
from curator.text.compile import block, compiled, leaf, part
from curator.text.contractions import exceptions, word_hash
from curator.text.lines import MARKED, STRETCHES, Rooms, count_stretches, mark_lines
from curator.text.masks import SCANNED, Masks, mask_room, scan
from curator.text.measures import MEASURES, Tables, measure_room, measure_text, tables
from curator.text.memo import Memo, memo_room
from curator.text.repetition import Places, places, repeated_ngrams
from curator.text.runs import ALPHABETIC, WORDLIKE, Run, Tokens, run_room, token_room
from curator.text.seen import Seen, holds, room
from curator.text.spoken import Spoken
from curator.text.tokens import Language, Lines, line_room, tokenize

# The eight words of Rae et al. 2021, arXiv:2112.11446, appendix A.1.1.
STOP_WORDS: Final = ("the", "be", "to", "of", "and", "that", "have", "with")
_STOP_BITS: Final = np.uint64(32)  # the six bits from here on differ between their hashes

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
    *(f"edited_{name}" for name in c4.EDITED),
    "edited_tokens",
    *MEASURES,
)
_AT_MARKED = len(STRETCHES)
_AT_WORDS = _AT_MARKED + len(MARKED)
_AT_NGRAMS = _AT_WORDS + len(_WORDS)
_AT_C4 = _AT_NGRAMS + len(_NGRAMS)
_AT_EDITED = _AT_C4 + len(c4.COUNTS)
_AT_EDITED_TOKENS = _AT_EDITED + len(c4.EDITED)
_AT_MEASURES = _AT_EDITED_TOKENS + 1


class Counted(NamedTuple):
    """What `count_texts` found.

    Attributes:
        counts: (n, len(COUNTS)) int64, columns in the order of `COUNTS`.
        edited: the texts after C4's line edits.
    """

    counts: npt.NDArray[np.int64]
    edited: Utf8


class Room(NamedTuple):
    """Room for one text, used again for the next.

    Attributes:
        masks: what its bytes are.
        scanned: (6,) int64, what scanning counted.
        run: for any run of characters without white space.
        memo: of such runs that were cut before.
        tokens: its tokens.
        lines: its lines.
        line: one line.
        stretches: its different lines and paragraphs.
        kept: its different lines that C4 keeps.
        grams: its n-grams.
    """

    masks: Masks
    scanned: npt.NDArray[np.int64]
    run: Run
    memo: Memo
    tokens: Tokens
    lines: Lines
    line: Lines
    stretches: Rooms
    kept: Seen
    grams: Places


def count_texts(texts: Texts, asked: int = 0, languages: Spoken | None = None) -> Counted:
    """The counts of each text, and each text as C4 edits it.

    Args:
        texts: a column.
        asked: the groups of `curator.text.measures` to count as well; the others stay 0.
        languages: of the texts, where counts by language are asked for.
    """
    column = utf8(texts)
    offsets, data = column
    rows = len(column)
    counts = np.zeros((rows, len(COUNTS)), np.int64)
    edited = np.empty(offsets[rows] - offsets[0] + SLACK, np.uint8)
    edited_offsets = np.zeros(rows + 1, np.int64)
    language = Language(affixes(), exceptions())
    known = (language, c4.phrases(), stop_table(), tables(asked, languages))
    # Kernels read past a text's end: the last texts of a column are read in a copy.
    whole = int(np.searchsorted(offsets[1:], len(data) - SLACK, "right"))
    rest = np.append(data[offsets[whole] : offsets[rows]], np.zeros(SLACK, np.uint8))
    moved = offsets - offsets[whole]
    moved.flags.writeable = rest.flags.writeable = False  # or all is compiled a second time
    _count_all(offsets, data, 0, whole, *known, counts, edited_offsets, edited)
    _count_all(moved, rest, whole, rows, *known, counts, edited_offsets, edited)
    return Counted(counts, Utf8(edited_offsets, edited[: edited_offsets[rows]]))


def stop_table() -> npt.NDArray[np.uint64]:
    """(64,) uint64: the hash of each stop word at a place named by bits of it, none twice."""
    table = np.zeros(64, np.uint64)
    for word in STOP_WORDS:
        hashed = word_hash(word)
        table[int(hashed >> _STOP_BITS) & 63] = hashed
    return table


@compiled
def _count_all(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    first: int,
    last: int,
    language: Language,
    phrases: Phrases,
    stop_words: npt.NDArray[np.uint64],
    measured: Tables,
    counts: npt.NDArray[np.int64],
    edited_offsets: npt.NDArray[np.int64],
    edited: npt.NDArray[np.uint8],
) -> None:
    """Count the texts from `first` to `last`; the edited ones go on where those before ended."""
    room, state = first_room(), np.zeros(4, np.int64)
    more = measure_room()
    for row in range(first, last):
        at, end, out = offsets[row], offsets[row + 1], counts[row]
        state[BEGIN] = edited_offsets[row]
        draft = Draft(edited, state, room.kept)
        words = _count_text(data, at, end, language, phrases, room, draft, out)
        while words < 0:  # did not fit
            room = larger_room(room, end - at, room.scanned[4] + 1, state[HELD])
            draft = Draft(edited, state, room.kept)
            words = _count_text(data, at, end, language, phrases, room, draft, out)
        tokens = room.tokens
        count_words(tokens, words, stop_words, out[_AT_WORDS:_AT_NGRAMS])
        repeated_ngrams(tokens.hashes, tokens.lengths, words, room.grams, out[_AT_NGRAMS:_AT_C4])
        edited_offsets[row + 1] = state[END]
        out[_AT_EDITED_TOKENS] = state[TOKENS]
        # Counts of further rule sets plug in here: see curator.text.measures.
        more = measure_text(
            data, at, end, row, tokens, words, language, measured, more, out[_AT_MEASURES:]
        )


@part
def first_room() -> Room:
    """Room for texts of common length."""
    return Room(
        mask_room(1 << 16),
        np.zeros(len(SCANNED), np.int64),
        run_room(),
        memo_room(),
        token_room(1024),
        line_room(256),
        line_room(1),
        Rooms(room(512), room(512)),
        room(512),
        places(1024),
    )


@part
def larger_room(held: Room, size: int, lines: int, tokens: int) -> Room:
    """Room for a text of this many bytes, lines and tokens, and a quarter more."""
    masks, rows, stretches, kept = held.masks, held.lines, held.stretches, held.kept
    words, grams = held.tokens, held.grams
    if _bytes(masks) < size:
        masks = mask_room(size + size // 4)
    if len(rows.runs) < lines or not holds(kept, lines):
        lines += lines // 4
        rows, kept = line_room(lines), room(2 * lines)
        stretches = Rooms(room(2 * lines), room(2 * lines))
    if len(words.hashes) < tokens:
        tokens += tokens // 4
        words, grams = token_room(tokens), places(tokens)
    return Room(
        masks, held.scanned, held.run, held.memo, words, rows, held.line, stretches, kept, grams
    )


@leaf
def _bytes(masks: Masks) -> int:
    """How large a text has room."""
    return (len(masks.blank) - 2) * 64


@block
def _count_text(
    data: npt.NDArray[np.uint8],
    at: int,
    end: int,
    language: Language,
    phrases: Phrases,
    room: Room,
    draft: Draft,
    out: npt.NDArray[np.int64],
) -> int:
    """Fill the text's counts but those of words and n-grams; the number of tokens.

    Returns -1 if the room is too small: `room.scanned` and `draft.state` then say how large it must
    be, as far as the work went.
    """
    draft.state[HELD] = 0
    room.scanned[:] = 0
    if _bytes(room.masks) < end - at:
        return -1
    scan(data, at, end, room.masks, room.scanned)
    rows = room.scanned[4] + 1
    if len(room.lines.runs) < rows or not holds(room.kept, rows):
        return -1
    stretches = out[:_AT_MARKED]
    count_stretches(
        data, at, end, room.masks, language.affixes, room.scanned, room.stretches, stretches
    )
    words, rows = tokenize(
        data, at, end, room.masks, language, room.run, room.memo, room.tokens, 0, room.lines
    )
    mark_lines(data, room.lines, rows, out[_AT_MARKED:_AT_WORDS])
    again = Again(room.run, room.memo, room.masks, room.scanned, room.line)
    edited = out[_AT_EDITED:_AT_EDITED_TOKENS]
    c4_out = out[_AT_C4:_AT_EDITED]
    edit_lines(data, room.lines, rows, language, phrases, again, room.tokens, draft, c4_out, edited)
    return words if draft.state[HELD] <= len(room.tokens.hashes) else -1


@leaf
def count_words(
    tokens: Tokens, count: int, stop_words: npt.NDArray[np.uint64], out: npt.NDArray[np.int64]
) -> None:
    """Fill `out` (5,) in the order of `_WORDS`."""
    words, characters, alphabetic, found = 0, 0, 0, np.uint64(0)
    for place in range(count):
        kind = tokens.kinds[place]
        wordlike = (kind & WORDLIKE) // WORDLIKE
        words += wordlike
        characters += wordlike * tokens.lengths[place]
        alphabetic += (kind & ALPHABETIC) // ALPHABETIC
    for place in range(count):
        hashed = tokens.hashes[place]
        slot = (hashed >> _STOP_BITS) & np.uint64(63)
        found |= np.uint64(stop_words[slot] == hashed) << slot
    out[0], out[1], out[2], out[3], out[4] = count, words, characters, alphabetic, ones(found)
