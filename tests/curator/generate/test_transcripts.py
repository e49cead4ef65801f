from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from curator.errors import RecipeError
from curator.generate.asking import Answer
from curator.generate.replay import Replay
from curator.generate.transcripts import (
    Entry,
    append,
    entry_of,
    read_kept,
    read_transcript,
    write_transcript,
)
from tests.support.judges import request

TEXTS = ("one", "two", "three")


def entries() -> list[Entry]:
    return [
        entry_of(request(text), "m", Answer(odds={"yes": n / 4, "no": 0.1}, prompt_tokens=n))
        for n, text in enumerate(TEXTS)
    ]


def changed(path: Path, **content: object) -> Path:
    write_transcript(entries()[:1], path)
    line = json.loads(path.read_text()) | content
    path.write_text(json.dumps({key: value for key, value in line.items() if value is not None}))
    return path


def test_what_is_written_is_read_again(tmp_path: Path):
    write_transcript(entries(), tmp_path / "t.jsonl")

    assert sorted(read_transcript(tmp_path / "t.jsonl"), key=str) == sorted(entries(), key=str)


def test_a_transcript_has_the_same_bytes_in_whatever_order_answers_came(tmp_path: Path):
    found = set()
    for order in itertools.permutations(entries()):
        write_transcript([*order, order[0]], tmp_path / "t.jsonl")
        found.add((tmp_path / "t.jsonl").read_bytes())

    assert len(found) == 1


def test_a_transcript_holds_no_text_of_a_document(tmp_path: Path):
    write_transcript(entries(), tmp_path / "t.jsonl")

    assert not any(text in (tmp_path / "t.jsonl").read_text() for text in TEXTS)


@pytest.mark.parametrize(
    "content",
    [
        {"prompt": None},
        {"prompt": ""},
        {"shown": ""},
        {"documents": []},
        {"documents": [3]},
        {"documents": "abc"},
        {"piece": -1},
        {"answer": {"text": "", "odds": {"yes": 1.5}, "prompt_tokens": 0, "tokens": 0}},
        {"answer": {"text": "", "odds": {"yes": True}, "prompt_tokens": 0, "tokens": 0}},
        {"answer": None},
    ],
)
def test_a_line_that_lacks_a_digest_or_has_no_probabilities_is_refused(
    tmp_path: Path, content: dict
):
    with pytest.raises(RecipeError, match=r"line 1: no recorded answer"):
        list(read_transcript(changed(tmp_path / "t.jsonl", **content)))


@pytest.mark.parametrize("junk", ["{", "[]", "3", "[" * 100_000, '"' + "a" * 3_000_000])
def test_a_file_of_something_else_is_refused(tmp_path: Path, junk: str):
    (tmp_path / "t.jsonl").write_text(junk)

    with pytest.raises(RecipeError, match="no recorded answer"):
        list(read_transcript(tmp_path / "t.jsonl"))


def test_a_line_that_a_killed_run_left_unfinished_is_passed_over(tmp_path: Path):
    path = tmp_path / "kept.jsonl"
    first, second, third = entries()
    append(path, first)
    with path.open("a") as file:
        file.write('\n{"documents":["aa"],"piec')
    append(path, second)
    append(path, third)

    assert list(read_kept(path)) == [first, second, third]
    assert list(read_kept(tmp_path / "absent.jsonl")) == []


def test_a_replay_gives_every_question_its_recorded_answer(tmp_path: Path):
    write_transcript(entries(), tmp_path / "t.jsonl")
    replay = Replay(tmp_path / "t.jsonl")
    asked = [request("three"), request("one")]

    assert [dict(replay.answers(asked))[n].prompt_tokens for n in (0, 1)] == [2, 0]


def test_a_transcript_of_another_text_is_refused(tmp_path: Path):
    write_transcript(entries(), tmp_path / "t.jsonl")
    one = request("one", shown="d" * 32)

    with pytest.raises(RecipeError, match=r"was asked about with the text .* has d+ now"):
        list(Replay(tmp_path / "t.jsonl").answers([one]))


def test_a_question_without_a_recorded_answer_is_refused(tmp_path: Path):
    write_transcript(entries(), tmp_path / "t.jsonl")
    other = [request("one"), request("four"), request("one", version="w")]

    with pytest.raises(RecipeError, match="2 of 3 questions have no recorded answer"):
        list(Replay(tmp_path / "t.jsonl").answers(other))


def test_a_recorded_answer_without_the_odds_asked_for_is_refused(tmp_path: Path):
    write_transcript(entries(), tmp_path / "t.jsonl")

    with pytest.raises(RecipeError, match=r"lacks the odds of \['maybe'\]"):
        list(Replay(tmp_path / "t.jsonl").answers([request("one", forms=("yes", "maybe"))]))


def test_two_answers_to_one_question_are_refused(tmp_path: Path):
    other = entry_of(request("one"), "another model", Answer(odds={"yes": 1.0, "no": 0.0}))
    write_transcript([*entries(), other], tmp_path / "t.jsonl")

    with pytest.raises(RecipeError, match="answered twice"):
        Replay(tmp_path / "t.jsonl")


def written(text: str = "one", **changes: object) -> Entry:
    asked = request(text, forms=(), max_tokens=5, **changes)
    return entry_of(asked, "m", Answer(f"about {text}", prompt_tokens=3, tokens=2, finish="length"))


def test_how_an_answer_was_drawn_and_ended_is_kept(tmp_path: Path):
    entries = [written(), written(temperature=0.7, seed=2, stop=("\n",)), written(top_p=0.5)]
    write_transcript(entries, tmp_path / "t.jsonl")

    assert sorted(read_transcript(tmp_path / "t.jsonl"), key=str) == sorted(entries, key=str)
    assert json.loads(entries[1].sampling) == {"seed": 2, "stop": ["\n"], "temperature": 0.7}


def test_a_judges_line_is_what_it_always_was(tmp_path: Path):
    write_transcript(entries()[:1], tmp_path / "t.jsonl")
    line = json.loads((tmp_path / "t.jsonl").read_text())

    assert "sampling" not in line
    assert set(line["answer"]) == {"odds", "prompt_tokens", "text", "tokens"}


def test_one_document_may_be_asked_about_in_several_ways_and_rounds(tmp_path: Path):
    asked = [
        request("one", forms=(), max_tokens=5, **changes)
        for changes in ({}, {"seed": 1}, {"shown": "and what came of it"}, {"temperature": 0.5})
    ]
    answers = [Answer(f"answer {n}") for n in range(4)]
    write_transcript(
        [entry_of(one, "m", answer) for one, answer in zip(asked, answers, strict=True)],
        tmp_path / "t.jsonl",
    )

    assert [one for _, one in Replay(tmp_path / "t.jsonl").answers(asked)] == answers


@pytest.mark.parametrize(
    "content",
    [
        {"sampling": {"temperature": -1}},
        {"sampling": {"temperature": "hot"}},
        {"sampling": {"other": 1}},
        {"sampling": [1]},
        {"answer": {"text": "", "odds": {}, "prompt_tokens": 0, "tokens": 0, "finish": "maybe"}},
    ],
)
def test_a_line_with_a_strange_drawing_or_end_is_refused(tmp_path: Path, content: dict):
    with pytest.raises(RecipeError, match=r"line 1: no recorded answer"):
        list(read_transcript(changed(tmp_path / "t.jsonl", **content)))
