"""Who a document is, what a piece of work is, and the chance that belongs to a document.

Ids come from content and source, never from file order. Fingerprints come from a canonical
text form of settings and refuse whatever has none. Chance is a hash of (purpose, seed, doc_id):
neither the order of rows nor the number of shards or workers can change a draw.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError

_ID_BYTES = 16
# Odd constants of the splitmix64 finalizer (Steele, Lea, Flood 2014, "Fast splittable
# pseudorandom number generators", figure 16).
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def document_ids(source: str, texts: pa.Array | pa.ChunkedArray) -> pa.FixedSizeBinaryArray:
    """Return blake2b-128(source, text) for every text: the identity of an original document.

    A loop over documents, because the hash itself is C and takes nearly all of the time
    (about 1 GB/s); identical text in one source gives one id.
    """
    prefix = hashlib.blake2b(source.encode() + b"\x00", digest_size=_ID_BYTES)
    digests = bytearray()
    for view in _utf8_views(texts):
        state = prefix.copy()
        state.update(view)
        digests += state.digest()
    return _fixed_binary(bytes(digests))


def derived_ids(
    parents: pa.FixedSizeBinaryArray, operation: str, texts: pa.Array | pa.ChunkedArray
) -> pa.FixedSizeBinaryArray:
    """Return blake2b-128(parent id, operation, text): the identity of rewritten documents."""
    digests = bytearray()
    for parent, view in zip(parents.to_pylist(), _utf8_views(texts), strict=True):
        state = hashlib.blake2b(parent, digest_size=_ID_BYTES)
        state.update(operation.encode() + b"\x00")
        state.update(view)
        digests += state.digest()
    return _fixed_binary(bytes(digests))


def id_matrix(doc_ids: pa.Array | pa.ChunkedArray) -> NDArray[np.uint8]:
    """Return the bytes of (n,) ids as an (n, 16) uint8 matrix, without a Python loop."""
    array = doc_ids.combine_chunks() if isinstance(doc_ids, pa.ChunkedArray) else doc_ids
    if len(array) == 0:
        return np.zeros((0, _ID_BYTES), dtype=np.uint8)
    start = array.offset * _ID_BYTES
    stop = start + len(array) * _ID_BYTES
    return np.frombuffer(array.buffers()[1], dtype=np.uint8)[start:stop].reshape(-1, _ID_BYTES)


def id_array(ids: NDArray[np.uint8]) -> pa.FixedSizeBinaryArray:
    """Return (n, 16) bytes as an Arrow array of n ids: the other way from `id_matrix`."""
    content = pa.py_buffer(np.ascontiguousarray(ids))
    return pa.Array.from_buffers(pa.binary(_ID_BYTES), len(ids), [None, content])


def uniform(doc_id: NDArray[np.uint8], purpose: str, seed: int) -> NDArray[np.float64]:
    """Return one number in (0, 1) per document, fixed by its id, `purpose` and `seed`.

    Args:
        doc_id: (n, 16) uint8, the bytes of `document_ids`.
        purpose: what the chance is for ("heldout", "gumbel"); other purposes are independent.
        seed: any integer; other seeds give independent draws.

    Returns:
        (n,) float64 with 52 random bits, never 0 and never 1.
    """
    bits = random_bits(doc_id, purpose, seed) >> np.uint64(12)
    return (bits.astype(np.float64) + 0.5) * 2.0**-52


def random_bits(doc_id: NDArray[np.uint8], purpose: str, seed: int) -> NDArray[np.uint64]:
    """Return 64 random bits per document, (n,) uint64: the source of `uniform`."""
    halves = np.ascontiguousarray(doc_id).view(np.uint64).reshape(-1, 2)
    key = hashlib.blake2b(f"{purpose}\x00{seed}".encode(), digest_size=16).digest()
    low, high = np.frombuffer(key, dtype=np.uint64)
    with np.errstate(over="ignore"):
        mixed = _splitmix(halves[:, 0] ^ low)
        return _splitmix(mixed + (halves[:, 1] ^ high))


def pair_bits(
    first: NDArray[np.integer], second: NDArray[np.integer], purpose: str
) -> NDArray[np.uint64]:
    """Return 64 random bits per pair of whole numbers, (n,) uint64.

    As keys of a shuffle: small numbers themselves would crowd the lowest key ranges.
    """
    pairs = np.ascontiguousarray(np.stack([first, second], axis=1).astype("<u8"))
    return random_bits(pairs.view(np.uint8), purpose, 0)


def fingerprint(value: object) -> str:
    """Return 32 hex digits that name `value` by its canonical JSON.

    Raises:
        RecipeError: something in `value` has no stable text form (a function, a set, NaN).
    """
    text = json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def canonical(value: Any, where: str = "value") -> Any:
    """Return `value` as plain JSON types, strictly.

    Raises:
        RecipeError: naming the place of the first part that has no stable text form.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, pa.Schema):
        return [[field.name, str(field.type)] for field in value]
    if isinstance(value, Mapping):
        return {str(key): canonical(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return settings_of(value)
    raise RecipeError(
        f"{where} is {value!r}, which has no stable text form; use numbers, strings, lists, "
        "mappings or frozen dataclasses of them as settings"
    )


def settings_of(stage: Any) -> dict[str, Any]:
    """Return the fields of a frozen dataclass that bear identity, as plain JSON types.

    Fields marked `circumstance(...)` (batch size, device) say how to run and are left out.
    """
    return {
        field.name: canonical(getattr(stage, field.name), f"{type(stage).__name__}.{field.name}")
        for field in dataclasses.fields(stage)
        if not field.metadata.get("circumstance", False)
    }


def file_digest(path: str | Path) -> str:
    """Return the blake2b-128 of a file's bytes as 32 hex digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _utf8_views(texts: pa.Array | pa.ChunkedArray) -> list[memoryview]:
    """Return each text's UTF-8 bytes as views into the Arrow buffers: nothing is copied."""
    views: list[memoryview] = []
    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    for chunk in chunks:
        array = chunk.cast(pa.large_string())
        _, offsets_buffer, values = array.buffers()
        if len(array) == 0:
            continue
        offsets = np.frombuffer(offsets_buffer, dtype=np.int64)
        bounds = offsets[array.offset : array.offset + len(array) + 1].tolist()
        whole = memoryview(values) if values is not None else memoryview(b"")
        views += [whole[a:b] for a, b in pairwise(bounds)]
    return views


def _fixed_binary(digests: bytes) -> pa.FixedSizeBinaryArray:
    count = len(digests) // _ID_BYTES
    return pa.Array.from_buffers(pa.binary(_ID_BYTES), count, [None, pa.py_buffer(digests)])


def _splitmix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = (bits ^ (bits >> np.uint64(30))) * _MIX_1
    bits = (bits ^ (bits >> np.uint64(27))) * _MIX_2
    mixed: NDArray[np.uint64] = bits ^ (bits >> np.uint64(31))
    return mixed
