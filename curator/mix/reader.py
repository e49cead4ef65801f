"""Read a token folder back: NumPy and Arrow only, memory-mapped, without torch.

tokens.bin    little-endian uint16 or uint32, documents one after another, each after a BOS
index.arrow   doc_id, source, epoch, offset, length (in tokens) of every draw, in order; its weight
              in the loss where documents were selected with one
mixture.json  what the numbers mean: tokenizer, vocabulary, counts, hashes, sources
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import LedgerError
from curator.shards import read_shard

TOKENS_FILE, INDEX_FILE, NOTES_FILE = "tokens.bin", "index.arrow", "mixture.json"
DTYPES: dict[str, np.dtype[np.unsignedinteger[Any]]] = {
    "uint16": np.dtype("<u2"),
    "uint32": np.dtype("<u4"),
}


@dataclass(frozen=True)
class Mixture:
    """A mixture on disk. Iterating yields (doc_id, tokens) in training order, without copies."""

    path: Path
    notes: Mapping[str, Any]  # mixture.json
    tokens: NDArray[np.unsignedinteger[Any]]  # (n_tokens,), memory-mapped
    index: pa.Table  # one row a draw

    def __len__(self) -> int:
        return int(self.index.num_rows)

    def __iter__(self) -> Iterator[tuple[bytes, NDArray[Any]]]:
        for batch in self.index.to_batches():
            columns = (batch["doc_id"], batch["offset"], batch["length"])
            for doc_id, offset, length in zip(*(each.to_pylist() for each in columns), strict=True):
                yield doc_id, self.tokens[offset : offset + length]


def load(path: str | Path) -> Mixture:
    """Return the mixture in a token folder.

    Raises:
        LedgerError: the folder lacks a file, or the files disagree on how many tokens there are.
    """
    folder = Path(path)
    try:
        notes = json.loads((folder / NOTES_FILE).read_text())
        size_bytes = (folder / TOKENS_FILE).stat().st_size
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise LedgerError(
            f"is no token folder ({error}); wanted {TOKENS_FILE}, {INDEX_FILE} and {NOTES_FILE}",
            where=str(folder),
        ) from error
    dtype = DTYPES.get(notes.get("dtype"))
    if dtype is None or not size_bytes or notes.get("n_tokens") != size_bytes // dtype.itemsize:
        raise LedgerError(
            f"{NOTES_FILE} says {notes.get('n_tokens')} tokens of {notes.get('dtype')!r}, but "
            f"{TOKENS_FILE} has {size_bytes:,} bytes; export the mixture again",
            where=str(folder),
        )
    tokens = np.memmap(folder / TOKENS_FILE, dtype=dtype, mode="r")
    index = read_shard(folder / INDEX_FILE)
    if index.num_rows != notes.get("n_documents"):
        raise LedgerError(
            f"{INDEX_FILE} has {index.num_rows} rows, {NOTES_FILE} says {notes.get('n_documents')}",
            where=str(folder),
        )
    return Mixture(folder, notes, tokens, index)
