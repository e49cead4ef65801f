"""Passages that stand in a corpus more than once, word for word.

Lee et al. 2022, "Deduplicating Training Data Makes Language Models Better" (arXiv:2107.06499),
section 4.1: where two examples share k = 50 tokens or more, the shared text is removed from one of
them. The paper finds such passages with a suffix array over the whole corpus; here they come from
two shuffles of hashes, with the same result (`bench.substring` compares them):

1. `SharedSeeds`: every run of k/2 pieces is hashed, one of each window of k is chosen
   (`curator.text.winnowing`), and the chosen that stand in two places or more are brought home.
2. `SharedWindows`: every window of k pieces that such a seed stands for is hashed to 128 bits; a
   window found in two places or more is repeated, and all places but the best can lose it.

A token is a piece (`curator.text.pieces`): what stands between white space, exactly as it is. The
paper's are of a BPE with a vocabulary of 50 thousand (section 6), so its 50 are a shorter passage.
Like the paper's suffix array, and unlike a comparison of documents, this also finds what one
document says twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curator.dedup.precedence import precedence
from curator.dedup.survivors import LONGEST, Survivors, segment_starts
from curator.engine.shuffle import rows_in_shard
from curator.schema import score_field
from curator.stage import Stage, WideStage
from curator.text.joins import joined
from curator.text.repeats import piece_spans, repeated_windows, windows_of
from curator.text.spans import SPANS, span_lists
from curator.text.winnowing import seeds

REPEATED: Final = "repeated"
SURPLUS: Final = "surplus"
_HASHES: Final = pa.large_list(pa.field("item", pa.uint64(), nullable=False))
_SEEDS: Final = pa.schema(
    [
        pa.field("row", pa.uint64(), nullable=False),
        pa.field("place", pa.uint32(), nullable=False),
    ]
)
_STRETCHES: Final = pa.schema(
    [
        pa.field("row", pa.uint64(), nullable=False),
        pa.field("low", pa.uint32(), nullable=False),  # pieces [low, high) are repeated
        pa.field("high", pa.uint32(), nullable=False),
        pa.field("cut", pa.uint32(), nullable=False),  # and [cut, high) are better kept elsewhere
    ]
)


@dataclass(frozen=True)
class SharedSeeds(WideStage):
    """Finds the seeds that stand in two places or more. 20 bytes a seed are shuffled.

    Text of 1 GB has 10 to 11 million seeds at k = 50.
    """

    name: ClassVar[str] = "dedup.substring.seeds"
    reads: ClassVar[tuple[str, ...]] = ("text", "source")
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)

    k: int = 50
    sources: tuple[str, ...] | None = None  # None: all

    def emit(self, model: Any, table: pa.Table) -> pa.Table:
        """Return one row a seed: its hash, the row, its place in the text."""
        if self.sources is not None:
            named = pa.array(list(self.sources), pa.string())
            table = table.filter(pc.is_in(table["source"].cast(pa.string()), named))
        found = seeds(table["text"], self.k)
        rows = np.repeat(table["row"].to_numpy(), np.diff(found.offsets))
        return pa.table({"key": found.hashes, "row": rows, "place": found.places})

    def reduce(self, partition: pa.Table) -> pa.Table:
        """Return the row and place of every seed that has an equal."""
        first = segment_starts(partition["key"].to_numpy())
        alone = first.copy()
        alone[:-1] &= first[1:]
        return partition.select(_SEEDS.names).filter(pa.array(~alone)).cast(_SEEDS)


def shared_seeds(n_rows: int, found: pa.Table) -> pa.Table:
    """Return the seeds of each of the `n_rows` documents of a shard, as a list of places."""
    offsets, order = _by_row(n_rows, found, "place")
    return pa.table({"seeds": _lists(offsets, found["place"].take(order))})


@dataclass(frozen=True)
class SharedWindows(WideStage):
    """Finds the windows that stand in two places or more, and where each is kept.

    A shared seed and its windows, 13 of them in the mean at k = 50, take about 250 bytes.
    """

    name: ClassVar[str] = "dedup.substring.windows"
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)

    k: int = 50
    survivors: Survivors = LONGEST

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on the policy
        """What the policy looks at, and the seeds."""
        return (*self.survivors.reads, "seeds")

    def emit(self, model: Any, table: pa.Table) -> pa.Table:
        """Return one row a seed: its hash, the document's precedence, its windows' hashes."""
        sharing = table.filter(pc.greater(pc.list_value_length(table["seeds"]), 0))
        offsets, places = _flat(sharing["seeds"])
        found = windows_of(sharing["text"], self.k, offsets, places)
        order = precedence(self.survivors, sharing)
        hashes = pa.LargeListArray.from_arrays(
            pa.array(2 * found.offsets), pa.array(found.hashes.reshape(-1)), type=_HASHES
        )
        return pa.table(
            {
                "key": found.keys,
                **{name: column[found.rows] for name, column in order.items()},
                "row": sharing["row"].to_numpy()[found.rows],
                "first": found.firsts,
                "again_low": found.lows,
                "again_high": found.highs,
                "windows": hashes,
            }
        )

    def reduce(self, partition: pa.Table) -> pa.Table:
        """Return stretches of repeated windows by row, and what of each a better place has."""
        offsets, hashes = _flat(partition["windows"])
        rows = partition["row"].to_numpy()
        found = repeated_windows(
            partition["key"].to_numpy(),
            rows,
            partition["first"].to_numpy(),
            offsets // 2,
            hashes.reshape(-1, 2),
            self.k,
        )
        low, high = (partition[f"again_{end}"].to_numpy() for end in ("low", "high"))
        again = np.flatnonzero(high)
        columns = [
            np.concatenate([rows[found.seeds], rows[again]]),
            np.concatenate([found.lows, low[again]]),
            np.concatenate([found.highs, high[again]]),
            np.concatenate([found.cuts, low[again]]),
        ]
        return pa.table([pa.array(column) for column in columns], schema=_STRETCHES)


def shared_stretches(n_rows: int, found: pa.Table) -> pa.Table:
    """Return the repeated pieces of each of the `n_rows` documents of a shard, and the surplus.

    Both are two lists, of the first pieces of runs and of what comes after their last ones.
    """
    columns = {}
    for name, low in (("repeated", "low"), ("surplus", "cut")):
        runs = found.filter(pc.less(found[low], found["high"]))
        offsets, order = _by_row(n_rows, runs, low)
        columns[f"{name}_lows"] = _lists(offsets, runs[low].take(order))
        columns[f"{name}_highs"] = _lists(offsets, runs["high"].take(order))
    return pa.table(columns)


@dataclass(frozen=True)
class RepeatedSpans(Stage):
    """Says of each document which bytes are repeated, and which it can lose.

    `repeated` is every maximal stretch of pieces that lie in repeated windows; stretches that touch
    are one. `surplus` is what removal cuts: the pieces of windows that have a better place, in
    better documents or earlier in this one, and the white space of one side
    (`curator.text.joins`). Every piece that is cut stands at a better place, and no window of the
    texts as they were is left in two. At its best place a window loses only what another one,
    overlapping it, has at a better place still.
    """

    name: ClassVar[str] = "dedup.substring.spans"
    reads: ClassVar[tuple[str, ...]] = (
        "text", "repeated_lows", "repeated_highs", "surplus_lows", "surplus_highs",
    )  # fmt: skip
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            pa.field("repeated", SPANS),
            pa.field("surplus", SPANS),
            score_field("repeated_bytes", unit="bytes", better="lower", kind=pa.int64()),
            score_field("surplus_bytes", unit="bytes", better="lower", kind=pa.int64()),
            score_field("repeated_share", unit="share in [0, 1]", better="lower"),
        ]
    )

    def process(self, model: Any, table: pa.Table) -> pa.Table:
        """Return the spans of every document, and how much of its text they are."""
        repeated, surplus = (
            piece_spans(
                table["text"], *_flat(table[f"{name}_lows"]), _flat(table[f"{name}_highs"])[1]
            )
            for name in ("repeated", "surplus")
        )
        surplus = joined(table["text"], surplus)
        length = pc.fill_null(pc.binary_length(table["text"]), 0).to_numpy()
        share = repeated.sizes / np.maximum(length, 1)
        return pa.table(
            {
                "repeated": span_lists(repeated, (REPEATED,)),
                "surplus": span_lists(surplus, (SURPLUS,)),
                "repeated_bytes": repeated.sizes,
                "surplus_bytes": surplus.sizes,
                "repeated_share": share.astype(np.float32),
            }
        )


def _by_row(n_rows: int, found: pa.Table, then: str) -> tuple[npt.NDArray[np.int64], pa.Array]:
    """Return where each row's part begins (and the last ends), and the order of the parts."""
    rows = rows_in_shard(found["row"])
    order = np.lexsort((found[then].to_numpy(), rows))
    counts = np.bincount(rows, minlength=n_rows)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]), pa.array(order)


def _lists(offsets: npt.NDArray[np.int64], values: pa.ChunkedArray) -> pa.LargeListArray:
    return pa.LargeListArray.from_arrays(pa.array(offsets), values.combine_chunks())


def _flat(lists: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Return where each list begins (and the last ends), and all values end to end."""
    whole = lists.combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(whole), 0).to_numpy()
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
    return offsets, whole.flatten().to_numpy(zero_copy_only=False)
