"""Online mixtures: schedules by formula, draws that keep to them, runs that resume, caps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import BudgetError, RecipeError
from curator.mix.share import unimax as unimax_shares
from curator.train.checkpoint import WEIGHTS, Evaluated
from curator.train.draws import DrawnBatches
from curator.train.hooks import Hooks
from curator.train.loader import Batches, open_mixture
from curator.train.loop import train
from curator.train.online import (
    Anneal,
    Constant,
    Curriculum,
    Mixing,
    Online,
    Piecewise,
    Replay,
    temperature,
    unimax,
)
from curator.train.order import read_order
from curator.train.proxy import Proxy
from curator.train.sources import SourceLosses
from tests.support.mixtures import counting_documents, write_mixture

PROXY = Proxy(
    name="tiny", depth=1, width=16, heads=2, context=16, batch_tokens=64, precision="fp32"
)
SEEDS = {"seed": 1, "order_seed": 2}
EVEN, ODD = Constant({"even": 1.0, "odd": 0.0}), Constant({"even": 0.0, "odd": 1.0})
HALF = Constant({"even": 0.5, "odd": 0.5})


@dataclass(frozen=True)
class LossMirror:
    """Skill-It's update with the identity for its graph (HazyResearch/skill-it, mw_trainer.py).

    Weights are the prior times exp(eta x losses summed over the last `window` evaluations).
    """

    name: ClassVar[str] = "loss_mirror"

    eta: float = 0.5
    window: int = 3

    def on_eval(self, step, losses, earlier):
        recent = [*(each.losses for each in earlier[1 - self.window :]), losses]
        raised = {name: math.exp(self.eta * sum(one[name] for one in recent)) for name in losses}
        return {name: part / sum(raised.values()) for name, part in raised.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_mixture(tmp_path_factory.mktemp("mix") / "mixture", counting_documents(120))


@pytest.fixture(scope="module")
def mixture(folder):
    return open_mixture(folder)


def drawn(mixture, schedule, steps, max_epochs=100.0, evaluated=(), seed=2):
    return DrawnBatches(
        mixture, Mixing(schedule, max_epochs), rows=4, context=16, order_seed=seed, steps=steps,
        evaluated=evaluated,
    )  # fmt: skip


def held_out(folder, every=5):
    draw = open_mixture(folder).identity()["draw_hash"]
    return Hooks(evaluation=SourceLosses(every, 2, 16, draw, str(folder)))


def test_schedules_follow_their_formulas():
    anneal = Anneal(EVEN, HALF, start=0.8)
    assert anneal.weights(0.79) == EVEN.shares
    assert anneal.weights(0.9)["odd"] == pytest.approx(0.25)
    assert Anneal(EVEN, HALF, 0.8, "step").weights(0.8) == HALF.shares
    assert Replay(EVEN, ODD, 0.05).weights(0.5) == pytest.approx({"even": 0.95, "odd": 0.05})
    pieces = Piecewise(((0.0, EVEN), (0.5, ODD)))
    assert [pieces.weights(t)["odd"] for t in (0, 0.49, 0.5, 1)] == [0, 0, 1, 1]
    course = Curriculum(("even", "odd"), {"even": 0.5, "odd": 0.5}, first=0.25, power=1)
    assert course.weights(0.0) == {"even": 1.0, "odd": 0.0}
    assert course.weights(0.5)["odd"] == pytest.approx(0.125 / 0.625)
    assert course.weights(1.0) == HALF.shares
    assert temperature({"a": 8, "b": 1}, 3.0).shares == pytest.approx({"a": 2 / 3, "b": 1 / 3})


def unimax_by_hand(sizes, budget, cap):
    """Return M1's loop over sources, smallest first, as written down there."""
    left, remaining, taken = len(sizes), budget, {}
    for name in sorted(sizes, key=sizes.get):
        taken[name] = min(remaining / left, cap * sizes[name])
        remaining -= taken[name]
        left -= 1
    return {name: part / sum(taken.values()) for name, part in taken.items()}, remaining


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6), st.integers(1, 4), st.data())
def test_unimax_is_as_published(numbers, cap, data):
    sizes = {f"s{i}": n for i, n in enumerate(numbers)}
    budget = data.draw(st.integers(1, cap * sum(numbers)))

    found = unimax(sizes, budget, cap).shares

    expected, remaining = unimax_by_hand(sizes, budget, cap)
    assert remaining == pytest.approx(0, abs=1e-6)
    assert found == pytest.approx(expected)
    assert math.fsum(found.values()) == pytest.approx(1)
    assert all(found[name] * budget <= cap * sizes[name] * (1 + 1e-9) for name in sizes)
    if min(numbers) * cap >= budget:
        assert found == pytest.approx(dict.fromkeys(sizes, 1 / len(sizes)))


