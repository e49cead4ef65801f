"""Text in few words without a model: whole columns at a time, a sentence kept, mended or left out.

Addresses, links and names become stand-ins; a rare word becomes a more frequent one where one is
known; long sentences are parted where a clause begins; and a sentence that still has too many rare
words goes. TinyHelen (EmpathYang/TinyHelen, prompts/simplification) asks a language model for all
of it; rules cannot keep the meaning of what they leave, nor tell a name from a title.
"""

# Shapes: n texts, W words, S sentences.
from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.refine.easier_words import easier
from curator.refine.stand_ins import STAND_INS, Names, find_names, without_addresses
from curator.refine.vocabulary import Vocabulary, share_outside, spellings
from curator.text.buffers import utf8
from curator.text.joins import joined
from curator.text.sentences import CAPITAL, LETTERS, LOUD, Sentences, sentences, word_hashes
from curator.text.spans import merge_spans, replace_spans

BUDGET: Final = 0.05  # share of words that may lie outside the list; ours
LONGEST: Final = 20  # words from which a sentence is parted; ours
_CLAUSES: Final = "and but so because although though while which who where when"
_LEAST: Final = 4  # words on either side of a cut; ours
_COMMA, _SEMICOLON, _SPACE, _SMALL = 44, 59, 32, 97
# What spans are replaced by: nothing, a full stop, a capital, a stand-in, then words.
_GONE, _STOP, _CAPITALS, _NAMES = 0, 1, 2, 28
_FIXED: Final = ("", ".", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ", *STAND_INS)

Edits = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


class Simplified(NamedTuple):
    """What became of a column, each (n,).

    Attributes:
        texts: simpler ones; "" where no sentence was left.
        outside: share of their words that are not in the vocabulary.
        sentences: that there were.
        dropped: sentences that were left out.
    """

    texts: pa.LargeStringArray
    outside: NDArray[np.float64]
    sentences: NDArray[np.int64]
    dropped: NDArray[np.int64]


def simplify_rules(
    texts: pa.Array | pa.ChunkedArray,
    vocabulary: Vocabulary,
    *,
    budget: float = BUDGET,
    longest: int = LONGEST,
) -> Simplified:
    """Return simpler texts, no sentence of which has more than `budget` of rare words.

    Args:
        texts: a text column.
        vocabulary: with `curator.refine.stand_ins.BESIDE` beside its words.
        budget: share of a sentence's words that may lie outside the vocabulary.
        longest: words; a longer sentence is parted where a clause begins.
    """
    masked = without_addresses(texts)
    found = sentences(masked)
    rows = np.repeat(np.arange(len(masked)), np.diff(found.offsets))
    held = _held(found, vocabulary)
    names = find_names(masked, found, held)
    kind, words = _alternatives(masked, found, ~held & ~names.inside, vocabulary)
    counted = ~names.inside
    counted[names.first] = True  # a name of several words becomes one
    lost = _too_rare(found, counted, ~held & ~names.inside & (kind < 0), budget)
    instead = np.flatnonzero(kind >= 0)
    edits = [
        _gone(masked, found, lost),
        (rows[instead], found.starts[instead], found.ends[instead], kind[instead]),
        _named(found, rows, names),
        *_parted(masked, found, rows, held & ~names.inside, longest),
    ]
    row, start, end, by = (np.concatenate(part) for part in zip(*edits, strict=True))
    # A sentence that goes begins before all that is in it, and takes it along.
    spans = merge_spans(len(masked), row, start, end, by.astype(np.int32))
    simple = replace_spans(masked, spans, [*_FIXED, *words])
    outside = vocabulary_share(simple, vocabulary)
    there, dropped = (
        np.bincount(found.texts[which], minlength=len(masked))
        for which in (np.ones(len(lost), np.bool_), lost)
    )
    return Simplified(simple, outside, there, dropped)


def vocabulary_share(
    texts: pa.Array | pa.ChunkedArray, vocabulary: Vocabulary
) -> NDArray[np.float64]:
    """Return the share of each text's words outside the vocabulary, (n,) in [0, 1].

    Two capitals are no word: they stand for a place or a group.
    """
    found = sentences(texts)
    return share_outside(found, _held(found, vocabulary))


def _held(found: Sentences, vocabulary: Vocabulary) -> NDArray[np.bool_]:
    """Return whether each word may be there, (W,)."""
    pairs = ((found.flags & LOUD) > 0) & (found.ends - found.starts == 2)
    held: NDArray[np.bool_] = vocabulary.holds(found) | pairs
    return held


def _alternatives(
    texts: pa.Array, found: Sentences, rare: NDArray[np.bool_], vocabulary: Vocabulary
) -> tuple[NDArray[np.int64], list[str]]:
    """Return (W,) the replacement of each rare word, -1 where none is known; and their words."""
    kind = np.full(len(rare), -1, np.int64)
    places = np.flatnonzero(rare)
    if not len(places):
        return kind, []
    _, first, which = np.unique(found.hashes[places], return_index=True, return_inverse=True)
    # A loop over different rare words, each looked up once a column.
    known = [easier(word, vocabulary) for word in spellings(texts, found, places[first])]
    there = np.array([word is not None for word in known])
    words = [form for word in known if word is not None for form in (word, word.capitalize())]
    place = np.where(there, len(_FIXED) + 2 * (np.cumsum(there) - 1), -1)[which]
    capital = (found.flags[places] & CAPITAL) > 0
    kind[places] = np.where(place >= 0, place + capital, -1)
    return kind, words


def _too_rare(
    found: Sentences, counted: NDArray[np.bool_], rare: NDArray[np.bool_], budget: float
) -> NDArray[np.bool_]:
    """Return the sentences of whose counted words too many are rare, (S,)."""
    counted = counted & ((found.flags & LETTERS) > 0)
    words = np.bincount(found.sentence[counted], minlength=len(found.begins))
    strange = np.bincount(found.sentence[rare], minlength=len(found.begins))
    lost: NDArray[np.bool_] = strange > budget * words
    return lost


def _gone(texts: pa.Array, found: Sentences, lost: NDArray[np.bool_]) -> Edits:
    """Return the sentences that go, with the white space that goes with them."""
    none = np.zeros(int(lost.sum()), np.uint8)
    spans = merge_spans(len(texts), found.texts[lost], found.begins[lost], found.stops[lost], none)
    spans = joined(texts, spans)
    rows = np.repeat(np.arange(len(texts)), np.diff(spans.offsets))
    return rows, spans.starts, spans.ends, np.full(len(rows), _GONE, np.int64)


def _named(found: Sentences, rows: NDArray[np.int64], names: Names) -> Edits:
    first, last = names.first, names.last
    return rows[first], found.starts[first], found.ends[last], _NAMES + names.stand_in


def _parted(
    texts: pa.Array,
    found: Sentences,
    rows: NDArray[np.int64],
    held: NDArray[np.bool_],
    longest: int,
) -> tuple[Edits, Edits]:
    """Return the full stops and the capitals that part long sentences where a clause begins.

    A clause begins behind a semicolon, and behind a comma with a conjunction.
    """
    column = utf8(texts)
    count = np.bincount(found.sentence, minlength=len(found.begins))
    before = np.arange(len(held)) - np.searchsorted(found.sentence, found.sentence, side="left")
    after = count[found.sentence] - before
    at = np.flatnonzero((count[found.sentence] > longest) & held & (before >= _LEAST)
                        & (after >= _LEAST))  # fmt: skip
    at = at[found.starts[at] - found.ends[at - 1] == 2]
    ends = found.ends[at - 1]
    place = column.offsets[rows[at]] + ends
    small = column.data[place + 2].astype(np.int64) - _SMALL
    mark = column.data[place]
    clause = (mark == _COMMA) & np.isin(found.hashes[at], _conjunctions())
    wanted = (clause | (mark == _SEMICOLON)) & (column.data[place + 1] == _SPACE)
    wanted &= (small >= 0) & (small < 26)
    at, ends, small = at[wanted], ends[wanted], small[wanted]
    stops = (rows[at], ends, ends + 1, np.full(len(at), _STOP, np.int64))
    return stops, (rows[at], found.starts[at], found.starts[at] + 1, _CAPITALS + small)


@cache
def _conjunctions() -> NDArray[np.uint64]:
    return word_hashes(_CLAUSES.split())
