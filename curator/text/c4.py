"""The line edits of C4 (Raffel et al. 2020, arXiv:1910.10683, section 2.2), and what they counted.

The order of checks is datatrove's (its c4_filters.py). A line is what `str.splitlines` gives,
stripped; it is dropped when a word is longer than 1,000 characters, when it does not end in
`. ? ! " '` or ends in `...`, when it has fewer than three words, or when it speaks of Javascript
or of cookies and terms of use. Citation marks (`[3]`, `[edit]`, `[citation needed]`) are taken
out. Words here are what white space parts. Kept lines are joined by newlines and stripped.
Lorem ipsum and curly brackets condemn the document, not the line: lines with them are counted and
stay, so that a recipe may turn those two rules off.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.affixes import STOP
from curator.text.blocks import copy, folded, lowest, same
from curator.text.compile import block, leaf
from curator.text.edges import skip_blank
from curator.text.hashing import hash_bytes
from curator.text.lines import SHORT_LINE
from curator.text.masks import Masks, count_continued, scan
from curator.text.memo import Memo
from curator.text.runs import PUNCTUATIONAL, SENTENCE_END, Run, Tokens
from curator.text.seen import Seen, emptied, seen_again
from curator.text.tokens import Language, Lines, tokenize

LONGEST_WORD: Final = 1000
FEWEST_WORDS: Final = 3
# Each line counts under the first check that drops it, in this order, or as kept. Lines with lorem
# ipsum, and with curly brackets if they do not speak of Javascript, count there as well.
COUNTS: Final = (
    "long_word_lines",
    "unended_lines",
    "few_word_lines",
    "lorem_ipsum_lines",
    "javascript_lines",
    "curly_bracket_lines",
    "policy_lines",
    "kept_lines",
    "lines",
    "sentences",
    "citations",
)
_LONG_WORD, _UNENDED, _SHORT, _LOREM, _JAVASCRIPT, _CURLY, _POLICY, _KEPT = range(8)
_LINES, _SENTENCES, _CITATIONS = 8, 9, 10
BEGIN, END, TOKENS, HELD = range(4)  # places of `Draft.state`
_BRACKET: Final = 91  # the closing one is 93
# What is counted of the edited text, beside its tokens, as of any text (`curator.text.lines`).
EDITED: Final = (
    "characters",
    "newlines",
    "visible_lines",
    "ended_lines",
    "short_lines",
    "repeated_visible_characters",
)
_PHRASES: Final = (
    "lorem ipsum",
    "javascript",
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
# Three letters of each phrase that are rare in English: only where they stand a search begins.
_MIDDLES: Final = ("psu", "vas", "rms", "vac", "oki", "oki", "oki", "oki")

Data = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]


class Phrases(NamedTuple):
    """What is searched in a line, in lower case.

    Attributes:
        letters: (8, 16) uint8, a phrase a row, zeros after its end.
        sizes: (8,) int64.
        middles: (8,) int64, the place of each phrase's rare letters.
    """

    letters: npt.NDArray[np.uint8]
    sizes: npt.NDArray[np.int64]
    middles: npt.NDArray[np.int64]


class Draft(NamedTuple):
    """An edited text in the making.

    Attributes:
        text: uint8, room for the edited texts of a column, end to end.
        state: (4,) int64: where this text begins in it, where it ends so far, how many tokens it
            has so far, how many tokens were held at once.
        kept: the text's kept lines.
    """

    text: Data
    state: Counts
    kept: Seen


class Again(NamedTuple):
    """Room to take the tokens of a single line once more; nothing in it outlives that.

    Attributes:
        run: for any run.
        memo: of runs cut before.
        masks: for as many bytes as the line has.
        scanned: (6,) int64.
        line: for one line.
    """

    run: Run
    memo: Memo
    masks: Masks
    scanned: Counts
    line: Lines


def phrases() -> Phrases:
    """The phrases as kernels read them."""
    letters = np.zeros((len(_PHRASES), 16), np.uint8)
    for row, phrase in enumerate(_PHRASES):
        letters[row, : len(phrase)] = np.frombuffer(phrase.encode(), np.uint8)
    sizes = np.array([len(phrase) for phrase in _PHRASES], np.int64)
    middles = [phrase.index(rare) for phrase, rare in zip(_PHRASES, _MIDDLES, strict=True)]
    return Phrases(letters, sizes, np.array(middles, np.int64))


@block
def edit_lines(
    data: Data,
    lines: Lines,
    rows: int,
    language: Language,
    phrases: Phrases,
    again: Again,
    tokens: Tokens,
    draft: Draft,
    out: Counts,
    edited_out: Counts,
) -> None:
    """Judge each of the text's lines; append it to the draft if kept.

    Counts go into `out` (as `COUNTS`) and `edited_out` (as `EDITED`).
    """
    out[:] = 0
    edited_out[:] = 0
    state, text = draft.state, draft.text
    state[END] = state[BEGIN]
    state[TOKENS] = 0
    state[HELD] = lines.tokens[rows - 1] if rows else 0
    mask = emptied(draft.kept, rows)
    out[_LINES] = rows
    for row in range(rows):
        start = state[END] + 1 if state[END] > state[BEGIN] else state[END]
        verdict, finish, citations = _judge(data, lines, row, text, start, phrases, out)
        out[verdict] += 1
        if verdict != _KEPT:
            continue
        if start > state[END]:
            text[start - 1] = 10
            edited_out[0] += 1
            edited_out[1] += 1
        low, high = lines.tokens[row - 1] if row else 0, lines.tokens[row]
        if citations:
            out[_CITATIONS] += citations
            if start == state[END]:
                finish = _close_up(text, start, finish, language.affixes)
            low = lines.tokens[rows - 1]
            high = _tokens_again(text, start, finish, language, again, tokens, low)
        out[_SENTENCES] += _sentences(tokens, low, high)
        _count_kept(text, start, finish, language.affixes, draft.kept, mask, edited_out)
        state[END] = finish
        state[TOKENS] += high - low
        state[HELD] = max(state[HELD], high)


@leaf
def _judge(
    data: Data, lines: Lines, row: int, text: Data, start: int, phrases: Phrases, out: Counts
) -> tuple[int, int, int]:
    """The verdict on a line; of one that is kept where its copy ends, and its citation marks."""
    first, last = lines.firsts[row], lines.lasts[row]
    if lines.longest[row] > LONGEST_WORD:
        return _LONG_WORD, start, 0
    if first == last or not (_is_mark(data[last - 1]) or data[last - 1] == _BRACKET + 2):
        return _UNENDED, start, 0
    finish, citations = _without_citations(data, first, last, text, start)
    if not _is_ended(text, start, finish):
        return _UNENDED, start, 0
    if lines.runs[row] < FEWEST_WORDS:
        return _SHORT, start, 0
    said = _speaks_of(text, start, finish, phrases)
    scripted, policy = (said >> _JAVASCRIPT) & 1, (said >> _POLICY) & 1
    out[_LOREM] += (said >> _LOREM) & 1
    out[_CURLY] += (said >> _CURLY) & (1 - scripted)
    verdict = _JAVASCRIPT if scripted else _POLICY if policy else _KEPT
    return verdict, finish, citations


@leaf
def _tokens_again(
    text: Data, at: int, end: int, language: Language, again: Again, tokens: Tokens, count: int
) -> int:
    """Append the tokens of a line that has lost its citation marks; how many there are then."""
    scan(text, at, end, again.masks, again.scanned)
    count, _ = tokenize(
        text, at, end, again.masks, language, again.run, again.memo, tokens, count, again.line
    )
    return count


@leaf
def _count_kept(
    text: Data,
    at: int,
    end: int,
    affixes: npt.NDArray[np.uint16],
    kept: Seen,
    mask: np.uint64,
    out: Counts,
) -> None:
    """Count a kept line into `out`, as `EDITED`."""
    characters = end - at - count_continued(text, at, end)
    out[0] += characters
    out[2] += 1
    out[3] += 1 if affixes[text[end - 1]] & STOP else 0
    out[4] += 1 if characters <= SHORT_LINE else 0
    if seen_again(kept, mask, hash_bytes(text, at, end - at)):
        out[5] += characters


@leaf
def _without_citations(
    data: Data, at: int, end: int, edited: Data, written: int
) -> tuple[int, int]:
    """Copy the line without its citation marks; where the copy ends, and how many marks it had."""
    if not _has(data, at, end, _BRACKET):
        copy(edited, written, data, at, end - at)
        return written + end - at, 0
    citations = 0
    while at < end:
        if data[at] == _BRACKET:
            size = _citation(data, at, end)
            if size:
                citations += 1
                at += size
                continue
        edited[written] = data[at]
        written += 1
        at += 1
    return written, citations


@leaf
def _has(data: Data, at: int, end: int, byte: int) -> bool:
    while at < end:
        found = same(data, at, byte)
        if found:
            return at + lowest(found) < end
        at += 64
    return False


@leaf
def _citation(data: Data, at: int, end: int) -> int:
    """The bytes of `[12]`, `[]`, `[edit]` or `[citation needed]` at `at`; 0 if none is there."""
    place = at + 1
    while place < end and 48 <= data[place] <= 57:
        place += 1
    if place < end and data[place] == _BRACKET + 2:
        return place + 1 - at
    for size, letters in ((6, b"[edit]"), (17, b"[citation needed]")):
        if at + size <= end:
            same = True
            for offset in range(size):
                same = same and data[at + offset] == letters[offset]
            if same:
                return size
    return 0


@leaf
def _is_mark(byte: np.uint8) -> bool:
    return byte in (46, 63, 33, 34, 39)  # . ? ! " and '


@leaf
def _is_ended(data: Data, at: int, end: int) -> bool:
    if at >= end:
        return False
    if end - at >= 3 and data[end - 1] == 46 and data[end - 2] == 46 and data[end - 3] == 46:
        return False
    return _is_mark(data[end - 1])


@block
def _speaks_of(data: Data, at: int, end: int, phrases: Phrases) -> int:
    """What a line says: bits at `_LOREM`, `_JAVASCRIPT`, `_CURLY` and `_POLICY`."""
    found = 1 << _CURLY if _has(data, at, end, 123) else 0
    place = at
    while place < end:
        rare = _rare_letters(data, place)
        while rare:
            spot = place + lowest(rare)
            rare &= rare - np.uint64(1)
            for row in range(len(phrases.sizes)):
                start = spot - phrases.middles[row]
                fits = start >= at and start + phrases.sizes[row] <= end
                if fits and _says(data, start, phrases, row):
                    found |= 1 << (_LOREM if row == 0 else _JAVASCRIPT if row == 1 else _POLICY)
        place += 64
    return found


@leaf
def _rare_letters(data: Data, at: int) -> np.uint64:
    """Where in the 64 bytes at `at` one of `_MIDDLES` begins."""
    s, second = folded(data, at + 2, 115), at + 1
    found = folded(data, at, 111) & folded(data, second, 107) & folded(data, at + 2, 105)  # oki
    found |= folded(data, at, 114) & folded(data, second, 109) & s  # rms
    found |= folded(data, at, 112) & folded(data, second, 115) & folded(data, at + 2, 117)  # psu
    either = s | folded(data, at + 2, 99)  # vas, vac
    return found | (folded(data, at, 118) & folded(data, second, 97) & either)


@leaf
def _says(data: Data, at: int, phrases: Phrases, row: int) -> bool:
    for place in range(phrases.sizes[row]):
        byte = data[at + place]
        lowered = byte + 32 if 65 <= byte <= 90 else byte
        if lowered != phrases.letters[row, place]:
            return False
    return True


@leaf
def _close_up(edited: Data, start: int, finish: int, affixes: npt.NDArray[np.uint16]) -> int:
    """Take the white space off the front of the first kept line; where the line then ends."""
    first = skip_blank(edited, start, finish, affixes)
    if first > start:
        for place in range(first, finish):
            edited[place - first + start] = edited[place]
    return finish - first + start


@leaf
def _sentences(tokens: Tokens, low: int, high: int) -> int:
    """Sentences of a line: a new one begins at the first word after a closing mark."""
    sentences, closed = 1 if high > low else 0, False
    for place in range(low, min(high, len(tokens.kinds))):
        kind = tokens.kinds[place]
        if kind & SENTENCE_END:
            closed = True
        elif closed and not kind & PUNCTUATIONAL:
            sentences += 1
            closed = False
    return sentences
