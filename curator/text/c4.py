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

from curator.text.compile import block, leaf
from curator.text.edges import skip_blank
from curator.text.runs import PUNCTUATIONAL, SENTENCE_END, Run, Tokens
from curator.text.tokens import Language, Line, tokenize_line

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
# A letter that is rare in English stands at this place in each phrase: only there a search begins.
_RARE: Final = (7, 2, 7, 3, 3, 8, 10, 7)

Data = npt.NDArray[np.uint8]


class Phrases(NamedTuple):
    """What is searched in a line, in lower case.

    Attributes:
        letters: (8, 16) uint8, a phrase a row, zeros after its end.
        sizes: (8,) int64.
        rare: (8,) int64, the place of each phrase's rare letter.
        begins: (256,) bool, the bytes that are a rare letter of some phrase, either case.
    """

    letters: npt.NDArray[np.uint8]
    sizes: npt.NDArray[np.int64]
    rare: npt.NDArray[np.int64]
    begins: npt.NDArray[np.bool_]


class Draft(NamedTuple):
    """An edited text in the making.

    Attributes:
        text: uint8, room for the edited texts of a column, end to end.
        state: (4,) int64: where this text begins in it, where it ends so far, how many tokens it
            has so far, how many tokens were held at once.
    """

    text: Data
    state: npt.NDArray[np.int64]


def phrases() -> Phrases:
    """The phrases as kernels read them."""
    letters = np.zeros((len(_PHRASES), 16), np.uint8)
    begins = np.zeros(256, np.bool_)
    for row, (phrase, place) in enumerate(zip(_PHRASES, _RARE, strict=True)):
        letters[row, : len(phrase)] = np.frombuffer(phrase.encode(), np.uint8)
        begins[[ord(phrase[place]), ord(phrase[place].upper())]] = True
    sizes = np.array([len(phrase) for phrase in _PHRASES], np.int64)
    return Phrases(letters, sizes, np.array(_RARE, np.int64), begins)


@block
def edit_line(
    data: Data,
    first: int,
    last: int,
    before: int,
    line: Line,
    language: Language,
    phrases: Phrases,
    run: Run,
    tokens: Tokens,
    draft: Draft,
    out: npt.NDArray[np.int64],
) -> None:
    """Judge the line whose visible part is `data[first:last]`; append it to the draft if kept.

    The line's tokens are those from `before` to `line.tokens`. Counts go into `out` (as `COUNTS`).
    """
    out[_LINES] += 1
    state, text = draft.state, draft.text
    start = state[END] + 1 if state[END] > state[BEGIN] else state[END]
    finish, citations, verdict = start, 0, _UNENDED
    if line.longest > LONGEST_WORD:
        verdict = _LONG_WORD
    elif first < last and (_is_mark(data[last - 1]) or data[last - 1] == _BRACKET + 2):
        finish, citations = _without_citations(data, first, last, text, start)
        if _is_ended(text, start, finish):
            verdict = _SHORT
            if line.runs >= FEWEST_WORDS:
                said = _speaks_of(text, start, finish, phrases)
                scripted, policy = (said >> _JAVASCRIPT) & 1, (said >> _POLICY) & 1
                verdict = _JAVASCRIPT if scripted else _POLICY if policy else _KEPT
                out[_LOREM] += (said >> _LOREM) & 1
                out[_CURLY] += (said >> _CURLY) & (1 - scripted)
    out[verdict] += 1
    if verdict != _KEPT:
        return
    if start > state[END]:
        text[start - 1] = 10
    low, high = before, line.tokens
    if citations:
        out[_CITATIONS] += citations
        if start == state[END]:
            finish = _close_up(text, start, finish, language.affixes)
        low = line.tokens
        high = tokenize_line(text, start, finish, language, run, tokens, low).tokens
    out[_SENTENCES] += _sentences(tokens, low, high)
    state[END] = finish
    state[TOKENS] += high - low
    state[HELD] = max(state[HELD], high)


@leaf
def _without_citations(
    data: Data, at: int, end: int, edited: Data, written: int
) -> tuple[int, int]:
    """Copy the line without its citation marks; where the copy ends, and how many marks it had."""
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
    found = 0
    for place in range(at, end):
        byte = data[place]
        if byte == 123:  # {
            found |= 1 << _CURLY
        elif phrases.begins[byte]:
            for row in range(len(phrases.sizes)):
                start = place - phrases.rare[row]
                size = phrases.sizes[row]
                fits = start >= at and start + size <= end
                if fits and _says(data, start, phrases, row):
                    found |= 1 << (_LOREM if row == 0 else _JAVASCRIPT if row == 1 else _POLICY)
    return found


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
