from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.generate.asking import Request
from curator.generate.tables import (
    Accepted,
    Rejected,
    TableTask,
    ask_table,
    read_answers,
    serialized,
)
from tests.support.writers import Scripted

TASK = TableTask("language", "Say the language.", ("title", "language"), ("en", "de", "fr"))
ROWS = [{"title": f"title {n}", "language": None, "url": "x"} for n in range(7)]
KEYS = [f"k{n}" for n in range(7)]


def asked_rows(request: Request) -> list[tuple[str, str]]:
    """Return (number, key) of the rows of a question."""
    return re.findall(r"(?m)^(\d+)\. \[(k\d+)\]", request.prompt.rsplit("Rows:\n", 1)[1])


def oracle(answer: Callable[[str], str] = lambda _: "en") -> Scripted:
    return Scripted(
        lambda request: "\n".join(f"{n}. [{k}] {answer(k)}" for n, k in asked_rows(request))
    )


def test_rows_are_asked_in_batches_and_answered_in_order():
    writer = oracle(lambda key: "de" if key == "k5" else "en")
    found = ask_table(ROWS, KEYS, TASK, writer, batch=3)

    assert [len(asked_rows(one)) for one in writer.asked] == [3, 3, 1]
    assert found.answers == tuple(Accepted("de" if k == "k5" else "en") for k in KEYS)
    assert (found.questions, found.again) == (3, 0)


def test_only_the_columns_of_the_task_are_shown():
    writer = oracle()
    ask_table(ROWS, KEYS, TASK, writer)

    assert '[title: "title 0", language: ?]' in writer.asked[0].prompt
    assert "url" not in writer.asked[0].prompt


def test_missing_numbers_are_asked_again_alone():
    def skips(request: Request) -> str:
        rows = asked_rows(request)
        return "\n".join(f"{n}. [{k}] fr" for n, k in rows if k != "k2" or len(rows) == 1)

    writer = Scripted(skips)
    found = ask_table(ROWS, KEYS, TASK, writer, batch=4)

    assert found.answers[2] == Accepted("fr", alone=True)
    assert [len(asked_rows(one)) for one in writer.asked] == [4, 3, 1]
    assert (found.questions, found.again, found.reasons) == (3, 1, {"missing": 1})


def test_answers_that_shift_by_one_are_caught_by_their_keys():
    def shifts(request: Request) -> str:
        """Skips the first row and renumbers the others, as models do."""
        rows = asked_rows(request)
        keys = [key for _, key in rows]
        kept = keys if len(keys) == 1 else keys[1:]
        return "\n".join(f"{n}. [{k}] en" for n, k in enumerate(kept, start=1))

    found = ask_table(ROWS, KEYS, TASK, Scripted(shifts), batch=7)

    assert found.reasons == {"shifted": 6, "missing": 1}
    assert all(isinstance(one, Accepted) and one.alone for one in found.answers)


def test_a_row_that_never_gets_an_answer_is_rejected():
    found = ask_table(ROWS, KEYS, TASK, Scripted(lambda _: "I cannot."))

    assert set(found.answers) == {Rejected("missing")}
    assert found.again == 7


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1. [k0] en", Accepted("en")),
        ("1) k0: EN.", Accepted("en")),
        ("**1.** [k0] - en", Accepted("en")),
        ('1. [k0] "en"', Accepted("en")),
        ("1. [k0] Klingon", Rejected("unknown")),
        ("1. [k1] en", Rejected("shifted")),
        ("1. en", Rejected("missing")),
        ("1. [k0]", Rejected("missing")),
        ("", Rejected("missing")),
    ],
)
def test_an_answer_counts_with_its_key_and_a_choice(line: str, expected: Accepted | Rejected):
    assert read_answers(line, ["k0"], TASK.choices) == [expected]


def test_a_reason_may_stand_before_the_answer():
    task = replace(TASK, reasoning=True)
    writer = oracle(lambda _: "it has umlauts => de")

    assert ask_table(ROWS[:1], KEYS[:1], task, writer).answers == (Accepted("de"),)
    assert "reason" in writer.asked[0].prompt


def test_examples_are_shown_with_their_answers():
    row = (("title", "Guten Tag"), ("language", None))
    writer = oracle()
    ask_table(ROWS[:1], KEYS[:1], replace(TASK, examples=((row, "de"),)), writer)

    assert '1. [e1] [title: "Guten Tag", language: ?]' in writer.asked[0].prompt
    assert "1. [e1] de" in writer.asked[0].prompt


@given(st.text())
def test_no_value_can_end_its_quotes_or_its_line(value: str):
    shown = serialized({"title": value}, ("title",))

    assert "\n" not in shown
    inner = shown.removeprefix('[title: "').removesuffix('"]')
    assert re.search(r'(?<!\\)(?:\\\\)*"', inner) is None


def test_keys_that_repeat_or_cannot_be_echoed_are_refused():
    with pytest.raises(RecipeError, match="'k1' names two rows"):
        ask_table(ROWS[:3], ["k1", "k2", "k1"], TASK, oracle())
    with pytest.raises(RecipeError, match="could not be echoed"):
        ask_table(ROWS[:1], ["a key"], TASK, oracle())
    with pytest.raises(RecipeError, match="wanted one each"):
        ask_table(ROWS[:2], ["k1"], TASK, oracle())


def test_attributes_that_no_row_has_are_refused():
    with pytest.raises(RecipeError, match=r"no attribute \['author'\]"):
        ask_table(ROWS, KEYS, replace(TASK, columns=("title", "author")), oracle())


@pytest.mark.parametrize(
    "change",
    [{"columns": ()}, {"instruction": " "}, {"columns": ('a"b',)}, {"columns": ("a", "a")},
     {"choices": ("en", "EN")}, {"choices": ("",)}],
)  # fmt: skip
def test_tasks_that_could_not_be_read_back_are_refused(change: dict):
    with pytest.raises(RecipeError, match="wanted"):
        replace(TASK, **change)
