from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.refine.cloze import GAP, Cloze, asked_of
from curator.refine.pair_markup import grounded_share
from curator.refine.refiner import refined
from curator.testing import awkward_documents, documents

TEXT = (
    "Iron is a metal that rusts when water and air reach it. "
    "The bridge at Newport was built in 1854 by engineers who came from Bristol. "
    "It was closed for repairs after the flood had damaged two of its pillars. "
    "yes. 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12."
)
OTHER = (
    "The committee in Geneva published its minutes after meeting twice in February of that year."
)


def test_a_definition_is_asked_for():
    pair = asked_of(TEXT, 5, 0)[0]

    assert pair.question == "What is Iron?"
    assert pair.answer == "A metal that rusts when water and air reach it."


def test_a_gap_is_filled_by_the_word_that_was_there():
    _, *gaps = asked_of(TEXT, 5, 7)

    assert len(gaps) == 2
    for pair in gaps:
        sentence = pair.question.removeprefix("Which word is missing? ")
        assert sentence.count(GAP) == 1
        assert sentence.replace(GAP, pair.answer) in TEXT


def test_every_answer_stands_in_its_text():
    for bits in range(40):
        assert all(grounded_share(pair, TEXT) == 1.0 for pair in asked_of(TEXT, 5, bits))


@pytest.mark.parametrize("text", ["", "no sentence here", "1, 2, 3.", "x" * 10_000, "\n\n"])
def test_a_text_without_sentences_has_no_questions(text: str):
    assert asked_of(text, 5, 0) == ()


def test_texts_without_questions_stay_with_a_reason():
    found = Cloze().refine(None, documents([TEXT, "no sentence"]))

    assert found.children["row"].to_pylist() == [0]
    assert found.outcome["reason"].to_pylist() == [None, "cloze.no_pairs"]
    assert found.outcome["keep"].to_pylist() == [True, True]


def test_shuffled_pairs_are_of_another_text():
    own = Cloze().refine(None, documents([TEXT, OTHER]))
    found = Cloze(shuffled=True).refine(None, documents([TEXT, OTHER]))

    assert "What is Iron?" in own.children["text"][0].as_py()
    assert "What is Iron?" in found.children["text"][1].as_py()
    assert found.children["also"].to_pylist() == [[1], [0]]


def test_only_documents_above_a_score_are_taken():
    table = documents([TEXT, OTHER]).append_column("gap", pa.array([-1.0, 1.0]))
    found = Cloze(among="gap").refine(None, table)

    assert found.children["row"].to_pylist() == [1]


def test_a_share_of_the_documents_is_converted_by_chance_of_their_ids():
    texts = [TEXT.replace("1854", str(1700 + n)) for n in range(300)]
    found = Cloze(convert=0.2).refine(None, documents(texts))
    rows = set(found.children["row"].to_pylist())
    tail = Cloze(convert=0.2).refine(None, documents(texts[100:]))

    assert 35 < len(rows) < 85  # 60 expected; 3.6 standard deviations
    assert {row - 100 for row in rows if row >= 100} == set(tail.children["row"].to_pylist())
    assert found.outcome["reason"].to_pylist().count("cloze.not_converted") == 300 - len(rows)


def test_awkward_documents_keep_the_contract():
    found = refined(Cloze(rounds=2), None, awkward_documents(), name="cloze")

    assert found.outcome.num_rows == awkward_documents().num_rows


@pytest.mark.parametrize(
    "setting", [{"pairs": 0}, {"rounds": 0}, {"rounds": 513}, {"convert": 0.0}]
)
def test_settings_that_mean_nothing_are_refused(setting: dict[str, Any]):
    with pytest.raises(RecipeError, match="wanted"):
        replace(Cloze(), **setting)


def test_a_score_that_is_no_number_says_nothing_of_which_documents():
    words = documents(["One."]).append_column("word", pa.array(["good"]))

    with pytest.raises(RecipeError, match="score 'word' is string; wanted numbers"):
        Cloze(among="word").refine(None, words)
