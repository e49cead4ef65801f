"""All pairs of documents that are alike, by sets of word n-grams without any hash: the slow truth.

Nothing here is shared with `curator.dedup`. Words are found by Python's own Unicode tables; n-grams
get numbers by sorting. A pair of Jaccard similarity t or more shares at least ceil(t n) of the n
n-grams of either, so of any n - ceil(t n) + 1 n-grams of each, taken in one global order, one is
shared: only pairs that share one of these rarest n-grams are compared, and none is missed (the
prefix filter of Chaudhuri, Ganti, Kaushik, ICDE 2006).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import sparse

# Scripts written without spaces, where each letter is a word (`curator.text.words`): Thai and Lao,
# Myanmar, Khmer, kana, Han.
_SOLO = ((0xE00, 0xEFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x4DBF),
         (0x4E00, 0x9FFF), (0xF900, 0xFAFF))  # fmt: skip


def _word_pattern() -> re.Pattern[str]:
    """What is a word: a letter of a script without spaces with its marks, or a run of others.

    Characters past U+FFFF part words here, unlike in the library: letters among them are rare.
    """
    kinds: dict[str, list[str]] = {"solo": [], "mark": [], "run": []}
    for code in range(1 << 16):  # with characters past these the pattern would be a slow one
        category = unicodedata.category(chr(code))[0]
        if category == "L" and any(low <= code <= high for low, high in _SOLO):
            kinds["solo"].append(chr(code))
        elif category == "M":
            kinds["mark"].append(chr(code))
        elif category in "LN":
            kinds["run"].append(chr(code))
    solo, mark, run = (re.escape("".join(each)) for each in kinds.values())
    return re.compile(f"[{solo}][{mark}]*|[{run}][{run}{mark}]*")


_WORDS = _word_pattern()
_ACCENTS = re.compile("[\u0300-\u036f]")


@dataclass(frozen=True)
class Pairs:
    """Pairs of documents, first < second, with their exact Jaccard similarity."""

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    jaccard: npt.NDArray[np.float64]


def words_of(text: str) -> list[str]:
    """Words in lower case, without accents."""
    return _WORDS.findall(_ACCENTS.sub("", unicodedata.normalize("NFKD", text).lower()))


def shingle_numbers(texts: Sequence[str], n: int = 5) -> list[npt.NDArray[np.int64]]:
    """The set of each text's n-grams of words, as rising numbers from 0, rarest first.

    Equal n-grams, equal number. A text of fewer words has one n-gram, of all of them.
    """
    vocabulary: dict[str, int] = {}
    lists = [[vocabulary.setdefault(w, len(vocabulary)) for w in words_of(t)] for t in texts]
    nothing = len(vocabulary)
    padded = [words + [nothing] * (n - len(words)) for words in lists]
    grams = words = np.array([word for each in padded for word in each], np.int64)
    for place in range(1, n):  # grams of place + 1 words, numbered by sorting pairs of numbers
        longer = grams[: len(words) - place] * (nothing + 1) + words[place:]
        grams = np.unique(longer, return_inverse=True)[1]
    ends = np.cumsum([len(each) for each in padded])
    sets = [np.unique(grams[e - len(p) : e - n + 1]) for e, p in zip(ends, padded, strict=True)]
    frequency = np.bincount(np.concatenate(sets))
    rank = np.empty(len(frequency), np.int64)
    rank[np.argsort(frequency, kind="stable")] = np.arange(len(frequency))
    return [np.sort(rank[each]) for each in sets]


def similar_pairs(sets: Sequence[npt.NDArray[np.int64]], least: float) -> Pairs:
    """Every pair of a Jaccard similarity of `least` or more."""
    prefixes = [each[: len(each) - int(np.ceil(least * len(each) - 1e-9)) + 1] for each in sets]
    owner = np.repeat(np.arange(len(sets)), [len(each) for each in prefixes])
    ones = np.ones(len(owner), np.int32)
    met = sparse.csr_matrix((ones, (owner, np.concatenate(prefixes))))
    shared = sparse.triu(met @ met.T, k=1).tocoo()
    found = []
    sizes = [len(each) for each in sets]
    for first, second in zip(shared.row.tolist(), shared.col.tolist(), strict=True):
        small, large = sorted((sizes[first], sizes[second]))
        if small >= least * large - 1e-9:
            alike = jaccard(sets[first], sets[second])
            if alike >= least - 1e-9:
                found.append((first, second, alike))
    columns = list(zip(*sorted(found), strict=True)) or [(), (), ()]
    return Pairs(*(np.array(c, k) for c, k in zip(columns, (int, int, float), strict=True)))


def jaccard(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> float:
    """The Jaccard similarity of two rising sets."""
    both = len(np.intersect1d(left, right, assume_unique=True))
    return both / (len(left) + len(right) - both)


def graded(
    values: npt.NDArray[np.float64], edges: Iterable[float]
) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    """A name and a mask for each grade [low, high) between neighboring edges; the last holds 1."""
    return [
        (f"{low:.2f} to {high:.2f}", (values >= low) & ((values < high) | (high >= 1)))
        for low, high in pairwise(edges)
    ]
