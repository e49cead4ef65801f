"""Planted copies are what they say they are."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from bench.contaminated import edited, items_of, plant, question_of, recased
from curator.dedup.benchmarks import ITEMS
from curator.text.ngrams import ngram_hashes


def words(text: str) -> list[int]:
    return ngram_hashes(pa.array([text], pa.large_string()), 1).hashes.tolist()


def test_case_and_punctuation_change_and_words_do_not():
    text = "It's 3.5 times what “they” said: Übung, naïve & 漢字!"
    changed = recased(text, random.Random(3))

    assert changed != text
    assert words(changed) == words(text)


def test_a_fifth_of_the_words_are_others():
    text = " ".join(f"w{number}" for number in range(50))
    changed = edited(text, ["other"], random.Random(3)).split()

    assert len(changed) == 50
    assert changed.count("other") == 10


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Question: Who?\nAnswer:", "Who?"),
        ("Question: Who?\nChoices:\nA. me\nB. you\nAnswer:", "Who?"),
        ("Passage: It is so.\nQuestion: is it so?", "It is so.\nQuestion: is it so?"),
        ("Who?", "Who?"),
    ],
)
def test_a_question_is_what_stands_between_its_decorations(text, asked):
    part = {"start": 0, "end": len(text), "prompt": True}

    assert question_of(text, [part]) == asked


def test_items_evenly_over_each_benchmark_are_planted_in_every_way_and_always_the_same():
    names = ["a"] * 10 + ["b"]
    texts = [f"item {number} asks for something" for number in range(11)]
    parts = [[{"start": 0, "end": len(text), "prompt": True}] for text in texts]
    items = pa.table([names, texts, texts, parts], schema=ITEMS)
    carriers = ["some other text of a few words", "and one more"]
    planted = plant(items, carriers, 5, seed=1)

    assert sorted({copy.item for copy in planted}) == [0, 2, 4, 6, 8, 10]
    assert len(planted) == 6 * len({copy.kind for copy in planted}) == 30
    assert all(texts[c.item] in c.text for c in planted if c.kind == "verbatim")
    assert plant(items, carriers, 5, seed=1) == planted


def test_beginnings_of_texts_are_items():
    assert items_of(["one two three four"], 2)["text"].to_pylist() == ["one two"]
