"""A tiny mixture on disk, for tests of training: the same files as curator.mix writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.identity import document_ids, id_matrix
from curator.mix.tokens import Encoded
from curator.shards import write_shard
from curator.train.tokenizer import token_dtype

BOS_ID = 0


def write_mixture(
    folder: Path,
    documents: Sequence[tuple[str, Sequence[int]]],
    vocab_size: int = 64,
    *,
    weights: Sequence[float] | None = None,
    difficulties: Sequence[float] | None = None,
) -> Path:
    """Return the folder of a mixture of (source, ids without the first token) in this order."""
    folder.mkdir(parents=True, exist_ok=True)
    dtype = token_dtype(vocab_size)
    parts = [np.asarray([BOS_ID, *ids], dtype=dtype) for _, ids in documents]
    tokens = np.concatenate(parts)
    (folder / "tokens.bin").write_bytes(tokens.tobytes())
    lengths = np.asarray([len(part) for part in parts], dtype=np.int64)
    ids = [
        document_ids(source, pa.array([" ".join(map(str, ids))]))[0].as_py()
        for source, ids in documents
    ]
    index = pa.table(
        {
            "doc_id": pa.array(ids, pa.binary(16)),
            "source": [source for source, _ in documents],
            "epoch": pa.array([0] * len(ids), pa.uint16()),
            "offset": np.cumsum(lengths) - lengths,
            "length": lengths,
        }
    )
    if weights is not None:
        index = index.append_column("weight", pa.array(weights, pa.float32()))
    write_shard(index, folder / "index.arrow", name="index")
    if difficulties is not None:
        beside = pa.table({"difficulty": pa.array(difficulties, pa.float64())})
        write_shard(beside, folder / "difficulty.arrow", name="difficulty")
    description = {
        "tokenizer_digest": "0" * 32,
        "vocab_size": vocab_size,
        "bos_id": BOS_ID,
        "n_tokens": len(tokens),
        "n_documents": len(parts),
        "dtype": np.dtype(dtype).name,
        "draw_hash": f"{len(tokens):032x}",
        **({} if weights is None else {"weighted": True}),
    }
    (folder / "mixture.json").write_text(json.dumps(description))
    return folder


def counting_documents(count: int, vocab_size: int = 64) -> list[tuple[str, list[int]]]:
    """Return documents that count upward from different starts: easily learned, all different."""
    lengths = [5 + 7 * i % 40 for i in range(count)]
    return [
        ("even" if i % 2 == 0 else "odd", [1 + (3 * i + k) % (vocab_size - 1) for k in range(n)])
        for i, n in enumerate(lengths)
    ]


def encoded(tables, drawn, encode):
    """Yield the drawn documents of each table (doc_id, text), encoded; the others are not."""
    wanted = drawn.selection["doc_id"].combine_chunks()
    for table in tables:
        rows = table.filter(pc.is_in(table["doc_id"], wanted))
        if rows.num_rows:
            yield Encoded(id_matrix(rows["doc_id"]), *encode(rows["text"]))
