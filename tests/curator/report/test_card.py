from __future__ import annotations

import dataclasses
import io

import pytest
from ruamel.yaml import YAML

from curator.errors import RecipeError
from curator.report.card import card
from curator.report.content import Arm, MixtureShare, Report
from tests.support.report_content import full_report


def test_a_card_says_what_is_in_the_mixture_and_what_it_was_shown_to_do() -> None:
    text = card(full_report(), "similar")
    for part in (
        "399,874 tokens",
        "| `py-docstrings` | 52",
        "| `dedup.minhash` |",
        "9 of 240 entries were found",
        "better | 3 |",
        "curator run configs/recipes/demo.yaml",
    ):
        assert part in text
    assert "classified" not in text.split("## What is known")[1]


def test_hostile_names_stay_inside_the_metadata_and_the_tables() -> None:
    bad = 'x"\n---\nlicense: mit\n| `a` | <script>\u202e'
    arm = Arm(bad, bad, 5, 5, shares=(MixtureShare(bad, 5, 5, 1.0),))
    text = card(Report(bad, arms=(arm,)), bad)
    _, head, body = text.split("---\n", 2)
    found = YAML(typ="safe").load(io.StringIO(head))
    assert found["license"] == "other"
    assert found["pretty_name"] == f"{bad}: {bad}"
    rows = [line for line in body.splitlines() if line.startswith("|")]
    assert all(row.count("|") == 6 for row in rows)
    assert "\u202e" not in body
    assert "\\<script\\>" in body.splitlines()[1]


def test_unchecked_benchmarks_are_admitted() -> None:
    report = dataclasses.replace(full_report(), contamination=())
    assert "may be contaminated" in card(report, "random")


def test_an_unknown_arm_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RecipeError, match=r"no arm 'sim'.*'similar'"):
        card(full_report(), "sim")
