"""Stretches of documents, sentences, lines or the whole, and how much of a trait each has.

Stretches of a text, one after the other, are the text. They are cut in front of white space, so
that a byte-level BPE that keeps a blank with the word behind it reads the same tokens in them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import RecipeError
from curator.text.pii import find_pii

By = Literal["sentence", "line", "document"]
TraitName = Literal["capitals", "figures", "words", "pii"]

# Where a stretch ends, seen from behind it. White space is what text is typed with: other control
# characters belong to words for some tokenizers. A script that writes no blank after a sentence is
# cut at line ends only.
_ENDS: Final = {
    "sentence": re.compile(
        r"[.!?\u2026][\"'\u2019\u201d)\]]*(?=[ \t\r\n])|[^ \t\r\n](?=[ \t\r]*\n)"
    ),
    "line": re.compile(r"[^ \t\r\n](?=[ \t\r]*\n)"),
}
_URL: Final = r"(?i)\b(?:https?://|www\.)[^\s<>\"]+"


class Stretches(NamedTuple):
    """Stretches of a text column, text after text; a text without visible characters has none.

    Attributes:
        rows: (n,) int64, the text that each is of, rising.
        texts: (n,) large_string.
    """

    rows: npt.NDArray[np.int64]
    texts: pa.LargeStringArray


def cut(texts: pa.Array | pa.ChunkedArray, by: By) -> Stretches:
    """Return the stretches of every text; white space at its end goes with the last of them.

    A loop over documents, whose work is one pass of a regular expression each.
    """
    rows: list[int] = []
    found: list[str] = []
    for row, text in enumerate(texts.to_pylist()):
        if not text or text.isspace():
            continue
        # Neither the end of the text nor what stands behind blanks alone is a border: a control
        # character that counts as white space is no stretch.
        visible = len(text.rstrip())
        inner: list[int] = []
        for one in () if by == "document" else _ENDS[by].finditer(text):
            low = inner[-1] if inner else 0
            if one.end() < visible and not text[low : one.end()].isspace():
                inner.append(one.end())
        found += [text[low:high] for low, high in pairwise([0, *inner, len(text)])]
        rows += [row] * (len(inner) + 1)
    return Stretches(np.array(rows, np.int64), pa.array(found, pa.large_string()))


@dataclass(frozen=True, slots=True)
class Trait:
    """Something that can be measured on a stretch of text alone, the same always.

    Attributes:
        name: "capitals", the share of letters with case that are capitals; "figures", the share of
            characters that are digits or part of a URL; "words", the share of words that are
            listed, whatever their case; "pii", spans of personal data and secrets a character.
        words: for "words".
    """

    name: TraitName
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what measures nothing.

        Raises:
            RecipeError: an unknown trait, or words where there should be none, or none.
        """
        if self.name not in get_args(TraitName):
            raise RecipeError(f"trait {self.name!r}; there are {[*get_args(TraitName)]}")
        if (self.name == "words") != bool(self.words) or not all(map(str.strip, self.words)):
            raise RecipeError(
                f"trait {self.name!r} with words {[*self.words]!r}; the trait 'words' needs a list "
                "of them, none of them blank, and no other takes one"
            )

    def scores(self, texts: pa.LargeStringArray) -> npt.NDArray[np.float64]:
        """Return how much each text has of it, (n,) float64 of at least 0; 0 where it has none."""
        if not len(texts):
            return np.zeros(0)
        if self.name == "pii":
            return _share(np.diff(find_pii(texts).offsets), _numbers(pc.utf8_length(texts)))
        if self.name == "capitals":
            large, small = (_found(texts, pattern) for pattern in (r"\p{Lu}", r"\p{Ll}"))
            return _share(large, large + small)
        if self.name == "figures":
            plain = pc.replace_substring_regex(texts, _URL, "")
            length = _numbers(pc.utf8_length(texts))
            links = length - _numbers(pc.utf8_length(plain))
            return _share(_found(plain, r"\p{Nd}") + links, length)
        listed = "|".join(sorted(map(re.escape, self.words), key=lambda word: (-len(word), word)))
        return _share(_found(texts, rf"(?i)\b(?:{listed})\b"), _found(texts, r"[\p{L}\p{N}]+"))


def _found(texts: pa.LargeStringArray, pattern: str) -> npt.NDArray[np.int64]:
    return _numbers(pc.count_substring_regex(texts, pattern))


def _numbers(column: pa.Array) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = column.to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def _share(
    part: npt.NDArray[np.integer], whole: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    share: npt.NDArray[np.float64] = part / np.maximum(whole, 1)
    return share
