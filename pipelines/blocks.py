"""Blocks of documents in the order of their ids, refined one by one, each with its accounts.

What a block holds follows from the selection alone: neither files nor workers decide beside which
others a document is refined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.engine.tasks import Sight, committed, model_of
from curator.generate.client import Cost
from curator.identity import derived_ids
from curator.ledger import Store, TaskRecord
from curator.refine.refiner import Refined, Refiner, refined
from curator.schema import DOCUMENT
from curator.select.manifest import id_keys
from curator.shards import Shard, read_shard, write_shard
from curator.stage import Site

BLOCK = 512  # documents: a task of minutes where a small model writes, and what a chain may span
PROVENANCE = pa.schema(
    [
        pa.field("kind", pa.string()),  # "original", "edited", "synthetic"
        pa.field("operation", pa.string()),  # digest of the refiner's identity; null: original
        pa.field("parents", pa.list_(pa.binary(16))),  # all that it was made of, the parent first
        pa.field("about", pa.string()),  # a JSON object
        pa.field("key", pa.float64()),  # by which its first ancestor was selected
        pa.field("copies", pa.uint32()),
    ]
)
_EXAMPLES = 3
_SHOWN = 600  # characters of an example
_TOLD = pa.schema([*DOCUMENT, *PROVENANCE], metadata={"curator.schema": "refined/1"})


@dataclass(frozen=True)
class Rows:
    """Documents of a block: which rows of which shards, in the order of their ids."""

    sights: tuple[tuple[int, Sight], ...]  # with the numbers that `places` has for them
    places: Shard  # `sight`, `row`, `key`, `copies` of every document that is to be refined
    start: int
    stop: int

    def table(self, names: Sequence[str]) -> pa.Table:
        """Return the block's documents with some columns, and `PROVENANCE` of originals."""
        wanted = read_shard(self.places).slice(self.start, self.stop - self.start)
        sights, rows = wanted["sight"].to_numpy(), wanted["row"].to_numpy()
        pieces, order = [], []
        for number, sight in self.sights:
            mine = np.flatnonzero(sights == number)
            columns = sight.columns(tuple(names))
            pieces.append(columns.take(pa.array(rows[mine])))
            order.append(mine)
        table = pa.concat_tables(pieces).take(pa.array(np.argsort(np.concatenate(order))))
        n = table.num_rows
        known = {
            "kind": pa.array(["original"] * n),
            "operation": pa.nulls(n, pa.string()),
            "parents": pa.nulls(n, PROVENANCE.field("parents").type),
            "about": pa.nulls(n, pa.string()),
            "key": wanted["key"],
            "copies": wanted["copies"],
        }
        for name, column in known.items():
            table = table.append_column(PROVENANCE.field(name), column)
        return table


@dataclass(frozen=True)
class Whole:
    """Documents of a block that was refined before: all of its shard."""

    shard: Shard

    def table(self, names: Sequence[str]) -> pa.Table:
        """Return the block's documents; `names` are of documents, which it has all."""
        return read_shard(self.shard)


@dataclass(frozen=True)
class BlockTask:
    """Refine one block."""

    refiner: Refiner
    key: str
    step: str  # "refine.NAME"
    called: str  # NAME
    beside: bool  # the originals stay, what is made of them is of the source SOURCE.NAME
    number: int
    block: Rows | Whole
    operation: str
    site: Site
    store: Store

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"{self.step} of block {self.number}"

    def documents(self) -> pa.Table:
        """Return what is to be refined."""
        columns = [name for name in self.refiner.reads if name not in DOCUMENT.names]
        return self.block.table((*DOCUMENT.names, *columns))


def run_cost(task: BlockTask) -> Cost:
    """Return what one block would ask of a language model at most."""
    return task.refiner.cost(model_of(task.refiner, task.site), task.documents())


