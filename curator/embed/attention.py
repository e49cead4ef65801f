"""Self-attention of packed documents: every token looks at the tokens of its own document.

On a CPU with bfloat16 products the softmax is what takes the time, so it is compiled here: one pass
over transposed scores, in which sums over keys run along vectors, and a pass for the maximum only
where it is needed. On other devices, and in float32, torch's attention. One core of an EPYC (Zen
4), 2,048 rows of 12 heads, documents of 256: 8 ms, torch's 14 ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray

from curator.embed.packing import Packed
from curator.text.compile import compiled, leaf

# Shapes: T rows (tokens), C channels of all H heads, E channels a head, L rows of a document.
_LOG2_E = 1.4426950408889634
_ROUNDER = np.float32(12582912.0)  # 1.5 * 2**23: adding it rounds a float32 to a whole number
# 2**f for |f| <= 1/2 to 1e-4, Remez: finer than the bfloat16 that the answer is rounded to.
_C0, _C1 = np.float32(0.99992807), np.float32(0.693247)
_C2, _C3 = np.float32(0.24261), np.float32(0.055171)
_FARTHEST = np.float32(100.0)  # 2**100 (a score of 69) times 8,192 keys and a value fit float32


def attended(
    qkv_T3C: torch.Tensor,
    batch: Packed,
    lengths: NDArray[np.int64],
    heads: int,
    *,
    by_torch: bool,
) -> torch.Tensor:
    """Return (T, C): each row's mean of its document's values, weighted by softmax.

    Args:
        qkv_T3C: (T, 3 * C), queries, keys and values beside each other.
        batch: where documents lie.
        lengths: (n,) tokens of the batch's documents; later rows of a document are padding.
        heads: H; C is a multiple of it.
        by_torch: on any device and in any precision; else compiled, for bfloat16 on a CPU.
    """
    chosen = _torch_attention if by_torch else _compiled_attention
    return chosen(qkv_T3C, batch, lengths, heads)


def _torch_attention(
    qkv_T3C: torch.Tensor, batch: Packed, lengths: NDArray[np.int64], heads: int
) -> torch.Tensor:
    """Documents of as many rows go together."""
    channels = qkv_T3C.shape[1] // 3
    out_TC = torch.zeros_like(qkv_T3C[:, :channels])
    for place, seen_NL in groups(batch, lengths, qkv_T3C.device):
        shape = (*seen_NL.shape, 3, heads, channels // heads)
        own = qkv_T3C[place].view(shape).permute(2, 0, 3, 1, 4)
        found = torch.nn.functional.scaled_dot_product_attention(
            own[0], own[1], own[2], attn_mask=seen_NL[:, None, None]
        )
        out_TC[place] = found.transpose(1, 2).reshape(-1, channels)
    return out_TC


def groups(
    batch: Packed, lengths: NDArray[np.int64], device: torch.device
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Yield the rows of documents that have as many, and which of them are tokens, (n, rows)."""
    at = 0
    for rows, group in groupby(batch.rows.tolist()):
        count = len(list(group))
        tokens = torch.as_tensor(lengths[at : at + count], device=device)
        start = int(batch.starts[at])
        yield (
            slice(start, start + count * rows),
            torch.arange(rows, device=device) < tokens[:, None],
        )
        at += count


def _compiled_attention(
    qkv_T3C: torch.Tensor, batch: Packed, lengths: NDArray[np.int64], heads: int
) -> torch.Tensor:
    """One document at a time: its scores stay in the cache."""
    channels = qkv_T3C.shape[1] // 3
    width = channels // heads
    scale = np.float32(_LOG2_E / np.sqrt(width))
    out_TC = torch.zeros((len(qkv_T3C), channels), dtype=torch.bfloat16)
    out_bits = _bits(out_TC)
    for start, rows, tokens in zip(
        batch.starts.tolist(), batch.rows.tolist(), lengths.tolist(), strict=True
    ):
        own = qkv_T3C[start : start + rows].view(rows, 3, heads, width)
        own = own.permute(1, 2, 0, 3).contiguous()  # the products gain more than this costs
        scores_HLL = torch.bmm(own[1], own[0].transpose(1, 2))  # key by query
        inverse_HL = np.zeros((heads, rows), np.float32)
        _exponentials(_bits(scores_HLL), tokens, scale, inverse_HL)
        mean_HLE = torch.bmm(scores_HLL.transpose(1, 2), own[2])
        _divide(_bits(mean_HLE), inverse_HL, out_bits[start : start + rows])
    return out_TC


