"""Read a pool as distinct documents, batch by batch, with memory bounded by a batch.

The pool is a lazy Polars frame of narrow columns. Identical text in one source is one doc_id on
several rows; here it becomes one row with `copies`. Doing that without holding all ids: a first
pass keeps only the first eight bytes of each id, a part of the id space at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import PluginError, RecipeError
from curator.identity import id_matrix
from curator.select.spec import unknown

UNKNOWN = "unknown"  # the quota group of documents without a language, cluster, ...
BATCH_ROWS = 1 << 17
PART_ROWS = 1 << 24  # 128 MiB of id prefixes at a time while repeats are looked for


@dataclass(frozen=True)
class Rows:
    """A batch of distinct documents. n rows; `score` is None when nothing is ranked by."""

    doc_id: NDArray[np.uint8]  # (n, 16)
    source: pa.Array  # (n,) string
    group: pa.Array  # (n,) string: the quota group
    tokens: NDArray[np.int64]  # (n,)
    copies: NDArray[np.uint32]  # (n,)
    score: NDArray[np.float64] | None  # (n,); 0 where `scored` is False
    scored: NDArray[np.bool_]  # (n,)
    within: pa.Array  # (n,) string: the group that quantiles are taken in
    unseen: NDArray[np.bool_]  # (n,): no scorer learned from it

    def where(self, mask: NDArray[np.bool_]) -> Rows:
        """Return the rows that `mask` marks."""
        if mask.all():
            return self
        chosen = pa.array(mask)
        return Rows(
            self.doc_id[mask],
            self.source.filter(chosen),
            self.group.filter(chosen),
            self.tokens[mask],
            self.copies[mask],
            None if self.score is None else self.score[mask],
            self.scored[mask],
            self.within.filter(chosen),
            self.unseen[mask],
        )


class Pool:
    """A pool that can be read any number of times as batches of distinct documents."""

    def __init__(
        self,
        frame: pl.LazyFrame,
        *,
        by: str = "",
        group: str = "source",
        within: str = "",
        unseen: str = "",
        quotas: str = "",
        lower: bool = False,
        batch_rows: int = BATCH_ROWS,
        part_rows: int = PART_ROWS,
    ) -> None:
        """Read `frame` by the score `by`, grouped by the columns `group` and `within`.

        `unseen` names a column that is 0 for documents that no scorer learned from, `quotas` one
        that has a number for each group; `lower` says that low scores are the better ones.

        Raises:
            RecipeError: a column is absent or of a type that cannot be used; all at once.
        """
        self._frame = _checked(frame, by, group, within, unseen, quotas)
        self._group = group
        self._quotas = quotas
        self._single = bool(by) and frame.collect_schema()[by] == pl.Float32
        self._has_score = bool(by)
        self._lower = lower
        self._batch_rows = batch_rows
        self._prefixes = self._repeated_prefixes(part_rows)
        self._repeated = self._merged() if len(self._prefixes) else None

    def batches(self) -> Iterator[Rows]:
        """Yield every distinct document once, in no particular order.

        Raises:
            PluginError: a score is NaN, or an id or a token count is missing or malformed.
        """
        for batch in self._raw():
            ids = _ids(batch)
            single = ~np.isin(_prefix(ids), self._prefixes) if len(self._prefixes) else None
            rows = self._rows(batch, ids)
            yield rows if single is None else rows.where(single)
        if self._repeated is not None:
            yield self._rows(self._repeated, _ids(self._repeated))

    def rounded(self, number: float) -> float:
        """Return a number as the score column would hold it: 0.7 must admit a float32 0.7."""
        return float(np.float32(number)) if self._single else number

    def groups(self) -> list[str]:
        """Return the names of all quota groups in the pool, sorted."""
        return self._names("_group")

    def quotas(self) -> dict[str, float]:
        """Return each quota group's number in the column `quotas`; 0 where it is null throughout.

        Raises:
            RecipeError: a group has several, or one that is negative or not finite.
        """
        number = pl.col("_quota")
        found = (
            self._frame.group_by("_group")
            .agg(number.min().alias("low"), number.max().alias("high"), number.is_nan().any())
            .sort("_group")
            .collect(engine="streaming")
            .with_columns(
                pl.col("low", "high").fill_null(0.0), pl.col("_quota").fill_null(value=False)
            )
        )
        fine = pl.col("high").is_finite() & (pl.col("low") >= 0) & (pl.col("low") == pl.col("high"))
        wrong = found.filter(pl.col("_quota") | ~fine)
        if wrong.height:
            told = [
                f"{group}: {low:g}" + (f" to {high:g}" if high != low else "") + " and NaN" * nan
                for group, low, high, nan in wrong.head(5).iter_rows()
            ]
            raise RecipeError(
                f"column {self._quotas!r} gives no quota for {wrong.height} of {found.height} "
                f"groups of {self._group!r} ({'; '.join(told)}); wanted one number at or above 0 "
                "for all documents of a group",
                where="select.quotas",
            )
        return dict(zip(found["_group"], found["high"], strict=True))

    def strata(self) -> list[str]:
        """Return the names of all groups that quantiles are taken in, sorted."""
        return self._names("_within")

    def sources(self) -> list[str]:
        """Return the names of all sources in the pool, sorted."""
        return self._names("source")

    def _names(self, column: str) -> list[str]:
        names = self._frame.select(pl.col(column).unique()).collect(engine="streaming")
        return sorted(names[column].drop_nulls().to_list())

    def _raw(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        frame = self._frame if columns is None else self._frame.select(columns)
        batches = frame.collect_batches(
            chunk_size=self._batch_rows, maintain_order=False, engine="streaming"
        )
        return (batch for batch in batches if batch.height)

    def _repeated_prefixes(self, part_rows: int) -> NDArray[np.uint64]:
        """Return the id prefixes that more than one row has, sorted."""
        total = self._frame.select(pl.len()).collect(engine="streaming").item()
        parts = np.uint64(max(1, -(-total // part_rows)))
        found = []
        for part in range(int(parts)):
            kept = [np.zeros(0, np.uint64)]
            for batch in self._raw(["doc_id"]):
                prefix = _prefix(_ids(batch))
                kept.append(prefix if parts == 1 else prefix[prefix % parts == part])
            ordered = np.concatenate(kept)
            ordered.sort()
            found.append(np.unique(ordered[1:][ordered[1:] == ordered[:-1]]))
        return np.sort(np.concatenate(found))

    def _merged(self) -> pl.DataFrame:
        """Return one row, with `copies`, for each id whose prefix is repeated.

        Held in memory: it grows with the number of distinct repeated documents, which exact
        deduplication makes zero. Equal ids have equal text, so `max` only skips nulls; but a score
        may call one copy new and the others its repeats, and the document is as good as its best.
        """
        kept = []
        for batch in self._raw():
            mask = np.isin(_prefix(_ids(batch)), self._prefixes)
            kept.append(batch.filter(pl.Series(mask)))
        copies = pl.concat(kept)
        columns = [pl.col("copies").sum()]
        for name in copies.columns:
            if name not in ("doc_id", "copies"):
                column = pl.col(name)
                columns.append(column.min() if name == "_score" and self._lower else column.max())
        return copies.group_by("doc_id").agg(columns).sort("doc_id")

    def _rows(self, batch: pl.DataFrame, ids: NDArray[np.uint8]) -> Rows:
        for name in ("source", "tokens"):
            if batch[name].null_count():
                raise PluginError(f"the pool has documents without {name!r}; every one needs it")
        score = None
        scored = np.ones(batch.height, dtype=np.bool_)
        if self._has_score:
            column = batch["_score"]
            scored = column.is_not_null().to_numpy()
            score = column.fill_null(0.0).to_numpy() + 0.0  # +0.0: minus zero ranks as zero
            if np.isnan(score).any():
                raise PluginError("the score column has NaN; a scorer returns null for no score")
        return Rows(
            ids,
            batch["source"].to_arrow(),
            batch["_group"].to_arrow(),
            batch["tokens"].to_numpy(),
            batch["copies"].to_numpy(),
            score,
            scored,
            batch["_within"].to_arrow(),
            batch["_unseen"].to_numpy(),
        )


def _checked(
    frame: pl.LazyFrame, by: str, group: str, within: str, unseen: str, quotas: str
) -> pl.LazyFrame:
    """Return the frame with exactly the columns that a selection needs, typed."""
    schema = frame.collect_schema()
    needed = {"doc_id", "source", "tokens", group, *filter(None, (by, within, unseen, quotas))}
    faults = [unknown("column", name, schema) for name in sorted(needed - set(schema))]
    if not faults and schema["doc_id"] != pl.Binary:
        faults.append(f"column 'doc_id' is {schema['doc_id']}; wanted Binary")
    for numbers, use in (
        (by, "ranks by"),
        (unseen, "tells seen from unseen by"),
        (quotas, "divides its budget by"),
    ):
        if numbers in schema and not (
            schema[numbers].is_numeric() or schema[numbers] == pl.Boolean
        ):
            faults.append(f"column {numbers!r} is {schema[numbers]}; a selection {use} numbers")
    faults += [
        f"column {name!r} is {schema[name]}; a selection groups by words"
        for name in dict.fromkeys((group, within))
        if schema.get(name, pl.String()).is_nested() or schema.get(name) == pl.Binary
    ]
    if faults:
        raise RecipeError("\n".join(faults), where="select")
    copies = pl.col("copies") if "copies" in schema else pl.lit(1)
    columns = [
        pl.col("doc_id"),
        pl.col("source").cast(pl.String),
        _named(group).alias("_group"),
        (_named(within) if within else pl.lit("")).alias("_within"),
        (pl.col(unseen).eq_missing(0) if unseen else pl.lit(value=True)).alias("_unseen"),
        pl.col("tokens").cast(pl.Int64),
        copies.cast(pl.UInt32).alias("copies"),
    ]
    if by:
        columns.append(pl.col(by).cast(pl.Float64).alias("_score"))
    if quotas:
        columns.append(pl.col(quotas).cast(pl.Float64).alias("_quota"))
    return frame.select(columns)


def _named(column: str) -> pl.Expr:
    """Return a column of names, each row with one; a document without a source is an error."""
    name = pl.col(column).cast(pl.String)
    return name if column == "source" else name.fill_null(UNKNOWN)


def _ids(batch: pl.DataFrame) -> NDArray[np.uint8]:
    try:
        return id_matrix(batch["doc_id"].to_arrow().cast(pa.binary()).cast(pa.binary(16)))
    except pa.ArrowInvalid as error:
        raise PluginError(f"column 'doc_id' does not hold 16-byte ids ({error})") from error


def _prefix(ids: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the first eight bytes of each id; ids are hashes, so these rarely collide."""
    return np.ascontiguousarray(ids).view(np.uint64).reshape(-1, 2)[:, 0]
