"""C4's line edits as a declared rewrite: what `curator.text.c4` judges by becomes the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curator.rewrite import Rewriter
from curator.schema import score_field


@dataclass(frozen=True)
class EditLines(Rewriter):
    """Leaves of each text the lines that C4 keeps, stripped and without citation marks.

    A document that keeps no line is dropped as `lines.c4.empty`. C4 drops no document for how
    much of it goes; it asks for sentences afterwards, which the rule set `c4` does.

    Attributes:
        max_removed: share of a document's words in [0, 1]; with more cut it is dropped, with the
            reason `lines.c4.share`. None: any.
    """

    name: ClassVar[str] = "lines.c4"
    version: ClassVar[int] = 1
    notes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field(
                "cut_lines", unit="lines", better="lower", kind=pa.int64(),
                about="Lines that C4's edits take out, blank ones included.",
            ),
            score_field(
                "cut_share", unit="share in [0, 1]", better="lower", kind=pa.float64(),
                about="Words that C4's edits take out.",
            ),
        ]
    )  # fmt: skip

    max_removed: float | None = None

    def rewrite(self, model: Any, table: pa.Table) -> pa.Table:
        """Return the edited texts, and how many lines and what share of the words went."""
        from curator.text.statistics import COUNTS, count_texts  # bring numba: recipes do without
        from curator.text.words import word_counts

        texts = table["text"]
        counted = count_texts(texts)
        edited = pa.LargeStringArray.from_buffers(
            len(counted.edited),
            pa.py_buffer(counted.edited.offsets),
            pa.py_buffer(counted.edited.data),
        )
        lines, kept = (
            counted.counts[:, COUNTS.index(f"c4_{name}")] for name in ("lines", "kept_lines")
        )
        share = removed_share(word_counts(texts), word_counts(edited))
        columns = {"text": edited, "cut_lines": lines - kept, "cut_share": share}
        if self.max_removed is not None:
            over = pa.array((share > self.max_removed) & (kept > 0))
            columns["reason"] = pc.if_else(over, f"{self.name}.share", None)
        return pa.table(columns)


def removed_share(
    before: npt.NDArray[np.int64], after: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return (n,) float64 in [0, 1]: the share of words that is gone; of nothing, nothing."""
    gone = np.divide(after, before, out=np.ones(len(before)), where=before > 0)
    share: npt.NDArray[np.float64] = 1 - gone
    return share
