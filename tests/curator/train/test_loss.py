"""The loss against plain torch: value and gradients, with weights and z-loss, and its limits."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from curator.train.loss import CAP, mean_loss, token_bits


def capped(hidden, head):
    raw = hidden @ head.T
    return CAP * raw / (raw.square() + CAP**2).sqrt()


def plain_loss(hidden, head, targets, weights, z_loss):
    logits = capped(hidden, head)
    losses = functional.cross_entropy(logits, targets, reduction="none")
    losses = losses + z_loss * logits.logsumexp(1).square()
    return losses.mean() if weights is None else (weights * losses).sum() / weights.sum()


def problem(count, vocabulary, seed):
    random = torch.Generator().manual_seed(seed)
    hidden = torch.randn(count, 8, generator=random).requires_grad_()
    head = torch.randn(vocabulary, 8, generator=random).mul(4).requires_grad_()
    targets = torch.randint(0, vocabulary, (count,), generator=random)
    weights = torch.rand(count, generator=random) * (torch.rand(count, generator=random) > 0.3)
    weights[0] = 1.5
    return hidden, head, targets, weights


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 300),
    vocabulary=st.integers(2, 90),
    seed=st.integers(0, 1000),
    weighted=st.booleans(),
    z_loss=st.sampled_from([0.0, 1e-4, 0.1]),
)
def test_loss_and_gradients_are_those_of_plain_torch(count, vocabulary, seed, weighted, z_loss):
    hidden, head, targets, weights = problem(count, vocabulary, seed)
    weights = weights if weighted else None
    expected = plain_loss(hidden, head, targets, weights, z_loss)
    reference = torch.autograd.grad(2 * expected, (hidden, head))

    loss = mean_loss(hidden, head, targets, weights, compute=torch.float32, z_loss=z_loss)
    found = torch.autograd.grad(2 * loss, (hidden, head))

    # Both sum float32 products in their own order.
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(found, reference, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-5)


def test_weights_of_one_are_no_weights():
    hidden, head, targets, _ = problem(200, 50, 3)

    plain = mean_loss(hidden, head, targets, compute=torch.float32)
    weighted = mean_loss(hidden, head, targets, torch.full((200,), 2.0), compute=torch.float32)

    torch.testing.assert_close(plain, weighted, rtol=1e-6, atol=0)


def test_bits_are_minus_log_probability():
    hidden, head, targets, _ = problem(300, 60, 4)

    bits = token_bits(hidden.detach(), head.detach(), targets, torch.float32)

    expected = functional.cross_entropy(capped(hidden, head), targets, reduction="none")
    torch.testing.assert_close(bits * math.log(2), expected.detach(), rtol=1e-4, atol=1e-5)


def test_huge_logits_stay_finite():
    hidden = torch.full((2, 4), 1e6)
    head = torch.cat((torch.ones(3, 4), -torch.ones(3, 4)))

    loss = mean_loss(hidden, head, torch.tensor([0, 5]), compute=torch.float32)

    assert torch.isfinite(loss)


@pytest.mark.parametrize("count", [1, 128, 129])
def test_bfloat16_products_move_the_loss_by_less_than_a_percent(count):
    hidden, head, targets, weights = problem(count, 70, 5)

    exact = mean_loss(hidden, head, targets, weights, compute=torch.float32)
    rough = mean_loss(hidden, head, targets, weights, compute=torch.bfloat16)

    assert rough.item() == pytest.approx(exact.item(), rel=0.01)