def _bits(tensor: torch.Tensor) -> NDArray[np.uint16]:
    """Return the memory of a bfloat16 tensor, which NumPy has no type for."""
    bits: NDArray[np.uint16] = tensor.view(torch.uint16).numpy()
    return bits


@leaf
def _wide(bits: np.uint16) -> np.float32:
    """The float32 that bits of a bfloat16 are."""
    return np.uint32(np.uint32(bits) << np.uint32(16)).view(np.float32)


@leaf
def _narrow(value: np.float32) -> np.uint16:
    """The bits of the nearest bfloat16, of two equally near ones the even one."""
    bits = np.float32(value).view(np.uint32)
    even = np.uint32(np.uint32(bits >> np.uint32(16)) & np.uint32(1))
    return np.uint16(np.uint32(bits + np.uint32(0x7FFF) + even) >> np.uint32(16))


@leaf
def _power_of_two(exponent: np.float32) -> np.float32:
    """2 ** exponent to four digits, exponents held to +-100: a whole part and a polynomial."""
    held = min(max(np.float32(exponent), -_FARTHEST), _FARTHEST)
    rounded = np.float32(held + _ROUNDER)
    part = np.float32(held - np.float32(rounded - _ROUNDER))
    power = np.float32(((_C3 * part + _C2) * part + _C1) * part + _C0)
    whole = np.int32(np.float32(rounded).view(np.int32) << np.int32(23))
    return np.int32(np.float32(power).view(np.int32) + whole).view(np.float32)


@leaf
def _largest(scores: NDArray[np.uint16]) -> np.float32:
    """The largest absolute score: bfloat16 without their signs order as whole numbers do."""
    found = np.uint16(0)
    for key in range(len(scores)):
        row = scores[key]
        for query in range(len(row)):
            found = max(found, np.uint16(row[query] & np.uint16(0x7FFF)))
    return _wide(found)


@compiled
def _exponentials(
    scores: NDArray[np.uint16], tokens: int, scale: np.float32, inverse: NDArray[np.float32]
) -> None:
    """Turn bfloat16 scores (H, key, query) into weights, and give one over their sums (H, query).

    Keys from `tokens` on are padding and weigh nothing. Scores are lowered by their query's largest
    only in a head that has some which float32 could not hold the powers of.
    """
    heads, rows, _ = scores.shape
    shift = np.zeros(rows, np.float32)
    for head in range(heads):
        shift[:] = 0
        if _largest(scores[head]) * scale > _FARTHEST:
            shift[:] = -np.inf
            for key in range(tokens):
                row = scores[head, key]
                for query in range(rows):
                    shift[query] = max(shift[query], _wide(row[query]) * scale)
        total = inverse[head]
        for key in range(tokens):
            row = scores[head, key]
            for query in range(rows):
                weight = _power_of_two(np.float32(_wide(row[query]) * scale - shift[query]))
                row[query] = _narrow(weight)
                total[query] += _wide(row[query])  # of what is multiplied: shares add up to one
        for key in range(tokens, rows):
            scores[head, key] = 0
        for query in range(rows):
            total[query] = np.float32(1) / total[query]


@compiled
def _divide(
    means: NDArray[np.uint16], inverse: NDArray[np.float32], out: NDArray[np.uint16]
) -> None:
    """Write means (H, query, E), times `inverse` (H, query), into `out` (query, H * E)."""
    heads, rows, width = means.shape
    for head in range(heads):
        for query in range(rows):
            factor = inverse[head, query]
            found = means[head, query]
            place = out[query, head * width : (head + 1) * width]
            for channel in range(width):
                place[channel] = _narrow(_wide(found[channel]) * factor)
