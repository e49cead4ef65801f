"""Opting out as a step of a run: first the documents that a list names, then their near copies.

Both are decided a document at a time, so that no cut into shards and no order can matter. What the
second needs to know of the first, the texts that were named, is written between them as shingles.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import pyarrow as pa
import pyarrow.compute as pc

from curator.optout.matching import Copies, copies_of, requested
from curator.optout.requests import Requests
from curator.schema import DECISION
from curator.shards import read_shard, write_shard
from curator.stage import Site, Stage, circumstance

REASON: Final = "optout"
NAMED: Final = "optout_named"
_REQUESTS: Final = "requests.json"
_SHINGLES: Final = "shingles"
_SIZES: Final = "sizes"


def write_asked(requests: Requests, out: Path) -> None:
    """Write what documents are named by, for `Named` to read; texts are `write_copies`' part."""
    content = {"ids": requests.ids, "urls": requests.urls, "domains": requests.domains}
    (out / _REQUESTS).write_text(json.dumps(content | {"hashes": requests.hashes}, indent=1))


def write_copies(texts: Iterable[pa.ChunkedArray | pa.Array], out: Path) -> None:
    """Write texts as the shingles that their near copies are known by."""
    columns = [text.cast(pa.large_string()) for text in texts]
    chunks = [chunk for one in columns for chunk in getattr(one, "chunks", [one])]
    known = copies_of(pa.chunked_array(chunks, pa.large_string()).combine_chunks())
    shingles = pa.table({"shingle": pa.array(known.shingles), "owner": pa.array(known.owner)})
    write_shard(shingles, out / f"{_SHINGLES}.arrow", name=_SHINGLES)
    write_shard(pa.table({"size": pa.array(known.sizes)}), out / f"{_SIZES}.arrow", name=_SIZES)


def read_copies(folder: Path) -> Copies:
    """Return what `write_copies` wrote."""
    shingles = read_shard(folder / f"{_SHINGLES}.arrow")
    sizes = read_shard(folder / f"{_SIZES}.arrow")["size"].to_numpy()
    return Copies(shingles["shingle"].to_numpy(), shingles["owner"].to_numpy(), sizes)


@dataclass(frozen=True)
class Named(Stage):
    """Tells which documents a list names by id, address or digest.

    Attributes:
        asked: digest of the list.
        path: the folder that `write_asked` wrote.
    """

    name: ClassVar[str] = "optout.named"
    version: ClassVar[int] = 2  # 2: addresses are compared part by part
    reads: ClassVar[tuple[str, ...]] = ("doc_id", "url", "origin", "text")
    libraries: ClassVar[tuple[str, ...]] = ("polars",)
    writes: ClassVar[pa.Schema] = pa.schema([pa.field(NAMED, pa.string())])

    asked: str
    path: str = circumstance("")

    def load(self, site: Site) -> Requests:
        """Read the list."""
        content = json.loads((Path(self.path) / _REQUESTS).read_text())
        return Requests(**{name: tuple(values) for name, values in content.items()})

    def process(self, model: Requests, table: pa.Table) -> pa.Table:
        """Return the kind of the request that names each document, null where none does."""
        return pa.table({NAMED: requested(model, table)})


@dataclass(frozen=True)
class OptOut(Stage):
    """Drops what is named and its near copies, with the reason `optout`.

    Attributes:
        copies: digest of the texts that copies are looked for of.
        path: the folder that `write_copies` wrote.
    """

    name: ClassVar[str] = REASON
    reads: ClassVar[tuple[str, ...]] = ("doc_id", "text", NAMED)
    writes: ClassVar[pa.Schema] = pa.schema([*DECISION, pa.field("optout_by", pa.string())])

    copies: str
    path: str = circumstance("")

    def load(self, site: Site) -> Copies:
        """Map the shingles."""
        return read_copies(Path(self.path))

    def process(self, model: Copies, table: pa.Table) -> pa.Table:
        """Return the decision on each document, and what decided: a kind of request, or "near"."""
        near = pa.array(model.near(table["text"]) >= 0)
        named = table[NAMED].combine_chunks()
        by: Any = pc.coalesce(named, pc.if_else(near, "near", pa.scalar(None, pa.string())))
        keep = pc.is_null(by)
        reason = pc.if_else(keep, pa.scalar(None, pa.string()), REASON)
        return pa.table({"keep": keep, "reason": reason, "optout_by": by})


def named_texts(documents: pa.Table, named: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the texts of the documents that are named."""
    return documents["text"].filter(pc.is_valid(named)).cast(pa.large_string())
