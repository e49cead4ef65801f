"""The corpus of the substring bench: what is planted where, and how cuts are counted."""

from __future__ import annotations

from itertools import islice

from bench.substring import _pieces_in, beginning, documents, marker, planted


def test_every_passage_is_long_enough_and_has_its_marker_once():
    passages = planted(50)

    assert all(60 <= len(passage.split()) < 300 for passage in passages)
    assert [passage.count(marker(n)) for n, passage in enumerate(passages)] == [1] * 50
    assert planted(50) == passages


def test_one_document_in_ten_has_a_passage():
    passages = planted(3)

    made = list(islice(documents(["one two three four", "five six"], passages), 60))

    found = [next((n for n in range(3) if marker(n) in text), None) for text in made]
    assert found[3::10] == [0, 1, 2, 0, 1, 2]
    assert sum(one is not None for one in found) == 6


def test_rounds_have_the_same_words_in_another_order():
    texts = [f"{n} " + " ".join(f"w{n}{i}" for i in range(12)) for n in range(5)]

    made = list(islice(documents(texts, ["planted"]), 15))

    first, third = made[1], made[11]
    assert first != third
    assert sorted(first.split()) == sorted(third.split())


def test_a_beginning_is_whole_texts_within_a_size():
    assert beginning(iter(["abc", "de", "fgh"]), 6) == ["abc", "de"]


def test_tokens_in_cuts_are_counted_with_those_between_documents():
    cuts = [[(0, 1), (2, 3)], [(0, 2), (3, 4), (5, 6)]]
    spans = [[], [{"start": 2, "end": 6}]]

    assert _pieces_in(cuts, spans) == [4, 5]
