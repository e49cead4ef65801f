"""Text for a model to learn from: distinct documents up to a size, language by language.

Whoever scores with such a model must be able to tell what it has read: `read_already` recognizes
the documents, and their copies, by 64 bits of id and of text; an unread document is taken for a
read one with a chance of 1e-13 for every million that were read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.identity import id_matrix, uniform
from curator.stage import Corpus
from curator.text.normalized import normalized_hash

COLUMNS = ("doc_id", "text", "language")
Keys = NDArray[np.uint64]


@dataclass
class Reading:
    """The documents of one language that a model reads.

    Attributes:
        chances: rising float64; a document is read if its chance is among them.
        size_bytes: of their texts.
        offered: how many documents there were.
        keys: what `read_already` knows them by, once they were read.
    """

    chances: NDArray[np.float64]
    size_bytes: int
    offered: int
    keys: Keys = field(default_factory=lambda: np.zeros(0, np.uint64))


def languages_of(table: pa.Table, *, apart: bool) -> pa.Array:
    """Return each document's language: "" where it has none, or for all unless told `apart`."""
    if not apart:
        return pa.array([""] * table.num_rows, pa.string())
    return pc.fill_null(table["language"], "").combine_chunks()


def draw_by_size(
    corpus: Corpus, most_bytes: int, *, purpose: str, seed: int, apart: bool
) -> dict[str, Reading]:
    """Return, by language, the documents with the lowest chances that fit into `most_bytes`.

    A document that is there twice counts once; at least one document is drawn. Neither the order
    of rows nor the cut into shards makes a difference.
    """
    chances, sizes, languages = [np.zeros(0)], [np.zeros(0, np.int64)], [np.zeros(0, object)]
    for table in corpus.tables(COLUMNS):
        chances.append(uniform(id_matrix(table["doc_id"]), purpose, seed))
        sizes.append(pc.binary_length(table["text"]).to_numpy().astype(np.int64))
        languages.append(languages_of(table, apart=apart).to_numpy(zero_copy_only=False))
    chance, first = np.unique(np.concatenate(chances), return_index=True)
    size, language = np.concatenate(sizes)[first], np.concatenate(languages)[first]
    drawn = {}
    for name in sorted(set(language)):
        own = language == name
        fits = np.cumsum(size[own]) <= most_bytes
        fits[:1] = True
        drawn[str(name)] = Reading(chance[own][fits], int(size[own][fits].sum()), int(own.sum()))
    return drawn


def texts_of(
    corpus: Corpus, reading: Reading, *, purpose: str, seed: int
) -> Iterator[pa.ChunkedArray]:
    """Yield the texts of the drawn documents, each once, and note them in `reading.keys`."""
    taken = np.zeros(len(reading.chances), bool)
    keys = []
    for table in corpus.tables(COLUMNS):
        chance = uniform(id_matrix(table["doc_id"]), purpose, seed)
        place = np.searchsorted(reading.chances, chance).clip(max=len(taken) - 1)
        wanted = (reading.chances[place] == chance) & ~taken[place]
        rows = np.flatnonzero(wanted)
        _, first = np.unique(place[rows], return_index=True)
        rows = np.sort(rows[first])
        taken[place[rows]] = True
        part = table.take(pa.array(rows))
        keys.append(_keys(part).ravel())
        yield part["text"]
    reading.keys = np.unique(np.concatenate([np.zeros(0, np.uint64), *keys]))


def read_already(table: pa.Table, keys: Keys) -> NDArray[np.bool_]:
    """Return which rows (doc_id, text) are among the documents of `keys`, or copies of one.

    A copy has the same words and symbols in the same order (`curator.text.normalized`).
    """
    return np.asarray(np.isin(_keys(table), keys).any(axis=1), bool)


def _keys(table: pa.Table) -> Keys:
    """Return (n, 2) uint64: of the id, and of the text. An id's key is even, a text's odd."""
    ids = np.ascontiguousarray(id_matrix(table["doc_id"])[:, :8]).view(np.uint64).ravel()
    texts = normalized_hash(table["text"])[:, 0]
    one = np.uint64(1)
    return np.stack([ids & ~one, texts | one], axis=1)
