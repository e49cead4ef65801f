"""Minimal pairs: does a proxy find the good sentence likelier than the bad one, and by how much?

The whole log-likelihood decides, as in BLiMP (Warstadt et al. 2020, arXiv:1912.00582). The margin
in nats goes on saying something where the share of right answers hardly moves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.evaluate.bits import document_bits
from curator.train.tokenizer import encode

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from curator.train.model import Gpt

PAIR_SCORES = pa.schema(
    [
        pa.field("item", pa.string(), nullable=False),
        pa.field("groups", pa.list_(pa.string()), nullable=False),
        pa.field("good_log_likelihood", pa.float64(), nullable=False),  # nats
        pa.field("bad_log_likelihood", pa.float64(), nullable=False),
        pa.field("accuracy", pa.float64(), nullable=False),
        pa.field("margin_nats", pa.float64(), nullable=False),
    ]
)


def score_pairs(
    model: Gpt,
    tokenizer: Tokenizer,
    pairs: pa.Table,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> pa.Table:
    """Return `PAIR_SCORES`, one row for each of `pairs` (questions.PAIRS), in order.

    A tie counts one half.

    Args:
        model: asked on the device its weights are on.
        tokenizer: the one that the model was trained with.
        pairs: the good and the bad text.
        progress: called with the windows scored and all of them.
    """
    texts = pa.chunked_array([*pairs["good"].chunks, *pairs["bad"].chunks], pa.large_string())
    offsets, ids = encode(tokenizer, texts.combine_chunks())
    nats = -np.log(2) * document_bits(model, offsets, ids, progress=progress)
    good, bad = np.split(nats, 2)
    margin = good - bad
    columns = [pairs["item"], pairs["groups"], good, bad, (np.sign(margin) + 1) / 2, margin]
    return pa.table(columns, schema=PAIR_SCORES)


def by_group(scores: pa.Table, metric: str, place: int = 0) -> dict[str, float]:
    """Return the mean of a column in every group, sorted by name; without groups, of all ("").

    Args:
        scores: `PAIR_SCORES`.
        metric: "accuracy" or "margin_nats".
        place: which of the declared groups: 0 is the first, a paradigm of BLiMP.
    """
    groups = [names[place] if place < len(names) else "" for names in scores["groups"].to_pylist()]
    names, group = np.unique(np.array(groups, dtype=object), return_inverse=True)
    values: NDArray[np.float64] = scores[metric].to_numpy()
    sums = np.bincount(group, values, minlength=len(names))
    means = sums / np.bincount(group, minlength=len(names))
    return dict(zip(names.tolist(), means.tolist(), strict=True))


def mean_of(scores: pa.Table, metric: str) -> float:
    """Return the mean over the first groups, each counting alike whatever its size."""
    means = list(by_group(scores, metric).values())
    return sum(means) / len(means)
