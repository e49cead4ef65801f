"""What a comparison is expected to find: from finished ones or from the table."""

from __future__ import annotations

import numpy as np
import pytest

from curator.errors import BudgetError, RecipeError
from curator.evaluate import noise
from curator.evaluate.metrics import kind_of
from curator.evaluate.noise import Noise, expected_mde, measured_table, noise_of_run, sentence
from curator.evaluate.statistics import minimum_detectable_effect
from curator.train.proxy import find_proxy

BLOCKS = find_proxy("d2").shape(1).block_parameters
TABLE = (
    Noise(BLOCKS, 100_000, "mean", 0.02, 5),
    Noise(BLOCKS, 400_000, "mean", 0.01, 5),
    Noise(BLOCKS, 400_000, "#accuracy", 0.02, 3),
)


@pytest.fixture
def table(monkeypatch):
    monkeypatch.setattr(noise, "measured_table", lambda: TABLE)


def only(rows):
    (row,) = rows
    return row


def test_the_table_that_comes_along_is_whole():
    rows = measured_table()

    assert {"mean", "single"} <= {row.metric for row in rows}
    assert all(row.sd > 0 and row.pairs > 1 and row.tokens > 0 for row in rows)
    assert all(kind_of(row.metric) for row in rows if row.metric.startswith("#"))


def test_finished_comparisons_come_before_the_table(table):
    seen = [Noise(BLOCKS, 400_000, "heldout", 0.003, 9)]

    row = only(expected_mde("d2", 400_000, 5, ["heldout"], observed=seen))

    assert row.sd == pytest.approx(0.003)
    assert row.effect == pytest.approx(minimum_detectable_effect(0.003, 5))
    assert row.origin == "as in a finished comparison of 400,000 tokens"


def test_comparisons_of_other_proxies_and_metrics_do_not_count(table):
    seen = [Noise(1, 400_000, "heldout", 0.5, 9), Noise(BLOCKS, 400_000, "exam", 0.5, 9)]

    row = only(expected_mde("d2", 400_000, 5, ["heldout"], observed=seen))

    assert (row.sd, row.origin) == (pytest.approx(0.01), "as we measured at 400,000 tokens")


def test_several_comparisons_are_pooled_by_their_degrees_of_freedom():
    seen = [Noise(BLOCKS, 1000, "heldout", 0.1, 2), Noise(BLOCKS, 1000, "heldout", 0.2, 4)]

    row = only(expected_mde("d2", 1000, 5, ["heldout"], observed=seen))

    assert row.sd == pytest.approx(np.sqrt((0.1**2 + 3 * 0.2**2) / 4))
    assert row.origin == "as in 2 comparisons of 1,000 tokens"


def test_of_several_budgets_the_nearest_counts_as_it_is(table):
    rows = [only(expected_mde("d2", tokens, 5, ["heldout"])) for tokens in (90_000, 1_600_000)]

    assert [row.sd for row in rows] == pytest.approx([0.02, 0.01])
    assert rows[1].origin == "as we measured at 400,000 tokens"


def test_another_proxy_is_told(table):
    assert "0.1M parameters" in only(expected_mde("d4", 400_000, 5, ["heldout"])).origin


def test_of_a_kind_that_nobody_measured_nothing_is_said(table):
    metrics = ["exam", "exam#accuracy", "exam#margin"]

    assert [row.metric for row in expected_mde("d2", 400_000, 5, metrics)] == ["exam#accuracy"]


def test_the_sentence_names_pairs_proxy_tokens_and_unit(table):
    row = only(expected_mde("d2", 1_000_000, 5, ["heldout"]))

    said = sentence(row, "d2", 1_000_000, 5)

    assert said.startswith("5 pairs of d2 x 1M tokens find differences of 0.0")
    assert "bits/byte in heldout (80% power; " in said


def test_a_finished_run_shows_the_deviations_of_its_comparisons():
    proxies = [{"parameters": {"blocks": 7}, "tokens": 11}]
    record = {
        "arms": {"a": {"proxies": proxies}, "b": {"proxies": []}},
        "comparison": [
            {"arm": "a", "metric": "heldout", "sd": 0.5, "seeds": 3},
            {"arm": "b", "metric": "heldout", "sd": 0.5, "seeds": 3},
            {"arm": "a", "metric": "old", "seeds": 3},  # of a run before this was written down
        ],
    }

    assert noise_of_run(record) == [Noise(7, 11, "heldout", 0.5, 3)]
    proxies[0]["budget"] = 20  # it paid for picking its rows
    assert noise_of_run(record) == [Noise(7, 20, "heldout", 0.5, 3)]


def test_one_seed_and_unknown_proxies_are_refused(table):
    with pytest.raises(BudgetError, match="at least 2"):
        expected_mde("d2", 1000, 1, ["heldout"])
    with pytest.raises(RecipeError, match="no proxy"):
        expected_mde("nothing", 1000, 5, ["heldout"])
