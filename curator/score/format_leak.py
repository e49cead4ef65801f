"""What tells two classes apart without a word being read: length and format.

Good examples in the form of questions and answers teach "has a question mark" first. DCLM's
positives are of that kind, so a report says how far length and format alone would go.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from curator.score.heldout import auc, rounded

# Signs of dialogue and of exercises, as they are written in instruction sets.
_PROMPTS: Final = ("Question:", "Q:", "Answer:", "A:", "User:", "Assistant:", "Instruction:")


def leak(good: pa.Array | pa.ChunkedArray, bad: pa.Array | pa.ChunkedArray) -> dict[str, Any]:
    """Return `auc_of_length`, of length alone (below 0.5: good is shorter), and `looks` by class.

    Of the looks `bytes` is the mean, `question_marks`, `prompts` and `several_lines` are shares of
    documents that have some, `line_breaks` is per 1,000 bytes.
    """
    lengths = [_lengths(texts) for texts in (good, bad)]
    alone = auc(*lengths)
    return {
        "auc_of_length": rounded(alone),
        "looks": [
            {"class": "good", **_looks(good, lengths[0])},
            {"class": "bad", **_looks(bad, lengths[1])},
        ],
    }


def _lengths(texts: pa.Array | pa.ChunkedArray) -> NDArray[np.float64]:
    lengths: NDArray[np.float64] = pl.Series(texts).str.len_bytes().cast(pl.Float64).to_numpy()
    return lengths


def _looks(
    texts: pa.Array | pa.ChunkedArray, lengths: NDArray[np.float64]
) -> dict[str, float | None]:
    series = pl.Series(texts)
    breaks = series.str.count_matches("\n", literal=True).to_numpy()
    total = float(lengths.sum())
    return {
        "bytes": _short(lengths.mean()) if len(lengths) else None,
        "question_marks": _share(series.str.contains("?", literal=True)),
        "prompts": _share(series.str.contains_any(list(_PROMPTS))),
        "several_lines": _share(pl.Series(breaks > 0)),
        "line_breaks": _short(1000 * breaks.sum() / total) if total else None,
    }


def _share(flags: pl.Series) -> float | None:
    return _short(flags.cast(pl.Float64).to_numpy().mean()) if len(flags) else None


def _short(value: Any) -> float:
    return float(f"{float(value):.4g}")
