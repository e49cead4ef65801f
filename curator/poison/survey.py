"""What only the whole corpus shows: the reference model, triggers, bursts, hosts (P13's finalise).

Three passes over the corpus, a shard at a time. Counters are of fixed size; what grows with the
corpus is a place and a row for every anomalous document, and a row for every comparison.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import RecipeError
from curator.identity import id_matrix, uniform
from curator.poison.byte_model import SLOTS, UNIT, Counts, count_bytes
from curator.poison.copies import copies
from curator.poison.finding import DETECTORS, Status
from curator.poison.jumps import SHORTEST, jumps, spread
from curator.poison.provenance import HOSTS, concentrated, days_of, host_slots, hosts_of
from curator.poison.statements import Bursts, bursts, comparisons, strengths
from curator.poison.triggers import (
    Trigger,
    chosen,
    count_near,
    new_counters,
    spelled,
    strongest,
    triggers,
    unexplained,
    watch,
    watched,
)
from curator.text.bytehash import byte_hash

READ: Final = ("doc_id", "text", "url", "date")
# Documents that the reference model is learned from: with 50,000 of 134,000 what is in rare
# scripts was as surprising as gibberish.
_SAMPLE: Final = 200_000
_SCALE: Final = 20_000  # documents that the spread is measured on
_ROWS: Final = 2048  # a thread's portion
_WEAK: Final = 1.0  # sd of a jump that counts as an anomaly where many agree
_WEAK_COPY: Final = 0.3  # share, likewise
_PAIRS: Final = 1 << 20  # counters of pairs that are compared


class Readable(Protocol):
    """A corpus: anything that yields its documents shard by shard, the same every time."""

    def tables(self, columns: tuple[str, ...]) -> Iterator[pa.Table]:
        """Yield tables with these columns."""


@dataclass(frozen=True)
class Learned:
    """What the corpus says as a whole.

    Attributes:
        counts: of `curator.poison.byte_model`.
        mean: bits a byte of its windows.
        sd: of windows about their document's mean.
        found: triggers.
        words: of each.
        bursts: statements.
        hosts: `cluster` ("trigger:KEY" or a pair), `host`, `documents`, `share`.
        snapshot: the day that edits are held against, days since 1970; None: unknown.
        totals: counts for the report and for `Status`.
    """

    counts: Counts
    mean: float
    sd: float
    found: Trigger
    words: tuple[str, ...]
    bursts: Bursts
    hosts: pl.DataFrame
    snapshot: int | None
    totals: dict[str, int] = field(default_factory=dict)

    def statuses(self) -> list[Status]:
        """Return on how many documents of the corpus each detector could run."""
        n = self.totals["documents"]
        dated = self.totals["dated"] if self.snapshot is not None else 0
        ran = {
            "gibberish": (self.totals["long_enough"], "documents of fewer than 352 bytes"),
            "concentration": (self.totals["with_url"], "documents without a URL"),
            "edit_window": (dated, "documents without a date"),
        }
        return [Status(kind, *_counted(ran.get(kind), n)) for kind in DETECTORS]


def survey(
    corpus: Readable, *, least: int = 5, most: float = 1e-3, snapshot: str = "", threads: int = 1
) -> Learned:
    """Return what the corpus says as a whole; the same whatever its shards and their order.

    Args:
        corpus: with the columns of `READ`.
        least: documents of a trigger or a burst, at least.
        most: share of the documents that may have a trigger.
        snapshot: the day that edits are held against; "": the latest date of the corpus.
        threads: kernels let go of the GIL.

    Raises:
        RecipeError: the corpus has no text to learn from, or `snapshot` is no date.
    """
    counts, share = _reference(corpus)
    with ThreadPoolExecutor(max(1, threads)) as pool:
        mean, sd = _scale(corpus, counts, share, pool)
        first = _anomalies(corpus, counts, mean, sd, pool)
    found, words = _spelled(corpus, _triggers(corpus, first, least, most))
    said = bursts(first.said(least), least=least)
    members, known = _members(corpus, found, said)
    day = _day(snapshot) if snapshot else first.latest
    totals = {**first.totals, "with_url": int(first.hosts.sum()), "words": first.words, **known}
    hosts = concentrated(members, first.hosts)
    return Learned(counts, mean, sd, found, words, said, hosts, day, totals)


def anomaly_places(
    texts: pa.ChunkedArray, counts: Counts, mean: float, sd: float
) -> npt.NDArray[np.int64]:
    """Return the byte at which each text turns anomalous, (n,) int64; -1: it does not."""
    jumped = jumps(texts, counts, mean)
    copied = copies(texts)
    places = np.where(np.nan_to_num(jumped.bits, nan=0.0) >= _WEAK * sd, jumped.places, -1)
    return np.where(copied.share >= _WEAK_COPY, copied.places, places)


def cluster_of(key: int) -> str:
    """Return what a trigger's documents are called as a cluster."""
    return f"trigger:{key:016x}"


