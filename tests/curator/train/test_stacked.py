"""Proxies trained in one stack: each as if trained alone."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
import torch

from curator.errors import BudgetError, LedgerError, RecipeError
from curator.train import kernels
from curator.train.checkpoint import load_model
from curator.train.loop import train
from curator.train.model import Gpt, document_mask
from curator.train.optim import Muon
from curator.train.proxy import Proxy, Rates
from curator.train.stacked import Member, train_stack
from curator.train.stacked_model import StackedGpt
from tests.support.mixtures import counting_documents, write_mixture

PROXY = Proxy(depth=2, width=16, heads=2, context=16, batch_tokens=64, precision="fp32")
TOKENS = 64 * 20
VARIANTS = {
    "plain": {},
    "llama": {"arch": "llama"},
    "gpt": {"arch": "gpt"},
    "documents apart": {"document_mask": True},
    "dropout": {"dropout": 0.1},
    "AdamW": {"rates": Rates(optimizer="adamw", matrix=0.003)},
    "averaged": {"average_share": 0.5},
    "z-loss": {"z_loss": 1e-4},
}


@pytest.fixture
def mixtures(tmp_path):
    one = write_mixture(tmp_path / "one", counting_documents(40))
    return [one, write_mixture(tmp_path / "other", counting_documents(55)), one]


def members(mixtures, place):
    seeds = [(1, 1), (1, 1), (2, 3)]
    return [
        Member(mixture, seed, order, place / f"stacked-{number}")
        for number, (mixture, (seed, order)) in enumerate(zip(mixtures, seeds, strict=True))
    ]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_stacked_proxy_is_the_one_trained_alone(mixtures, tmp_path, variant):
    proxy = dataclasses.replace(PROXY, **VARIANTS[variant])

    stack = members(mixtures, tmp_path)
    records = train_stack(stack, proxy, tokens=TOKENS, device="cpu")

    for member, record in zip(stack, records, strict=True):
        out = tmp_path / "alone" / member.out.name
        alone = train(
            member.mixture, proxy, tokens=TOKENS, seed=member.seed, order_seed=member.order_seed,
            out=out,
        )  # fmt: skip
        assert record.identity == alone.identity
        assert record.coverage == alone.coverage
        losses = [[point["loss"] for point in each.curve] for each in (record, alone)]
        assert len(losses[0]) == 20
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)
        ours = load_model(member.out).state_dict()
        for name, weight in load_model(out).state_dict().items():
            # Adam moves a rarely seen token by its rate however small the gradient, rounding too.
            assert torch.allclose(ours[name], weight, atol=1e-3), name
        assert {f.name for f in member.out.iterdir()} == {f.name for f in out.iterdir()}


def test_losses_and_gradients_are_each_models_own():
    shape = PROXY.shape(64)
    stack = StackedGpt(shape, [5, 6], z_loss=1e-3)
    random = torch.Generator().manual_seed(0)
    for weight in stack.parameters():
        weight.data.add_(torch.randn(weight.shape, generator=random), alpha=0.1)
    tokens = torch.randint(0, 64, (2, 4, 17), generator=random)
    inputs, targets = tokens[..., :-1], tokens[..., 1:]
    mask = document_mask(inputs.flatten(0, 1), 0)

    losses = stack.losses(inputs, targets, mask)
    (losses * torch.tensor([1.0, 3.0])).sum().backward()

    for number, scale in enumerate((1.0, 3.0)):
        alone = stack.model(number)
        loss = alone.loss(inputs[number], targets[number], document_mask(inputs[number], 0))
        loss.backward()
        assert losses[number].item() == pytest.approx(loss.item(), rel=1e-5)
        for name, weight in alone.named_parameters():
            ours = stack.get_parameter(name).grad[number]
            assert torch.allclose(ours, scale * weight.grad, atol=1e-5), name


def test_torchs_own_operations_find_what_the_kernels_find(monkeypatch):
    tokens = torch.randint(0, 64, (2, 4, 17), generator=torch.Generator().manual_seed(0))
    found = []
    for usable in (kernels.usable, lambda *_: False):
        monkeypatch.setattr(kernels, "usable", usable)
        stack = StackedGpt(PROXY.shape(64), [5, 6])
        losses = stack.losses(tokens[..., :-1], tokens[..., 1:])
        losses.sum().backward()
        found.append([losses, *(weight.grad for weight in stack.parameters())])

    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_compiled_models_have_the_same_losses_and_gradients():
    shape = dataclasses.replace(PROXY, depth=1).shape(64)
    tokens = torch.randint(0, 64, (2, 4, 17), generator=torch.Generator().manual_seed(0))
    plain, compiled = StackedGpt(shape, [5, 6]), StackedGpt(shape, [5, 6])
    compiled.compile(backend="aot_eager")
    alone = Gpt(shape, seed=6)
    alone.compile(backend="aot_eager")

    losses = plain.losses(tokens[..., :-1], tokens[..., 1:])
    losses.sum().backward()
    found = compiled.losses(tokens[..., :-1], tokens[..., 1:])
    found.sum().backward()
    one = alone.loss(tokens[1, :, :-1], tokens[1, :, 1:])

    assert torch.allclose(found, losses, rtol=1e-5)
    assert one.item() == pytest.approx(losses[1].item(), rel=1e-5)
    assert plain.state_dict().keys() == compiled.state_dict().keys() == alone.state_dict().keys()
    for (name, ours), theirs in zip(compiled.named_parameters(), plain.parameters(), strict=True):
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-6), name


def test_first_weights_are_those_of_each_seed():
    stack = StackedGpt(PROXY.shape(64), [5, 6])

    for number, seed in enumerate((5, 6)):
        wanted = Gpt(PROXY.shape(64), seed=seed).state_dict()
        for name, weight in stack.model(number).state_dict().items():
            assert torch.equal(weight, wanted[name]), name


@pytest.mark.parametrize("shape", [(4, 6), (6, 4)])
def test_muon_turns_each_matrix_of_a_stack_alone(shape):
    random = torch.Generator().manual_seed(1)
    weights, gradients = torch.randn((2, 3, *shape), generator=random)
    stacked = torch.nn.Parameter(weights.clone())
    apart = [torch.nn.Parameter(weight.clone()) for weight in weights]

    together = Muon({"w": stacked}, Rates())
    singly = [Muon({"w": weight}, Rates()) for weight in apart]
    for _ in range(2):
        stacked.grad = gradients.clone()
        together.step(0.7)
        for weight, gradient, muon in zip(apart, gradients, singly, strict=True):
            weight.grad = gradient.clone()
            muon.step(0.7)

    assert torch.allclose(stacked, torch.stack(apart), atol=1e-6)


def test_a_member_that_meets_nan_fails_alone(mixtures, tmp_path, monkeypatch):
    honest = StackedGpt.losses

    def spoiled(self, *arguments):
        return honest(self, *arguments) * torch.tensor([1.0, math.nan, 1.0])

    monkeypatch.setattr(StackedGpt, "losses", spoiled)

    records = train_stack(members(mixtures, tmp_path), PROXY, tokens=TOKENS, device="cpu")

    assert [record.status for record in records] == ["finished", "failed", "finished"]
    assert "nan at step 1" in records[1].reason
    assert json.loads((tmp_path / "stacked-1" / "run.json").read_text())["steps"] == 1


def test_finished_members_are_served(mixtures, tmp_path):
    stack = members(mixtures, tmp_path)
    first = train_stack(stack[:1], PROXY, tokens=TOKENS, device="cpu")

    seen = []
    records = train_stack(stack, PROXY, tokens=TOKENS, device="cpu", progress=seen.append)

    assert records[0] == first[0]
    assert records[1].status == "finished"
    assert seen[-1].step == seen[-1].steps == 20


def test_what_cannot_be_stacked_is_refused(mixtures, tmp_path):
    stack = members(mixtures, tmp_path)
    with pytest.raises(BudgetError, match="less than one batch"):
        train_stack(stack, PROXY, tokens=63, device="cpu")
    wide = write_mixture(tmp_path / "wide", counting_documents(40, 80), 80)
    mixed = [stack[0], dataclasses.replace(stack[1], mixture=wide)]
    with pytest.raises(RecipeError, match="stack those of one tokenizer"):
        train_stack(mixed, PROXY, tokens=TOKENS, device="cpu")
    train_stack(stack[:1], PROXY, tokens=TOKENS, device="cpu")
    with pytest.raises(LedgerError, match="holds another run"):
        train_stack(stack[:1], PROXY, tokens=2 * TOKENS, device="cpu")
