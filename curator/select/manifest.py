"""What names a selection and a draw: hashes of documents, not of paths, shards or seeds."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.identity import id_matrix

_DIGEST_BYTES = 16
_ROW = np.dtype([("doc_id", "V16"), ("copies", "<u4"), ("epochs", "<u4")])
_DRAWN = np.dtype([("doc_id", "V16"), ("epoch", "<u2")])
_WEIGHED = np.dtype([("row", "V18"), ("weight", "<f4")])


def manifest_hash(
    selection: pa.Table, tokenizer_digest: str, epochs: NDArray[np.integer] | None = None
) -> str:
    """Return 32 hex digits that name which documents are trained on and how often.

    blake2b-128 of the tokenizer's digest and, sorted by id, each (doc_id, copies, epochs).

    Args:
        selection: doc_id and copies, in any order.
        tokenizer_digest: what token counts mean.
        epochs: (n,) times each document is drawn; once each unless told. Rows drawn zero times
            are not part of the name.
    """
    times = np.ones(selection.num_rows, np.uint32) if epochs is None else epochs
    rows = np.zeros(selection.num_rows, dtype=_ROW)
    rows["doc_id"] = _void(selection)
    rows["copies"] = selection["copies"].to_numpy()
    rows["epochs"] = times
    rows = rows[id_order(selection)]
    return _digest("manifest/1", tokenizer_digest, rows[rows["epochs"] > 0])


def draw_hash(draw: pa.Table, tokenizer_digest: str) -> str:
    """Return 32 hex digits that name a draw: its documents, epochs and any weights in order."""
    rows = np.zeros(draw.num_rows, dtype=_DRAWN)
    rows["doc_id"] = _void(draw)
    rows["epoch"] = draw["epoch"].to_numpy()
    if "weight" not in draw.column_names:
        return _digest("draw/1", tokenizer_digest, rows)
    weighed = np.zeros(draw.num_rows, dtype=_WEIGHED)
    weighed["row"] = rows.view("V18")
    weighed["weight"] = draw["weight"].to_numpy()
    return _digest("draw.weighed/1", tokenizer_digest, weighed)


def id_order(table: pa.Table) -> NDArray[np.int64]:
    """Return the rows sorted by the bytes of their ids; equal ids stay in their order."""
    halves = np.ascontiguousarray(id_matrix(table["doc_id"])).view(">u8").reshape(-1, 2)
    return np.lexsort((halves[:, 1].astype(np.uint64), halves[:, 0].astype(np.uint64)))


def id_keys(table: pa.Table) -> NDArray[np.bytes_]:
    """Return ids as (n,) fixed-width keys that sort and search in the order of their bytes.

    The trailing byte keeps NumPy from stripping zeros at the end of an id.
    """
    ids = id_matrix(table["doc_id"])
    padded = np.ones((len(ids), 17), dtype=np.uint8)
    padded[:, :16] = ids
    return padded.view("S17").ravel()


def shared_tokens(one: pa.Table, other: pa.Table) -> int:
    """Return the tokens of `one` that stand in documents which `other` has too."""
    both = pc.is_in(one["doc_id"], other["doc_id"].combine_chunks())
    return int(pc.sum(one["tokens"].filter(both)).as_py() or 0)


def _void(table: pa.Table) -> NDArray[np.void]:
    ids: NDArray[np.void] = np.ascontiguousarray(id_matrix(table["doc_id"])).view("V16").ravel()
    return ids


def _digest(purpose: str, tokenizer_digest: str, rows: NDArray[np.void]) -> str:
    named = f"{purpose}\x00{tokenizer_digest}\x00"
    state = hashlib.blake2b(named.encode(), digest_size=_DIGEST_BYTES)
    state.update(rows.tobytes())
    return state.hexdigest()