def test_unimax_refuses_a_budget_that_its_cap_cannot_meet():
    with pytest.raises(RecipeError, match="cannot be drawn"):
        unimax({"a": 10, "b": 10}, 81, 4)
    assert unimax_shares({"a": 10, "b": 10}, 80, 4) == {"a": 0.5, "b": 0.5}


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_every_source_has_had_its_share_at_every_row(mixture, first, last):
    schedule = Anneal(
        Constant({"even": first, "odd": 1 - first}), Constant({"even": last, "odd": 1 - last}), 0.3
    )
    batches = drawn(mixture, schedule, steps=25)

    owed = np.repeat([schedule.weights(step / 25)["even"] for step in range(25)], 4).cumsum()
    had = np.cumsum(batches._source == 0)

    assert np.abs(owed - had).max() <= 1


def test_rows_go_through_a_source_in_its_own_order_and_lose_nothing(mixture):
    batches = drawn(mixture, Constant({"even": 0.25, "odd": 0.75}), steps=30)
    odd = Batches(mixture.only(1), rows=1, context=16, order_seed=2)

    rows = [batches.batch(step) for step in range(30)]

    inputs = np.concatenate([row[0] for row in rows])[batches._source == 1]
    targets = np.concatenate([row[1] for row in rows])[batches._source == 1]
    assert len(inputs) == 90
    for number in range(90):
        expected = odd.batch(number)
        assert (inputs[number] == expected[0][0]).all()
        assert (targets[number] == expected[1][0]).all()


def test_batches_do_not_depend_on_what_was_asked_before(mixture):
    one, two = (drawn(mixture, Anneal(EVEN, HALF, 0.5), steps=20) for _ in range(2))

    first = [one.batch(step) for step in range(20)]

    for step in (13, 2, 19):
        assert all((a == b).all() for a, b in zip(first[step], two.batch(step), strict=True))


def test_a_source_without_weight_is_not_read(mixture):
    batches = drawn(mixture, Piecewise(((0.0, HALF), (0.5, EVEN))), steps=20)

    assert set(batches._source[40:]) == {0}
    coverage = batches.coverage(20)
    assert coverage["even"].seen + coverage["odd"].seen == 20 * 64


