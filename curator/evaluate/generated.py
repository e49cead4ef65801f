"""What a proxy writes of itself, and how much of it is bad: Korbak et al. 2023, arXiv:2302.08582.

Texts are drawn after the arm's tags, which are no part of them, and cut and scored as a corpus is.
Chance belongs to the number of the text: all arms and seeds draw with the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from curator.errors import ShardError
from curator.evaluate.conditioned import prefix_of
from curator.identity import document_ids, id_matrix
from curator.text.stretches import By, Trait, cut
from curator.train.checkpoint import load_model
from curator.train.sample import Sampling, sample_tokens
from curator.train.tokenizer import bos_id, load_tokenizer, tag_ids

GENERATED = pa.schema(
    [
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("finish", pa.string(), nullable=False),  # "stop" or "length"
        pa.field("tokens", pa.int64(), nullable=False),
        pa.field("stretches", pa.int64(), nullable=False),
        pa.field("bad", pa.int64(), nullable=False),
    ]
)


def generate(
    run: str | Path,
    tokenizer: str | Path,
    count: int,
    sampling: Sampling,
    trait: Trait,
    *,
    by: By,
    above: float,
    prefix: Sequence[str] = (),
    everywhere: bool = False,
    threads: int = 1,
) -> pa.Table:
    """Return `count` texts that a run's proxy writes, with their stretches, all and bad ones.

    Args:
        run: folder of a finished run.
        tokenizer: the tokenizer.json the run was trained with.
        count: how many.
        sampling: how; tags are forbidden besides.
        trait: what is bad in too large a measure.
        by: the stretches that are judged.
        above: the measure of the trait up to which a stretch is good.
        prefix: names of tags that each text is asked for with.
        everywhere: whether the model may say where a tag stands; it is then the prefix's, and no
            part of the text. Forbidden, the end of a document takes much of its probability.
        threads: of torch, for the whole process.
    """
    torch.set_num_threads(threads)
    model, words = load_model(run), load_tokenizer(tokenizer)
    start = np.r_[bos_id(words), prefix_of(words, prefix, "")].astype(np.int64)
    tags = list(tag_ids(words).values())
    if everywhere:
        tag = int(start[-1])
        order = (tag, *(other for other in tags if other != tag))
        sampling = dataclasses.replace(sampling, merged=order)
    else:
        sampling = dataclasses.replace(sampling, forbidden=(*sampling.forbidden, *tags))
    numbers = document_ids("evaluate.samples", pa.array([str(n) for n in range(count)]))
    drawn = sample_tokens(model, [start] * count, id_matrix(numbers), sampling, stop=bos_id(words))
    texts = pa.array(
        [
            words.decode(each[~np.isin(each, tags)].tolist(), skip_special_tokens=False)
            for each in drawn.tokens
        ],
        pa.large_string(),
    )
    stretches = cut(texts, by)
    bad = trait.scores(stretches.texts) > above
    columns = {
        "text": texts,
        "finish": drawn.finish,
        "tokens": [len(each) for each in drawn.tokens],
        "stretches": np.bincount(stretches.rows, minlength=count),
        "bad": np.bincount(stretches.rows, bad, count).astype(np.int64),
    }
    return pa.table(columns, schema=GENERATED)


def bad_rate(generated: pa.Table) -> float:
    """Return the share of bad stretches among all that were drawn.

    Raises:
        ShardError: nothing visible was drawn.
    """
    stretches, bad = (int(np.sum(generated[name].to_numpy())) for name in ("stretches", "bad"))
    if not stretches:
        raise ShardError(
            f"{generated.num_rows} texts were drawn and none has a visible character; draw more "
            "tokens, or train longer"
        )
    return bad / stretches
