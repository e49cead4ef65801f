"""What a refiner is: documents come of documents, and nothing is lost on the way.

A refiner is a frozen dataclass like a scorer; its fields are its settings. It gets a block of
documents and returns what it made of each, and for each whether the original stays. Ids, parents,
accounts and costs are the pipeline's.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import PluginError
from curator.generate.client import Cost
from curator.schema import conform
from curator.stage import Corpus, Site, Work

Kind = Literal["edited", "synthetic"]

MADE: Final = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),  # of the given table: what it was made of
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("also", pa.list_(pa.int64())),  # further rows that it was made of
        pa.field("about", pa.string()),  # a JSON object: style, piece, what was planted
    ]
)
OUTCOME: Final = pa.schema(
    [
        pa.field("keep", pa.bool_(), nullable=False),  # the original stays if nothing replaces it
        pa.field("reason", pa.string()),  # why not all was made of it that was asked; null: it was
    ]
)


@dataclass(frozen=True)
class Refined:
    """What came of a block.

    Attributes:
        children: `MADE` rows, any number, those of one row in the order in which they are to stand.
        outcome: one `OUTCOME` row a document, in order.
    """

    children: pa.Table
    outcome: pa.Table


class Refiner(Work):
    """Makes documents of documents. Subclasses are frozen dataclasses; their fields are settings.

    `reads` names columns of `curator.schema.DOCUMENT`, or a recipe's scores as NAME or NAME.COLUMN.
    Chance may come only from `doc_id` (`curator.identity.uniform`).
    """

    # "edited": at most one child a document, which stands in its place. "synthetic": any number.
    kind: ClassVar[Kind] = "synthetic"
    learns_from: ClassVar[tuple[str, ...]] = ()  # roles, as a FittedScorer has them

    @abstractmethod
    def refine(self, model: Any, table: pa.Table) -> Refined:
        """Return what comes of a table of documents: `doc_id`, `source` and `reads`. Pure."""

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write what was learned into the folder `out`; nothing unless a subclass does."""

    def cost(self, model: Any, table: pa.Table) -> Cost:
        """Return what `refine` would ask of a language model at most; nothing unless overridden."""
        return Cost()

    def misplaced(self, *, beside: bool) -> str:
        """Return why what it makes may not stand beside, or else for, originals; "" if it may."""
        return ""

    def afford(self, cost: Cost) -> None:
        """Return only if all blocks together may cost so much; refusals are BudgetErrors."""


def refined(refiner: Refiner, model: Any, table: pa.Table, *, name: str) -> Refined:
    """Return `refine` held to its contract: rows, columns, one edit a document at most.

    A child without any visible character, and an edit that changes nothing, are no children; the
    former gives its document the reason `NAME.empty`.

    Raises:
        PluginError: the refiner broke it; the message says how.
    """
    where = f"refiner {name}"
    try:
        made = refiner.refine(model, table)
    except UnicodeEncodeError as error:
        raise PluginError(
            f"a text that UTF-8 cannot write ({error}); leave half of a surrogate pair out",
            where=where,
        ) from error
    outcome = conform(made.outcome, OUTCOME, where=where)
    if outcome.num_rows != table.num_rows:
        raise PluginError(
            f"returned {outcome.num_rows} outcomes for {table.num_rows} documents; return one each",
            where=where,
        )
    children = _conformed(made.children, where)
    rows = children["row"].to_numpy()
    _require_rows(rows, children, table.num_rows, where)
    if refiner.kind == "edited" and len(np.unique(rows)) < len(rows):
        raise PluginError("several edits of one document; wanted at most one", where=where)
    _require_unicode(children["text"], where)
    blank = pc.equal(pc.binary_length(pc.utf8_trim_whitespace(children["text"])), 0)
    stays = ~blank.to_numpy(zero_copy_only=False).astype(np.bool_)
    empty = np.zeros(table.num_rows, np.bool_)
    empty[rows[~stays]] = True
    reason = pc.if_else(pa.array(empty), f"{name}.empty", None).cast(pa.string())
    reason = pc.coalesce(outcome["reason"], reason)
    if refiner.kind == "edited":
        same = pc.equal(children["text"], table["text"].take(children["row"]))
        stays &= ~same.to_numpy(zero_copy_only=False).astype(np.bool_)
    outcome = pa.table({"keep": outcome["keep"], "reason": reason}, schema=OUTCOME)
    order = np.argsort(rows, kind="stable")
    order = order[stays[order]]
    _require_reasons(outcome, rows[stays], where)
    return Refined(children.take(pa.array(order)), outcome)


def _require_unicode(texts: pa.ChunkedArray, where: str) -> None:
    """Raise where a text's bytes are no UTF-8: nothing after this could read it."""
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid as error:
        raise PluginError(f"a text is no UTF-8 ({error})", where=where) from None


def _conformed(children: pa.Table, where: str) -> pa.Table:
    """Return children with every column of `MADE`; `also` and `about` may be left out."""
    for field in (MADE.field("also"), MADE.field("about")):
        if field.name not in children.column_names:
            children = children.append_column(field, pa.nulls(children.num_rows, field.type))
    return conform(children.select(MADE.names), MADE, where=where)


def _require_rows(rows: Any, children: pa.Table, n: int, where: str) -> None:
    """Raise where a child names a row that the table has not."""
    further = children["also"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    for found in (rows, further):
        strange = found[(found < 0) | (found >= n)]
        if len(strange):
            raise PluginError(
                f"a child of row {int(strange[0])}; rows are 0 to {n - 1}", where=where
            )


def _require_reasons(outcome: pa.Table, rows: Any, where: str) -> None:
    """Raise where a document is gone without a child and without a reason."""
    childless = np.ones(outcome.num_rows, np.bool_)
    childless[rows] = False
    keep = outcome["keep"].to_numpy().astype(np.bool_)
    unsaid = outcome["reason"].is_null().to_numpy().astype(np.bool_)
    gone = int((childless & ~keep & unsaid).sum())
    if gone:
        raise PluginError(
            f"{gone} documents without a child are dropped without a reason; say one", where=where
        )


def outcome_of(keep: Any, reasons: Any) -> pa.Table:
    """Return `OUTCOME` rows of whether originals stay and why less was made of them than asked."""
    columns = {"keep": pa.array(keep, pa.bool_()), "reason": pa.array(reasons, pa.string())}
    return pa.table(columns, schema=OUTCOME)


def children_of(rows: Any, texts: Any, about: Any = None, also: Any = None) -> pa.Table:
    """Return `MADE` rows of texts and the rows that they were made of."""
    n = len(rows)
    columns = {
        "row": pa.array(rows, pa.int64()),
        "text": texts.cast(pa.large_string())
        if isinstance(texts, pa.Array | pa.ChunkedArray)
        else pa.array(texts, pa.large_string()),
        "also": pa.array([None] * n if also is None else also, MADE.field("also").type),
        "about": pa.array([None] * n if about is None else about, pa.string()),
    }
    return pa.table(columns, schema=MADE)
