from __future__ import annotations

from types import SimpleNamespace

import pytest

from curator.errors import BudgetError
from curator.recipe import Recipe
from pipelines import sharing
from pipelines.sharing import keep_to_shares, share_problems


def recipe(taken: float, **settings: object) -> dict:
    return {
        "score": [{"use": "got_d", "as": "gain", **settings}, {"use": "letters"}],
        "arms": {
            "gain": {"select": {"method": "topk", "by": "gain", "share": taken}},
            "letters": {"select": {"method": "topk", "by": "letters", "share": 0.9}},
            "tokens": {"select": {"method": "topk", "by": "gain", "tokens": 1000}},
        },
    }


def test_an_arm_that_takes_more_than_its_score_holds_for_is_told():
    told = list(share_problems(recipe(0.2)))
    assert len(told) == 1
    assert told[0].startswith("arms.gain.select.share: 0.2 of the pool by 'gain'")


def test_what_a_score_holds_for_passes():
    assert list(share_problems(recipe(0.1))) == []
    assert list(share_problems(recipe(0.2, share=0.2, iterate=True))) == []


def test_a_score_with_mistakes_is_told_elsewhere():
    assert list(share_problems({**recipe(0.2), "score": [{"use": "nothing"}, 7]})) == []


def test_a_budget_in_tokens_is_held_to_the_share_that_it_turns_out_to_be(monkeypatch):
    monkeypatch.setattr(sharing, "total_tokens", lambda pool: 5_000)
    asked = Recipe.model_validate({"name": "trial", **recipe(0.1)})
    taken = {"tokens": SimpleNamespace(summary={"tokens": 1000})}

    with pytest.raises(BudgetError, match=r"'tokens' took 0\.200 of the pool's tokens by 'gain'"):
        keep_to_shares(asked, taken, None)

    monkeypatch.setattr(sharing, "total_tokens", lambda pool: 10_000)
    keep_to_shares(asked, taken, None)
    keep_to_shares(asked, {"letters": SimpleNamespace(summary={"tokens": 9000})}, None)
