"""Muon and AdamW: near-orthogonal updates, agreement with references, a state that restores."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from curator.errors import LedgerError, RecipeError
from curator.train.model import Gpt
from curator.train.optim import Muon, Optimizer, orthogonalize
from curator.train.proxy import Rates, Shape

SHAPE = Shape(vocab_size=40, context=8, depth=1, width=16, heads=2)


def batch(seed):
    ids = torch.randint(0, 40, (2, 9), generator=torch.Generator().manual_seed(seed))
    return ids[:, :-1], ids[:, 1:]


def take_steps(model, optimizer, seeds):
    for seed in seeds:
        model.loss(*batch(seed)).backward()
        optimizer.step(0.5)


def test_orthogonalize_pushes_singular_values_toward_one():
    stack = torch.randn(5, 12, 30, generator=torch.Generator().manual_seed(0))

    values = torch.linalg.svdvals(orthogonalize(stack))

    # The quintic trades exactness for slope: 0.7 to 1.2 is what its author states.
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_orthogonalize_keeps_the_singular_vectors():
    matrix = torch.randn(6, 9, generator=torch.Generator().manual_seed(1))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)

    turned = left.T @ orthogonalize(matrix[None])[0] @ right.T

    off_diagonal = turned - torch.diag(turned.diag())
    assert off_diagonal.abs().max() < 1e-3


def plain_muon(weight, gradients, rates):
    """Muon as published, one matrix, NumPy."""
    a, b, c = 3.4445, -4.7750, 2.0315
    momentum = np.zeros_like(weight)
    for gradient in gradients:
        momentum = rates.momentum * momentum + (1 - rates.momentum) * gradient
        x = (1 - rates.momentum) * gradient + rates.momentum * momentum
        tall = x.shape[0] > x.shape[1]
        x = x.T if tall else x
        x = x / (np.linalg.norm(x) + 1e-7)
        for _ in range(5):
            gram = x @ x.T
            x = a * x + (b * gram + c * gram @ gram) @ x
        x = x.T if tall else x
        scale = max(1, weight.shape[0] / weight.shape[1]) ** 0.5
        weight = weight * (1 - rates.matrix * rates.weight_decay) - rates.matrix * scale * x
    return weight


@pytest.mark.parametrize("shape", [(6, 6), (4, 10), (10, 4)])
def test_muon_moves_as_the_published_rule_says(shape):
    random = np.random.default_rng(2)
    start = random.normal(size=shape)
    gradients = random.normal(size=(3, *shape))
    weight = torch.nn.Parameter(torch.tensor(start, dtype=torch.float32))
    other = torch.nn.Parameter(torch.ones(shape))
    rates = Rates()
    muon = Muon({"w": weight, "other": other}, rates)

    for gradient in gradients:
        weight.grad = torch.tensor(gradient, dtype=torch.float32)
        other.grad = torch.tensor(gradient[::-1].copy(), dtype=torch.float32)
        muon.step(1.0)

    # Fifteen float32 products against float64.
    np.testing.assert_allclose(
        weight.detach().numpy(), plain_muon(start, gradients, rates), atol=2e-5
    )


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_a_restored_optimizer_goes_on_bit_for_bit(kind):
    rates = Rates(optimizer=kind)
    model = Gpt(SHAPE, seed=1)
    optimizer = Optimizer(model, rates)
    take_steps(model, optimizer, range(3))
    saved = {name: part.clone() for name, part in optimizer.state().items()}
    copy = Gpt(SHAPE, seed=2)
    copy.load_state_dict({name: w.clone() for name, w in model.state_dict().items()})
    restored = Optimizer(copy, rates)

    restored.restore(saved)
    take_steps(model, optimizer, range(3, 6))
    take_steps(copy, restored, range(3, 6))

    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), copy.parameters(), strict=True)
    )


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_both_optimizers_learn_one_batch(kind):
    model = Gpt(SHAPE, seed=1)
    optimizer = Optimizer(model, Rates(optimizer=kind))
    first = model.loss(*batch(0)).item()

    take_steps(model, optimizer, [0] * 60)

    assert model.loss(*batch(0)).item() < first / 2


def test_another_optimizers_state_is_refused():
    model = Gpt(SHAPE)
    with pytest.raises(LedgerError, match="no momentum"):
        Optimizer(model, Rates()).restore({})
    with pytest.raises(LedgerError, match="adam"):
        Optimizer(model, Rates(optimizer="adamw")).restore({})


@pytest.mark.parametrize("wrong", [{"optimizer": "sgd"}, {"matrix": 0.0}])
def test_rates_that_cannot_train_are_refused(wrong):
    with pytest.raises(RecipeError):
        Rates(**wrong)
