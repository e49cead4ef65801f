"""The executor that ours is compared with does what is described of ProX's, oddities included."""

from __future__ import annotations

from bench.prox_reference import read_calls, run_chunks, run_document

PROSE = "The river rose after three days of rain and the lower road was closed."
TEXT = "\n".join(f"{PROSE} {n}" for n in range(4))


def test_replacements_come_first_and_lines_are_numbered_after_them():
    made = run_chunks(
        TEXT,
        [
            "remove_lines(line_start=3, line_end=3)",
            'normalize(source_str="rose", target_str="fell")',
        ],
    )

    assert made.text == "\n".join(f"{PROSE} {n}" for n in range(3)).replace("rose", "fell")


def test_a_comma_makes_a_replacement_no_call_and_no_error():
    made = run_chunks(TEXT, ['normalize(source_str="rose, after", target_str="x")'])

    assert (made.text, made.errors) == (TEXT, 0)


def test_an_equals_sign_and_a_parenthesis_cut_a_string_short():
    assert read_calls('normalize(source_str="a=b", target_str="c")')[0] == [("a", "c")]
    assert read_calls('normalize(source_str="a", target_str="(b) c")')[0] == [("a", "(b")]


def test_lines_that_are_not_there_and_unknown_calls_are_errors():
    calls = ["remove_lines(line_start=3, line_end=9)", "what?"]

    assert run_chunks(TEXT, calls[:1]).errors == 1
    assert run_chunks(TEXT, calls).rule == "errors"
    assert run_chunks(TEXT, calls).text == TEXT


def test_the_rules_of_acceptance():
    long = "\n".join([PROSE] * 30)

    assert run_chunks(long, ["remove_lines(line_start=0, line_end=28)"]).rule == "share"
    assert run_chunks("ten words or fewer", ["keep_chunk()"]).rule == "short"
    assert run_chunks("\n\n", ["keep_chunk()"]).rule == "wordless"


def test_a_mention_of_dropping_drops_a_document():
    assert run_document(TEXT, "I would not drop_doc() this") is None
    assert run_document(TEXT, "keep_doc()") == TEXT
