"""MosaicML Streaming's shards (MDS): one row a document, in training order.

Layout, as read in mosaicml-streaming 0.13.0 (streaming/base/format/mds): a shard is the number of
rows, their byte offsets (both uint32), the shard's settings as JSON, then the rows; a row is the
sizes of its variable columns (uint32), then the columns by name. `index.json` repeats the settings.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from curator.mix.reader import Mixture

SHARD_BYTES = 1 << 26  # the library's default
_COLUMNS = ("doc_id", "source", "tokens")  # sorted by name, as the format wants
_ONE_AXIS = 1 << 2 | 2  # one axis, whose length is a uint32


def write_mds(mixture: Mixture, folder: Path, *, shard_bytes: int = SHARD_BYTES) -> None:
    """Write `shard.*.mds` and `index.json` into `folder`.

    Columns: doc_id (hex), source, tokens (an array of the mixture's own type, BOS first).
    """
    settings = _settings(mixture.notes["dtype"], shard_bytes)
    header = json.dumps(settings, sort_keys=True).encode()
    shards: list[dict[str, Any]] = []
    rows: list[bytes] = []
    used = 0
    for row in _rows(mixture):
        # A row's offset costs four bytes; the count and the last offset eight.
        if rows and used + len(row) + 4 * (len(rows) + 1) + 8 + len(header) > shard_bytes:
            shards.append(_write_shard(folder, len(shards), rows, header, settings))
            rows, used = [], 0
        rows.append(row)
        used += len(row)
    shards.append(_write_shard(folder, len(shards), rows, header, settings))
    index = json.dumps({"version": 2, "shards": shards}, sort_keys=True)
    (folder / "index.json").write_text(index)


def _settings(dtype: str, shard_bytes: int) -> dict[str, Any]:
    return {
        "version": 2,
        "format": "mds",
        "compression": None,
        "hashes": [],
        "size_limit": shard_bytes,
        "column_names": list(_COLUMNS),
        "column_encodings": ["str", "str", f"ndarray:{dtype}"],
        "column_sizes": [None, None, None],
    }


def _rows(mixture: Mixture) -> Iterator[bytes]:
    """Yield each document's row. A loop over documents: each is one copy of its tokens."""
    sources = (source for batch in mixture.index["source"].chunks for source in batch.to_pylist())
    for (doc_id, tokens), source in zip(mixture, sources, strict=True):
        array = struct.pack("<BI", _ONE_AXIS, len(tokens)) + tokens.tobytes()
        columns = (doc_id.hex().encode(), source.encode(), array)
        yield struct.pack("<III", *map(len, columns)) + b"".join(columns)


def _write_shard(
    folder: Path, number: int, rows: list[bytes], header: bytes, settings: dict[str, Any]
) -> dict[str, Any]:
    """Write one shard and return its entry in the index."""
    name = f"shard.{number:05}.mds"
    start = 4 * (len(rows) + 2) + len(header)
    offsets = start + np.cumsum([0, *map(len, rows)])
    content = struct.pack("<I", len(rows)) + offsets.astype("<u4").tobytes() + header
    whole = content + b"".join(rows)
    (folder / name).write_bytes(whole)
    about = {"basename": name, "bytes": len(whole), "hashes": {}}
    return {"samples": len(rows), "raw_data": about, "zip_data": None, **settings}
