"""Passages keep the text, in order, and know what parts them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.refine.passages import derivable, guessed_tokens, joined, passages_of


@given(st.text(st.sampled_from("ab.! \n"), max_size=120), st.integers(1, 8))
def test_passages_keep_to_the_budget_and_are_the_text_again_but_for_white_space(text, budget):
    found = passages_of(text, budget)

    assert all(one.over or guessed_tokens(one.text) <= budget for one in found)
    assert "".join("".join(one.text for one in found).split()) == "".join(text.split())
    assert [one.number for one in found] == list(range(len(found)))


def test_line_breaks_between_passages_stay():
    found = passages_of("One is here. Two is.\n\nThree is here.\nFour.", 5)

    assert joined([(one.text.upper(), one.joint) for one in found]) == (
        "ONE IS HERE. TWO IS.\n\nTHREE IS HERE.\nFOUR."
    )


def test_no_passages_are_no_text():
    assert passages_of(" \n ", 5) == []


def test_a_long_stretch_of_white_space_takes_no_longer_than_its_length():
    begun = time.perf_counter()
    (found,) = passages_of(f"One{' ' * 40_000}two", 10**6)

    assert time.perf_counter() - begun < 2.0  # it took eight seconds when it was squared
    assert found.joint == " "
    assert joined([]) == ""


@pytest.mark.parametrize(
    ("license_", "allowed"),
    [
        ("CC BY 4.0", True),
        ("MIT", True),
        ("CC BY-NC 4.0", True),  # allows changes, though no sales: tiers of licenses decide that
        ("CC BY-ND 4.0", False),
        ("CC BY-NC-ND 4.0", False),
        ("all rights reserved", False),
        ("whatever", False),
        ("", False),
        (None, False),
    ],
)
def test_a_license_that_is_not_known_to_allow_changes_allows_none(license_, allowed):
    assert derivable(license_) is allowed
