"""Hooks: what they are given, that the loss obeys them, and that a cut run calls them alike."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from curator.errors import BudgetError, LedgerError, RecipeError
from curator.train.checkpoint import WEIGHTS
from curator.train.group import Alone
from curator.train.hooks import Batch, Hooks, Vitals, weighted_loss
from curator.train.loader import open_mixture
from curator.train.loop import train
from curator.train.model import Gpt
from curator.train.optim import Optimizer
from curator.train.proxy import Proxy
from curator.train.sources import SourceLosses
from tests.support.mixtures import BOS_ID, counting_documents, write_mixture

PROXY = Proxy(
    name="tiny", depth=1, width=16, heads=2, context=16, batch_tokens=64, precision="fp32"
)
SEEDS = {"seed": 1, "order_seed": 2}


@dataclass(frozen=True)
class LinUpper:
    """Down-weights rows of low loss, and caps the rest (Sow et al., sample-level reweighting).

    From github.com/sowmaster/Sample-Level-Loss-Reweighting: losses are stretched to
    [-delta, delta]; f = min(h + delta, delta); w = softmax(f / r) over the batch.
    """

    name: ClassVar[str] = "lin_upper"

    temperature: float = 1.0
    delta: float = 1.0
    warmup_steps: int = 0

    def __call__(self, step, losses_B):
        low, high = losses_B.min(), losses_B.max()
        if step < self.warmup_steps or low == high:
            return torch.ones_like(losses_B)
        stretched = self.delta * (2 * losses_B - high - low) / (high - low)
        return torch.softmax((stretched + self.delta).clamp_max(self.delta) / self.temperature, 0)


@dataclass(frozen=True)
class NotTheFirst:
    """Leaves the token that starts a document out of the loss: it carries no text."""

    name: ClassVar[str] = "not_the_first"

    bos: int = BOS_ID

    def __call__(self, step, inputs_BT, targets_BT):
        return (targets_BT != self.bos).float()


@dataclass(frozen=True)
class SharesOfKinds:
    """How the squared gradient divides over kinds of weights (Adam's epsilon matters by kind)."""

    name: ClassVar[str] = "shares_of_kinds"

    def __call__(self, step, gradients):
        squares = {}
        for name, gradient in gradients.items():
            kind = name.split(".")[0]
            squares[kind] = squares.get(kind, 0.0) + gradient.square().sum().item()
        return {f"gradient_{kind}": part / sum(squares.values()) for kind, part in squares.items()}


@dataclass(frozen=True)
class Wrong:
    name: ClassVar[str] = "wrong"

    value: float

    def __call__(self, step, losses_B):
        return torch.full_like(losses_B, self.value)


@pytest.fixture
def mixture(tmp_path):
    return write_mixture(tmp_path / "mixture", counting_documents(60))


def awake(seed=0, **settings):
    """Return a small model whose outputs are not zero, and a batch."""
    model = Gpt(PROXY.shape(64), seed=seed, **settings)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=random), alpha=0.3)
    ids = torch.randint(0, 64, (4, 17), generator=random)
    return model, Batch(ids[:, :-1], ids[:, 1:])


def gradients_of(model, loss):
    model.zero_grad()
    loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters()}


def test_without_hooks_the_loss_is_the_models():
    model, batch = awake()

    loss, weight, plain, *_ = weighted_loss(model, Hooks(), 0, batch, None)

    assert torch.equal(loss, model.loss(batch.inputs, batch.targets))
    assert (weight, plain) == (64.0, None)


def test_rows_are_weighed_by_their_own_losses_in_the_gradient():
    model, batch = awake()
    rows = model.row_losses(batch.inputs, batch.targets)
    weights = LinUpper()(0, rows)

    loss, _, plain, *_ = weighted_loss(model, Hooks(rows=LinUpper()), 0, batch, None)

    each = [model.loss(batch.inputs[i : i + 1], batch.targets[i : i + 1]) for i in range(4)]
    expected = sum(w * one for w, one in zip(weights, each, strict=True))
    torch.testing.assert_close(loss, expected)
    assert plain == pytest.approx(rows.mean().item(), rel=1e-5)
    found, reference = gradients_of(model, loss), gradients_of(model, expected)
    for name in found:
        # Both sum float32 products, in another order.
        torch.testing.assert_close(found[name], reference[name], rtol=1e-3, atol=1e-5)


def test_row_losses_see_the_dropout_of_the_step():
    model, batch = awake(dropout=0.5)

    def chance():
        return torch.Generator().manual_seed(3)

    _, _, plain, *_ = weighted_loss(model, Hooks(rows=LinUpper()), 0, batch, chance())

    dropped = model.loss(batch.inputs, batch.targets, chance=chance())
    assert plain == pytest.approx(dropped.item(), rel=1e-5)


