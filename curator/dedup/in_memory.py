"""Near-duplicates of documents that fit into memory: the same stages without shards or store."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from curator.dedup.clusters import find_clusters
from curator.dedup.near import NearDuplicates
from curator.engine.shuffle import in_order
from curator.shards import Shard
from curator.stage import WideStage


def near_duplicates(documents: pa.Table, settings: NearDuplicates) -> pa.Table:
    """Return `REMOVALS`: which rows are copies of which others, as a run would find them.

    Memory: the documents, 24 bytes a band and document, and 8 bytes a shingle of those documents
    that share a band with another.

    Args:
        documents: columns text, doc_id, source, and the one that survivors are chosen by, if any.
        settings: of the bands, the verification and the choice of survivors.
    """
    edges = reduced(settings.band_stage, documents)
    clusters = find_clusters([edges])
    nowhere = Shard("clusters", "", clusters.num_rows, 0, "")
    return reduced(settings.verify_stage(nowhere), documents, clusters)


def reduced(stage: WideStage, documents: pa.Table, model: Any = None) -> pa.Table:
    """Return what a wide stage reduces a table to, as if all of it were one key range."""
    names = [name for name in stage.reads if name != "row"]
    narrow, begin = [], 0
    for batch in documents.select(names).to_batches():
        rows = np.arange(begin, begin + batch.num_rows, dtype=np.uint64)
        table = pa.Table.from_batches([batch]).append_column("row", pa.array(rows))
        narrow.append(stage.emit(model, table))
        begin += batch.num_rows
    if not narrow:
        empty = documents.select(names).append_column("row", pa.array([], pa.uint64()))
        narrow.append(stage.emit(model, empty))
    return in_order(stage.reduce(in_order(pa.concat_tables(narrow))))
