"""Which documents a text repeats word for word, and how far: the longest runs that both have.

A run of at least `least` words (`curator.text.words`: case, accents and punctuation do not count)
that stands in both is found by the hashes of its n-grams, which lie on one diagonal of the two
texts. 64-bit hashes: a run is wrongly found once in about 10**19 comparisons. That a model wrote
what stands in a document shows that both have it, not that the one learned it from the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curator.errors import RecipeError
from curator.text.buffers import Texts
from curator.text.word_hashes import shingle_hashes
from curator.text.word_places import word_places

LEAST_WORDS: Final = 8  # ours; five-word runs of plain prose are shared by chance
_MOST_WORDS: Final = 1 << 20  # of the text that is asked about
# A text of one word over and over has each of its runs at every place: their product is refused.
_MOST_MEETINGS: Final = 1 << 26


@dataclass(frozen=True)
class Asked:
    """A text ready to be looked for.

    Attributes:
        text: itself.
        least: words of the shortest run that counts.
        starts: (w,) first byte of each word.
        ends: (w,) end byte of each word.
        hashes: (w - least + 1,) sorted hashes of its runs of `least` words.
        places: where each of them begins, in words.
    """

    text: bytes
    least: int
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]
    places: npt.NDArray[np.int64]

    def span(self, first: int, words: int) -> str:
        """Return the words of the text from one on, as they are written."""
        return self.text[self.starts[first] : self.ends[first + words - 1]].decode()


@dataclass(frozen=True)
class Runs:
    """Runs that documents share with a text, one row each.

    Attributes:
        document: (r,) place of the document in its column.
        first: (r,) the run's first word in the text.
        words: (r,) its length.
    """

    document: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    words: npt.NDArray[np.int64]


def asked(text: str, least: int = LEAST_WORDS) -> Asked:
    """Return a text ready to be looked for.

    Raises:
        RecipeError: it has fewer than `least` words, or far too many.
    """
    if least < 1:
        raise RecipeError(f"runs of {least} words; wanted 1 or more")
    column = pa.array([text], pa.large_string())
    _, starts, ends = word_places(column)
    if not least <= len(starts) <= _MOST_WORDS:
        raise RecipeError(
            f"the text has {len(starts)} words; wanted {least} to {_MOST_WORDS}, for shorter runs "
            "are everybody's: give more of it"
        )
    _, hashes = shingle_hashes(column, least)
    order = np.argsort(hashes, kind="stable")
    return Asked(text.encode(), least, starts, ends, hashes[order], order)


def shared_runs(query: Asked, texts: Texts) -> Runs:
    """Return every longest run of words that a text shares with each document.

    Raises:
        RecipeError: the text and a document say the same few words over and over.
    """
    offsets, hashes = shingle_hashes(texts, query.least)
    low = np.searchsorted(query.hashes, hashes, side="left")
    times = np.searchsorted(query.hashes, hashes, side="right") - low
    hit = np.flatnonzero(times)
    low, times = low[hit], times[hit]
    if times.sum() > _MOST_MEETINGS:
        raise RecipeError(
            f"runs of {query.least} words of the text stand {int(times.sum())} times in a shard; "
            "ask for longer runs"
        )
    where = np.repeat(hit, times)
    ends = np.cumsum(times)
    within = np.arange(len(where)) - np.repeat(ends - times, times)
    place = query.places[np.repeat(low, times) + within]
    document = np.searchsorted(offsets, where, side="right") - 1
    # On one diagonal both texts go on alike: neighbors of it make one run.
    diagonal = where - place
    order = np.lexsort((place, diagonal, document))
    document, diagonal, place = document[order], diagonal[order], place[order]
    begins = np.ones(len(place), np.bool_)
    begins[1:] = (
        (document[1:] != document[:-1])
        | (diagonal[1:] != diagonal[:-1])
        | (place[1:] != place[:-1] + 1)
    )
    heads = np.flatnonzero(begins)
    lengths = np.diff(np.append(heads, len(place))) + query.least - 1
    return Runs(document[heads], place[heads], lengths)


def covered(runs: Runs, document: int, words: int) -> npt.NDArray[np.bool_]:
    """Return which words of the text stand in a run that one document shares: (words,)."""
    own = runs.document == document
    edges = np.zeros(words + 1, np.int64)
    np.add.at(edges, runs.first[own], 1)
    np.add.at(edges, runs.first[own] + runs.words[own], -1)
    return np.asarray(np.cumsum(edges[:-1]) > 0)
