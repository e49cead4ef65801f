"""Which documents a list of requests means: those it names, and near copies of those.

A near copy shares 80 % of its shingles of five words with an opted-out text (Jaccard), or holds
95 % of that text's, or stands in it with 95 % of its own: the thresholds of `corpus.dedup.minhash`,
but compared with every text exactly, for the texts are few and to miss one is worse than the time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curator.clean.hosts import Place, places
from curator.dedup.shingles import shingle_sets
from curator.optout.requests import Requests, place_of

NGRAM: Final = 5
JACCARD: Final = 0.8
CONTAINMENT: Final = 0.95
# Below it a phrase that anybody writes would make a document a copy: only the whole counts then.
LEAST_SHINGLES: Final = 8
_SLACK: Final = 1e-9
_ON_THE_WEB: Final = r"(?i)^\s*https?://"
_PARTS: Final = "[/?&;]"  # what begins the next part of a path or query (RFC 3986, section 3.3)


def requested(requests: Requests, table: pa.Table) -> pa.Array:
    """Return which request names each document, null where none does: (n,) words such as "id".

    Args:
        requests: what is asked for; its `texts` are `Copies`' to find.
        table: columns of `curator.schema.DOCUMENT`: doc_id, url, origin, and text if hashes are
            asked for.
    """
    columns: list[pa.Array] = []
    if requests.ids:
        ids = pa.array([bytes.fromhex(one) for one in requests.ids], pa.binary(16))
        columns.append(_where(pc.is_in(table["doc_id"], ids), "id"))
    if requests.urls or requests.domains:
        columns += _by_address(requests, table)
    if requests.hashes:
        columns.append(_where(_hashed(table["text"], set(requests.hashes)), "sha256"))
    if not columns:
        return pa.nulls(table.num_rows, pa.string())
    return pc.coalesce(*columns)


def _by_address(requests: Requests, table: pa.Table) -> list[pa.Array]:
    """Return "url" and "domain" where the address of a document is asked for."""
    urls = pl.Series("url", pl.from_arrow(table["url"])).cast(pl.String)
    origins = pl.Series("origin", pl.from_arrow(table["origin"])).cast(pl.String)
    told = urls.is_not_null() & (urls.str.strip_chars() != "")
    address = urls.zip_with(told.fill_null(value=False), origins)
    kept = address.str.contains(_ON_THE_WEB).fill_null(value=False)
    found = places(address.set(~kept, None).to_arrow())
    masks = []
    if requests.urls:
        masks.append(_where(pa.array(_below(found, set(requests.urls))), "url"))
    if requests.domains:
        masks.append(_where(pa.array(_within(found["host"], set(requests.domains))), "domain"))
    return masks


def _below(found: pl.DataFrame, wanted: set[str]) -> npt.NDArray[np.bool_]:
    """Return whether each place is one of those wanted, as `place_of` names them, or below one.

    What is below goes on after a whole part of the path or of the query: a page `/4` is not `/40`.
    """
    within = np.zeros(len(found), np.bool_)
    hosts = {re.split(_PARTS, one, maxsplit=1)[0] for one in wanted}
    rows = found["host"].is_in(list(hosts)).arg_true()
    # A loop over the documents of hosts that are asked for: each is cut after every part.
    for row in rows:
        named = place_of(Place(*found.row(row)))
        ends = [*(match.start() for match in re.finditer(_PARTS, named)), len(named)]
        within[row] = any(named[:end] in wanted for end in ends)
    return within


def _within(hosts: pl.Series, domains: set[str]) -> npt.NDArray[np.bool_]:
    """Return whether each host is one of the domains or lies below one."""
    known = {
        host: any(".".join(labels[at:]) in domains for at in range(len(labels)))
        for host in hosts.drop_nulls().unique().to_list()
        for labels in [host.split(".")]
    }
    return np.array([known.get(host, False) for host in hosts.to_list()], np.bool_)


def _hashed(texts: pa.ChunkedArray, wanted: set[str]) -> pa.Array:
    """Return whether the SHA-256 of each text is wanted: a loop, for the hash is C."""
    found = [
        hashlib.sha256(text.as_buffer()).hexdigest() in wanted if text.is_valid else False
        for text in texts
    ]
    return pa.array(found, pa.bool_())


def _where(mask: pa.Array | pa.ChunkedArray, word: str) -> pa.Array:
    plain = mask.combine_chunks() if isinstance(mask, pa.ChunkedArray) else mask
    return pc.if_else(pc.fill_null(plain, fill_value=False), word, pa.scalar(None, pa.string()))


@dataclass(frozen=True)
class Copies:
    """Texts whose near copies are looked for, as sorted shingles.

    Attributes:
        shingles: (s,) uint64, rising; equal ones stand once for each text that has them.
        owner: (s,) int64, the text.
        sizes: (t,) int64, shingles of each text.
    """

    shingles: npt.NDArray[np.uint64]
    owner: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]

    def near(self, texts: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.int64]:
        """Return the text that each document is a near copy of, -1 where it is of none: (n,)."""
        found = np.full(len(texts), -1, np.int64)
        if not len(self.sizes) or not len(texts):
            return found
        sets = shingle_sets(texts, NGRAM)
        own = np.diff(sets.offsets)
        first = np.searchsorted(self.shingles, sets.values, side="left")
        times = np.searchsorted(self.shingles, sets.values, side="right") - first
        # Every meeting of a document's shingle with a text's, as (document, text).
        document = np.repeat(np.repeat(np.arange(len(own)), own), times)
        places = np.repeat(first, times) + _counted(times)
        pairs, shared = np.unique(
            document * len(self.sizes) + self.owner[places], return_counts=True
        )
        row, text = pairs // len(self.sizes), pairs % len(self.sizes)
        copies = _near(shared, own[row], self.sizes[text])
        row, text = row[copies], text[copies]
        found[row[::-1]] = text[::-1]  # of several texts the first
        return found


def copies_of(texts: Sequence[str] | pa.Array | pa.ChunkedArray) -> Copies:
    """Return texts ready to be compared with."""
    column = pa.array(texts, pa.large_string()) if isinstance(texts, Sequence) else texts
    if not len(column):
        return Copies(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.int64))
    sets = shingle_sets(column, NGRAM)
    sizes = np.diff(sets.offsets)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    order = np.argsort(sets.values, kind="stable")
    return Copies(sets.values[order], owner[order], sizes)


def _near(
    shared: npt.NDArray[np.int64], own: npt.NDArray[np.int64], theirs: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Return whether pairs with so many shingles, so many of them shared, are near copies."""
    alike = shared >= JACCARD * (own + theirs - shared) - _SLACK
    holds = (shared >= CONTAINMENT * theirs - _SLACK) & (theirs >= LEAST_SHINGLES)
    within = (shared >= CONTAINMENT * own - _SLACK) & (own >= LEAST_SHINGLES)
    return np.asarray(alike | holds | within)


def _counted(times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return 0, 1, ... up to each number, one after another."""
    ends = np.cumsum(times)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) - np.repeat(ends - times, times)
