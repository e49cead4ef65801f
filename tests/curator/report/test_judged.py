from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.report.buckets import bucketed
from curator.report.content import Report
from curator.report.judged import BINS, JudgedStatistic, Threshold, judged, judged_text
from tests.support.terminal import on_terminal


def statistic(values, *thresholds: Threshold, name: str = "hash_ratio") -> JudgedStatistic:
    numbers = bucketed(np.array(values))
    return JudgedStatistic(name, "per token", "Hash signs.", len(values), numbers, thresholds)


def above(low: float, high: float | None = None, documents: int = 3) -> Threshold:
    return Threshold("gopher_quality.hash_ratio", "above", low, high or low, documents)


@given(st.lists(st.floats(0, 1e6) | st.integers(0, 10**6), min_size=1, max_size=60))
def test_every_value_is_in_one_bin_whatever_the_axis(values):
    edges, counts = statistic([float(value) for value in values], above(0.1)).histogram()

    assert sum(counts) == len(values)
    assert len(edges) == len(counts) + 1 == BINS + 1
    assert edges == sorted(edges)


def test_a_threshold_beyond_the_values_is_drawn_and_a_far_one_is_not():
    assert statistic([0.0, 0.1], above(0.2)).histogram()[0][-1] == 0.2
    assert statistic([0.0, 0.1], above(50.0)).histogram()[0][-1] == pytest.approx(0.1, rel=0.01)


def test_counts_over_orders_of_magnitude_have_a_logarithmic_axis_with_all_thresholds():
    words = statistic([0, 3, 20, 100, 50_000], above(100_000), name="words")

    edges, counts = words.histogram()
    assert words.log
    assert (edges[0], edges[-1]) == (1.0, pytest.approx(100_000))
    assert counts[0] == 1  # no word is fewer than one


def test_the_terminal_shows_the_threshold_in_the_bars_and_who_fails():
    values = [0.05] * 90 + [0.15] * 10
    printed = on_terminal(judged_text([statistic(values, above(0.1, documents=10))]))

    bars = next(line for line in printed.splitlines() if "█" in line)
    assert bars.index("█") < bars.index("┃")
    assert "fails > 0.1  gopher_quality.hash_ratio  10\xa0% of documents" in printed


def test_thresholds_by_language_are_told_as_a_span():
    assert above(0.1, 0.25).shown == "> 0.1 to 0.25"
    assert Threshold("fineweb2.stop_words", "below", 2, 2, 0).shown == "< 2"


def test_the_json_form_has_the_histogram_and_the_share_that_fails():
    told = statistic([0.0, 0.1, 0.2, 0.3], above(0.15, documents=2)).to_json()

    json.dumps(told, allow_nan=False)
    assert sum(told["histogram"]["counts"]) == 4
    assert told["thresholds"][0]["share"] == 0.5


def test_the_page_has_a_plot_a_statistic_with_a_line_a_threshold():
    page = judged(Report("r", statistics=(statistic([0.0, 0.1, 0.2], above(0.15)),)))

    assert page.count("<svg") == 1
    assert 'class="cut"' in page
    assert "&gt; 0.15" in page


def test_nothing_to_judge_is_told():
    assert "No rule looks" in judged(Report("r"))
    assert on_terminal(judged_text([])).strip() == ""
    empty = JudgedStatistic("words", "words", "", 0, bucketed(np.zeros(0)), (above(0.1),))
    assert sum(empty.histogram()[1]) == 0
    on_terminal(empty)
