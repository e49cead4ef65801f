"""The peers' models and optimizers do what their sources say, at the sizes we compare."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bench.peer_models import nanochat_optim, nanogpt
from bench.peer_models.runs import document_bits
from bench.peer_models.system import Plan
from bench.peer_models.systems import SIZES, SYSTEMS, build, shape_of
from curator.evaluate import bits as evaluate
from curator.train.loader import Batches, open_mixture
from curator.train.loop import train
from curator.train.proxy import Shape
from tests.support.mixtures import counting_documents, write_mixture

TINY = Shape(vocab_size=48, context=16, depth=2, width=32, heads=1)
PEER_RATE = {"ours": 1.0, "nanochat": 100.0, "nanogpt": 16.0}


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def plan(**changes) -> Plan:
    return Plan(**{"shape": TINY, "steps": 30, "batch_tokens": 64, "precision": "fp32"} | changes)


def rows(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(48, (count, 17), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", SIZES)
def test_all_systems_have_the_same_weights_in_their_blocks_to_within_3_percent(size):
    counts = [
        build(name, Plan(shape=shape_of(size, 64), steps=1, batch_tokens=256)).block_parameters()
        for name in SYSTEMS
    ]

    assert max(counts) <= 1.03 * min(counts)


@pytest.mark.parametrize("name", SYSTEMS)
def test_no_position_sees_a_later_token(name):
    system = build(name, plan())
    for step in range(5):  # zero-initialized projections would hide the blocks
        system.compute_loss(rows(4)[:, :-1], rows(4)[:, 1:]).backward()
        system.move(step)
    tokens = rows(2, seed=1)
    other = tokens.clone()
    other[:, 9] = (other[:, 9] + 1) % 48
    targets = rows(2, seed=2)[:, :-1]

    with torch.no_grad():
        before, after = (system.bits(each[:, :-1], targets) for each in (tokens, other))

    torch.testing.assert_close(before[:, :9], after[:, :9])
    assert (before[:, 9:] - after[:, 9:]).abs().max() > 1e-4


@pytest.mark.parametrize("precision", ["fp32", "autocast"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_a_few_steps_lower_the_loss_from_that_of_knowing_nothing(name, precision):
    # Decay off: nanochat's rule ties it to a horizon that is millions of times this one.
    system = build(name, plan(precision=precision, rate=PEER_RATE[name], decay=0.0))
    losses = []
    for step in range(30):
        loss = system.compute_loss(rows(4)[:, :-1], rows(4)[:, 1:])
        loss.backward()
        system.move(step)
        losses.append(loss.item())

    assert losses[0] == pytest.approx(math.log(48), abs=0.05)
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_loss_is_the_mean_of_the_bits(name):
    system = build(name, plan())
    tokens = rows(3)

    with torch.no_grad():
        bits = system.bits(tokens[:, :-1], tokens[:, 1:])
    loss = system.compute_loss(tokens[:, :-1], tokens[:, 1:])

    assert bits.shape == (3, 16)
    assert bits.mean().item() * math.log(2) == pytest.approx(loss.item(), rel=1e-5)


def test_nanogpt_ties_its_head_and_decays_matrices_only():
    system = build("nanogpt", plan())
    width, depth = TINY.width, TINY.depth
    gains = width * (2 * depth + 1)

    assert system.parameters() == (48 + 16) * width + depth * 12 * width**2 + gains
    assert [group["weight_decay"] for group in system.adam.param_groups] == [0.1, 0.0]
    assert sum(w.numel() for w in system.adam.param_groups[1]["params"]) == gains


def test_nanogpt_gives_the_logits_of_gpt2_in_transformers():
    from transformers import GPT2Config, GPT2LMHeadModel

    model = build("nanogpt", plan()).model
    config = GPT2Config(
        vocab_size=48, n_positions=16, n_embd=32, n_layer=2, n_head=1, activation_function="gelu",
        resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    reference = GPT2LMHeadModel(config)
    trunk = reference.transformer
    pairs = [
        (trunk.wte, model.tokens), (trunk.wpe, model.positions), (trunk.ln_f, model.norm),
    ]  # fmt: skip
    for theirs, ours in zip(trunk.h, model.blocks, strict=True):
        pairs += [
            (theirs.ln_1, ours.attention_norm), (theirs.ln_2, ours.mlp_norm),
            (theirs.attn.c_attn, ours.attention.joint), (theirs.attn.c_proj, ours.attention.out),
            (theirs.mlp.c_fc, ours.up), (theirs.mlp.c_proj, ours.down),
        ]  # fmt: skip
    with torch.no_grad():
        for theirs, ours in pairs:
            linear = isinstance(ours, torch.nn.Linear)
            theirs.weight.copy_(ours.weight.T if linear else ours.weight)
    tokens = rows(2)[:, :-1]

    torch.testing.assert_close(reference(tokens).logits, model(tokens))


def test_nanogpt_warms_up_and_follows_a_cosine_to_a_tenth():
    factors = [nanogpt.factor(step, 1000) for step in range(1001)]

    assert factors[0] == pytest.approx(1 / 21)
    assert max(factors) == factors[20] == 1
    assert factors[510] == pytest.approx(0.55)
    assert factors[1000] == pytest.approx(0.1)


def test_nanochat_schedules_pass_through_the_numbers_of_its_source():
    schedule = nanochat_optim.Schedule.of(plan(steps=2000))
    at = {step: schedule.at(step) for step in (0, 39, 200, 400, 700, 1350, 2000)}

    assert [round(now.rate, 4) for now in at.values()] == [0.025, 1, 1, 1, 1, 0.525, 0.05]
    assert [round(now.momentum, 4) for now in at.values()] == [
        0.85, 0.8617, 0.91, 0.97, 0.97, 0.935, 0.9,
    ]  # fmt: skip
    assert at[2000].decay == pytest.approx(0)


def test_nanochat_rates_are_its_own_at_its_own_width_and_batch():
    wide = Shape(vocab_size=48, context=16, depth=1, width=768, heads=6)
    system = build("nanochat", plan(shape=wide, batch_tokens=2**19))
    peaks = [group["peak"] for group in system.optimizer.adam.param_groups]

    assert peaks == pytest.approx([0.008, 0.3, 0.15, 0.005, 0.5, 0.2])
    assert {stack.peak for stack in system.optimizer.stacks} == {0.02, 0.04}


@pytest.mark.parametrize("shape", [(24, 8), (8, 24), (16, 16)])
def test_nanochat_muon_moves_by_a_near_orthogonal_matrix(shape):
    gradient = torch.randn((3, *shape), generator=torch.Generator().manual_seed(0))
    stack, momentum = torch.zeros_like(gradient), torch.zeros_like(gradient)
    along = -1 if shape[0] >= shape[1] else -2
    variance = torch.zeros_like(gradient.mean(along, keepdim=True))

    values = torch.linalg.svdvals(nanochat_optim.orthogonal(gradient))
    numbers = (torch.tensor(0.01), torch.tensor(0.9), torch.tensor(0.3))
    nanochat_optim.move(stack, gradient, momentum, variance, *numbers, along)

    assert 0.7 < values.min() <= values.max() < 1.3
    torch.testing.assert_close(
        stack.norm(dim=(1, 2)), torch.full((3,), 0.01 * min(shape) ** 0.5), rtol=1e-3, atol=0
    )
    assert ((stack * gradient).sum(dim=(1, 2)) < 0).all()


def test_our_system_trains_as_curator_does_and_is_measured_as_curator_measures(tmp_path):
    mixture = open_mixture(write_mixture(tmp_path / "mixture", counting_documents(60)))
    shape = Shape(vocab_size=64, context=32, depth=2, width=32, heads=1)
    system = build("ours", plan(shape=shape, steps=6, seed=3))
    batches = Batches(mixture, rows=2, context=32, order_seed=5, steps=6)
    offsets = np.array([0, 20, 90])
    ids = np.concatenate([np.arange(20), np.arange(70) % 60]).astype(np.uint16)

    losses = [system.train_step(batches, step) for step in range(6)]
    record = train(
        mixture.folder, system.proxy, tokens=6 * 64, seed=3, order_seed=5, out=tmp_path / "run"
    )

    assert losses == pytest.approx([point["loss"] for point in record.curve])
    assert document_bits(system, offsets, ids) == pytest.approx(
        evaluate.document_bits(system.model, offsets, ids), rel=1e-4
    )
