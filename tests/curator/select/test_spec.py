from __future__ import annotations

import pytest

from curator.errors import RecipeError
from curator.select.spec import SelectSpec, mistakes, parse_select


def test_the_method_follows_from_what_is_given():
    assert parse_select({"tokens": 10}).method == "random"
    assert parse_select({"by": "sim", "tokens": 10}, seed=4) == SelectSpec(
        "topk", "sim", tokens=10, seed=4
    )


def test_all_mistakes_are_named_at_once_with_suggestions():
    wrong = {"metod": "topk", "by": "sim", "tokens": -5, "band": [0.9, 0.1], "shortfall": "eror"}
    with pytest.raises(RecipeError) as caught:
        parse_select(wrong)
    text = str(caught.value)
    assert "did you mean 'method'" in text
    assert "did you mean 'error'" in text
    assert "tokens is -5" in text
    assert "band is [0.9, 0.1]" in text
    assert len(mistakes(wrong)) == 5


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"method": "topk", "tokens": 5}, "needs `by:`"),
        ({"method": "random"}, "needs a budget"),
        ({"method": "random", "by": "x", "tokens": 5}, "no meaning"),
        ({"by": "x", "tokens": 5, "share": 0.1}, "two ways"),
        ({"by": "x", "method": "gumbel", "tokens": 5, "temperature": 0}, "above 0"),
        ({"by": "x", "method": "threshold"}, "needs `threshold:`"),
        ({"tokens": True}, "whole number"),
        ({"tokens": 9, "quotas": {"a": 0.5, "b": 0.6}}, "sum to 1.1"),
        ({"tokens": 9, "quotas": {"a": 5, "b": 6}}, "sum to 11"),
        ({"tokens": 9, "quotas": {"a": 5, "b": 0.6}}, "mix shares"),
        ({"tokens": 9, "quotas": [1, 2]}, "wanted a mapping"),
        ({"tokens": 9, "quotas": {2020: 0.5, "b": 0.5}}, "put them in quotes"),
        ({"tokens": 9, "quotas": {"a": 10**400}}, "quotas of ['a']"),
        ({"tokens": 9, "quota_by": 5}, "quota_by is 5"),
        ({"tokens": 1e300}, "tokens is 1e+300"),
        ({"tokens": 10**400}, "tokens is 1000"),
        ({"tokens": 9, "seed": [0] * 10**5}, "seed is [0, 0, 0, 0, 0, 0, ...]"),
        (
            {"by": "x", "method": "threshold", "threshold": 1, "quotas": {"a": 0.3, "*": 0.7}},
            "there is none",
        ),
    ],
)
def test_each_mistake_says_what_to_do(content, said):
    assert any(said in fault for fault in mistakes(content)), mistakes(content)


def test_quotas_in_tokens_are_a_budget_of_their_own():
    quotas = {"a": 5, "b": 6}
    assert mistakes({"quotas": quotas, "tokens": None}) == mistakes({"quotas": quotas}) == []
