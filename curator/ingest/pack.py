"""Pack what a reader yields into shards of a target size, and hold it to conservation.

Shards are named `{prefix}-{unit key}-{part}`: a file added elsewhere renames nothing. Memory is
bounded by one shard, whatever the size of the input.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import ShardError
from curator.identity import document_ids
from curator.ingest.reader import Reader, Rejected, Unit
from curator.ingest.split import split_long
from curator.schema import DOCUMENT, QUARANTINE, conform
from curator.shards import Shard, write_shard

TARGET_BYTES = 64 << 20
_HOPELESS_RECORDS = 10_000  # so many rejected and not one document: the settings are wrong


@dataclass(frozen=True)
class UnitResult:
    """What one unit became: rows_in = rows_out + sum(quarantined), always."""

    shards: tuple[Shard, ...]
    quarantine: Shard | None  # QUARANTINE rows; None where nothing was set aside
    rows_in: int
    rows_out: int
    quarantined: dict[str, int]  # reason: records


def unit_identity(
    reader: Reader, unit: Unit, *, target_bytes: int = TARGET_BYTES
) -> dict[str, Any]:
    """Return what names the work of packing one unit, for a fingerprint."""
    return {**reader.identity(), "unit": unit.key, "target_bytes": target_bytes}


def shard_prefix(reader: Reader) -> str:
    """Return the source (or the reader's name) as a safe part of a file name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", reader.source or reader.name).strip(".-") or "source"


def ingest_unit(
    reader: Reader,
    unit: Unit,
    out_dir: str | Path,
    name_prefix: str = "",
    target_bytes: int = TARGET_BYTES,
) -> UnitResult:
    """Read one unit and write its shards of about `target_bytes` of text, and its quarantine.

    Raises:
        ShardError: the records do not add up: the reader lost or invented some.
    """
    stem = f"{name_prefix or shard_prefix(reader)}-{unit.key[:10]}"
    packer = _Packer(Path(out_dir), stem, target_bytes)
    rejected: list[Rejected] = []
    rows_in = 0
    for batch in reader.documents(unit):
        rows_in += batch.records
        rejected += batch.rejected
        if len(rejected) == rows_in >= _HOPELESS_RECORDS:
            raise ShardError(
                f"none of the first {rows_in} records is a document; the last was rejected as "
                f"{rejected[-1].reason} ({rejected[-1].error}); check the reader and its fields",
                where=rejected[-1].origin,
            )
        documents = batch.documents
        if reader.piece_bytes:
            documents = split_long(documents, reader.piece_bytes)
            rows_in += documents.num_rows - batch.documents.num_rows  # each piece is a record
        packer.add(documents)
    packer.close()
    quarantined = dict(sorted(Counter(record.reason for record in rejected).items()))
    rows_out = sum(shard.rows for shard in packer.shards)
    if rows_in != rows_out + len(rejected):
        raise ShardError(
            f"{rows_in} records came in, {rows_out} documents and {len(rejected)} quarantined "
            f"records came out; the reader {reader.name!r} lost or invented some",
            where=unit.name,
        )
    quarantine = None
    if rejected:
        name = f"{stem}-quarantine"
        quarantine = write_shard(_quarantine(rejected), Path(out_dir) / f"{name}.arrow", name=name)
    return UnitResult(tuple(packer.shards), quarantine, rows_in, rows_out, quarantined)


class _Packer:
    """Gathers documents and writes a shard whenever there is enough text for one."""

    def __init__(self, out: Path, stem: str, target_bytes: int) -> None:
        self.shards: list[Shard] = []
        self._out, self._stem, self._target = out, stem, target_bytes
        self._held: list[pa.Table] = []
        self._bytes = 0

    def add(self, documents: pa.Table) -> None:
        """Take documents; a batch is cut so that no shard passes the target by more than one."""
        while documents.num_rows:
            taken = _rows_within(documents["text"], self._target - self._bytes)
            self._held.append(documents[:taken])
            self._bytes += _text_bytes(documents["text"][:taken])
            documents = documents[taken:]
            if self._bytes >= self._target:
                self.close()

    def close(self) -> None:
        """Write what is held as one shard."""
        if not self._held:
            return
        table = pa.concat_tables(self._held).combine_chunks()
        self._held, self._bytes = [], 0
        name = f"{self._stem}-{len(self.shards):03d}"
        whole = conform(_with_ids(table), DOCUMENT, where=name)
        self.shards.append(write_shard(whole, self._out / f"{name}.arrow", name=name))


def _with_ids(table: pa.Table) -> pa.Table:
    """Return `table` with doc_id, hashed by runs of one source."""
    sources = table["source"].to_numpy(zero_copy_only=False)
    changes = np.flatnonzero(sources[1:] != sources[:-1]) + 1
    borders = [0, *changes.tolist(), len(sources)]
    ids = [document_ids(sources[a], table["text"][a:b]) for a, b in pairwise(borders)]
    return table.append_column("doc_id", pa.chunked_array(ids, pa.binary(16)))


def _text_bytes(texts: pa.ChunkedArray) -> int:
    return int(pc.sum(pc.binary_length(texts)).as_py() or 0)


def _rows_within(texts: pa.ChunkedArray, room: int) -> int:
    """Return how many rows, at least one, fill `room` bytes; the last may pass it."""
    sizes = pc.binary_length(texts).to_numpy().cumsum()
    return min(int(sizes.searchsorted(room)) + 1, len(sizes))


def _quarantine(rejected: Sequence[Rejected]) -> pa.Table:
    columns = list(zip(*rejected, strict=True))
    arrays = [pa.array(c, f.type) for c, f in zip(columns, QUARANTINE, strict=True)]
    return pa.table(arrays, schema=QUARANTINE)
