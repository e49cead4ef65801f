"""Read and write one Arrow file. A shard appears whole or not at all, and then never changes.

Shards are uncompressed Arrow IPC files: reading one is a memory map, so a stage pays only for
the columns it touches. The price is disk of about the size of the text.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from curator.errors import LedgerError, PluginError

_BATCH_ROWS = 1 << 16  # one size for all writers: the bytes must not depend on how a table was cut

# Temporary files are made for their owner alone; what they become is for whom the umask says.
_UMASK = os.umask(0o077)
os.umask(_UMASK)
FILE_MODE = 0o666 & ~_UMASK
FOLDER_MODE = 0o777 & ~_UMASK


@dataclass(frozen=True)
class Shard:
    """One immutable Arrow file: its name in the artifact, its place, and what it must contain."""

    name: str
    path: str
    rows: int
    size_bytes: int
    digest: str  # blake2b-128 of the file's bytes, hex


def write_shard(table: pa.Table, path: str | Path, *, name: str) -> Shard:
    """Write `table` to `path` atomically (temporary file, fsync, rename) and return its shard."""
    target = Path(path)
    whole = _normal(table)
    sink = _HashingFile(target)
    try:
        with pa.ipc.new_file(pa.PythonFile(sink, mode="w"), whole.schema) as writer:
            writer.write_table(whole, max_chunksize=_BATCH_ROWS)
        sink.commit()
    except BaseException:
        sink.discard()
        raise
    return Shard(name, str(target), whole.num_rows, sink.size, sink.digest())


def read_shard(shard: Shard | str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a shard's table, memory-mapped, with only `columns` if they are given.

    Raises:
        LedgerError: the file is missing or is not the Arrow file that was recorded.
    """
    path = Path(shard.path if isinstance(shard, Shard) else shard)
    try:
        source = pa.memory_map(str(path), "r")
        if columns is None:
            return pa.ipc.open_file(source).read_all()
        names = pa.ipc.open_file(source).schema.names
        wanted = [names.index(column) for column in columns]
        options = pa.ipc.IpcReadOptions(included_fields=wanted)
        return pa.ipc.open_file(source, options=options).read_all().select(list(columns))
    except FileNotFoundError:
        raise LedgerError(f"{path} is missing; rerun the recipe to make it again") from None
    except ValueError as error:
        if isinstance(error, pa.ArrowInvalid):
            raise LedgerError(
                f"{path} is not a whole Arrow file ({error}); delete it and rerun"
            ) from error
        raise LedgerError(f"{path} has columns {names}; wanted {list(columns or [])}") from error


def read_columns(files: Sequence[Shard], names: Sequence[str]) -> pa.Table:
    """Return columns of row-aligned files, each from the first file that has it.

    Without names the table has as many rows, and one column of nulls called `_`.

    Raises:
        PluginError: a column is in none of them.
        LedgerError: a file is missing or is not the Arrow file that was recorded.
    """
    found: dict[str, tuple[pa.Field, pa.ChunkedArray]] = {}
    missing = list(dict.fromkeys(names))
    for shard in files:
        table = read_shard(shard)
        here = [name for name in missing if name in table.column_names]
        found |= {name: (table.field(name), table[name]) for name in here}
        missing = [name for name in missing if name not in here]
    if missing:
        raise PluginError(f"columns {missing} are in none of its inputs", where=files[0].name)
    if not names:
        return pa.table({"_": pa.nulls(files[0].rows)})
    fields = [found[name][0] for name in names]  # with their notes: unit and direction
    return pa.table([found[name][1] for name in names], schema=pa.schema(fields))


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write a small file so that it appears whole or not at all, and survives a power cut."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".tmp-")
    try:
        os.fchmod(handle, FILE_MODE)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)  # noqa: PTH105 - one spelling for both writers
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _normal(table: pa.Table) -> pa.Table:
    """Return equal content in one canonical memory layout: unsliced, one chunk a column.

    `take` by every row would copy text needlessly; combining chunks and letting the IPC writer
    truncate is enough because sliced buffers are re-based when written.
    """
    return table.combine_chunks()


class _HashingFile:
    """A write-only file that hashes what passes, so that no shard is read back to be named."""

    def __init__(self, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, self._temporary = tempfile.mkstemp(dir=target.parent, prefix=".tmp-")
        os.fchmod(handle, FILE_MODE)
        self._file = os.fdopen(handle, "wb")
        self._target = target
        self._hash = hashlib.blake2b(digest_size=16)
        self.size = 0

    @property
    def closed(self) -> bool:
        return self._file.closed

    def write(self, content: bytes) -> int:
        self._hash.update(content)
        self.size += len(content)
        return self._file.write(content)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Left to `commit` and `discard`: Arrow closes files before we know that all went well."""

    def digest(self) -> str:
        return self._hash.hexdigest()

    def commit(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._temporary, self._target)  # noqa: PTH105 - atomic on one file system

    def discard(self) -> None:
        with contextlib.suppress(OSError):  # a full disk refuses what is still buffered, too
            self._file.close()
        Path(self._temporary).unlink(missing_ok=True)
