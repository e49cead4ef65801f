"""Questions with options: what a proxy thinks of each, and what that makes of each item.

Context and option are tokenized together and the option's tokens found by their characters: a
token that reaches over the border belongs to the option. An item's numbers follow DataDecide
(arXiv:2504.11393; allenai/DataDecide): with P(o) = exp(log-likelihood of option o / its length),

    accuracy      whether the right option has the highest P
    correct_prob  P(right)
    margin        P(right) - the highest P of a wrong one
    norm_prob     P(right) / sum of all P
    total_prob    sum of all P
    gold_bits     bits of the right option / its bytes (the task loss of allenai/OLMo-ladder)

At small compute the continuous ones tell recipes apart where accuracy stands at chance. With a
blank the length is counted in tokens, so the highest P is the lowest perplexity of the option and
what follows it (Blank-ppl of BOSE).
"""

# Shapes: N items, R options of all items side by side.
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.evaluate.prepack import bits_of_tokens
from curator.evaluate.questions import Length
from curator.train.tokenizer import bos_id, token_dtype

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from curator.train.model import Gpt

TEXTS_AT_ONCE = 1000  # encoded together: bounds the Python lists that the tokenizer returns
OPTION_SCORES = pa.schema(
    [
        pa.field("item", pa.string(), nullable=False),
        pa.field("option", pa.int32(), nullable=False),
        pa.field("gold", pa.bool_(), nullable=False),
        pa.field("log_likelihood", pa.float64(), nullable=False),  # nats
        pa.field("characters", pa.int64(), nullable=False),  # of the scored part, as the next two
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("tokens", pa.int64(), nullable=False),
    ]
)
ANSWERS = ("accuracy", "accuracy_raw", "correct_prob", "margin", "norm_prob", "total_prob")
ITEM_SCORES = pa.schema(
    [
        pa.field("item", pa.string(), nullable=False),
        pa.field("options", pa.int64(), nullable=False),
        *(pa.field(name, pa.float64(), nullable=False) for name in (*ANSWERS, "gold_bits")),
        # The mean of the margins that each option would have if it were the right one.
        pa.field("margin_by_chance", pa.float64(), nullable=False),
    ]
)


def score_options(
    model: Gpt,
    tokenizer: Tokenizer,
    options: pa.Table,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> pa.Table:
    """Return `OPTION_SCORES`, one row for each of `options` (questions.OPTIONS), in order.

    The scored part includes the white space between context and option, in the numbers of
    characters and bytes too.

    Args:
        model: asked on the device its weights are on.
        tokenizer: the one that the model was trained with.
        options: texts with the place where what counts begins.
        progress: called with the windows scored and all of them.
    """
    texts = options["text"].to_pylist()
    starts = options["start"].to_pylist()
    offsets, ids, wanted = encode_parts(tokenizer, texts, starts)
    bits = bits_of_tokens(model, offsets, ids, wanted=wanted, progress=progress)
    document = np.repeat(np.arange(len(texts)), np.diff(offsets))
    nats = np.bincount(document, bits, minlength=len(texts)) * -np.log(2)
    tokens = np.bincount(document, wanted, minlength=len(texts)).astype(np.int64)
    parts = [text[start:] for text, start in zip(texts, starts, strict=True)]
    return pa.table(
        [
            *(options[name] for name in ("item", "option", "gold")),
            nats,
            pa.array([len(part) for part in parts], pa.int64()),
            pa.array([len(part.encode()) for part in parts], pa.int64()),
            tokens,
        ],
        schema=OPTION_SCORES,
    )


def encode_parts(
    tokenizer: Tokenizer, texts: list[str], starts: list[int]
) -> tuple[NDArray[np.int64], NDArray[np.uint16 | np.uint32], NDArray[np.bool_]]:
    """Return texts as ids, each led by the first token, and which tokens belong to their ends.

    Args:
        tokenizer: whose offsets count characters.
        texts: to encode whole.
        starts: the character from which each text's tokens are wanted; a token that reaches
            beyond it is.

    Returns:
        offsets: (n + 1,) int64 into ids.
        ids: uint16 if the vocabulary fits, else uint32.
        wanted: (tokens,) bool.
    """
    dtype = token_dtype(tokenizer.get_vocab_size())
    first: NDArray[np.uint16 | np.uint32] = np.array([bos_id(tokenizer)], dtype=dtype)
    ids: list[NDArray[np.uint16 | np.uint32]] = [first[:0]]
    wanted, lengths = [np.zeros(0, np.bool_)], []
    for begin in range(0, len(texts), TEXTS_AT_ONCE):
        part = slice(begin, begin + TEXTS_AT_ONCE)
        encodings = tokenizer.encode_batch(texts[part], add_special_tokens=False)
        # The library hands out Python lists and nothing else, hence the loop.
        for encoding, start in zip(encodings, starts[part], strict=True):
            ends = np.array([end for _, end in encoding.offsets], dtype=np.int64)
            ids += [first, np.asarray(encoding.ids, dtype=dtype)]
            wanted += [np.zeros(1, np.bool_), ends > start]
            lengths.append(len(ends) + 1)
    offsets = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))).astype(np.int64)
    return offsets, np.concatenate(ids), np.concatenate(wanted)


