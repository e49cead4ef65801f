"""The model: bits agree with the loss, causality, zero start, masks, dropout."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from curator.errors import RecipeError
from curator.train.model import Drop, Gpt, document_mask, dropout_chance
from curator.train.proxy import Shape

SHAPE = Shape(vocab_size=50, context=16, depth=2, width=16, heads=2)
LEXICAL = dataclasses.replace(SHAPE, arch="lexical")


def trained_like(shape=SHAPE, seed=1):
    """Return a model whose output matrices are not zero, as after some training."""
    model = Gpt(shape, seed=seed)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("out.weight", "down.weight", "head.weight", "smear_scale")):
                weight.normal_(0, 0.3, generator=random)
    return model


def tokens(rows=3, length=16, seed=0):
    return torch.randint(1, 50, (rows, length), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [SHAPE, LEXICAL])
def test_bits_agree_with_the_loss(shape):
    model, inputs, targets = trained_like(shape), tokens(), tokens(seed=1)

    bits = model.bits(inputs, targets)

    assert bits.shape == targets.shape
    torch.testing.assert_close(
        bits.mean() * math.log(2), model.loss(inputs, targets).detach(), rtol=1e-5, atol=1e-6
    )


def test_a_new_model_is_near_uniform():
    bits = Gpt(SHAPE).bits(tokens(), tokens(seed=1))

    assert bits.mean().item() == pytest.approx(math.log2(50), abs=0.01)


@pytest.mark.parametrize("shape", [SHAPE, LEXICAL])
def test_later_tokens_do_not_change_earlier_states(shape):
    model, first = trained_like(shape), tokens()
    second = first.clone()
    second[:, 9:] = 7

    torch.testing.assert_close(model(first)[:, :9], model(second)[:, :9])


def test_attention_sees_where_tokens_stand():
    model, inputs = trained_like(), tokens(rows=1)
    swapped = inputs.clone()
    swapped[0, [2, 5]] = inputs[0, [5, 2]]

    assert not torch.allclose(model(inputs)[0, -1], model(swapped)[0, -1], atol=1e-3)


@pytest.mark.parametrize("shape", [SHAPE, LEXICAL])
def test_a_document_mask_makes_packed_documents_as_if_alone(shape):
    model, bos = trained_like(shape), 0
    one = torch.tensor([[bos, 5, 6, 7]])
    two = torch.tensor([[bos, 9, 8, 7, 6, 5]])
    packed = torch.cat((one, two), dim=1)

    states = model(packed, document_mask(packed, bos))

    alone = torch.cat((model(one), model(two)), dim=1)
    torch.testing.assert_close(states, alone, rtol=1e-4, atol=1e-5)


def test_the_seed_alone_fixes_the_first_weights():
    one, same, other = Gpt(SHAPE, seed=3), Gpt(SHAPE, seed=3), Gpt(SHAPE, seed=4)
    torch.manual_seed(99)

    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.head.weight, other.head.weight)


def test_a_lexical_model_starts_as_one_without_memory_of_the_token_before():
    model, first = Gpt(LEXICAL), tokens(rows=1)
    second = first.clone()
    second[0, 3] = (first[0, 3] + 1) % 50

    # Updates and the share of the token before start at zero: a state is its own embedding.
    assert torch.equal(model(first)[0, 4:], model(second)[0, 4:])


def test_a_lexical_model_counts_all_its_weights():
    counted = sum(weight.numel() for weight in Gpt(LEXICAL).parameters())

    assert sum(LEXICAL.parameters.values()) == counted


@pytest.mark.parametrize("arch", ["gpt", "llama", "lexical"])
def test_block_parameters_are_counted_right(arch):
    shape = Shape(vocab_size=50, context=16, depth=2, width=32, heads=2, arch=arch)

    counted = sum(weight.numel() for weight in Gpt(shape).blocks.parameters())

    assert counted == shape.block_parameters


def test_every_weight_gets_a_gradient_once_outputs_are_not_zero():
    for arch in ("gpt", "llama", "lexical"):
        shape = Shape(vocab_size=50, context=16, depth=2, width=16, heads=2, arch=arch)
        model = trained_like(shape)
        model.loss(tokens(), tokens(seed=1)).backward()
        silent = [name for name, w in model.named_parameters() if not w.grad.abs().sum() > 0]
        assert silent == []


def test_bfloat16_is_close_to_float32():
    exact, rough = trained_like(), trained_like()
    for module in rough.modules():
        if hasattr(module, "compute"):
            module.compute = torch.bfloat16

    # bfloat16 keeps 8 bits: errors of some tenths of a percent a product.
    assert rough.loss(tokens(), tokens(seed=1)).item() == pytest.approx(
        exact.loss(tokens(), tokens(seed=1)).item(), rel=0.02
    )


@pytest.mark.parametrize("wrong", [{"arch": "rnn"}, {"heads": 3}, {"depth": 0}])
def test_shapes_that_make_no_model_are_refused(wrong):
    sizes = {"vocab_size": 50, "context": 16, "depth": 2, "width": 16, "heads": 2, **wrong}

    with pytest.raises(RecipeError):
        Shape(**sizes)


def test_row_losses_are_the_means_of_rows():
    model, inputs, targets = trained_like(), tokens(), tokens(seed=1)

    rows = model.row_losses(inputs, targets)

    assert rows.shape == (3,)
    assert not rows.requires_grad
    for row in range(3):
        part = slice(row, row + 1)
        torch.testing.assert_close(
            rows[row], model.loss(inputs[part], targets[part]).detach(), rtol=1e-5, atol=1e-6
        )


def test_weights_of_one_row_leave_that_rows_loss():
    model, inputs, targets = trained_like(), tokens(), tokens(seed=1)
    weights = torch.zeros(3, 16)
    weights[1] = 2.5

    loss = model.loss(inputs, targets, None, weights)

    torch.testing.assert_close(loss, model.row_losses(inputs, targets)[1], rtol=1e-5, atol=1e-6)


def test_bits_under_a_document_mask_are_those_of_documents_alone():
    model, bos = trained_like(), 0
    packed = torch.tensor([[bos, 5, 6, 7, bos, 9, 8, 7]])
    targets = torch.tensor([[5, 6, 7, 1, 9, 8, 7, 2]])

    bits = model.bits(packed, targets, document_mask(packed, bos))

    alone = model.bits(packed[:, 4:], targets[:, 4:])
    torch.testing.assert_close(bits[:, 4:], alone, rtol=1e-4, atol=1e-5)


def test_dropout_repeats_with_its_chance_and_is_off_without():
    model = trained_like()
    plain = model(tokens())
    model.dropout = 0.3

    once, again, other = (
        model(tokens(), chance=dropout_chance(seed, step))
        for seed, step in ((1, 7), (1, 7), (1, 8))
    )

    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert torch.equal(model(tokens()), plain)


def test_dropout_keeps_the_mean_and_its_share():
    drop = Drop(0.25, dropout_chance(0, 0))

    dropped = drop(torch.ones(100, 1000))

    # 100,000 draws: five standard errors are .007.
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.007)
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_loss():
    model = trained_like()
    expected = model.loss(tokens(), tokens(seed=1)).item()

    found = model.cuda().loss(tokens().cuda(), tokens(seed=1).cuda()).item()

    assert found == pytest.approx(expected, rel=1e-4)
