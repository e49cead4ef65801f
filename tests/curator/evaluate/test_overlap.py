"""Runs that share text: how much they share, and intervals that hold all the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.evaluate.metrics import BITS, KINDS
from curator.evaluate.overlap import APART, UNKNOWN, Sharing, sharing, wider
from curator.evaluate.statistics import compare, minimum_detectable_effect, seeds_to_decide

GOLDEN = (5**0.5 - 1) / 2
DOCUMENTS = 600  # of a mixture, on its circle
TRIALS = 2000


def arcs(n, share):
    """Return the windows of the seeds 1 to n: as far from each other as can be."""
    return [((seed * GOLDEN) % 1, share) for seed in range(1, n + 1)]


def documents(window):
    """Return which of the mixture's documents an arc holds, by their places on the circle."""
    place = np.arange(DOCUMENTS) / DOCUMENTS
    return (place - window[0]) % 1 < window[1]


def false_alarms(n, share, corrected, *, noise=0.3, seed=0):
    """Return how often two arms drawn from one population are told apart at 5 %.

    A run's number is the mean over the documents it reads of what each does (planted, standard
    normal; scaled so that text and training noise are seen beside each other) plus the noise of
    training. Each trial draws both arms' documents anew; runs of an arm read arcs of them.
    """
    random = np.random.default_rng(seed)
    windows = arcs(n, share)
    reads = np.array([documents(window) for window in windows]).astype(float)
    reads /= reads.sum(1, keepdims=True)
    scale = np.sqrt(share * DOCUMENTS)  # so that the text's part of a run has variance 1
    does = random.normal(size=(2, TRIALS, DOCUMENTS)) @ reads.T * scale
    does += noise * random.normal(size=does.shape)
    text = sharing(windows) if corrected else APART
    kind = KINDS[BITS]
    found = [compare(arm, base, kind, text=text).p < 0.05 for arm, base in zip(*does, strict=True)]
    return float(np.mean(found))


def test_runs_on_arcs_that_do_not_touch_share_nothing():
    assert sharing(arcs(5, 0.14)).overlap == 0
    assert sharing(arcs(5, 0.14)).covers == "text"


@pytest.mark.parametrize("share", [0.1, 0.3, 0.45, 0.8, 1.0])
def test_the_overlap_of_arcs_is_that_of_the_documents_they_hold(share):
    windows = arcs(4, share)

    held = np.array([documents(window) for window in windows]).astype(float)
    common = (held @ held.T) / held.sum(1)
    expected = common[np.triu_indices(4, 1)].mean()

    assert sharing(windows).overlap == pytest.approx(expected, abs=2 / (share * DOCUMENTS))


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 2), st.floats(0.01, 2))
def test_overlap_is_a_share_and_does_not_depend_on_the_order_or_on_where_the_circle_begins(
    a, b, length, reach
):
    found = sharing([(a, length), (b, reach)]).overlap

    assert 0 <= found <= 1
    assert found == pytest.approx(sharing([(b, reach), (a, length)]).overlap, abs=1e-6)
    turned = sharing([(a + 0.37, length), (b + 0.37, reach)]).overlap
    assert found == pytest.approx(turned, abs=1e-6)


def test_runs_of_a_whole_mixture_or_more_share_all_of_it():
    assert sharing([(0.1, 1.0), (0.6, 1.7)]) == Sharing(1.0, 1.0)
    assert sharing([(0.1, 1.0), (0.6, 1.7)]).covers == "seeds"


def test_where_a_window_is_not_recorded_the_interval_speaks_of_seeds_alone():
    assert sharing([(0.1, 0.2), None]) == UNKNOWN
    assert wider(APART, UNKNOWN).covers == "seeds"
    assert UNKNOWN.widening(5) == pytest.approx(1 / 5)


def test_two_arms_share_what_the_larger_sharing_says():
    assert wider(Sharing(0.1, 0.3), Sharing(0.2, 0.2)) == Sharing(0.2, 0.3)


def test_the_widening_is_that_of_nadeau_and_bengio():
    assert Sharing(0.3, 0.3).widening(5) == pytest.approx(1 / 5 + 0.3 / 0.7)
    assert APART.widening(5) == pytest.approx(1 / 5)


@pytest.mark.parametrize("share", [0.25, 0.35, 0.5])
def test_a_plain_interval_is_wrong_too_often_where_runs_share_text_and_a_widened_one_is_not(share):
    assert false_alarms(5, share, corrected=False) > 0.08
    # The standard error of a share of 0.05 over 2000 trials is 0.005.
    assert false_alarms(5, share, corrected=True) < 0.065


def test_the_widened_interval_is_not_wider_than_it_must_be():
    # Some pairs share more than others here, which leaves fewer degrees of freedom than n - 1.
    assert 0.05 < false_alarms(5, 0.35, corrected=True, noise=0.0) < 0.08


def test_runs_that_share_nothing_are_told_apart_as_often_as_said():
    assert false_alarms(5, 0.14, corrected=True) == pytest.approx(0.05, abs=0.012)


def test_more_seeds_help_only_as_long_as_they_bring_more_text():
    text = sharing(arcs(5, 0.14))
    widening = text.widening(np.arange(5, 1000))

    assert widening[0] == pytest.approx(1 / 5)
    # All seeds together read the whole mixture, whose own chance remains: share x variance.
    assert widening[-1] == pytest.approx(0.14, abs=0.001)
    assert (np.diff(widening) <= 1e-12).all()


def test_an_effect_below_what_the_mixture_can_show_is_never_decided_by_seeds():
    text = sharing(arcs(5, 0.14))

    assert seeds_to_decide(0.001, 0.002, threshold=0) is not None
    assert seeds_to_decide(0.001, 0.002, threshold=0, text=text) is None
    assert minimum_detectable_effect(0.002, 500, text=text) > 0.001


def test_the_widening_of_many_evenly_laid_runs_is_that_of_the_simulation():
    share, n = 0.3, 12
    random = np.random.default_rng(3)
    held = np.array([documents(window) for window in arcs(n, share)]).astype(float)
    runs = random.normal(size=(4000, DOCUMENTS)) @ (held / held.sum(1, keepdims=True)).T

    few = sharing(arcs(3, share))
    expected = runs.mean(1).var() / runs[:, :3].var(1, ddof=1).mean()

    # Golden arcs are nearly, not quite, as even as arcs can be.
    assert few.widening(n) == pytest.approx(expected, rel=0.1)
