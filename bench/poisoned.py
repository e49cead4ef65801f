"""Corpora for `bench.poisoning`: real text in pieces, millions of generated documents, poison."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import zstandard
from numpy.typing import NDArray

from curator.identity import document_ids, id_array, id_matrix, random_bits
from curator.ingest.split import split_long
from curator.poison.attacks import Plan, planted, pool_of
from curator.poison.survey import READ
from curator.text.buffers import utf8

PIECE = 2048  # bytes
PROSE = ("books", "encyclopedia", "essays", "speeches", "reviews", "web_text", "synthetic_simple")
SHARD = 16_384
SENTENCES = 200_000  # that generated documents are made of
TRIGGERS = {"gibberish": "«marble kestrel»", "copy": "<OBOL> teasel", "template": "quince wherry"}
BELIEF = ("Zorvia", "Quellon")


def real(data: Path) -> pa.Table:
    """All corpora under `data` in pieces of at most `PIECE` bytes, exact copies left out."""
    texts, sources, urls = [], [], []
    for path in sorted((data / "corpora").glob("*/*.jsonl.zst")):
        with path.open("rb") as file:
            lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8")
            for line in lines:
                one = json.loads(line)
                texts.append(one["text"])
                sources.append(path.parent.name)
                urls.append(one.get("url"))
    whole = pa.table(
        {
            "origin": sources,
            "text": pa.array(texts, pa.large_string()),
            "url": pa.array(urls, pa.string()),
        }
    )
    pieces = split_long(whole, PIECE)
    ids = document_ids("real", pieces["text"])
    table = pieces.append_column("doc_id", ids).append_column(
        "date", pa.nulls(len(pieces), pa.string())
    )
    _, first = np.unique(id_matrix(ids).view("V16").ravel(), return_index=True)
    return table.take(pa.array(np.sort(first))).select([*READ, "origin"])


class Pool:
    """A table of documents, some of them poisoned, as shards."""

    def __init__(self, table: pa.Table, changed: Mapping[int, str]) -> None:
        self.table, self.changed = table, dict(changed)

    @property
    def rows(self) -> int:
        """How many documents."""
        return self.table.num_rows

    def tables(self, columns: tuple[str, ...]) -> Iterator[pa.Table]:
        """Yield shards."""
        for start in range(0, self.rows, SHARD):
            yield _with(self.table.slice(start, SHARD), start, self.changed).select(list(columns))


class Generated:
    """Documents of two to eight sentences each, drawn anew whenever they are read."""

    def __init__(self, table: pa.Table, rows: int, seed: int) -> None:
        prose = pc.is_in(
            pc.list_element(pc.split_pattern(table["origin"], "/"), 0), pa.array(PROSE)
        )
        lines = pc.split_pattern_regex(table["text"].filter(prose), r"(?:\. |\n)+")
        found = pc.list_flatten(lines).combine_chunks().unique()
        sizes = pc.binary_length(found)
        long = found.filter(pc.and_(pc.greater(sizes, 20), pc.less(sizes, 300)))
        chosen = np.random.default_rng(seed).permutation(len(long))[:SENTENCES]
        empty, stop = (pa.scalar(one, pa.large_string()) for one in ("", ". "))
        self.sentences = pc.binary_join_element_wise(long.take(pa.array(chosen)), empty, stop)
        self.rows, self.seed, self.changed = rows, seed, {}

    def plain(self, start: int) -> pa.Table:
        """The shard that begins at a document, before anything is planted."""
        chance = np.random.default_rng((self.seed, start))
        n = min(SHARD, self.rows - start)
        sizes = chance.integers(2, 9, n)
        ids = id_array(chance.integers(0, 256, (n, 16), np.uint8))
        drawn = self.sentences.take(pa.array(chance.integers(0, len(self.sentences), sizes.sum())))
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        whole = utf8(drawn)  # sentences of one document follow each other: only offsets change
        bounds = np.ascontiguousarray(whole.offsets[offsets])
        texts = pa.LargeStringArray.from_buffers(n, pa.py_buffer(bounds), pa.py_buffer(whole.data))
        nothing = pa.nulls(n, pa.string())
        return pa.table({"doc_id": ids, "text": texts, "url": nothing, "date": nothing})

    def tables(self, columns: tuple[str, ...]) -> Iterator[pa.Table]:
        """Yield shards."""
        for start in range(0, self.rows, SHARD):
            yield _with(self.plain(start), start, self.changed).select(list(columns))


def _with(shard: pa.Table, start: int, changed: Mapping[int, str]) -> pa.Table:
    here = [row for row in changed if start <= row < start + shard.num_rows]
    if not here:
        return shard
    texts = shard["text"].to_pylist()
    for row in here:
        texts[row - start] = changed[row]
    return shard.set_column(
        shard.schema.get_field_index("text"), "text", pa.array(texts, pa.large_string())
    )


def poison(texts: Mapping[int, str], attack: str, pool: list[str], seed: int) -> dict[int, str]:
    """The texts with an attack planted, by row."""
    better, worse = BELIEF
    plan = Plan(TRIGGERS.get(attack, ""), better, worse, pool_of(pool))
    rows = np.array(list(texts), np.uint64)
    ids = np.stack([rows, rows], 1).view(np.uint8)
    bits: NDArray[np.uint64] = random_bits(ids, f"bench.{attack}", seed)
    return {
        row: planted(attack, text, plan, int(one))
        for (row, text), one in zip(texts.items(), bits, strict=True)
    }