def run_block(task: BlockTask) -> TaskRecord:
    """Write one block's documents, old and new, and return the record."""

    def make() -> TaskRecord:
        table = task.documents()
        made = refined(task.refiner, model_of(task.refiner, task.site), table, name=task.called)
        stays, dropped = _staying(made, table.num_rows, beside=task.beside)
        children = _children(task, table, made)
        documents, repeated = _arranged(table.select(_TOLD.names).filter(pa.array(stays)), children)
        path = task.store.task_path(task.step, task.key)
        shard = write_shard(documents, path, name=f"block-{task.number:06d}")
        reasons = pc.value_counts(made.outcome["reason"].drop_null()).to_pylist()
        notes = {
            "children": children.num_rows - repeated,
            "repeated": repeated,
            "refined": len(np.unique(made.children["row"].to_numpy())),
            "reasons": {v["values"]: v["counts"] for v in reasons},
            "characters_in": pc.sum(pc.utf8_length(table["text"])).as_py() or 0,
            "examples": _examples(table, children) if task.number == 0 else [],
            "characters_out": pc.sum(pc.utf8_length(documents["text"])).as_py() or 0,
        }
        rows = table.num_rows
        return TaskRecord(
            task.key, (shard,), rows, rows - sum(dropped.values()), dropped, notes=notes
        )

    return committed(task, make)


def _staying(made: Refined, n: int, *, beside: bool) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Return which originals stay, (n,), and why the documents went of which nothing is left."""
    if beside:
        return np.ones(n, np.bool_), {}
    replaced = np.zeros(n, np.bool_)
    replaced[made.children["row"].to_numpy()] = True
    stays = made.outcome["keep"].to_numpy().astype(np.bool_) & ~replaced
    gone = made.outcome["reason"].filter(pa.array(~stays & ~replaced))
    counts = {v["values"]: v["counts"] for v in pc.value_counts(gone).to_pylist()}
    return stays, dict(sorted(counts.items()))


def _children(task: BlockTask, table: pa.Table, made: Refined) -> pa.Table:
    """Return the block's new documents, `_TOLD`."""
    rows = made.children["row"]
    children = table.select(_TOLD.names).take(rows)
    ids = table["doc_id"].combine_chunks()
    parents = ids.take(rows.combine_chunks())
    texts = made.children["text"]
    new: dict[str, Any] = {
        "doc_id": derived_ids(parents, task.operation, texts),
        "text": texts,
        "parent_id": parents,
        "source_id": pa.nulls(len(rows), pa.string()),
        # What is made of a synthetic text is synthetic, however little is changed.
        "kind": pc.if_else(pc.equal(children["kind"], "synthetic"), "synthetic", task.refiner.kind),
        "operation": pa.array([task.operation] * len(rows), pa.string()),
        "parents": _parents(ids, made.children),
        "about": made.children["about"],
        "copies": pa.array(np.ones(len(rows), np.uint32)),
    }
    if task.beside:
        new["source"] = pc.binary_join_element_wise(children["source"], task.called, ".")
    for name, column in new.items():
        at = children.schema.get_field_index(name)
        children = children.set_column(at, _TOLD.field(name), column)
    return children


def _parents(ids: pa.Array, children: pa.Table) -> pa.Array:
    """Return the ids of all that each child was made of, its own row first."""
    own = children["row"].to_numpy()
    also = children["also"].combine_chunks()
    more = also.value_lengths().fill_null(0).to_numpy().astype(np.int64)
    ends = np.cumsum(more + 1)
    flat = np.zeros(int(ends[-1]) if len(ends) else 0, np.int64)
    first = ends - more - 1
    flat[first] = own
    rest = np.ones(len(flat), np.bool_)
    rest[first] = False
    flat[rest] = also.flatten().to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate([np.zeros(1, np.int64), ends]).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, ids.take(pa.array(flat)))


def _examples(table: pa.Table, children: pa.Table) -> list[tuple[str, str]]:
    """Return the beginnings of a few texts beside what was made of them."""
    ids = table["doc_id"].combine_chunks()
    some = children.slice(0, _EXAMPLES)
    rows = pc.index_in(some["parent_id"].combine_chunks(), value_set=ids)
    before, after = table["text"].take(rows).to_pylist(), some["text"].to_pylist()
    return [(b[:_SHOWN], a[:_SHOWN]) for b, a in zip(before, after, strict=True)]


def _arranged(originals: pa.Table, children: pa.Table) -> tuple[pa.Table, int]:
    """Return all documents of a block by id, each once, and how many were there twice."""
    table = pa.concat_tables([originals.cast(_TOLD), children.cast(_TOLD)])
    _, first = np.unique(id_keys(table), return_index=True)
    return table.take(pa.array(first)), table.num_rows - len(first)
