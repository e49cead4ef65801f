from hypothesis import given
from hypothesis import strategies as st

from bench.agreement_classes import class_of, differences, kind_of


def test_equal_tokens_have_no_difference():
    assert differences(["one", ",", "two"], ["one", ",", "two"]) == []
    assert class_of(["one"], ["one"]) == "same tokens"


def test_white_space_that_one_side_counts_is_no_difference():
    assert differences(["one", "two"], ["one", " \n", "two"]) == []


def test_an_emoticon_kept_together_is_told_as_joined():
    ours, theirs = ["f", "(", "x", ")", ":", "go"], ["f", "(", "x", "):", "go"]

    assert differences(ours, theirs) == [((")", ":"), ("):",))]
    assert class_of(ours, theirs) == "joined"


def test_a_sentence_end_in_another_script_is_told_as_parted():
    assert kind_of(("था.",), ("था", ".")) == "parted, other script"
    assert kind_of(("ab", "c"), ("a", "bc")) == "cut elsewhere"


def test_several_kinds_of_one_text_are_told_in_order():
    ours, theirs = [":", ")", "था."], [":)", "था", "."]

    assert class_of(ours, theirs) == "joined; parted, other script"


@given(st.lists(st.booleans()), st.lists(st.booleans()))
def test_differences_cover_all_cuts_that_only_one_side_makes(first, second):
    text = "abcdefghij"
    pieces = [cut(text, places) for places in (first, second)]

    found = differences(*pieces)

    for mine, their in found:
        assert "".join(mine) == "".join(their)
        assert mine != their
    assert (found == []) == (pieces[0] == pieces[1])


def cut(text, places):
    ends = [n for n, here in enumerate(places[: len(text) - 1], start=1) if here]
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]
