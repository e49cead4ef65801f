"""A run opens what is easy first, opens more when it stops learning, and says what it repeated."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from curator.arm_spec import ArmSpec
from curator.errors import RecipeError
from curator.identity import fingerprint
from curator.train.checkpoint import WEIGHTS, Evaluated
from curator.train.conduct import Conduct
from curator.train.curriculum import Curriculum
from curator.train.holding import open_held_back
from curator.train.hooks import Hooks
from curator.train.loader import Batches, open_mixture
from curator.train.loop import train
from curator.train.model import Gpt
from curator.train.opening import HELD_BACK, Iterative, phases
from curator.train.order import read_order
from curator.train.proxy import Proxy
from pipelines.conducting import conduct_of
from tests.support.mixtures import counting_documents, write_mixture

PROXY = Proxy(
    name="tiny", depth=1, width=16, heads=2, context=16, batch_tokens=64, precision="fp32"
)
COUNT = 120
HARDNESS = np.random.default_rng(0).normal(size=COUNT)
ORDER = Iterative(by="hard", start=0.2, grow=0.2, every=5, held_back=100)


def measured(*losses: float, every: int = 5) -> list[Evaluated]:
    return [Evaluated(every * n, {HELD_BACK: loss}) for n, loss in enumerate(losses, 1)]


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    return write_mixture(
        tmp_path_factory.mktemp("opening") / "mixture",
        counting_documents(COUNT),
        difficulties=HARDNESS,
    )


def batches(mixture, evaluated=(), steps=40, **changed) -> Batches:
    order = dataclasses.replace(ORDER, **changed)
    return Batches(
        open_mixture(mixture),
        rows=4, context=16, order_seed=3, steps=steps, order=order, evaluated=evaluated,
    )  # fmt: skip


def test_more_opens_when_the_loss_stops_falling():
    found = phases(ORDER, measured(3.0, 2.0, 2.0, 1.0, 1.5))

    assert [(each.step, each.share) for each in found] == [
        (0, 0.2),
        (15, pytest.approx(0.4)),
        (25, pytest.approx(0.6)),
    ]


def test_patience_waits_and_a_small_gain_is_none():
    losses = measured(3.0, 2.95, 2.9, 2.85)

    assert len(phases(ORDER, losses)) == 1
    assert len(phases(dataclasses.replace(ORDER, least_gain=0.2), losses)) == 4
    assert len(phases(dataclasses.replace(ORDER, least_gain=0.2, patience=2), losses)) == 2


@given(st.lists(st.floats(0, 10), max_size=60), st.floats(0.01, 1), st.floats(0.01, 1))
def test_shares_only_rise_and_end_at_all(losses, start, grow):
    found = phases(dataclasses.replace(ORDER, start=start, grow=grow), measured(*losses))
    shares = [each.share for each in found]

    assert (np.diff(shares) > 0).all()
    assert max(shares) <= 1


def test_a_phase_reads_only_the_easiest_that_are_open_and_nothing_that_is_held_back(mixture):
    read = batches(mixture, measured(1.0, 1.0))
    opened = open_mixture(mixture)
    rows = np.searchsorted(opened.offsets, read.positions(0, 40 * 64), side="right") - 1
    held = set(read.stream.held.tolist())
    there = set(read.stream.stream.documents(40 * 64)[0].tolist()) - held
    easy = [row for row in np.argsort(HARDNESS).tolist() if row in there]
    size = np.cumsum(opened.lengths[easy]) / opened.lengths[easy].sum()

    assert not held & set(rows.tolist())
    assert set(rows[: 10 * 64].tolist()) <= set(np.array(easy)[size <= 0.2].tolist())
    assert set(rows[10 * 64 :].tolist()) == set(np.array(easy)[size <= 0.4].tolist())


def test_steps_and_stretches_of_the_stream_agree(mixture):
    read = batches(mixture, measured(2.0, 2.0, 2.0, 1.0, 3.0, 2.0))
    whole = read.positions(0, 40 * 64)
    parts = [read.positions(step * 64, step * 64 + 64) for step in range(40)]

    assert np.array_equal(whole, np.concatenate(parts))
    assert read.batch(39)[0].shape == (4, 16)


def test_coverage_counts_every_token_that_was_read_and_none_that_was_not(mixture):
    read = batches(mixture, measured(2.0, 2.0, 2.0))
    opened = open_mixture(mixture)
    places = read.positions(0, 40 * 64)
    told = read.coverage(40)
    account = read.stream.account(40 * 64)

    assert sum(each.seen for each in told.values()) == len(places)
    unseen = opened.n_tokens - len(np.unique(places))
    assert sum(each.unseen for each in told.values()) == unseen
    assert account["different_tokens"] == len(np.unique(places))
    assert account["repeated_tokens"] == len(places) - len(np.unique(places))


def test_a_placebo_opens_other_documents(mixture):
    plain, dealt = batches(mixture), batches(mixture, placebo=True)

    assert set(plain.stream.held) == set(dealt.stream.held)
    assert set(plain.positions(0, 640)) != set(dealt.positions(0, 640))


def test_what_is_measured_is_the_loss_of_what_is_held_back(mixture):
    opened = open_mixture(mixture)
    hook = open_held_back(ORDER, opened, PROXY, 40, 3)
    model = Gpt(PROXY.shape(opened.vocab_size), seed=1)
    text = torch.from_numpy(hook.inputs)
    with torch.no_grad():
        hidden = model(text[:, :-1]).flatten(0, 1)
        wanted = float(model.loss(text[:, :-1], text[:, 1:]))

    assert hidden.shape[0] == hook.tokens
    assert hook.open()(model)[HELD_BACK] == pytest.approx(wanted, rel=1e-5)


def test_a_run_measures_opens_and_writes_down_what_it_did(mixture, tmp_path):
    record = train(
        mixture, PROXY, tokens=64 * 40, seed=1, order_seed=2, out=tmp_path / "run",
        conduct=Conduct(order=ORDER),
    )  # fmt: skip
    told = json.loads((tmp_path / "run" / "run.json").read_text())["order"]

    assert record.finished
    assert [each["steps"] for each in record.evaluations] == list(range(5, 41, 5))
    assert told["strategy"] == "iterative"
    assert told["opened"][0] == [0, 0.2]
    assert told["repeated_tokens"] > 0
    assert read_order(tmp_path / "run")["length"].to_numpy().sum() == 64 * 40


def test_an_interrupted_run_ends_as_if_never_interrupted(mixture, tmp_path):
    budget = {"tokens": 64 * 40, "seed": 1, "order_seed": 2, "checkpoint_seconds": 0}
    conduct = Conduct(order=dataclasses.replace(ORDER, least_gain=0.5))
    whole = train(mixture, PROXY, **budget, out=tmp_path / "whole", conduct=conduct)

    def stop(progress):
        if progress.step == 23:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(mixture, PROXY, **budget, out=tmp_path / "cut", conduct=conduct, progress=stop)
    cut = train(mixture, PROXY, **budget, out=tmp_path / "cut", conduct=conduct)

    assert len(whole.order["opened"]) > 1
    assert cut.order == whole.order
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


def test_the_other_strategies_are_named_as_before_there_was_this_one():
    assert fingerprint(Curriculum(by="hard")) == "7d55017ee81b14eb5745cfe3aaf7c3fe"
    arm = ArmSpec(select={}, order={"by": "hard", "strategy": "paced"})

    assert conduct_of(arm, {}).order == Curriculum(by="hard", strategy="paced")


def test_a_recipe_says_what_an_iterative_order_needs():
    order = {"by": "hard", "strategy": "iterative", "start": 0.05, "every": 10}
    made = conduct_of(ArmSpec(select={}, order=order), {}).order

    assert made == Iterative(by="hard", start=0.05, every=10)
    with pytest.raises(RecipeError, match="leave `reverse` out"):
        conduct_of(ArmSpec(select={}, order={**order, "reverse": True}), {})


@pytest.mark.parametrize(
    "settings",
    [
        {"start": 0.0}, {"grow": 0.0}, {"every": 0}, {"patience": 0}, {"least_gain": -1.0},
        {"held_back": 0}, {"hard": "high"}, {"strategy": "sorted"},
    ],
)  # fmt: skip
def test_settings_that_open_nothing_are_refused(settings):
    with pytest.raises(RecipeError):
        Iterative(by="hard", **settings)


def test_too_much_held_back_or_too_little_is_refused(mixture):
    with pytest.raises(RecipeError, match="wanted half of them at most"):
        batches(mixture, held_back=10_000)
    few = dataclasses.replace(ORDER, held_back=1)
    wide = dataclasses.replace(PROXY, context=64, batch_tokens=64)
    with pytest.raises(RecipeError, match="hold more back"):
        open_held_back(few, open_mixture(mixture), wide, 10, 3)


def test_a_second_evaluation_is_refused(mixture, tmp_path):
    hook = open_held_back(ORDER, open_mixture(mixture), PROXY, 40, 3)
    with pytest.raises(RecipeError, match="both evaluate"):
        train(
            mixture, PROXY, tokens=640, seed=1, order_seed=2, out=tmp_path / "run",
            conduct=Conduct(order=ORDER), hooks=Hooks(evaluation=hook),
        )  # fmt: skip
    with pytest.raises(RecipeError, match="leave out the trunk"):
        train(
            mixture, PROXY, tokens=640, seed=1, order_seed=2, out=tmp_path / "trunk",
            conduct=Conduct(order=ORDER), as_trunk=True,
        )  # fmt: skip