@dataclass
class _First:
    """What the second pass gathers."""

    places: list[tuple[npt.NDArray[np.intp], npt.NDArray[np.int64]]]
    counters: npt.NDArray[np.int32]
    hosts: npt.NDArray[np.int64]
    comparisons: list[pl.DataFrame]
    pairs: npt.NDArray[np.int32]
    totals: dict[str, int]
    words: int = 0
    latest: int | None = None

    def said(self, least: int) -> pl.DataFrame:
        """Return the comparisons of pairs that recur; counters may let a rarer one through."""
        every = pl.concat(self.comparisons)
        slots = _pair_slots(every["pair"])
        return every.filter(pl.Series(self.pairs[slots] >= least))


def _reference(corpus: Readable) -> tuple[Counts, float]:
    """Return the counts of a sample of the corpus, and the share that the spread is measured on."""
    rows = sum(table.num_rows for table in corpus.tables(("doc_id",)))
    share = min(1.0, _SAMPLE / max(rows, 1))
    counts = np.zeros(SLOTS, np.uint32)
    for table in corpus.tables(("doc_id", "text")):
        counts += count_bytes(_drawn(table, share))
    if not counts.any():
        raise RecipeError("the corpus has no text; wanted some to learn from")
    return counts, min(1.0, _SCALE / max(rows, 1))


def _drawn(table: pa.Table, share: float) -> pa.ChunkedArray:
    """Return the texts of the sample, drawn by chance of the documents."""
    drawn = uniform(id_matrix(table["doc_id"]), "poison.reference", 0) < share
    return table["text"].filter(pa.array(drawn))


def _scale(
    corpus: Readable, counts: Counts, share: float, pool: ThreadPoolExecutor
) -> tuple[float, float]:
    """Return the mean of windows and their sd about their document's mean, in bits a byte."""
    sums = np.zeros(3, np.int64)
    for table in corpus.tables(("doc_id", "text")):
        for part in pool.map(lambda t: spread(t, counts), _portions(_drawn(table, share))):
            sums += part
    windows = max(int(sums[0]), 1)
    return int(sums[1]) / windows / UNIT, max((int(sums[2]) / windows) ** 0.5 / UNIT, 1.0 / UNIT)


def _anomalies(
    corpus: Readable, counts: Counts, mean: float, sd: float, pool: ThreadPoolExecutor
) -> _First:
    """Return where documents turn anomalous, what stands there, what is compared, and hosts."""
    first = _First(
        [], new_counters(), np.zeros(HOSTS, np.int64), [], np.zeros(_PAIRS, np.int32),
        {"documents": 0, "anomalous": 0, "dated": 0, "long_enough": 0},
    )  # fmt: skip
    for table in corpus.tables(READ):
        texts = table["text"]
        parts = [*pool.map(lambda t: anomaly_places(t, counts, mean, sd), _portions(texts))]
        places = np.concatenate([np.zeros(0, np.int64), *parts])
        turned = np.flatnonzero(places >= 0)
        first.places.append((turned, places[turned]))
        first.words += count_near(texts, places, first.counters)
        said = comparisons(texts).select("row", "pair", "ahead")
        first.comparisons.append(
            said.with_columns(document=pl.col("row") + first.totals["documents"])
        )
        once = said.unique(["row", "pair"])
        np.add.at(first.pairs, _pair_slots(once["pair"]), 1)
        slots = host_slots(hosts_of(pl.Series(table["url"], dtype=pl.String)))
        np.add.at(first.hosts, slots[slots >= 0], 1)
        days = days_of(pl.Series(table["date"], dtype=pl.String)).drop_nulls()
        if len(days):
            latest = int(days.max())  # type: ignore[arg-type]
            first.latest = latest if first.latest is None else max(latest, first.latest)
        first.totals["documents"] += table.num_rows
        first.totals["long_enough"] += (
            pc.sum(pc.greater_equal(pc.fill_null(pc.binary_length(texts), 0), SHORTEST)).as_py()
            or 0
        )
        first.totals["anomalous"] += int((places >= 0).sum())
        first.totals["dated"] += len(days)
    return first