def test_reading_a_source_too_often_is_refused_before_the_first_step(folder, mixture, tmp_path):
    sizes = {
        name: int(mixture.lengths[mixture.sources == i].sum())
        for i, name in enumerate(mixture.source_names)
    }
    tokens = 3 * sizes["even"] // 64 * 64
    with pytest.raises(BudgetError, match="'even' would be read"):
        train(folder, PROXY, tokens=tokens, **SEEDS, out=tmp_path / "run", mixing=Mixing(EVEN, 2.0))
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").iterdir())

    drawn(mixture, EVEN, steps=tokens // 64, max_epochs=3.0)


@pytest.mark.parametrize(
    "schedule",
    [
        Anneal(Constant({"even": 0.7, "odd": 0.3}), ODD, 0.5),
        Online(LossMirror(), {"even": 0.9, "odd": 0.1}),
        Replay(Online(LossMirror(2.0, 2), {"even": 0.9, "odd": 0.1}), HALF, 0.2),
    ],
)
def test_a_cut_run_ends_as_if_never_cut(folder, tmp_path, schedule):
    budget = {"tokens": 64 * 20, **SEEDS, "mixing": Mixing(schedule), "checkpoint_seconds": 0}
    budget["hooks"] = held_out(folder) if schedule.online else None

    class Cut(Exception):
        pass

    def cut(progress):
        if progress.step == 12:
            raise Cut

    whole = train(folder, PROXY, **budget, out=tmp_path / "whole")
    with pytest.raises(Cut):
        train(folder, PROXY, **budget, out=tmp_path / "cut", progress=cut)
    resumed = train(folder, PROXY, **budget, out=tmp_path / "cut")

    assert resumed.curve == whole.curve
    assert resumed.mixing == whole.mixing
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()
    order = read_order(tmp_path / "whole")
    mixture = open_mixture(folder)
    batches = DrawnBatches(
        mixture, Mixing(schedule), rows=4, context=16, order_seed=2, steps=20,
        evaluated=[Evaluated(each["steps"], each["losses"]) for each in whole.evaluations],
    )  # fmt: skip
    begins = mixture.offsets[order["row"].to_numpy()] + order["offset"].to_numpy()
    pieces = zip(begins, order["length"].to_numpy(), strict=True)
    stream = np.concatenate([mixture.tokens[begin : begin + n] for begin, n in pieces])
    inputs = np.concatenate([batches.batch(step)[0].ravel() for step in range(20)])
    assert (stream == inputs).all()


def test_an_online_mixture_follows_what_was_evaluated(folder, tmp_path):
    start = {"even": 0.99, "odd": 0.01}
    mixing = Mixing(Online(LossMirror(eta=1.0), start))

    record = train(
        folder, PROXY, tokens=64 * 20, **SEEDS, out=tmp_path / "run", mixing=mixing,
        hooks=held_out(folder),
    )  # fmt: skip

    told = record.mixing["weights"]
    assert [each["step"] for each in told] == [0, 5, 10, 15]
    assert told[0]["weights"] == start
    losses = record.evaluations[0]["losses"]
    ratio = told[1]["weights"]["odd"] / told[1]["weights"]["even"]
    assert ratio == pytest.approx(math.exp(losses["odd"] - losses["even"]))
    assert record.mixing["schedule"]["kind"] == "online/loss_mirror"
    assert record.coverage["odd"]["seen"] > 0.2 * record.tokens


def test_an_online_mixture_needs_an_evaluation_which_then_names_the_run(folder, tmp_path):
    online = Mixing(Online(LossMirror(), HALF.shares))
    with pytest.raises(RecipeError, match="follows evaluations"):
        train(folder, PROXY, tokens=640, **SEEDS, out=tmp_path / "run", mixing=online)

    names = {
        train(
            folder, PROXY, tokens=640, **SEEDS, out=tmp_path / f"{i}", mixing=mixing, hooks=hooks
        ).identity
        for i, (mixing, hooks) in enumerate(
            [
                (None, None),
                (Mixing(HALF), None),
                (Mixing(HALF, 3.0), None),
                (online, held_out(folder, 5)),
                (online, held_out(folder, 4)),
                (Mixing(Online(LossMirror(0.1), HALF.shares)), held_out(folder, 4)),
            ]
        )
    }
    assert len(names) == 6


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Constant({"a": 0.5, "b": 0.6}),
        lambda: Constant({"a": 1.5, "b": -0.5}),
        lambda: Constant({"a": math.nan}),
        lambda: Anneal(EVEN, ODD, 1.0),
        lambda: Anneal(EVEN, ODD, 0.5, "cubic"),
        lambda: Replay(EVEN, ODD, 1.5),
        lambda: Piecewise(((0.1, EVEN),)),
        lambda: Piecewise(((0.0, EVEN), (0.0, ODD))),
        lambda: Piecewise(()),
        lambda: Curriculum(("a",), {"a": 0.5, "b": 0.5}, 0.5),
        lambda: Curriculum(("a",), {"a": 1.0}, 0.0),
        lambda: Mixing(EVEN, 0.0),
        lambda: temperature({"a": 1}, 0.0),
    ],
)
def test_schedules_that_are_none_are_refused(wrong):
    with pytest.raises(RecipeError):
        wrong()


def test_weights_of_an_unknown_source_are_refused(mixture):
    with pytest.raises(RecipeError, match="sources of"):
        drawn(mixture, Constant({"elsewhere": 1.0}), steps=2)
