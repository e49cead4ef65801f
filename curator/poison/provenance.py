"""Where and when suspicious documents come from: one host in a cluster, edits before a snapshot.

Carlini et al. 2024, "Poisoning Web-Scale Training Datasets is Practical" (arXiv:2302.10149),
sections 4 and 5: an expired domain can be bought, a wiki edited shortly before its dump is made.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

HOSTS: Final = 1 << 20  # counters of hosts, 8 MiB


def hosts_of(urls: pl.Series) -> pl.Series:
    """Return the host of each URL in lower case without `www.`, null where there is none."""
    return (
        urls.str.extract(r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?([^/:?#]+)")
        .str.to_lowercase()
        .str.strip_prefix("www.")
    )


def host_slots(hosts: pl.Series) -> npt.NDArray[np.int64]:
    """Return the counter of each host, (n,) int64 below `HOSTS`; -1 where there is none."""
    from curator.text.bytehash import byte_hash  # compiled on first use

    slots = (byte_hash(hosts.fill_null("").to_arrow()) % np.uint64(HOSTS)).astype(np.int64)
    return np.where(hosts.is_null().to_numpy(), -1, slots)


def concentrated(members: pl.DataFrame, totals: npt.NDArray[np.int64]) -> pl.DataFrame:
    """Return for each cluster the host that most of it comes from, if that host is new.

    A host is new where fewer of its documents stand outside the cluster than in it.

    Args:
        members: `cluster` and `host` (null: unknown), a row a document of a cluster.
        totals: (HOSTS,) documents of each counter's hosts in the corpus.

    Returns:
        `cluster`, `host`, `documents` of the cluster with a host, `share` of them in (0, 1].
    """
    known = members.filter(pl.col("host").is_not_null())
    counted = (
        known.group_by("cluster", "host")
        .agg(inside=pl.len().cast(pl.Int64))
        .with_columns(documents=pl.col("inside").sum().over("cluster"))
        .sort("cluster", "inside", "host", descending=[False, True, False])
        .unique("cluster", keep="first", maintain_order=True)
    )
    every = totals[host_slots(counted["host"])] if len(counted) else np.zeros(0, np.int64)
    return (
        counted.with_columns(outside=pl.Series(every) - pl.col("inside"))
        .filter(pl.col("outside") < pl.col("inside"))
        .select("cluster", "host", "documents", share=pl.col("inside") / pl.col("documents"))
    )


def days_of(dates: pl.Series) -> pl.Series:
    """Return the days since 1970 of ISO dates (their first ten characters), null for others."""
    return dates.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32)


def edit_risk(days: pl.Series, snapshot: int, window: int) -> npt.NDArray[np.float64]:
    """Return 1 on the day of the snapshot, less before it, 0 after `window` days; NaN: no date.

    Dates after the snapshot cannot be of it and have 0.
    """
    age = (snapshot - days.cast(pl.Float64)).to_numpy().astype(np.float64)
    risk = np.clip(1.0 - age / (window + 1), 0.0, 1.0)
    found: npt.NDArray[np.float64] = np.where(np.isnan(age), np.nan, np.where(age < 0, 0.0, risk))
    return found
