"""Models that were trained with tags: told one, and never asked for one.

Tags are taken out of the vocabulary (the softmax is over text alone), so no bits go to what was
never text, whichever arm is measured. What is put before a text costs no bits and has no bytes; a
document longer than the context has it before every window.

A model that has read a tag before every sentence expects one there. Asked so (`stretch_bits`), it
is told the tag before each, and pays for where sentences end but not for which tag stands there:
the bits are those of the text, with nothing told that is in it.
"""

# Shapes: N windows, V vocabulary, C width.
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from torch import nn

from curator.arm_spec import SOURCE
from curator.errors import RecipeError
from curator.evaluate.prepack import bits_of_tokens
from curator.evaluate.windows import cut_windows
from curator.text.stretches import By, cut
from curator.train.tokenizer import encode, tag_ids, tag_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from curator.train.model import Gpt


@dataclass(frozen=True)
class Conditioned:
    """Windows of documents as texts of their own, each with its prefix.

    Attributes:
        offsets: (N + 1,) where each begins in `ids`.
        ids: int64 tokens.
        wanted: which tokens are scored: each of the documents' own but their first, once.
        document: (N,) the document of each.
    """

    offsets: NDArray[np.int64]
    ids: NDArray[np.int64]
    wanted: NDArray[np.bool_]
    document: NDArray[np.int64]


def forget_tags(model: Gpt, tokenizer: Tokenizer) -> None:
    """Take the tags out of what a model can say; they stay what it can read."""
    tags = tag_ids(tokenizer)
    if tags:
        first = min(tags.values())  # they are the last of the vocabulary
        model.head.weight = nn.Parameter(model.head.weight.detach()[:first].clone())


def prefix_of(tokenizer: Tokenizer, names: Sequence[str], source: str) -> NDArray[np.int64]:
    """Return the ids of some tags; `{source}` in a name is the document's source.

    Raises:
        RecipeError: a name is none of the tokenizer's tags.
    """
    known = tag_ids(tokenizer)
    wanted = [name.replace(SOURCE, source) for name in names]
    lacking = [name for name in wanted if name not in known]
    if lacking:
        raise RecipeError(
            f"prefix: the tokenizer has no tags {lacking}; name some of {sorted(known)}"
        )
    return np.array([known[name] for name in wanted], np.int64)


def refuse_tags(tokenizer: Tokenizer, texts: pa.Array) -> None:
    """Return only if no text spells a tag: it would be read as one.

    Raises:
        RecipeError: naming the tag.
    """
    for name in tag_ids(tokenizer):
        found = pc.sum(pc.match_substring(texts, tag_text(name))).as_py()
        if found:
            raise RecipeError(
                f"{found} of the texts to be measured on spell {tag_text(name)!r}; call the tag "
                "something else"
            )


def conditioned_bits(
    model: Gpt,
    offsets: NDArray[np.int64],
    ids: NDArray[np.uint16 | np.uint32],
    prefixes: Sequence[NDArray[np.int64]],
) -> NDArray[np.float64]:
    """Return the bits of each document given its prefix, (n,) float64.

    Args:
        model: without tags in its head.
        offsets: (n + 1,) where documents begin in `ids`, each with its first token.
        ids: tokens of all documents.
        prefixes: of each document, all of one length.
    """
    told = conditioned(offsets, ids.astype(np.int64), prefixes, model.shape.context)
    tokens = bits_of_tokens(model, told.offsets, told.ids, wanted=told.wanted)  # type: ignore[arg-type]
    document = np.repeat(told.document, np.diff(told.offsets))
    return np.bincount(document, tokens, minlength=len(offsets) - 1).astype(np.float64)


def stretch_bits(
    model: Gpt, tokenizer: Tokenizer, texts: pa.Array, by: By, names: Sequence[str]
) -> NDArray[np.float64]:
    """Return the bits of each text with a tag before each of its stretches, (n,) float64.

    The first tag is given. Every later one costs -log2 of the probability of any tag, which is
    what the model knows of where a stretch ends.

    Args:
        model: with the tags in its head.
        tokenizer: of the model.
        texts: large_string.
        by: what a stretch is.
        names: of each text's tag.
    """
    stretches = cut(texts, by)
    marked = [
        tag_text(names[row]) + part
        for row, part in zip(stretches.rows.tolist(), stretches.texts.to_pylist(), strict=True)
    ]
    joined = np.full(len(texts), "", object)
    np.add.at(joined, stretches.rows, np.array(marked, object))
    offsets, ids = encode(tokenizer, pa.array(joined.tolist(), pa.large_string()))
    tags = list(tag_ids(tokenizer).values())
    there = np.isin(ids, tags)
    bits = bits_of_tokens(model, offsets, ids).astype(np.float64)
    chance = np.zeros(int(there.sum()))
    for tag in tags:
        other = np.where(there, tag, ids).astype(ids.dtype)
        chance += np.exp2(-bits_of_tokens(model, offsets, ids, wanted=there, targets=other)[there])
    bits[there] = -np.log2(chance)
    led = offsets[:-1][np.diff(offsets) > 1] + 1
    bits[led] = 0
    document = np.repeat(np.arange(len(texts)), np.diff(offsets))
    return np.bincount(document, bits, minlength=len(texts)).astype(np.float64)


def conditioned(
    offsets: NDArray[np.int64],
    ids: NDArray[np.int64],
    prefixes: Sequence[NDArray[np.int64]],
    context: int,
) -> Conditioned:
    """Return the windows of documents with a prefix each: behind the first token, or in front.

    Raises:
        RecipeError: prefixes leave no room for text.
    """
    longest = max(map(len, prefixes), default=0)
    if longest >= context // 2:
        raise RecipeError(
            f"a prefix of {longest} tokens before a context of {context}; leave half of it to text"
        )
    windows = cut_windows(offsets, context - longest)
    parts, wanted, none = [], [], np.zeros(0, np.int64)
    rows = zip(windows.document, windows.start, windows.first, windows.stop, strict=True)
    # A loop over windows of what is held out: each turn joins a few views.
    for document, start, first, stop in rows:
        led = start == offsets[document]
        lead = ids[start : start + 1] if led else none
        own = ids[start + len(lead) : stop]
        before = len(lead) + len(prefixes[document])
        parts.append(np.concatenate([lead, prefixes[document], own]))
        scored = np.arange(len(own)) >= first - start - len(lead)
        wanted.append(np.r_[np.zeros(before, np.bool_), scored])
    ends = np.cumsum([0, *map(len, parts)]).astype(np.int64)
    return Conditioned(
        ends,
        np.concatenate([none, *parts]),
        np.concatenate([np.zeros(0, np.bool_), *wanted]),
        windows.document,
    )
