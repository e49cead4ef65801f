"""Write a mixture as the token folder that the trainer reads (see reader.py for its files).

Documents arrive shard by shard, encoded; each is copied straight to the places that the draw
gives it in a memory-mapped file. Text and tokens are read once, nothing is sorted or spilled, and
memory is bounded by a shard and the index.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import BudgetError, LedgerError, PluginError
from curator.identity import id_array
from curator.mix.draw import Draw
from curator.mix.reader import DTYPES, INDEX_FILE, NOTES_FILE, TOKENS_FILE
from curator.schema import DOC_ID
from curator.select.manifest import id_keys, id_order
from curator.select.poisson import WEIGHT
from curator.shards import write_atomically, write_shard

INDEX = pa.schema(
    [
        DOC_ID,
        pa.field("source", pa.string(), nullable=False),
        pa.field("epoch", pa.uint16(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),  # first token's place in tokens.bin
        pa.field("length", pa.int64(), nullable=False),  # tokens, BOS included
    ],
    metadata={"curator.schema": "mixture-index/1"},
)


@dataclass(frozen=True)
class Encoded:
    """Documents as tokens: document i is tokens[offsets[i]:offsets[i + 1]], BOS first."""

    doc_id: NDArray[np.uint8]  # (n, 16)
    offsets: NDArray[np.int64]  # (n + 1,)
    tokens: NDArray[Any]  # unsigned integers


def write_tokens(
    draw: Draw,
    documents: Iterable[Encoded],
    out: Path,
    *,
    tokenizer_digest: str,
    vocab_size: int,
    bos_id: int,
) -> dict[str, Any]:
    """Write the token folder `out` and return what `mixture.json` says.

    Args:
        draw: which documents, how often, in what order.
        documents: every drawn document at least once, in any order; others are ignored.
        out: an empty folder, or one to be made. `mixture.json` is written last.
        tokenizer_digest: of the tokenizer that counted and encoded the documents.
        vocab_size: ids are below it; up to 65,536 of them fit two bytes.
        bos_id: what every document starts with.

    Raises:
        BudgetError: nothing is drawn.
        LedgerError: a drawn document never came, or has other tokens than when it was counted.
        PluginError: a document does not start with BOS, or an id is outside the vocabulary.
    """
    if not draw.table.num_rows:
        raise BudgetError("the mixture has no documents; select more", where=str(out))
    dtype = "uint16" if vocab_size <= 1 << 16 else "uint32"
    out.mkdir(parents=True, exist_ok=True)
    index = _index(draw.table)
    _reserve(out / TOKENS_FILE, draw.tokens * np.dtype(DTYPES[dtype]).itemsize)
    target = np.memmap(out / TOKENS_FILE, dtype=DTYPES[dtype], mode="r+", shape=(draw.tokens,))
    places = _Places(index)
    for part in documents:
        _check(part, vocab_size, bos_id)
        places.copy(part, target)
    places.finish()
    target.flush()
    del target
    _sync(out / TOKENS_FILE)
    write_shard(index, out / INDEX_FILE, name=INDEX_FILE)
    notes = {
        "tokenizer_digest": tokenizer_digest,
        "vocab_size": vocab_size,
        "bos_id": bos_id,
        "dtype": dtype,
        "n_tokens": draw.tokens,
        "n_documents": draw.table.num_rows,
        "draw_hash": draw.draw_hash(tokenizer_digest),
        "manifest_hash": draw.manifest_hash(tokenizer_digest),
        **{key: value for key, value in draw.account().items() if key != "tokens"},
        **({"weighted": True} if WEIGHT.name in draw.table.column_names else {}),
    }
    write_atomically(out / NOTES_FILE, json.dumps(notes, indent=1, sort_keys=True).encode())
    return notes


class _Places:
    """Where in tokens.bin each document goes; documents are found by a search over sorted ids."""

    def __init__(self, index: pa.Table) -> None:
        order = id_order(index)
        self._keys = id_keys(index)[order]
        self._offset = index["offset"].to_numpy()[order]
        self._length = index["length"].to_numpy()[order]
        self._filled = np.zeros(index.num_rows, dtype=np.bool_)

    def copy(self, part: Encoded, target: NDArray[Any]) -> None:
        """Copy every drawn document of `part` to all its places in `target`."""
        ids = id_array(part.doc_id)
        keys = id_keys(pa.table([ids], schema=pa.schema([DOC_ID])))
        first = np.searchsorted(self._keys, keys, side="left")
        last = np.searchsorted(self._keys, keys, side="right")
        rows = np.flatnonzero(last > first)
        lengths = np.diff(part.offsets)[rows]
        wrong = lengths != self._length[first[rows]]
        if wrong.any():
            row = rows[int(np.argmax(wrong))]
            raise LedgerError(
                f"document {part.doc_id[row].tobytes().hex()} has {np.diff(part.offsets)[row]} "
                f"tokens and was counted with {self._length[first[row]]}; it or the tokenizer "
                "has changed since: rerun"
            )
        # A loop over documents: each turn is one memory copy of a whole document, about 1 us.
        starts, stops = part.offsets[rows].tolist(), part.offsets[rows + 1].tolist()
        spans = zip(first[rows].tolist(), last[rows].tolist(), starts, stops, strict=True)
        for low, high, start, stop in spans:
            for at in self._offset[low:high].tolist():
                target[at : at + stop - start] = part.tokens[start:stop]
            self._filled[low:high] = True

    def finish(self) -> None:
        """Check that every place was filled.

        Raises:
            LedgerError: naming the first documents that never came.
        """
        missing = np.flatnonzero(~self._filled)
        if len(missing):
            names = [self._keys[row][:16].hex() for row in missing[:3]]
            raise LedgerError(
                f"{len(missing)} drawn documents are not in the corpus, such as {names}; "
                "the selection was made from another one: rerun"
            )


def _index(table: pa.Table) -> pa.Table:
    length = table["tokens"].to_numpy().astype(np.int64)
    offset = np.cumsum(length) - length
    columns = [table["doc_id"], table["source"], table["epoch"], pa.array(offset), pa.array(length)]
    index = pa.table(columns, schema=INDEX)
    if WEIGHT.name not in table.column_names:
        return index
    return index.append_column(WEIGHT, table[WEIGHT.name])


def _check(part: Encoded, vocab_size: int, bos_id: int) -> None:
    lengths = np.diff(part.offsets)
    if len(lengths) and (lengths < 1).any():
        raise PluginError("a document was encoded to no tokens; every one starts with BOS")
    if (part.tokens[part.offsets[:-1]] != bos_id).any():
        raise PluginError(f"a document does not start with BOS (id {bos_id}); encode it so")
    if len(part.tokens) and int(part.tokens.max()) >= vocab_size:
        raise PluginError(
            f"token id {int(part.tokens.max())} is outside the vocabulary of {vocab_size}"
        )


def _reserve(path: Path, size_bytes: int) -> None:
    """Make a file of zeros that has its room on the disk: a map of a hole would die by SIGBUS."""
    zeros = memoryview(bytes(min(size_bytes, 1 << 20)))
    with path.open("wb") as file:
        for start in range(0, size_bytes, len(zeros)):
            file.write(zeros[: size_bytes - start])


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
