"""The order log of a run: which piece of which document was trained on at which step.

`order.arrow` has one row a piece, 14 bytes each (the Palimpsestic order test needs what was
trained on when). It is derived from the deterministic stream once the run is over, so that the
loop pays nothing for it. Position and step of a piece follow from the lengths before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import LedgerError
from curator.identity import id_array
from curator.shards import read_shard, write_shard
from curator.train.loader import Mixture

ORDER = "order.arrow"
LOG = pa.schema(
    [
        pa.field("row", pa.uint32(), nullable=False),  # of the mixture's index
        pa.field("offset", pa.uint32(), nullable=False),  # tokens into the document
        pa.field("length", pa.uint32(), nullable=False),  # in tokens
        pa.field("epoch", pa.uint16(), nullable=False),  # how often this run had begun it before
    ]
)
CHUNK_TOKENS = 1 << 20
Positions = Callable[[int, int], NDArray[np.int64]]  # stream tokens -> places in tokens.bin


def write_order(
    out: Path, mixture: Mixture, positions: Positions, *, steps: int, batch_tokens: int
) -> None:
    """Write the order log of `steps` steps into the folder `out`.

    Args:
        out: the run's folder.
        mixture: what it was trained on.
        positions: `Stream.positions`.
        steps: how many were trained.
        batch_tokens: tokens of a step; pieces are cut where a step ends.
    """
    by_place = np.argsort(mixture.offsets, kind="stable")
    begins = mixture.offsets[by_place]
    firsts, lengths = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for start, stop in _chunks(steps * batch_tokens, batch_tokens):
        first, length = _pieces(positions(start, stop), begins, batch_tokens)
        firsts.append(first)
        lengths.append(length)
    place, length = np.concatenate(firsts), np.concatenate(lengths)
    document = np.searchsorted(begins, place, side="right") - 1
    row, offset = by_place[document], place - begins[document]
    columns = (row, offset, length, _earlier_starts(row, offset))
    arrays = [
        pa.array(c.astype(f.type.to_pandas_dtype())) for c, f in zip(columns, LOG, strict=True)
    ]
    about = {"batch_tokens": str(batch_tokens), "draw_hash": mixture.identity()["draw_hash"]}
    table = pa.Table.from_arrays(arrays, schema=LOG.with_metadata(about))
    write_shard(table, out / ORDER, name="order")


def read_order(run: str | Path) -> pa.Table:
    """Return the pieces a run was trained on, in order.

    Columns: position (of the piece's first token in the stream, int64), step (from 0, int32),
    row (of the mixture's index), offset (into the document), length, epoch (how often the run
    had begun the document before). The targets of a batch are its tokens one later, so the very
    last target of a run, which begins no piece, is not here.

    Raises:
        LedgerError: the run has no order log.
    """
    path = Path(run) / ORDER
    if not path.is_file():
        raise LedgerError(f"{path} is missing; train the proxy again to log its order")
    table = read_shard(path)
    length = table["length"].to_numpy().astype(np.int64)
    position = np.cumsum(length) - length
    step = position // int(table.schema.metadata[b"batch_tokens"])
    return pa.table(
        {
            "position": pa.array(position),
            "step": pa.array(step.astype(np.int32)),
            **{name: table[name] for name in LOG.names},
        }
    )


def first_pieces(run: str | Path, mixture: Mixture) -> pa.Table:
    """Return one row a trained document, in the order in which the run first began them.

    Columns: doc_id (16 bytes), row, position, step. What an order test correlates a model's
    likelihoods with; documents that the run did not begin are not there.

    Raises:
        LedgerError: the run has no order log, or was trained on another mixture.
    """
    order = read_order(run)
    draw = (read_shard(Path(run) / ORDER).schema.metadata or {}).get(b"draw_hash", b"").decode()
    if draw != mixture.identity()["draw_hash"]:
        raise LedgerError(
            f"the order log is of the mixture {draw!r}, not of "
            f"{mixture.identity()['draw_hash']!r}; open the mixture it was trained on",
            where=str(run),
        )
    begun = order.filter((order["offset"].to_numpy() == 0) & (order["epoch"].to_numpy() == 0))
    rows = begun["row"].to_numpy()
    ids = id_array(mixture.doc_ids[rows])
    return begun.select(["row", "position", "step"]).add_column(0, "doc_id", ids)


def _chunks(tokens: int, batch_tokens: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of whole batches, about `CHUNK_TOKENS` at a time."""
    width = max(1, CHUNK_TOKENS // batch_tokens) * batch_tokens
    yield from pairwise([*range(0, tokens, width), tokens])


def _pieces(
    places: NDArray[np.int64], begins: NDArray[np.int64], batch_tokens: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the place of the first token and the length of each piece, in order.

    A piece ends where the places jump, where a batch ends and where a document begins; the last
    is searched for by stretches, not by tokens.

    Args:
        places: places in tokens.bin of consecutive stream tokens, from the start of a batch.
        begins: where documents begin in tokens.bin, ascending.
        batch_tokens: tokens of a batch.
    """
    jump = np.flatnonzero(np.diff(places) != 1) + 1
    cut = np.union1d(jump, np.arange(0, len(places), batch_tokens))
    first = places[cut]
    length = np.diff(np.append(cut, len(places)))
    low = np.searchsorted(begins, first, side="right")
    inner = np.searchsorted(begins, first + length, side="left") - low
    starts = np.repeat(first, inner + 1)  # each stretch once, and once a document inside it
    within = np.arange(len(starts)) - np.repeat(np.cumsum(inner + 1) - (inner + 1), inner + 1)
    inside = within > 0
    starts[inside] = begins[(np.repeat(low, inner + 1) + within - 1)[inside]]
    ends = np.append(starts[1:], 0)
    last = np.append(within[1:] == 0, True)
    ends[last] = first + length
    return starts, ends - starts


def _earlier_starts(row: NDArray[np.int64], offset: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each piece how often its document had been begun before this time."""
    order = np.argsort(row, kind="stable")
    grouped = row[order]
    begun = np.cumsum(offset[order] == 0)
    first = np.searchsorted(grouped, grouped, side="left")
    earlier = begun - (begun[first] - (offset[order][first] == 0)) - 1
    found = np.empty_like(row)
    found[order] = np.maximum(earlier, 0)
    return found
