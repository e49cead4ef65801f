"""What a real small model wrote is replayed: its faults are told apart, and no text gets lost."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from curator.errors import RecipeError
from curator.generate.transcripts import read_transcript
from curator.refine.refiner import refined
from curator.stage import Site
from tests.support.generations import FOLDER, NAMES, refiner_called, shown_to


def replayed(name):
    refiner = refiner_called(name)
    return refined(refiner, refiner.load(Site()), shown_to(name), name=refiner.name)


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_answer_is_read_and_gives_the_same_twice(name):
    first, second = replayed(name), replayed(name)

    assert first.children.equals(second.children)
    assert first.outcome.equals(second.outcome)
    assert all(first.outcome["keep"].to_pylist())


@pytest.mark.parametrize("name", NAMES)
def test_a_document_has_what_was_made_of_it_or_a_reason(name):
    found = replayed(name)
    made = set(found.children["row"].to_pylist())
    reasons = found.outcome["reason"].to_pylist()

    assert all(row in made or reason for row, reason in enumerate(reasons))


def test_the_styles_that_a_small_model_can_write_are_told_from_those_it_cannot():
    found = replayed("wrap")
    styles = Counter(json.loads(about)["style"] for about in found.children["about"].to_pylist())

    assert styles == {"easy": 10, "medium": 8, "hard": 6}  # of 12 each; no questions at all
    assert not any("aragraph:" in text for text in found.children["text"].to_pylist())


def test_nothing_that_was_cut_ends_in_the_middle_of_a_sentence():
    cut = {
        entry.documents[0]
        for entry in read_transcript(FOLDER / "cosmopedia.jsonl")
        if entry.answer.finish == "length"
    }
    ids = [one.hex() for one in shown_to("cosmopedia")["doc_id"].to_pylist()]
    found = replayed("cosmopedia")
    pairs = zip(found.children["row"].to_pylist(), found.children["text"].to_pylist(), strict=True)
    texts = [text for row, text in pairs if ids[row] in cut]

    assert texts
    assert all(text.rstrip("\"'\u201d*)")[-1] in ".!?" for text in texts)


def test_a_text_that_has_changed_since_is_refused():
    refiner = refiner_called("wrap")
    table = shown_to("wrap")
    other = table.set_column(
        table.schema.get_field_index("text"),
        "text",
        [[f"{t.as_py()} More." for t in table["text"]]],
    )

    with pytest.raises(RecipeError, match="has changed"):
        refiner.refine(refiner.load(Site()), other)
