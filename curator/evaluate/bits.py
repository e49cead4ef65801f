"""Bits per byte: how many bits a trained proxy needs for a byte of text it has not seen.

    bits per byte = sum of -log2 p(token) / UTF-8 bytes of the text

Bytes do not depend on the tokenizer, so models with other vocabularies can be compared. Each
document is scored alone, from its first token on; that token costs no bits and has no bytes.
Documents longer than the context are read in overlapping windows (curator.evaluate.windows).
Matrices are multiplied in float32, so that a document's bits do not depend on its neighbors in a
batch beyond 1e-4 of themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from curator.arm_spec import SOURCE
from curator.errors import BudgetError, LedgerError
from curator.evaluate.conditioned import (
    conditioned_bits,
    forget_tags,
    prefix_of,
    refuse_tags,
    stretch_bits,
)
from curator.evaluate.prepack import bits_of_tokens
from curator.text.stretches import By
from curator.train.checkpoint import load_model, read_record
from curator.train.tokenizer import digest, encode, load_tokenizer

if TYPE_CHECKING:
    from curator.train.model import Gpt

DOCUMENT_BITS = pa.schema(
    [
        pa.field("doc_id", pa.binary(16), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("bits", pa.float64(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
    ]
)


def bits_per_byte(
    run: str | Path,
    texts: pa.Table,
    tokenizer: str | Path,
    *,
    prefix: Sequence[str] = (),
    by: By = "document",
    device: str = "cpu",
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> pa.Table:
    """Return doc_id, source, bits (float64) and bytes (int64) of every document, in order.

    Args:
        run: folder of a finished run.
        texts: columns doc_id, source, text; a document without text has 0 bits and 0 bytes.
        tokenizer: the tokenizer.json the run was trained with.
        prefix: names of tags put before every text, which have neither bits nor bytes.
        by: before what else: every "sentence" or "line" takes the only tag of the prefix.
        device: where the model runs.
        threads: of torch, for the whole process.
        progress: called with the windows scored and all of them.

    Raises:
        LedgerError: the run is not finished or was trained with another tokenizer.
    """
    record = read_record(run)
    model = load_model(run, device=device)
    found = digest(tokenizer)
    if record is None or record["mixture"]["tokenizer_digest"] != found:
        raise LedgerError(
            f"was trained with another tokenizer than {str(tokenizer)!r} (digest {found}); "
            "evaluate with the one in its mixture",
            where=str(run),
        )
    torch.set_num_threads(threads)
    text, words = texts["text"].combine_chunks(), load_tokenizer(tokenizer)
    refuse_tags(words, text)
    sources = texts["source"].to_pylist()
    told = [prefix_of(words, prefix, source) for source in sources]
    if prefix and by != "document":
        names = [prefix[0].replace(SOURCE, source) for source in sources]
        bits = stretch_bits(model, words, text.cast(pa.large_string()), by, names)
    else:
        forget_tags(model, words)
        offsets, ids = encode(words, text)
        bits = (
            conditioned_bits(model, offsets, ids, told)
            if prefix
            else document_bits(model, offsets, ids, progress=progress)
        )
    sizes = pc.fill_null(pc.binary_length(text), 0)
    return pa.table(
        [texts["doc_id"], texts["source"], bits, sizes.cast(pa.int64())], schema=DOCUMENT_BITS
    )


def document_bits(
    model: Gpt,
    offsets: NDArray[np.int64],
    ids: NDArray[np.uint16 | np.uint32],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float64]:
    """Return the bits of each document, (n,) float64.

    Args:
        model: asked on the device its weights are on.
        offsets: (n + 1,) where documents begin in `ids`, each with its first token.
        ids: tokens of all documents.
        progress: called with the windows scored and all of them.
    """
    tokens = bits_of_tokens(model, offsets, ids, progress=progress)
    document = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return np.bincount(document, tokens, minlength=len(offsets) - 1).astype(np.float64)


def by_source(bits: pa.Table) -> dict[str, float]:
    """Return bits per byte of every source, sorted by name: all its bits over all its bytes.

    Raises:
        BudgetError: a source has no bytes at all.
    """
    sums = bits.group_by("source").aggregate([("bits", "sum"), ("bytes", "sum")])
    rows = zip(
        *(sums[name].to_pylist() for name in ("source", "bits_sum", "bytes_sum")), strict=True
    )
    found = {}
    for source, total, size in sorted(rows):
        if size == 0:
            raise BudgetError(f"source {source!r} has no text to be measured on; hold out more")
        found[source] = total / size
    return found


def macro(sources: dict[str, float]) -> float:
    """Return the mean over sources, each counting alike whatever its size."""
    if not sources:
        raise BudgetError("nothing was held out to be measured on; name a source or a benchmark")
    return sum(sources.values()) / len(sources)
