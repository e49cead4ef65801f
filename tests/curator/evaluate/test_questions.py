"""Reading questions: declared fields in all their shapes, clear refusals, nothing guessed."""

from __future__ import annotations

import json

import pytest

from curator.corpus_spec import ChoicesSpec, PairsSpec
from curator.errors import RecipeError
from curator.evaluate.questions import read_choices, read_pairs


def write(folder, *records):
    path = folder / "items.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in records))
    return path


def read(folder, record, **spec):
    """Return (text, scored part, gold) of every option of one record."""
    table = read_choices("t", write(folder, record), ChoicesSpec(**spec)).table
    return [(row["text"], row["text"][row["start"] :], row["gold"]) for row in table.to_pylist()]


def test_an_option_follows_its_context_and_the_scored_part_begins_where_that_ends(tmp_path):
    record = {"q": "Dogs  ", "c": ["bark ", "fly"], "a": 0}

    found = read(tmp_path, record, context="q", options="c", answer="a")

    assert found == [("Dogs bark", " bark", True), ("Dogs fly", " fly", False)]


@pytest.mark.parametrize(
    ("value", "extra", "gold"),
    [
        (1, {}, 1),
        (1, {"first_index": 1}, 0),
        ("1", {}, 1),
        ("B", {}, 1),
        ("green", {}, 1),
        ("2", {"labels": "l"}, 1),
        ("B", {"answer_is": "letter"}, 1),
    ],
)
def test_answers_are_indices_letters_labels_or_texts(tmp_path, value, extra, gold):
    record = {"c": ["red", "green", "blue"], "a": value, "l": ["1", "2", "3"]}

    found = read(tmp_path, record, options="c", answer="a", **extra)

    assert [right for *_, right in found].index(True) == gold


def test_fields_reach_into_objects_and_options_can_be_fields_of_their_own(tmp_path):
    arc = {"question": "q", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "key": "B"}
    spec = {"options": "choices.text", "labels": "choices.label", "answer": "key"}
    piqa = {"goal": "g", "sol1": "x", "sol2": "y", "label": 1}

    assert [right for *_, right in read(tmp_path, arc, **spec)] == [False, True]
    found = read(tmp_path, piqa, context="goal", options=["sol1", "sol2"], answer="label")
    assert [text for text, *_ in found] == ["g x", "g y"]


def test_contexts_can_be_one_an_option_before_the_same_end(tmp_path):
    record = {"contexts": ["Ann won so Ann", "Ann won so Bob"], "end": "smiled.", "gold": 0}

    found = read(tmp_path, record, context="contexts", options="end", answer="gold")

    assert found[1] == ("Ann won so Bob smiled.", " smiled.", False)


def test_a_single_continuation_needs_no_answer(tmp_path):
    record = {"context": "The flag is", "continuation": "green"}

    assert read(tmp_path, record, context="context", options="continuation") == [
        ("The flag is green", " green", True)
    ]


def test_a_blank_is_filled_and_what_follows_it_is_scored(tmp_path):
    record = {"s": "The _ barked at us.", "c": ["dog", "cat"], "a": 0}

    found = read(tmp_path, record, context="s", options="c", answer="a", blank="_")

    assert found[0] == ("The dog barked at us.", " dog barked at us.", True)


@pytest.mark.parametrize(
    ("record", "spec", "told"),
    [
        ({"c": ["x", "y"]}, {}, r":1: item 'line 1'|:1: item '1'.*no field 'a'"),
        ({"c": "x", "a": "z"}, {}, "none of 1 options"),
        ({"c": ["x", "y"], "a": 2}, {}, "index, letter or text of none of 2 options"),
        ({"c": ["x", "y"], "a": True}, {}, "field 'a' holds True; wanted an option's index"),
        ({"c": ["x", ["y"]], "a": 0}, {}, r"field 'c' holds \['y'\]; wanted a string"),
        ({"c": {"text": ["x"]}, "a": 0}, {}, "is an object; name a list in it: c.text"),
        ({"c": ["1", "0"], "a": "0"}, {}, "index of option 0, text of option 1; say which"),
        ({"c": ["x", "y"], "a": "A", "l": ["A"]}, {"labels": "l"}, "1 labels for 2 options"),
        ({"c": ["x", "y"], "a": "A", "l": ["A", "A"]}, {"labels": "l"}, "'l' has a label twice"),
        ({"c": [], "a": 0}, {}, "is an empty list"),
        ({"c": ["x", "y"], "a": 0, "q": ["p"]}, {"context": "q"}, "1 contexts for 2 options"),
        ({"c": ["x", "y"]}, {"answer": None}, "name the field of the right one"),
        ({"c": ["x", "\ud800"], "a": 0}, {}, "surrogates not allowed"),
        ({"id": "\ud800", "c": ["x", "y"], "a": 0}, {}, "surrogates not allowed"),
    ],
)
def test_a_record_of_another_shape_is_an_error_with_its_place(tmp_path, record, spec, told):
    path = write(tmp_path, record)

    with pytest.raises(RecipeError, match=told) as caught:
        read_choices("exam/test", path, ChoicesSpec(**{"options": "c", "answer": "a"} | spec))

    assert "items.jsonl:1" in str(caught.value)
    assert "exam/test" in str(caught.value)


@pytest.mark.parametrize(
    ("record", "spec", "told"),
    [
        ({"c": ["x", "x "], "a": 0}, {}, "two options are alike: 'x'"),
        ({"c": ["x", " "], "a": 0}, {}, "an option is empty"),
        ({"c": ["x", "y"], "a": 0, "q": "no mark"}, {"context": "q", "blank": "_"}, "has 0 blanks"),
    ],
)
def test_an_item_that_cannot_be_answered_is_left_out_up_to_one_in_a_hundred(
    tmp_path, record, spec, told
):
    good = {"c": ["x", "y"], "a": 0, "q": "a _"}
    settings = ChoicesSpec(**{"options": "c", "answer": "a"} | spec)

    found = read_choices("t", write(tmp_path, record, *[good] * 99), settings)

    assert told in found.left_out[0]
    assert found.table.num_rows == 198
    with pytest.raises(RecipeError, match=told):
        read_choices("t", write(tmp_path, record, *[good] * 98), settings)


def test_pairs_keep_their_groups_in_order(tmp_path):
    path = write(tmp_path, {"g": "Cats sleep.", "b": "Cats sleeps.", "uid": "agr", "n": 3})

    table = read_pairs("t", path, PairsSpec(good="g", bad="b", group=["uid", "n"])).table

    assert table.to_pylist() == [
        {"item": "1", "good": "Cats sleep.", "bad": "Cats sleeps.", "groups": ["agr", "3"]}
    ]


def test_pairs_that_are_alike_or_half_empty_are_refused(tmp_path):
    spec = PairsSpec(good="g", bad="b")

    with pytest.raises(RecipeError, match="alike"):
        read_pairs("t", write(tmp_path, {"g": "x", "b": "x"}), spec)
    with pytest.raises(RecipeError, match="empty"):
        read_pairs("t", write(tmp_path, {"g": "x", "b": ""}), spec)


def test_a_file_without_items_is_refused(tmp_path):
    (tmp_path / "e.jsonl").write_text("\n\n")

    with pytest.raises(RecipeError, match="no items"):
        read_pairs("t", tmp_path / "e.jsonl", PairsSpec(good="g", bad="b"))
