"""Policies do what theory foretells of them, and refuse what would hide a collapse."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.refine.collapse import (
    POLICIES,
    distinct,
    find_policy,
    foretold,
    linear_errors,
    require_kinds,
    types,
)

LINEAR = {"d": 7, "samples": 89, "sigma": 1.0}  # the defaults of the paper's code
FITS = 100


@pytest.fixture(scope="module")
def errors() -> dict[str, np.ndarray]:
    names = ("replace", "accumulate")
    return {n: linear_errors(POLICIES[n], FITS, **LINEAR, runs=150, seed=1) for n in names}


def test_the_error_of_replacing_grows_by_the_first_fits_every_time(errors):
    found = errors["replace"]
    standard = found.std(0, ddof=1) / np.sqrt(len(found))
    wanted = [foretold(POLICIES["replace"], n + 1, **LINEAR) for n in range(FITS)]

    assert wanted[0] == pytest.approx(7 / 81)
    assert (np.abs(found.mean(0) - wanted) < 4 * standard).all()


def test_the_error_of_accumulating_stays_within_its_bound(errors):
    found = errors["accumulate"]
    standard = found.std(0, ddof=1) / np.sqrt(len(found))
    bound = foretold(POLICIES["accumulate"], FITS, **LINEAR)

    assert bound == pytest.approx(np.pi**2 / 6 * 7 / 81)
    assert (found.mean(0) < bound + 4 * standard).all()
    assert errors["replace"].mean(0)[-1] > 50 * found.mean(0)[-1]


def test_subsampling_the_union_lies_between_the_two():
    found = {
        name: linear_errors(POLICIES[name], 20, **LINEAR, runs=150, seed=2).mean(0)[-1]
        for name in POLICIES
    }

    assert found["accumulate"] < found["accumulate_subsample"] < found["replace"]


def test_a_policy_says_what_a_generation_trains_on():
    told = {name: (one.parts(3), one.size(3)) for name, one in POLICIES.items()}

    assert told == {
        "replace": ((3,), 1),
        "accumulate": ((0, 1, 2, 3), 4),
        "accumulate_subsample": ((0, 1, 2, 3), 1),
    }


def test_replacing_is_refused_until_somebody_acknowledges_it():
    with pytest.raises(RecipeError, match="acknowledged"):
        find_policy("replace")
    assert find_policy("replace", acknowledged=True).name == "replace"
    with pytest.raises(RecipeError, match="wanted one of replace"):
        find_policy("forget")


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"doc_id": ["a"]}),
        pa.table({"kind": ["original", None]}),
        pa.table({"kind": ["real"]}),
    ],
)
def test_a_manifest_that_does_not_tell_real_from_made_is_refused(table):
    with pytest.raises(RecipeError, match="kind"):
        require_kinds(table)


def test_a_manifest_of_known_kinds_passes():
    require_kinds(pa.table({"kind": ["original", "synthetic", "edited"]}))


def test_nothing_is_foretold_where_nothing_is_known():
    with pytest.raises(RecipeError, match="nothing is foretold"):
        foretold(POLICIES["accumulate_subsample"], 3, **LINEAR)
    with pytest.raises(RecipeError, match="d \\+ 1"):
        foretold(POLICIES["replace"], 3, d=7, samples=8, sigma=1.0)


def test_diversity_counts_different_runs_of_words_and_different_words():
    assert distinct(["a b c d e", "a b c d"]) == pytest.approx(2 / 3)
    assert distinct(["a b"]) == 0.0
    assert types(["a b a", "c c d"], 4) == 3
