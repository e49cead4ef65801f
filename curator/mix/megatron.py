"""Megatron-LM's indexed dataset: PREFIX.bin with tokens, PREFIX.idx saying where documents lie.

Layout of the index, little-endian, as read in NVIDIA/Megatron-LM
megatron/core/datasets/indexed_dataset.py (commit 00caa53): magic (9 bytes), version (uint64, 1),
dtype code (uint8), number of sequences and number of document bounds (uint64 each), sequence
lengths (int32), sequence byte offsets (int64), document bounds as sequence numbers (int64).
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from curator.errors import RecipeError
from curator.mix.reader import Mixture

MAGIC = b"MMIDIDX\x00\x00"
_VERSION = 1
# Megatron has no unsigned 32-bit code; token ids fit a signed one.
_CODES: dict[str, tuple[int, np.dtype[np.integer]]] = {
    "uint16": (8, np.dtype("<u2")),
    "uint32": (4, np.dtype("<i4")),
}
_SLICE = 1 << 24  # tokens converted at a time


def write_megatron(mixture: Mixture, prefix: Path) -> None:
    """Write PREFIX.bin and PREFIX.idx: one sequence a document, in training order.

    Raises:
        RecipeError: a document is longer than the format can say.
    """
    code, dtype = _CODES[mixture.notes["dtype"]]
    length = mixture.index["length"].to_numpy()
    if length.max(initial=0) > np.iinfo(np.int32).max:
        raise RecipeError(f"a document has {length.max()} tokens; Megatron's index holds 2**31 - 1")
    with prefix.with_suffix(".bin").open("wb") as file:
        for start in range(0, len(mixture.tokens), _SLICE):
            file.write(mixture.tokens[start : start + _SLICE].astype(dtype).tobytes())
    with prefix.with_suffix(".idx").open("wb") as file:
        file.write(MAGIC + struct.pack("<QB", _VERSION, code))
        file.write(struct.pack("<QQ", len(length), len(length) + 1))
        file.write(length.astype("<i4").tobytes())
        file.write((mixture.index["offset"].to_numpy() * dtype.itemsize).astype("<i8").tobytes())
        file.write(np.arange(len(length) + 1, dtype="<i8").tobytes())
