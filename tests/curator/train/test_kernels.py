"""The compiled kernels against torch's own operations, forward and backward, in both dtypes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from curator.train import kernels
from curator.train.attention import attend, attend_plain, rotary_angles
from curator.train.loss import kernel_bits, kernel_slopes, torch_bits, torch_slopes
from curator.train.model import add_norm, norm, square_positive

# bfloat16 keeps 8 bits; several roundings add up.
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 0.03}
both = pytest.mark.parametrize("dtype", TOLERANCE)


def draw(*shape, seed=0, dtype=torch.float32):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=random).to(dtype).requires_grad_()


def assert_near(found, wanted, dtype):
    limit = TOLERANCE[dtype] * wanted.abs().max().item() + 1e-7
    assert (found.float() - wanted.float()).abs().max().item() <= limit


def assert_same(ours, plain, inputs, dtype):
    upstream = draw(*plain.shape, seed=9).detach().to(plain.dtype)
    assert_near(ours, plain, dtype)
    wanted = torch.autograd.grad(plain, inputs, upstream)
    for found, gradient in zip(torch.autograd.grad(ours, inputs, upstream), wanted, strict=True):
        assert_near(found, gradient, dtype)


@both
@pytest.mark.parametrize(("length", "heads", "width"), [(1, 1, 2), (17, 3, 8), (130, 2, 32)])
def test_fast_attention_and_its_gradient_are_those_of_torch(dtype, length, heads, width):
    projected = draw(2, length, 3, heads, width, dtype=dtype)
    angles = rotary_angles(256, width)[:, :length]

    assert_same(attend(projected, angles), attend_plain(projected, angles), [projected], dtype)


@both
def test_adding_and_normalizing_is_that_of_torch(dtype):
    x, update = draw(3, 5, 24), draw(3, 5, 24, seed=1, dtype=dtype)
    added, normed = add_norm(x, update)

    plain = x + update
    assert_near(added, plain, torch.float32)
    assert_same(normed, norm(plain).to(dtype), [x, update], dtype)


@both
def test_square_positive_is_relu_squared(dtype):
    x = draw(7, 33, dtype=dtype)

    assert_same(square_positive(x), functional.relu(x).square(), [x], dtype)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 9),
    vocabulary=st.integers(2, 200),
    scale=st.sampled_from([0.01, 1.0, 30.0, 1e4]),
    z_loss=st.sampled_from([0.0, 1e-3]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_slopes_and_bits_are_those_of_torch(rows, vocabulary, scale, z_loss, dtype):
    raw = (draw(rows, vocabulary, seed=rows) * scale).detach().to(dtype)
    targets = torch.arange(rows) % vocabulary
    shares = torch.linspace(0, 1, rows)
    loss, slope = torch_slopes(raw.clone(), targets, shares, z_loss)

    found, made = kernel_slopes(raw.clone(), targets, shares, z_loss)

    torch.testing.assert_close(
        found.flatten().double(), loss.flatten().double(), rtol=1e-5, atol=1e-5
    )
    assert_near(made, slope, torch.float32 if dtype == torch.float32 else torch.bfloat16)
    torch.testing.assert_close(
        kernel_bits(raw.clone(), targets), torch_bits(raw.clone(), targets), rtol=1e-4, atol=1e-5
    )


def test_kernels_are_for_real_tensors_of_floats_on_a_cpu():
    assert kernels.usable(torch.ones(2), torch.ones(2, dtype=torch.bfloat16))
    assert not kernels.usable(torch.ones(2, dtype=torch.float64))
    assert not kernels.usable(torch.ones(2, device="meta"))
