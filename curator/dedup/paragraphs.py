"""Lines and paragraphs that other documents have too: menus, banners, footers, quoted boilerplate.

CCNet (Wenzek et al. 2020, arXiv:1911.00359, section 3.2) drops paragraphs, that is lines, whose
normalized text was seen before, by 64 bits of its SHA-1. Here a line is known by 128 bits of what
it says (`curator.text.units`), hashes meet in the shuffle instead of in memory, and which copies
stay is the policy of survivors instead of the order of files. (`deduplicate_two_pass` in cc_net's
dedup.py drops the first copy too; here `max_copies` stay.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.dedup.precedence import precedence
from curator.dedup.survivors import LONGEST, Survivors, losing, segment_heads, segment_starts
from curator.engine.shuffle import rows_in_shard
from curator.errors import BudgetError
from curator.schema import score_field
from curator.stage import Stage, WideStage
from curator.text.joins import joined
from curator.text.spans import SPANS, Spans, span_lists, spans_of
from curator.text.units import text_units

COPIED: Final = "copied"
_FEW_BYTES: Final = 10_000  # what any source may lose: of less text a share says little
_PLACES: Final = pa.schema(
    [
        pa.field("row", pa.uint64(), nullable=False),
        pa.field("start", pa.uint32(), nullable=False),
        pa.field("stop", pa.uint32(), nullable=False),
    ]
)


@dataclass(frozen=True)
class CopiedUnits(WideStage):
    """Finds the lines or paragraphs that better documents have `max_copies` times already.

    48 bytes a unit are shuffled. Units of fewer words with a letter than `least_words`, 1 or more,
    are not looked at: rules, and rows of numbers, which look alike with every digit a 0.
    """

    name: ClassVar[str] = "dedup.paragraphs.units"
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)

    unit: Literal["line", "paragraph"] = "line"
    least_words: int = 1
    max_copies: int = 1
    sources: tuple[str, ...] | None = None  # None: all
    survivors: Survivors = LONGEST

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on the policy
        """What the policy looks at: the text is among it."""
        return self.survivors.reads

    def emit(self, model: Any, table: pa.Table) -> pa.Table:
        """Return one row a unit: both halves of its hash, the document's precedence, its place."""
        if self.sources is not None:
            named = pa.array(list(self.sources), pa.string())
            table = table.filter(pc.is_in(table["source"].cast(pa.string()), named))
        units = text_units(table["text"], paragraphs=self.unit == "paragraph")
        said = units.words >= max(1, self.least_words)
        rows = np.repeat(np.arange(table.num_rows), np.diff(units.offsets))[said]
        order = precedence(self.survivors, table)
        return pa.table(
            {
                "key": np.ascontiguousarray(units.hashes[said, 0]),
                "check": np.ascontiguousarray(units.hashes[said, 1]),
                **{name: column[rows] for name, column in order.items()},
                "row": table["row"].to_numpy()[rows],
                "start": units.starts[said].astype(np.uint32),
                "stop": units.ends[said].astype(np.uint32),
            }
        )

    def reduce(self, partition: pa.Table) -> pa.Table:
        """Return where the copies stand that are too many: all but the best of each hash."""
        first = segment_starts(partition["key"].to_numpy(), partition["check"].to_numpy())
        copies = np.arange(len(first)) - segment_heads(first)
        surplus = pa.array(copies >= self.max_copies)
        return partition.select(_PLACES.names).filter(surplus).cast(_PLACES)


def copied_spans(n_rows: int, found: pa.Table) -> pa.Table:
    """Return the copies in each of the `n_rows` documents of a shard as spans."""
    rows = rows_in_shard(found["row"])
    starts, ends = (found[name].to_numpy().astype(np.int64) for name in ("start", "stop"))
    order = np.lexsort((starts, rows))
    counts = np.bincount(rows, minlength=n_rows)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    spans = Spans(offsets, starts[order], ends[order], np.zeros(len(rows), np.uint8))
    return pa.table({"copied": span_lists(spans, (COPIED,))})


@dataclass(frozen=True)
class CopiedSpans(Stage):
    """Says of each document what goes with its copied lines, and how much of its text that is."""

    name: ClassVar[str] = "dedup.paragraphs.spans"
    reads: ClassVar[tuple[str, ...]] = ("text", "copied")
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            pa.field("surplus", SPANS),
            score_field("copied_units", unit="units", better="lower", kind=pa.int64()),
            score_field("surplus_bytes", unit="bytes", better="lower", kind=pa.int64()),
            score_field("surplus_share", unit="share in [0, 1]", better="lower"),
        ]
    )

    def process(self, model: Any, table: pa.Table) -> pa.Table:
        """Return the spans to cut, white space of one side included, and their counts."""
        copied = spans_of(table["copied"], (COPIED,))
        surplus = joined(table["text"], copied)
        length = pc.fill_null(pc.binary_length(table["text"]), 0).to_numpy()
        share = surplus.sizes / np.maximum(length, 1)
        return pa.table(
            {
                "surplus": span_lists(surplus, (COPIED,)),
                "copied_units": np.diff(copied.offsets),
                "surplus_bytes": surplus.sizes,
                "surplus_share": share.astype(np.float32),
            }
        )


def check_text_loss(
    lost: Mapping[str, int],
    total: Mapping[str, int],
    max_source_loss: float | None,
    *,
    where: str,
) -> None:
    """Return only if no source loses more of its text than `max_source_loss` allows.

    Args:
        lost: bytes to cut, by source.
        total: bytes of text before, by source.
        max_source_loss: share in [0, 1]; null lets every loss pass.
        where: the recipe section that asked for the cuts.

    Raises:
        BudgetError: naming each such source, its loss, and the settings that confirm or avoid it.
    """
    if max_source_loss is None:
        return
    faults = [
        f"source {source!r} would lose {size:,} of {total[source]:,} bytes ({share:.1%})"
        for source, size, share in losing(lost, total, max_source_loss, few=_FEW_BYTES)
    ]
    if faults:
        raise BudgetError(
            f"{'; '.join(faults)}; wanted at most {max_source_loss:.0%} of a source. If the loss "
            "is right, confirm it with `max_source_loss: 1.0` in the recipe's `dedup` section; if "
            f"not, name the sources to look at in `sources` of {where}",
            where=where,
        )