def score_items(scores: pa.Table, per: Length) -> pa.Table:
    """Return `ITEM_SCORES`, one row an item, from its options' scores.

    `accuracy` is by P, `accuracy_raw` by the whole log-likelihood. Where k options tie for the
    highest, each counts 1 / k: what choosing among them by lot gives on average. An item with a
    single option has a margin of its P.

    Args:
        scores: `OPTION_SCORES`, options of an item side by side, one of them right.
        per: what a log-likelihood is divided by; "option": by nothing.
    """
    item = scores["item"].combine_chunks()
    option = scores["option"].to_numpy()
    begins = np.flatnonzero(option == 0)
    count = np.diff([*begins, len(option)])
    gold = scores["gold"].to_numpy()
    nats = scores["log_likelihood"].to_numpy()
    size = np.ones(len(nats)) if per == "option" else scores[_COLUMN[per]].to_numpy()
    level = nats / np.maximum(size, 1)
    chance = np.exp(level)
    right = chance[gold]
    total = np.add.reduceat(chance, begins) if len(begins) else right
    margin = chance - _best_other(chance, begins)
    by_chance = np.add.reduceat(margin, begins) / count if len(begins) else right
    bits_per_byte = -nats[gold] / np.log(2) / np.maximum(scores["bytes"].to_numpy()[gold], 1)
    return pa.table(
        [
            item.take(pa.array(begins)),
            pa.array(count, pa.int64()),
            _best(level, gold, begins),
            _best(nats, gold, begins),
            right,
            margin[gold],
            right / total,
            total,
            bits_per_byte,
            by_chance,
        ],
        schema=ITEM_SCORES,
    )


_COLUMN = {"character": "characters", "byte": "bytes", "token": "tokens"}


def _best_other(level_R: NDArray[np.float64], begins: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the highest of the other options of the same item, 0 where there is none, (R,)."""
    if not len(begins):
        return level_R
    count = np.diff([*begins, len(level_R)])
    order = np.lexsort((-level_R, np.repeat(np.arange(len(begins)), count)))
    best = order[begins]
    second = level_R[order[np.minimum(begins + 1, len(level_R) - 1)]]
    others = np.repeat(level_R[best], count)
    others[best] = np.where(count > 1, second, 0.0)
    return others


def _best(
    level_R: NDArray[np.float64], gold_R: NDArray[np.bool_], begins: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return 1 where the right option is the best, 1 / k where it ties for it, else 0, (N,)."""
    if not len(begins):
        return np.zeros(0)
    highest = np.maximum.reduceat(level_R, begins)
    tied = level_R == np.repeat(highest, np.diff([*begins, len(level_R)]))
    share: NDArray[np.float64] = tied[gold_R] / np.add.reduceat(tied.astype(np.int64), begins)
    return share
