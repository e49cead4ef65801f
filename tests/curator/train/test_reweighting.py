"""Weights of rows by their losses: the published rules, a toy in which they matter, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from curator.errors import RecipeError
from curator.train.conduct import Conduct
from curator.train.hooks import Hooks
from curator.train.loop import train
from curator.train.proxy import Proxy
from curator.train.reweight import RULES, Reweight
from curator.train.reweighting import Reweighting, row_weights
from tests.support.mixtures import counting_documents, write_mixture

PROXY = Proxy(
    name="tiny", depth=1, width=16, heads=2, context=16, batch_tokens=128, precision="fp32"
)
LOSSES = torch.tensor([1.0, 1.5, 2.0, 2.5, 3.0, 9.0])


def reference(rule, losses, r, delta):
    """Return the weights as the methods page states them, one row at a time."""
    low, high, numbers = min(losses), max(losses), []
    for loss in losses:
        h = 2 * delta * loss / (high - low) - delta * (high + low) / (high - low)
        numbers.append(
            {
                "lin_upper": min(h + delta, delta),
                "quadratic": 1 - h**2 / delta**2,
                "extremes": abs(h),
                "upper": 0.5 * h + 0.5 * delta,
            }[rule]
        )
    raised = np.exp(np.array(numbers) / r)
    return raised / raised.sum()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("r", "delta"), [(1.0, 1.0), (0.4, 1.0), (0.4, 0.5)])
def test_weights_are_those_of_the_formula(rule, r, delta):
    found = row_weights(Reweight(rule=rule, temperature=r, delta=delta), LOSSES)

    np.testing.assert_allclose(found, reference(rule, LOSSES.tolist(), r, delta), rtol=1e-5)
    assert found.sum().item() == pytest.approx(1)


def test_lin_upper_does_not_let_noise_take_over_and_upper_does():
    capped = row_weights(Reweight(rule="lin_upper", temperature=0.2), LOSSES)
    upper = row_weights(Reweight(rule="upper", temperature=0.2), LOSSES)

    assert upper[-1] > 0.9
    typical = torch.tensor([2.0, 2.1, 2.2, 9.0])
    shares = row_weights(Reweight(rule="lin_upper"), torch.tensor([0.0, 5.0, 7.0, 10.0]))
    assert shares[1] == shares[2] == shares[3]  # the upper half counts alike
    assert capped[-1] < upper[-1]
    assert row_weights(Reweight(rule="quadratic"), typical)[-1] <= 0.25


def test_equal_losses_and_the_first_steps_count_alike():
    even = torch.full((6,), 1 / 6)
    hook = Reweighting(Reweight(temperature=0.1), uniform_steps=10, order_seed=1)

    assert torch.equal(row_weights(Reweight(), torch.full((6,), 2.0)), even)
    assert torch.equal(hook(9, LOSSES), even)
    assert not torch.equal(hook(10, LOSSES), even)


def test_a_placebo_deals_the_same_weights_to_other_rows():
    settings = Reweight(temperature=0.3, placebo=True)
    own = row_weights(settings, LOSSES)
    hook = Reweighting(settings, 0, order_seed=1)

    dealt = [hook(step, LOSSES) for step in range(20)]

    for weights in dealt:
        assert sorted(weights.tolist()) == sorted(own.tolist())
    assert len({tuple(weights.tolist()) for weights in dealt}) > 10
    assert torch.equal(dealt[3], hook(3, LOSSES))


def test_easy_rows_that_count_less_let_a_line_be_found_sooner():
    """Linear regression: 90 % of rows repeat one easy direction, the rest need the others.

    Gradient descent with weights of LinUpper comes nearer to the truth in as many steps.
    """
    random = np.random.default_rng(0)
    truth = random.normal(size=8)
    easy = np.zeros((288, 8))
    easy[:, 0] = random.normal(size=288)
    x = torch.from_numpy(np.concatenate([easy, random.normal(size=(32, 8))]))
    y = x @ torch.from_numpy(truth)
    errors = {}
    for rule in (None, "lin_upper"):
        weights_of = Reweighting(Reweight(rule=rule or "lin_upper", temperature=0.4), 0, 1)
        at = torch.zeros(8, dtype=torch.float64)
        for step in range(200):
            rows = torch.from_numpy(np.random.default_rng(step).choice(320, 32, replace=False))
            gap = x[rows] @ at - y[rows]
            weights = torch.full((32,), 1 / 32) if rule is None else weights_of(step, gap**2)
            at -= 0.1 * x[rows].T @ (weights.double() * gap)
        errors[rule] = float(torch.linalg.norm(at - torch.from_numpy(truth)))

    assert errors["lin_upper"] < 0.5 * errors[None]


def test_a_run_tells_how_many_rows_counted(tmp_path):
    mixture = write_mixture(tmp_path / "mixture", counting_documents(120))
    budget = {"tokens": 128 * 30, "seed": 1, "order_seed": 2}
    found = {}
    for r in (1.0, 0.1):
        conduct = Conduct(reweight=Reweight(rule="upper", temperature=r))
        found[r] = train(mixture, PROXY, **budget, out=tmp_path / str(r), conduct=conduct)
    plain = train(mixture, PROXY, **budget, out=tmp_path / "plain")

    assert plain.effective_rows is None
    assert 1 <= found[0.1].effective_rows < found[1.0].effective_rows <= 8
    assert len({run.identity for run in (plain, *found.values())}) == 3
    assert found[1.0].hooks["rows"]["settings"]["uniform_steps"] == 2  # a twentieth of 30


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rule": "linupper"}, "rule is 'linupper'; wanted one of lin_upper"),
        ({"temperature": 0.0}, r"temperature is 0\.0; wanted 1e-06"),
        ({"delta": -1.0}, r"delta is -1\.0"),
        ({"uniform": 1.0}, r"uniform is 1\.0"),
    ],
)
def test_settings_that_weigh_nothing_are_refused(settings, message):
    with pytest.raises(RecipeError, match=message):
        Reweight(**settings)


def test_a_batch_of_three_rows_and_two_weights_of_rows_are_refused(tmp_path):
    import dataclasses

    mixture = write_mixture(tmp_path / "mixture", counting_documents(40))
    narrow = dataclasses.replace(PROXY, batch_tokens=48)
    budget = {"tokens": 480, "seed": 1, "order_seed": 2, "out": tmp_path / "run"}
    conduct = Conduct(reweight=Reweight())

    with pytest.raises(RecipeError, match=r"a batch has 3 rows.* wanted at least 4"):
        train(mixture, narrow, **budget, conduct=conduct)
    hooks = Hooks(rows=Reweighting(Reweight(), 0, 1))
    with pytest.raises(RecipeError, match="'reweight' and `reweight` both weigh rows"):
        train(mixture, PROXY, **budget, conduct=conduct, hooks=hooks)
