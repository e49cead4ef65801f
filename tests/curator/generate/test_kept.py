from __future__ import annotations

from pathlib import Path

import pytest

from curator.generate.asking import Answer
from curator.generate.kept import Kept
from curator.generate.transcripts import Entry, append, entry_of
from tests.support.judges import request


def entry(text: str) -> Entry:
    asked = request(text, forms=(), max_tokens=5)
    return entry_of(asked, "m", Answer(f"about {text} \u00e9\U0001f600", tokens=2))


ENTRIES = [entry(text) for text in ("one", "two", "three", "four")]


@pytest.mark.parametrize("kept", [None, "kept.jsonl"])
def test_what_is_added_is_found(tmp_path: Path, kept: str | None):
    answers = Kept(kept and tmp_path / kept)
    for one in ENTRIES:
        answers.add(one)

    assert [answers.get(one.key) for one in ENTRIES] == [one.answer for one in ENTRIES]
    assert ENTRIES[0].key in answers
    assert "other" not in answers
    assert answers.get("other") is None


def test_what_another_worker_adds_is_found_after_a_look(tmp_path: Path):
    here, there = Kept(tmp_path / "kept.jsonl"), Kept(tmp_path / "kept.jsonl")
    here.add(ENTRIES[0])
    there.add(ENTRIES[1])

    assert ENTRIES[1].key not in here
    here.refresh()
    assert [here.get(one.key) for one in ENTRIES[:2]] == [one.answer for one in ENTRIES[:2]]


def test_half_a_line_is_no_answer_until_it_is_whole(tmp_path: Path):
    path = tmp_path / "kept.jsonl"
    append(path, ENTRIES[0])
    append(path, ENTRIES[1])
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        answers = Kept(path)
        assert ENTRIES[1].key not in answers
        if size % 40 == 0:
            path.write_bytes(whole)
            answers.refresh()
            assert answers.get(ENTRIES[1].key) == ENTRIES[1].answer


def test_a_killed_writers_remains_hide_no_later_answer(tmp_path: Path):
    path = tmp_path / "kept.jsonl"
    answers = Kept(path)
    answers.add(ENTRIES[0])
    with path.open("ab") as file:
        file.write(b'\n{"documents":["aa"],"piec\xff')
    answers.add(ENTRIES[1])
    answers.add(ENTRIES[2])

    assert [answers.get(one.key) for one in ENTRIES] == [
        *(one.answer for one in ENTRIES[:3]),
        None,
    ]
    assert Kept(path).get(ENTRIES[1].key) == ENTRIES[1].answer


def test_a_line_beyond_all_bounds_is_passed_over(tmp_path: Path):
    path = tmp_path / "kept.jsonl"
    append(path, ENTRIES[0])
    with path.open("ab") as file:
        file.write(b"a" * (5 << 20))
    append(path, ENTRIES[1])

    assert Kept(path).get(ENTRIES[1].key) == ENTRIES[1].answer
