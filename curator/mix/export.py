"""Hand a mixture over to other tools.

Text formats (jsonl, jsonl.zst, parquet, hf) hold each chosen document once, in the order of the
corpus's shards, with `epochs`, how often it is to be read; the corpus is streamed, so memory is
bounded by a shard. Token formats (tokens, megatron, mds) are in training order, repeats and all.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from numpy.typing import NDArray

from curator.errors import LedgerError, RecipeError
from curator.mix.mds import write_mds
from curator.mix.megatron import write_megatron
from curator.mix.reader import load
from curator.select.manifest import id_keys, id_order
from curator.select.spec import unknown

_ZSTD_LEVEL = 3


def export_tokens(mixture: Path, form: str, out: Path) -> Path:
    """Write a token folder in another token format into the new folder `out` and return it.

    Raises:
        RecipeError: an unknown format, or `out` is not empty.
        LedgerError: `mixture` is no whole token folder.
    """
    if form not in TOKEN_FORMATS:
        raise RecipeError(unknown("format", form, TOKEN_FORMATS), where="export")
    return into_folder(out, lambda folder: TOKEN_FORMATS[form](mixture, folder))


def export_text(
    tables: Iterable[pa.Table],
    chosen: pa.Table,
    form: str,
    out: Path,
    *,
    epochs: NDArray[np.integer] | None = None,
) -> Path:
    """Write the chosen documents into the new folder `out` and return it.

    Args:
        tables: the corpus's shards: doc_id, source, text and whatever else is to be written.
        chosen: doc_id of the documents wanted, each once.
        form: one of `TEXT_FORMATS`.
        out: the folder to make.
        epochs: (n,) aligned with `chosen`, as `Draw.epochs`; 1 unless given.

    Raises:
        RecipeError: an unknown format, or `out` is not empty.
        LedgerError: a chosen document is not in the corpus.
    """
    if form not in TEXT_FORMATS:
        raise RecipeError(unknown("format", form, [*TEXT_FORMATS, *TOKEN_FORMATS]), where="export")
    times = np.ones(chosen.num_rows, np.uint32) if epochs is None else epochs
    rows = _chosen_rows(tables, chosen, times)
    return into_folder(out, lambda folder: TEXT_FORMATS[form](rows, folder))


def _chosen_rows(
    tables: Iterable[pa.Table], chosen: pa.Table, epochs: NDArray[np.integer]
) -> Iterator[pa.Table]:
    """Yield the chosen rows of each table, every document once, ids as hex, with `epochs`."""
    order = id_order(chosen)
    keys, times = id_keys(chosen)[order], epochs[order].astype(np.uint32)
    seen = np.zeros(len(keys), dtype=np.bool_)
    for table in tables:
        own = id_keys(table)
        place = np.minimum(np.searchsorted(keys, own), max(len(keys) - 1, 0))
        mask = (keys[place] == own) & ~seen[place] if len(keys) else np.zeros(len(own), np.bool_)
        # Of identical documents in this table the first is written.
        rows = np.flatnonzero(mask)
        rows = rows[np.sort(np.unique(place[rows], return_index=True)[1])]
        seen[place[rows]] = True
        if len(rows):
            yield _with_epochs(table.take(pa.array(rows)), times[place[rows]])
    if not seen.all():
        raise LedgerError(
            f"{int((~seen).sum())} chosen documents are not in the corpus; it was selected from "
            "another one: rerun"
        )


def _with_epochs(table: pa.Table, epochs: NDArray[np.uint32]) -> pa.Table:
    """Return a table with ids in hex, which any format can hold, and the column `epochs`."""
    for at, field in enumerate(table.schema):
        if pa.types.is_fixed_size_binary(field.type):  # polars reads none
            table = table.set_column(at, field.name, table[at].cast(pa.binary()))
        elif pa.types.is_list(field.type) and pa.types.is_fixed_size_binary(field.type.value_type):
            table = table.set_column(at, field.name, table[at].cast(pa.list_(pa.binary())))
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    named = frame.with_columns(
        pl.col(pl.Binary).bin.encode("hex"),
        pl.col(pl.List(pl.Binary)).list.eval(pl.element().bin.encode("hex")),
        pl.Series("epochs", epochs, dtype=pl.UInt32),
    )
    return named.to_arrow(compat_level=pl.CompatLevel.oldest())


def _jsonl(rows: Iterator[pa.Table], folder: Path) -> None:
    with (folder / "documents.jsonl").open("wb") as file:
        for table in rows:
            file.write(_lines(table))


def _jsonl_zst(rows: Iterator[pa.Table], folder: Path) -> None:
    compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
    with (
        (folder / "documents.jsonl.zst").open("wb") as file,
        compressor.stream_writer(file) as writer,
    ):
        for table in rows:
            writer.write(_lines(table))


def _lines(table: pa.Table) -> bytes:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame.write_ndjson().encode()


def _parquet(rows: Iterator[pa.Table], folder: Path) -> None:
    first = next(rows, None)
    if first is None:
        raise RecipeError("nothing is chosen, so there is nothing to export", where="export")
    with pq.ParquetWriter(folder / "documents.parquet", first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for table in rows:
            writer.write_table(table.cast(first.schema))


def _hugging_face(rows: Iterator[pa.Table], folder: Path) -> None:
    import datasets

    first = next(rows, None)
    if first is None:
        raise RecipeError("nothing is chosen, so there is nothing to export", where="export")
    datasets.disable_progress_bars()
    # The library copies a memory-mapped Arrow stream, and not within the folder it lies in.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".tmp-") as beside:
        stream = str(Path(beside) / "stream.arrow")
        with pa.OSFile(stream, "wb") as sink, pa.ipc.new_stream(sink, first.schema) as writer:
            writer.write_table(first)
            for table in rows:
                writer.write_table(table.cast(first.schema))
        datasets.Dataset.from_file(stream).save_to_disk(str(folder))


def _tokens(mixture: Path, folder: Path) -> None:
    load(mixture)  # refuse a broken folder before it is handed on
    for file in sorted(mixture.iterdir()):
        if file.is_file():
            shutil.copyfile(file, folder / file.name)


def _megatron(mixture: Path, folder: Path) -> None:
    write_megatron(load(mixture), folder / "mixture")


def _mds(mixture: Path, folder: Path) -> None:
    write_mds(load(mixture), folder)


TEXT_FORMATS: dict[str, Callable[[Iterator[pa.Table], Path], None]] = {
    "jsonl": _jsonl,
    "jsonl.zst": _jsonl_zst,
    "parquet": _parquet,
    "hf": _hugging_face,
}
TOKEN_FORMATS: dict[str, Callable[[Path, Path], None]] = {
    "tokens": _tokens,
    "megatron": _megatron,
    "mds": _mds,
}


def into_folder(out: Path, write: Callable[[Path], None]) -> Path:
    """Write into a temporary folder beside `out` and rename it, so that `out` is never partial."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RecipeError(f"{out} is there already; name a new folder", where="export")
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=".tmp-"))
    try:
        write(temporary)
        temporary.chmod(0o755)
        temporary.replace(out)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return out
