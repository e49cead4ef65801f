"""A list of words that texts may use, and how much of a text lies outside it: counted, not asked.

A prompt that asks for few words proves nothing about an answer; this is what proves it. Words are
compared as `curator.text.words` does (in lower case, without accents); what has no letter, such as
a figure, is no word of a vocabulary and counts neither way.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.strict_yaml import read_text
from curator.text.sentences import LETTERS, Sentences, sentences, word_hashes

MOST_WORDS: Final = 2_000  # TinyHelen's cap (EmpathYang/TinyHelen, prompts/simplification)
_ACCENTS: Final = range(0x0300, 0x0370)


@dataclass(frozen=True)
class Vocabulary:
    """Words, the most frequent first.

    Attributes:
        words: in lower case, each once.
        beside: further words that texts may hold though they are no words of the list, such as
            names that stand for others.
    """

    words: tuple[str, ...]
    beside: tuple[str, ...] = ()

    @cached_property
    def place(self) -> dict[str, int]:
        """Word -> how many are more frequent."""
        return {word: number for number, word in enumerate(self.words)}

    @cached_property
    def hashes(self) -> NDArray[np.uint64]:
        """Hashes of all that texts may hold, rising."""
        return np.unique(word_hashes([*self.words, *self.beside]))

    def holds(self, found: Sentences) -> NDArray[np.bool_]:
        """Return for each word of some texts whether it may be there, or is no word at all."""
        known = self.hashes
        at = np.searchsorted(known, found.hashes).clip(0, len(known) - 1)
        inside: NDArray[np.bool_] = (known[at] == found.hashes) | ((found.flags & LETTERS) == 0)
        return inside

    def outside(self, texts: pa.Array | pa.ChunkedArray) -> NDArray[np.float64]:
        """Return the share of each text's words that are not in the list, (n,) in [0, 1].

        0 for a text without words.
        """
        found = sentences(texts)
        return share_outside(found, self.holds(found))


def share_outside(found: Sentences, held: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the share of each text's words that are not held, (n,)."""
    rows = np.repeat(np.arange(len(found.offsets) - 1), np.diff(found.offsets))
    lettered = (found.flags & LETTERS) > 0
    words = np.bincount(rows[lettered], minlength=len(found.offsets) - 1)
    strange = np.bincount(rows[~held], minlength=len(found.offsets) - 1)
    share: NDArray[np.float64] = strange / np.maximum(words, 1)
    return share


class Frequencies:
    """How often each word occurs, learned table by table; one entry a different word."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def add(self, texts: pa.ChunkedArray) -> None:
        """Count the words of a text column."""
        found = sentences(texts)
        lettered = np.flatnonzero((found.flags & LETTERS) > 0)
        _, first, counts = np.unique(found.hashes[lettered], return_index=True, return_counts=True)
        spelled = spellings(texts, found, lettered[first])
        # A loop over different words, of which there are far fewer than words.
        for word, count in zip(spelled, counts.tolist(), strict=True):
            self._counts[word] = self._counts.get(word, 0) + count

    def most(self, count: int) -> tuple[str, ...]:
        """Return the `count` most frequent words; of equally frequent ones the first by letters.

        Raises:
            RecipeError: there are none.
        """
        if not self._counts:
            raise RecipeError("no text to learn words from; fill the role with documents")
        ranked = sorted(self._counts.items(), key=lambda each: (-each[1], each[0]))
        return tuple(word for word, _ in ranked[:count])

    def covered(self, words: Iterable[str]) -> float:
        """Return the share of all words that are among `words`."""
        return sum(self._counts.get(word, 0) for word in words) / max(1, sum(self._counts.values()))


def spellings(
    texts: pa.Array | pa.ChunkedArray, found: Sentences, places: NDArray[np.int64]
) -> list[str]:
    """Return the words at some places of `found`, folded: equal for equal hashes."""
    column = texts if isinstance(texts, pa.Array) else texts.combine_chunks()
    rows = np.searchsorted(found.offsets, places, side="right") - 1
    wanted, where = np.unique(rows, return_inverse=True)
    shown = [text.encode() for text in column.take(pa.array(wanted)).to_pylist()]
    spans = zip(where.tolist(), found.starts[places].tolist(), found.ends[places].tolist(),
                strict=True)  # fmt: skip
    return [folded(shown[row][start:end].decode()) for row, start, end in spans]


def folded(word: str) -> str:
    """Return a word as words are compared: in lower case, without accents."""
    plain = unicodedata.normalize("NFKD", word.lower())
    return "".join(letter for letter in plain if ord(letter) not in _ACCENTS)


def read_words(path: Path) -> tuple[str, ...]:
    """Return the words of a file, one a line, most frequent first; blank lines are passed over.

    Raises:
        RecipeError: it cannot be read, a line is not one word, a word is there twice, or there are
            none or more than 2,000.
    """
    lines = [line.strip() for line in read_text(path).splitlines()]
    words = tuple(folded(line) for line in lines if line)
    wrong = [word for word in words if not word.isalnum()]
    if wrong:
        raise RecipeError(f"{wrong[0]!r} is not one word; wanted one a line", where=str(path))
    require_list(words, where=str(path))
    return words


def require_list(words: Sequence[str], *, where: str) -> None:
    """Return only if this is a list of at most 2,000 different words.

    Raises:
        RecipeError: it is not.
    """
    if not 0 < len(words) <= MOST_WORDS or len(set(words)) < len(words):
        raise RecipeError(
            f"{len(words):,} words, {len(set(words)):,} of them different; wanted 1 to "
            f"{MOST_WORDS:,} different ones",
            where=where,
        )