def test_masked_targets_count_neither_in_the_loss_nor_in_the_losses_of_rows():
    model, batch = awake()
    batch.targets[:, ::2] = BOS_ID

    masked, weight, plain, *_ = weighted_loss(model, Hooks(tokens=NotTheFirst()), 0, batch, None)
    both, *_ = weighted_loss(model, Hooks(rows=Wrong(1.0), tokens=NotTheFirst()), 0, batch, None)

    counted = batch.targets != BOS_ID
    nats = model.bits(batch.inputs, batch.targets) * 0.6931471805599453
    assert masked.item() == pytest.approx(nats[counted].mean().item(), rel=1e-5)
    assert (weight, plain) == (float(counted.sum()), None)
    rows = (nats * counted).sum(1) / counted.sum(1)
    assert both.item() == pytest.approx(rows.mean().item(), rel=1e-5)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_weights_that_give_no_mean_are_refused(value):
    model, batch = awake()

    with pytest.raises(RecipeError, match="not all 0"):
        weighted_loss(model, Hooks(rows=Wrong(value)), 0, batch, None)


def test_a_cut_run_with_hooks_ends_as_if_never_cut(mixture, tmp_path):
    held = write_mixture(tmp_path / "held", counting_documents(9))
    draw = open_mixture(held).identity()["draw_hash"]
    hooks = Hooks(
        LinUpper(), NotTheFirst(), SharesOfKinds(), SourceLosses(7, 2, 16, draw, str(held))
    )
    proxy = dataclasses.replace(PROXY, dropout=0.1)
    budget = {"tokens": 64 * 20, **SEEDS, "hooks": hooks, "checkpoint_seconds": 0}

    class Cut(Exception):
        pass

    def cut(progress):
        if progress.step == 9:
            raise Cut

    whole = train(mixture, proxy, **budget, out=tmp_path / "whole")
    with pytest.raises(Cut):
        train(mixture, proxy, **budget, out=tmp_path / "cut", progress=cut)
    resumed = train(mixture, proxy, **budget, out=tmp_path / "cut")

    assert resumed.curve == whole.curve
    assert resumed.evaluations == whole.evaluations
    assert [each["steps"] for each in whole.evaluations] == [7, 14, 20]
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


def test_hooks_that_change_weights_name_the_run_and_those_that_watch_do_not(mixture, tmp_path):
    held = write_mixture(tmp_path / "held", counting_documents(9))
    draw = open_mixture(held).identity()["draw_hash"]
    watching = Hooks(gradients=SharesOfKinds(), evaluation=SourceLosses(5, 2, 16, draw, str(held)))

    def run(hooks):
        return train(
            mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / str(len(names)), hooks=hooks
        )

    names = {}
    for hooks in (
        None,
        watching,
        Hooks(LinUpper()),
        Hooks(LinUpper(0.4)),
        Hooks(None, NotTheFirst()),
    ):
        names[hooks] = run(hooks)

    identities = [record.identity for record in names.values()]
    assert identities[0] == identities[1]
    assert len(set(identities)) == 4
    watched = names[watching]
    assert watched.hooks["evaluation"]["settings"]["draw_hash"] == draw
    assert {"gradient_blocks", "gradient_rms", "update_ratio"} <= set(watched.curve[-1])
    assert set(watched.evaluations[0]["losses"]) == {"even", "odd"}
    assert watched.evaluations[-1]["losses"]["odd"] < watched.evaluations[0]["losses"]["odd"]


def test_vitals_are_the_sizes_of_gradient_and_move():
    model, batch = awake()
    optimizer = Optimizer(model, PROXY.rates)
    model.loss(batch.inputs, batch.targets).backward()
    gradients = torch.cat([weight.grad.flatten() for weight in model.parameters()])
    blocks = [w for name, w in model.named_parameters() if name.startswith("blocks.")]
    before = torch.cat([weight.detach().flatten().clone() for weight in blocks])

    vitals = Vitals(model, 0, Hooks())
    optimizer.step(1.0)
    found = vitals.after()

    moved = torch.cat([weight.detach().flatten() for weight in blocks]) - before
    assert found["gradient_rms"] == pytest.approx(gradients.square().mean().sqrt().item())
    assert found["update_ratio"] == pytest.approx((moved.norm() / before.norm()).item())


def test_rows_cannot_be_weighed_where_processes_share_a_batch(mixture, tmp_path):
    class Two(Alone):
        size = 2

    with pytest.raises(RecipeError, match="train it in one"):
        train(
            mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "run",
            hooks=Hooks(LinUpper()), group=Two(),
        )  # fmt: skip


def test_an_evaluation_of_a_source_without_text_is_refused(tmp_path):
    held = write_mixture(tmp_path / "held", [*counting_documents(4), ("empty", [])])
    draw = open_mixture(held).identity()["draw_hash"]

    with pytest.raises(BudgetError, match="source 'empty' has no text"):
        SourceLosses(7, 2, 16, draw, str(held)).open()


def test_an_evaluation_of_another_mixture_is_refused(mixture, tmp_path):
    held = SourceLosses(5, 2, 16, "another", str(mixture))

    with pytest.raises(LedgerError, match="not 'another'"):
        held.open()
    with pytest.raises(RecipeError, match="at least 1"):
        SourceLosses(0, 2, 16, "draw")
