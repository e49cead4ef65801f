"""The documents of bench.datamodel: a pool, target examples and text to warm up on, by seed.

Pieces of equal length from eight sources, each the beginning of a document, in the order of the
files. A seed draws from what the seeds before it left, so that numbers of one can confirm what was
chosen by numbers of another: its pool and its examples hold no document that an earlier seed has,
none twice, and its tokenizer is trained on its own text. Where a source has no more such documents
(law at seed 1), the text to warm up on is filled with what an earlier seed warmed up on.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.draws import Documents, read_texts
from curator.identity import document_ids, id_matrix
from curator.train.tokenizer import FILE, encode, load_tokenizer, train_bpe

SOURCES = (
    "books", "code", "encyclopedia", "law", "math", "reviews", "synthetic_textbooks", "tech_docs",
)  # fmt: skip
VOCABULARY = 768  # with 0.1M block parameters 0.2M in all
BEGINNING = 512  # characters: documents that begin alike count as one when seeds are kept apart

Pieces = list[tuple[str, NDArray[np.uint16]]]  # documents, each with its first tokens


@dataclass(frozen=True)
class Material:
    """Text of a kind: pieces of equal length, sorted by source."""

    documents: Documents
    texts: list[str]


@dataclass(frozen=True)
class Sizes:
    """How much is drawn.

    Attributes:
        units: documents of the pool.
        unit_tokens: of every piece.
        examples: targets of each source.
        warm: tokens to warm up on.
    """

    units: int
    unit_tokens: int
    examples: int
    warm: int

    @property
    def counts(self) -> dict[str, int]:
        """Pieces of each kind that are taken from a source, in that order."""
        warm = -(-self.warm // (self.unit_tokens * len(SOURCES)))
        return {"pool": self.units // len(SOURCES), "targets": self.examples, "warm": warm}

    @property
    def longest(self) -> int:
        """Characters of a document that are read: more than a piece's tokens."""
        return 12 * self.unit_tokens

    @property
    def texts(self) -> int:
        """Documents of a source that are cut: some give no whole piece."""
        wanted = self.units // len(SOURCES) + self.examples
        wanted += self.warm // (self.unit_tokens * len(SOURCES)) + 1
        return int(1.3 * wanted)


def home(out: Path, seed: int) -> Path:
    """Return the folder of a seed's files."""
    return out / f"seed-{seed}" if seed else out


def drawn_material(
    corpora: Path, out: Path, sizes: Sizes, seed: int
) -> tuple[Path, dict[str, Material]]:
    """Return a seed's tokenizer and its material: the pool, the targets, the text to warm up on."""
    taken: dict[str, dict[str, str]] = {source: {} for source in SOURCES}
    for each in range(seed):
        for source, kinds in cut_kinds(corpora, home(out, each), sizes, taken)[1].items():
            taken[source] |= {
                text[:BEGINNING]: kind for kind, pieces in kinds.items() for text, _ in pieces
            }
    tokenizer, cut = cut_kinds(corpora, home(out, seed), sizes, taken)
    return tokenizer, {
        kind: material_of(
            [(source, row) for source in SOURCES for _, row in cut[source][kind]], tokenizer
        )
        for kind in sizes.counts
    }


def cut_kinds(
    corpora: Path, out: Path, sizes: Sizes, taken: Mapping[str, Mapping[str, str]]
) -> tuple[Path, dict[str, dict[str, Pieces]]]:
    """Return the tokenizer in `out`, and pieces by source and kind.

    Args:
        corpora: folder of a folder for each source.
        out: the seed's own.
        sizes: of all kinds.
        taken: by source, what documents of earlier seeds begin with, and their kinds.
    """
    texts = {
        source: list(itertools.islice(untaken(corpora / source, sizes, known), sizes.texts))
        for source, known in taken.items()
    }
    folder = out / "tokenizer"
    if not (folder / FILE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        arrays = [pa.array(some, pa.large_string()) for some in texts.values()]
        train_bpe(arrays, VOCABULARY, folder)
    found: dict[str, dict[str, Pieces]] = {}
    for source, some in texts.items():
        left = cut_pieces(some, folder / FILE, sizes.unit_tokens)
        found[source] = {}
        for kind, count in sizes.counts.items():
            allowed = left if kind == "warm" else [
                piece for piece in left if piece[0][:BEGINNING] not in taken[source]
            ]  # fmt: skip
            if len(allowed) < count:
                raise SystemExit(f"{source}: {len(allowed)} pieces of {count} for {kind}")
            found[source][kind] = allowed[:count]
            # Those that are not allowed stand last.
            left = left[count:]
    return folder / FILE, found


def untaken(folder: Path, sizes: Sizes, taken: Mapping[str, str]) -> Iterator[str]:
    """Yield long texts of a source that no earlier seed has, then those it warmed up on.

    Each once, but for seed 0, which has them as the files do.
    """
    long = (text[: sizes.longest] for text in read_texts(folder) if len(text) > sizes.longest / 3)
    if not taken:
        yield from long
        return
    first: dict[str, str] = {}
    for text in long:
        first.setdefault(text[:BEGINNING], text)
    yield from (text for begin, text in first.items() if begin not in taken)
    yield from (text for begin, text in first.items() if taken.get(begin) == "warm")


def cut_pieces(texts: list[str], tokenizer: Path, size: int) -> Pieces:
    """Return every text that has `size` tokens, with its first ones."""
    offsets, ids = encode(load_tokenizer(tokenizer), pa.array(texts, pa.large_string()))
    return [
        (text, ids[begin : begin + size].astype(np.uint16))
        for text, (begin, end) in zip(texts, itertools.pairwise(offsets.tolist()), strict=True)
        if end - begin >= size
    ]


def material_of(pieces: list[tuple[str, NDArray[np.uint16]]], tokenizer: Path) -> Material:
    """Return pieces, each with its source, as documents and as text."""
    model = load_tokenizer(tokenizer)
    texts = [model.decode(row[1:].tolist()) for _, row in pieces]
    lengths = np.array([len(row) for _, row in pieces], np.int64)
    names = np.array([source for source, _ in pieces], dtype=object)
    numbered = pa.array([f"{i} {text}" for i, text in enumerate(texts)], pa.large_string())
    return Material(
        Documents(
            id_matrix(document_ids("datamodel", numbered)), names, np.cumsum(lengths) - lengths,
            lengths, np.concatenate([np.zeros(0, np.uint16), *(row for _, row in pieces)]),
        ),
        texts,
    )  # fmt: skip


def drawn_halves(units: int, subsets: int, seed: int = 0) -> NDArray[np.bool_]:
    """Return which documents each random half holds, (S, N) for S halves."""
    chance = np.random.default_rng(seed)
    halves = np.zeros((subsets, units), np.bool_)
    for half in halves:
        half[chance.permutation(units)[: units // 2]] = True
    return halves