def _triggers(corpus: Readable, first: _First, least: int, most: float) -> Trigger:
    table, number = watched(), 0
    for part, (turned, at) in zip(corpus.tables(("text",)), first.places, strict=True):
        places = np.full(part.num_rows, -1, np.int64)
        places[turned] = at
        table = watch(part["text"], places, first.counters, least, table, number)
        number += part.num_rows
    # No corpus can hold more candidates than runs of words over the documents that each needs.
    return triggers(
        table, corpus=number, anomalous=first.totals["anomalous"],
        tests=3 * first.words / least, least=least, most=most,
    )  # fmt: skip


def _spelled(corpus: Readable, found: Trigger) -> tuple[Trigger, tuple[str, ...]]:
    """Return the triggers that no longer one explains, and their words."""
    known: dict[int, str] = {}
    for table in corpus.tables(("text",)):
        if len(known) == len(found.keys):
            break
        some = table["text"].filter(pa.array(strongest(table["text"], found)[0] > 0))
        spelled(some, found, known)
    words = [known[row] for row in range(len(found.keys))]
    keep = unexplained(found, words)
    return chosen(found, keep), tuple(np.array(words, object)[keep])


def _members(corpus: Readable, found: Trigger, said: Bursts) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return `cluster` and `host` of each document of a trigger or a burst, and their number."""
    empty = pl.DataFrame(schema={"cluster": pl.String, "host": pl.String})
    members, flagged = [empty], 0
    if not len(found.keys) and not said.pairs:
        return empty, {"in_clusters": 0}
    for table in corpus.tables(READ):
        hosts = hosts_of(pl.Series(table["url"], dtype=pl.String))
        best, _, which = strongest(table["text"], found)
        rows = np.flatnonzero(best > 0)
        named = [cluster_of(int(key)) for key in found.keys[which[rows]]]
        members.append(pl.DataFrame({"cluster": named, "host": hosts[rows]}, schema=empty.schema))
        compared = comparisons(table["text"]).filter(pl.col("pair").is_in(said.pairs))
        compared = compared.unique(["row", "pair"])
        members.append(compared.select(cluster="pair", host=hosts[compared["row"].to_numpy()]))
        with_burst = strengths(compared, said, table.num_rows)[0] > 0
        flagged += int(((best > 0) | with_burst).sum())
    return pl.concat(members), {"in_clusters": flagged}


def _counted(told: tuple[int, str] | None, n: int) -> tuple[int, int, str]:
    """Return what a `Status` says: documents judged, of how many, and why not all."""
    ran, why = told or (n, "")
    return ran, n, why if ran < n else ""


def _portions(texts: pa.ChunkedArray) -> Iterator[pa.ChunkedArray]:
    for start in range(0, len(texts), _ROWS):
        yield texts.slice(start, _ROWS)


def _pair_slots(pairs: pl.Series) -> npt.NDArray[np.int64]:
    return (byte_hash(pairs.to_arrow()) % np.uint64(_PAIRS)).astype(np.int64)


def _day(snapshot: str) -> int:
    found: Any = days_of(pl.Series([snapshot]))[0]
    if found is None:
        raise RecipeError(f"snapshot={snapshot!r}; wanted a date such as '2024-05-01'")
    return int(found)
