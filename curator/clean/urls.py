"""Documents by where they come from: drops or marks those whose URL stands on a list.

RefinedWeb filters adult documents by their URL alone, with a list of 4.6 million domains made from
UT1 (Penedo et al. 2023, arXiv:2306.01116); datatrove's URLFilter, with UT1's adult list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curator.clean.blocklists import entry_hashes, url_keys
from curator.clean.hosts import places
from curator.schema import DECISION
from curator.shards import Shard, read_shard
from curator.stage import Site, Stage, circumstance

NOTES: Final = pa.schema(
    [
        pa.field("url_category", pa.string()),  # null: on no list
        pa.field("url_entry", pa.string()),  # the entry that names it
    ]
)
_EXTENT: Final = ("run", "labels", "depth")  # told in the notes of the written table
_UNLISTED: Final = np.uint32(0xFFFFFFFF)  # after every rank


@dataclass(frozen=True)
class Lookup:
    """A block list ready to be asked.

    Attributes:
        table: `BLOCKLIST`, mapped from disk and shared by all workers.
        hashes: (n,) uint64, rising.
        ranks: (n,) uint32.
        run: the most entries that one hash stands for, nearly always 1.
        labels: of the domain with the most.
        depth: parts of the path of the URL with the most; -1: there are no URLs.
    """

    table: pa.Table
    hashes: npt.NDArray[np.uint64]
    ranks: npt.NDArray[np.uint32]
    run: int
    labels: int
    depth: int


@dataclass(frozen=True)
class BlockUrls(Stage):
    """Finds documents whose URL a list names.

    Of several categories that name a URL the one that was asked for first is the reason; of its
    entries the domain with the most labels. A document without a URL stays.

    Attributes:
        blocklist: digest of the written table.
        path: where it is.
        action: "drop" decides, with the reason `url:CATEGORY`; "annotate" only tells.
    """

    name: ClassVar[str] = "clean.urls"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("url",)

    blocklist: str
    path: str = circumstance("")
    action: str = "drop"

    @property
    def writes(self) -> pa.Schema:
        """What a list says of each document, after a decision if there is one."""
        return NOTES if self.action == "annotate" else pa.schema([*DECISION, *NOTES])

    def load(self, site: Site) -> Lookup:
        """Map the list."""
        path = Path(self.path)
        return open_blocklist(Shard("blocklist", self.path, 0, path.stat().st_size, self.blocklist))

    def process(self, model: Lookup, table: pa.Table) -> pa.Table:
        """Return the category and entry of each document's URL."""
        place = find_urls(model, table["url"])
        rows = pa.array(place, mask=place < 0)
        category = model.table["category"].take(rows)
        columns = {"url_category": category, "url_entry": model.table["entry"].take(rows)}
        if self.action != "annotate":
            reason = pc.binary_join_element_wise("url", category, ":")
            columns |= {"keep": pc.is_null(category), "reason": reason}
        return pa.table(columns)


def open_blocklist(written: Shard) -> Lookup:
    """Return a written block list ready to be asked."""
    table = read_shard(written)
    extent = {name: int(table.schema.metadata[name.encode()]) for name in _EXTENT}
    return Lookup(table, table["hash"].to_numpy(), table["rank"].to_numpy(), **extent)


def find_urls(lookup: Lookup, urls: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.int64]:
    """Return (n,) int64: the row of the list that names each URL, -1 where none does."""
    found = places(urls)
    best = np.full(len(found), -1, np.int64)
    rank = np.full(len(found), _UNLISTED, np.uint32)
    if not len(lookup.hashes):
        return best
    for keys in _keys(lookup, found):
        known = keys.is_not_null()
        rows = known.arg_true().to_numpy()
        place = _look(lookup, keys.filter(known))
        hit = place >= 0
        rows, place = rows[hit], place[hit]
        better = lookup.ranks[place] < rank[rows]
        best[rows[better]] = place[better]
        rank[rows[better]] = lookup.ranks[place[better]]
    return best


def _keys(lookup: Lookup, found: pl.DataFrame) -> Iterator[pl.Series]:
    """Yield what to look up, a string or null a URL: its domains from the longest, its paths."""
    labels = found["host"].str.split(".")
    count = labels.list.len()
    numbers = found["host"].str.contains(r"^[0-9.]+$|:")  # of an address no part is a domain
    for n in range(lookup.labels, 0, -1):
        whole = pl.when(numbers).then(count == n).otherwise(count >= n) & (found["host"] != "")
        tail = labels.list.tail(n).list.join(".")
        yield pl.select(pl.when(whole).then(tail)).to_series()
    if lookup.depth < 0:
        return
    asked = found["query"] != ""
    yield pl.select(pl.when(asked).then(url_keys(found))).to_series()
    parts = found["path"].str.split("/")  # the first is empty
    count = parts.list.len()
    for n in range(lookup.depth, -1, -1):
        path = parts.list.head(n + 1).list.join("/")
        cut = found.with_columns(path.alias("path"), pl.lit("").alias("query"))
        here = (count > n) & (found["host"] != "")
        yield pl.select(pl.when(here).then(url_keys(cut))).to_series()


def _look(lookup: Lookup, keys: pl.Series) -> npt.NDArray[np.int64]:
    """Return (n,) int64: the row of each key in the list, -1 where it is not: compared whole."""
    hashed = entry_hashes(keys)
    place = np.searchsorted(lookup.hashes, hashed)
    found = np.full(len(hashed), -1, np.int64)
    for step in range(lookup.run):
        at = np.minimum(place + step, len(lookup.hashes) - 1)
        like = np.flatnonzero((found < 0) & (lookup.hashes[at] == hashed))
        written = lookup.table["entry"].take(pa.array(at[like]))
        same = pc.equal(written.combine_chunks(), keys.gather(like).to_arrow().cast(written.type))
        hit = like[same.to_numpy(zero_copy_only=False)]
        found[hit] = at[hit]
    return found
