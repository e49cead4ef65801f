from __future__ import annotations

import numpy as np
import pytest
import torch

from curator.embed.attention import attended
from curator.embed.packing import Packed

LENGTHS = np.array([32, 30, 17, 16, 1])
BATCH = Packed(np.arange(5), np.array([0, 32, 64, 96, 112]), np.array([32, 32, 32, 16, 16]))


def drawn(spread: float) -> torch.Tensor:
    found = torch.randn(144, 3 * 24, generator=torch.Generator().manual_seed(0))
    found[:, :48] *= spread
    return found


def reference(qkv: torch.Tensor, heads: int) -> torch.Tensor:
    """Attention of each document by itself, in float64."""
    out = torch.zeros(len(qkv), 24, dtype=torch.float64)
    for start, tokens in zip(BATCH.starts.tolist(), LENGTHS.tolist(), strict=True):
        own = qkv[start : start + tokens].double().view(tokens, 3, heads, -1).permute(1, 2, 0, 3)
        weights = torch.softmax(own[0] @ own[1].mT / np.sqrt(24 / heads), dim=-1)
        out[start : start + tokens] = (weights @ own[2]).transpose(0, 1).reshape(tokens, 24)
    return out


def of_documents(rows: torch.Tensor) -> torch.Tensor:
    spans = zip(BATCH.starts.tolist(), LENGTHS.tolist(), strict=True)
    return torch.cat([rows[start : start + tokens] for start, tokens in spans]).double()


def test_torch_looks_at_a_documents_own_tokens():
    qkv = drawn(1.0)
    found = attended(qkv, BATCH, LENGTHS, 3, by_torch=True)

    torch.testing.assert_close(
        of_documents(found), of_documents(reference(qkv, 3)), atol=1e-5, rtol=0
    )


# Scores of at most 2, of some 30, and of hundreds, of which float32 has no exponentials.
@pytest.mark.parametrize("spread", [0.5, 3.0, 12.0])
def test_the_compiled_softmax_is_as_near_as_bfloat16_allows(spread: float):
    qkv = drawn(spread).bfloat16()
    wanted = of_documents(reference(qkv, 3))
    found = of_documents(attended(qkv, BATCH, LENGTHS, 3, by_torch=False))

    assert torch.isfinite(found).all()
    # A score of size s is rounded by s / 512, a weight by as much of itself.
    size = float((drawn(spread)[:, :24].norm(dim=1).max() ** 2) / np.sqrt(8))
    assert (found - wanted).norm() / wanted.norm() < 0.004 + 0.3 * size / 512


def test_one_token_sees_only_itself():
    qkv = drawn(1.0).bfloat16()
    found = attended(qkv, BATCH, LENGTHS, 3, by_torch=False)[112]

    torch.testing.assert_close(found, qkv[112, 48:], rtol=2**-7, atol=0)  # rounded twice


@pytest.mark.gpu
def test_a_gpu_gives_the_same_answer():
    qkv = drawn(1.0)
    found = attended(qkv.cuda(), BATCH, LENGTHS, 3, by_torch=True).cpu()

    torch.testing.assert_close(
        of_documents(found), of_documents(reference(qkv, 3)), atol=1e-4, rtol=0
    )
