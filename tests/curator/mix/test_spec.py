from __future__ import annotations

import pytest

from curator.errors import RecipeError
from curator.mix.spec import MixEntry, MixSpec, mistakes, parse_mix


def test_nothing_means_natural_shares():
    assert parse_mix(None) == MixSpec()


def test_a_list_and_a_mapping_say_the_same():
    listed = parse_mix([{"source": "a", "weight": 2, "max_epochs": 3}, {"source": "b"}])
    assert listed.entries == (MixEntry("a", 2, 3), MixEntry("b", 1, 4))
    mapped = parse_mix({"sources": [{"source": "a"}], "max_epochs": 2, "tokens": 1e3})
    assert mapped == MixSpec(entries=(MixEntry("a", 1, 2),), max_epochs=2, tokens=1000)


def test_all_mistakes_are_named_at_once():
    wrong = {
        "scheme": "natral",
        "tokens": 0,
        "sources": [{"source": "a", "wieght": 1}, {"source": "b", "weight": -1}, "c"],
    }
    with pytest.raises(RecipeError) as caught:
        parse_mix(wrong)
    text = str(caught.value)
    for said in ("did you mean 'natural'", "tokens is 0", "did you mean 'weight'", "weight is -1"):
        assert said in text
    assert "entry 2 is 'c'" in text
    assert "both `sources` and `scheme`" in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("natural", "wanted a list"),
        ([{"source": "a"}, {"source": "a"}], "there twice"),
        ([{"source": "a", "weight": 0}], "all weights are 0"),
        ([{"source": "a", "max_epochs": 70_000}], "65,535"),
        ({"max_epochs": 70_000}, "65,535"),
        ({"tokens": 10**400}, "tokens is 1000"),
        ({"tokens": float("nan")}, "tokens is nan"),
        ([{"source": "a", "weight": 10**400}], "weight is 1000"),
    ],
)
def test_each_mistake_says_what_is_wrong(content, said):
    assert any(said in fault for fault in mistakes(content)), mistakes(content)
