"""What each record shows, held against what the corpus showed: scores and spans (P13's scan)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curator.poison.copies import copies
from curator.poison.finding import FINDING
from curator.poison.jumps import jumps
from curator.poison.markup import marks, places
from curator.poison.provenance import days_of, edit_risk, hosts_of
from curator.poison.statements import comparisons, strengths
from curator.poison.survey import Learned, cluster_of
from curator.poison.triggers import strongest

# From which score on a detector's finding counts: all together flag fewer than one in 10,000 of
# 128,961 pieces of real text, on each of two halves (5 and 6). Ours; `python -m bench.poisoning`.
LIMITS: Final[dict[str, float]] = {
    "template": 2.0,  # special tokens, or one pair of turns
    "gibberish": 4.0,  # sd of windows
    "copy": 0.97,  # share
    "trigger": 2.0,  # minus log10 of the adjusted p
    "burst": 2.0,  # likewise
}
Values = npt.NDArray[np.float64]
Spans = npt.NDArray[np.int64]


class Scan:
    """Scores of documents by detector, and where they stand.

    Attributes:
        scores: (n,) float64 by detector; NaN where it could not judge the document.
        spans: (n, 2) int64 by detector, bytes of the text; -1: nowhere in particular.
    """

    def __init__(self, scores: Mapping[str, Values], spans: Mapping[str, Spans]) -> None:
        self.scores, self.spans = dict(scores), dict(spans)

    def worst(self, limits: Mapping[str, float] = LIMITS) -> Values:
        """Return the most by which any detector's limit is reached, (n,); 1: just so."""
        shares = [np.nan_to_num(self.scores[kind]) / limit for kind, limit in limits.items()]
        found: Values = np.max(np.stack(shares), axis=0)
        return found

    def findings(self, limits: Mapping[str, float] = LIMITS) -> pa.Table:
        """Return a `FINDING` row for each score that reaches its limit, in order of documents."""
        rows, kinds, spans, scores = [], [], [], []
        for kind, limit in limits.items():
            at = np.flatnonzero(np.nan_to_num(self.scores[kind]) >= limit)
            rows.append(at)
            kinds += [kind] * len(at)
            spans.append(self.spans[kind][at])
            scores.append(self.scores[kind][at])
        row, span = np.concatenate(rows), np.concatenate(spans)
        order = np.argsort(row, kind="stable")
        columns = [
            row,
            pa.array(kinds, pa.string()),
            span[:, 0],
            span[:, 1],
            np.concatenate(scores),
        ]
        return pa.table(columns, schema=FINDING).take(pa.array(order))


def scan(learned: Learned, table: pa.Table, *, window: int = 7) -> Scan:
    """Return what every detector says of a table with `text`, `url` and `date`.

    Args:
        learned: of the corpus that the documents are in.
        table: n documents.
        window: days before the snapshot in which an edit is a risk.
    """
    texts, n = table["text"], table.num_rows
    sizes = pc.fill_null(pc.binary_length(texts), 0).to_numpy().astype(np.int64)
    jumped, copied = jumps(texts, learned.counts, learned.mean), copies(texts)
    strength, spans, which = strongest(texts, learned.found)
    said = comparisons(texts)
    burst, said_at = strengths(said, learned.bursts, n)
    first = places(texts)
    urls = pl.Series(table["url"], dtype=pl.String)
    days = days_of(pl.Series(table["date"], dtype=pl.String))
    none = np.full((n, 2), -1, np.int64)
    unknown = np.full(n, np.nan)
    dated = unknown if learned.snapshot is None else edit_risk(days, learned.snapshot, window)
    return Scan(
        {
            "template": marks(texts),
            "gibberish": jumped.bits / learned.sd,
            "copy": copied.share,
            "trigger": strength,
            "burst": burst,
            "concentration": _concentration(learned, urls, which, said),
            "edit_window": dated,
        },
        {
            "template": np.stack([first, np.where(first < 0, -1, sizes)], axis=1),
            "gibberish": np.stack([jumped.places, np.where(jumped.places < 0, -1, sizes)], axis=1),
            "copy": np.stack([copied.places, np.where(copied.places < 0, -1, sizes)], axis=1),
            "trigger": spans,
            "burst": said_at,
            "concentration": none,
            "edit_window": none,
        },
    )


def _concentration(
    learned: Learned, urls: pl.Series, which: npt.NDArray[np.int64], said: pl.DataFrame
) -> Values:
    """Return the share of its cluster that comes from the document's host, where that is new."""
    hosts = hosts_of(urls)
    keys = [cluster_of(int(key)) for key in learned.found.keys]
    at = np.flatnonzero(which >= 0)
    rows = pl.concat(
        [
            pl.DataFrame(
                {"row": at, "cluster": [keys[one] for one in which[at]]},
                schema={"row": pl.Int64, "cluster": pl.String},
            ),
            said.select("row", cluster="pair"),
        ]
    )
    named = rows.with_columns(host=hosts[rows["row"].to_numpy()])
    met = named.join(learned.hosts, on=["cluster", "host"])
    found = np.where(hosts.is_null().to_numpy(), np.nan, 0.0)
    np.maximum.at(found, met["row"].to_numpy(), met["share"].to_numpy())
    return found
