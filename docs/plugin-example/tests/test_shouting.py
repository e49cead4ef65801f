"""Run beside an installed curator: python -m pytest tests"""

from __future__ import annotations

from curator_scorer_shouting import Shouting

from curator.testing import check_scorer, documents


def capital_shares(texts: list[str], scorer: Shouting | None = None) -> list[float | None]:
    return (scorer or Shouting()).process(None, documents(texts))["capital_share"].to_pylist()


def test_it_keeps_the_contract():
    check_scorer(Shouting())


def test_capitals_are_counted_over_letters():
    assert capital_shares(["ABcd 12!", "été", "ÉTÉ"]) == [0.5, 0.0, 1.0]


def test_a_text_with_too_few_letters_has_no_score():
    assert capital_shares(["", "123"]) == [None, None]
    assert capital_shares(["ABC"], Shouting(least_letters=4)) == [None]
