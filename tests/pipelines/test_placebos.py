from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipelines.placebos import chain, made_in_turn, placebo_problems, placebos

NAMES = st.sampled_from("abcdef")


def test_a_placebo_names_its_arm_in_what_it_selects():
    selects = {"a": {"by": "x", "of": ""}, "b": {"method": "placebo", "of": "a"}, "c": {"of": 3}}

    assert placebos(selects) == {"b": "a"}


def test_a_placebo_of_a_placebo_takes_both_with_it():
    of = {"b": "a", "c": "b"}

    assert chain("c", of) == ["c", "b", "a"]
    assert chain("a", of) == ["a"]
    assert made_in_turn(["c", "d", "a", "b"], of) == ["a", "b", "c", "d"]


@given(st.dictionaries(NAMES, NAMES))
def test_what_has_no_problems_is_made_once_each_after_the_arm_it_is_of(of):
    arms = list("abcdef")
    problems = list(placebo_problems(of, arms))

    assert {chain(name, of)[0] for name in of} == set(of)
    if not problems:
        order = made_in_turn(arms, of)
        assert sorted(order) == arms
        assert all(order.index(other) < order.index(name) for name, other in of.items())
    rounds = [name for name in of if name in _followers(name, of)]
    assert len(problems) == len(rounds)


def _followers(name, of):
    """All that is reached from a name by going on, whether or not names go round."""
    found = []
    while name in of and of[name] not in found:
        name = of[name]
        found.append(name)
    return found


def test_problems_name_the_place_and_the_nearest_arm():
    assert list(placebo_problems({"p": "rnadom"}, ["p", "random"])) == [
        "arms.p.select.of: no arm 'rnadom'; did you mean 'random'?"
    ]
    assert list(placebo_problems({"p": "p"}, ["p"])) == [
        "arms.p.select.of: 'p' of 'p'; wanted an arm that some score or chance selects"
    ]
