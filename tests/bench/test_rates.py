from __future__ import annotations

import pytest

from bench.rates import at_rates, losses_of

RECIPE = {
    "name": "betr",
    "score": [],
    "arms": {
        "random": {"select": {"method": "random", "share": 0.1}},
        "betr": {"select": {"method": "threshold", "by": "betr", "rate": 0.1}},
        "best": {"select": {"method": "topk", "by": "betr", "share": 0.1}},
    },
    "baseline": "random",
    "train": {"proxy": "demo", "tokens": 5, "seeds": [9]},
}


@pytest.mark.parametrize(("arm", "key"), [("betr", "rate"), ("best", "share")])
def test_an_arm_is_run_at_every_rate_and_at_all_of_the_pool(arm, key):
    made = at_rates(RECIPE, arm, [1.0, 0.03, 0.1], 1000, [1, 2])

    assert list(made["arms"]) == ["rate-30", "rate-100", "rate-1000"]
    assert made["arms"]["rate-30"]["select"] == {**RECIPE["arms"][arm]["select"], key: 0.03}
    assert made["arms"]["rate-1000"]["select"] == {"method": "random", "share": 1.0}
    assert made["baseline"] == "rate-1000"
    assert made["train"] == {"proxy": "demo", "tokens": 1000, "seeds": [1, 2]}


def told(**tokens: int) -> dict:
    arm = {"evaluation": {"heldout": [1.0, 2.0]}}
    return {"arms": {name: {**arm, "selection": {"tokens": n}} for name, n in tokens.items()}}


def test_rates_whose_text_would_be_seen_again_are_left_out():
    runs = told(**{"rate-30": 900, "rate-100": 1000})

    losses, short = losses_of(runs, "heldout", 1000)

    assert losses == {0.1: [1.0, 2.0]}
    assert short == {"rate-30": 900}


def test_a_metric_that_was_not_measured_is_named():
    with pytest.raises(SystemExit, match=r"no metric 'final'; there are \['heldout'\]"):
        losses_of(told(**{"rate-100": 5}), "final", 1)
