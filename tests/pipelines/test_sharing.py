from __future__ import annotations

from pipelines.sharing import share_problems


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
