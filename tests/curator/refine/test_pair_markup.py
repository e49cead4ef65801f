from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.refine.pair_markup import grounded_share, has_mark, read_pairs, write_pairs
from curator.refine.question_pairs import Pair

PAIRS = (Pair("What rusts?", "Iron."), Pair("Who keeps bees?", "Her sister."))


def test_what_is_written_is_read():
    assert read_pairs(write_pairs(PAIRS)).pairs == PAIRS
    assert read_pairs(write_pairs(PAIRS)).dropped == {}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("<QUE> What? <ANS> Iron", "unterminated"),
        ("<QUE> What rusts? </END>", "no_answer"),
        ("<QUE> What rusts? <ANS>  </END>", "no_answer"),
        ("<QUE> a <ANS> b <ANS> c </END>", "several_answers"),
        ("What rusts? <ANS> Iron </END>", "no_question"),
        ("<QUE>  <ANS> Iron </END>", "no_question"),
        ("<QUE> a <QUE> b <ANS> c </END>", "mark"),
        ("<QUE> a <ANS> see <CON> </END>", "mark"),
        ("<QUE> a <ANS> " + "b" * 5000 + " </END>", "long"),
        (write_pairs([PAIRS[0]]) + "<QUE> WHAT rusts? <ANS> Steel </END>", "repeated"),
    ],
)
def test_what_is_no_pair_is_dropped_with_a_reason(answer: str, reason: str):
    read = read_pairs(answer)

    assert read.dropped == {reason: 1}
    assert len(read.pairs) == (reason == "repeated")


def test_an_answer_that_broke_off_keeps_its_whole_pairs():
    read = read_pairs(write_pairs(PAIRS) + "\n\n<QUE> And what th")

    assert read.pairs == PAIRS
    assert read.dropped == {"unterminated": 1}


@pytest.mark.parametrize("text", ["a <QUE> b", "</END>", "x<ans>y", "<CON>", "</CON>", "< END >"])
def test_marks_are_found_in_any_case(text: str):
    assert has_mark(text)


def test_ordinary_markup_is_no_mark():
    assert not has_mark("<b>question</b> <p> if a < b > c </p> END ANS")


def test_answers_from_elsewhere_are_not_grounded():
    text = "Iron rusts faster near the sea because salt helps the current flow."

    assert grounded_share(Pair("Why?", "Because salt helps the current."), text) == 1.0
    assert grounded_share(Pair("Why?", "Photosynthesis needs chlorophyll."), text) == 0.0


def test_an_answer_without_telling_words_is_as_grounded_as_its_question():
    text = "Iron rusts faster near the sea."

    assert grounded_share(Pair("Does iron rust near the sea?", "Yes"), text) == 1.0
    assert grounded_share(Pair("Was Napoleon Corsican?", "Yes"), text) == 0.0
    assert grounded_share(Pair("?", "-"), text) == 0.0


def test_words_of_scripts_without_spaces_are_compared():
    assert grounded_share(Pair("?", "東京"), "東京は日本の首都である。") == 1.0
    assert grounded_share(Pair("?", "大阪"), "東京は日本の首都である。") == 0.0


@given(st.lists(st.sampled_from(["<QUE>", "<ANS>", "</END>", "<CON>", "a", " ", "b?", "\n"])))
@settings(max_examples=500, deadline=None)
def test_whatever_a_model_writes_pairs_have_words_and_no_marks(parts: list[str]):
    read = read_pairs("".join(parts))

    for pair in read.pairs:
        assert pair.question.strip()
        assert pair.answer.strip()
        assert not has_mark(pair.question + " " + pair.answer)
    assert len({pair.question.lower() for pair in read.pairs}) == len(read.pairs)
