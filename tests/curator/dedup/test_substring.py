"""Repeated passages against a search of every window, under any cut and order of rows."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.dedup.substring import (
    RepeatedSpans,
    SharedSeeds,
    SharedWindows,
    shared_seeds,
    shared_stretches,
)
from curator.dedup.survivors import Survivors
from curator.rewrite import CutSpans
from tests.support import hostile
from tests.support.copies import documents_of, random_words
from tests.support.repeated import remaining, repeated_pieces, spans, windows
from tests.support.wide import beside, cut, run_inline

CUT = CutSpans(name="dedup.substring", column="surplus", kinds=(("surplus", ""),))


def found_in(table, k, *, shards=1, partitions=1, priority=()):
    """The columns of `RepeatedSpans` for the documents of a table, in their order."""
    tables = cut(table, shards)
    reduced = run_inline(SharedSeeds(k=k), tables, partitions)
    tables = beside(tables, reduced, shared_seeds)
    reduced = run_inline(SharedWindows(k=k, survivors=Survivors(priority)), tables, partitions)
    tables = beside(tables, reduced, shared_stretches)
    return pa.concat_tables([RepeatedSpans().process(None, one) for one in tables])


def listed(column):
    return [[(span["start"], span["end"]) for span in row] for row in column.to_pylist()]


def ranks(table, priority=()):
    return [
        (list(priority).index(s) if s in priority else len(priority), -len(t.encode()), i, n)
        for n, (s, t, i) in enumerate(
            zip(*(table[c].to_pylist() for c in ("source", "text", "doc_id")), strict=True)
        )
    ]


def few_words():
    word = st.sampled_from(["a", "b", "c", "日", "ก", "\n", "\n\n"])
    again = st.tuples(st.lists(word, max_size=4), st.integers(1, 12)).map(
        lambda two: two[0] * two[1]
    )
    words = st.lists(again | st.lists(word, max_size=20), max_size=4).map(
        lambda many: list(chain(*many))
    )
    return words.map(" ".join) | words.map("".join)


@settings(max_examples=200, deadline=None)
@given(st.lists(few_words() | hostile.texts(), max_size=5), st.integers(1, 7), st.randoms())
def test_spans_are_those_of_a_search_of_every_window(texts, k, random):
    sources = [random.choice(["web", "books"]) for _ in texts]
    table = documents_of(texts, sources) if texts else documents_of([])
    covered, lost = repeated_pieces(texts, k, ranks(table, ("books",)))

    found = found_in(table, k, shards=random.randint(1, 3), partitions=2, priority=("books",))

    assert listed(found["repeated"]) == [spans(t, c) for t, c in zip(texts, covered, strict=True)]
    left = CUT.rewrite(None, table.append_column("surplus", found["surplus"]))["text"].to_pylist()
    for text, new, gone in zip(texts, left, lost, strict=True):
        kept = "".join(remaining(text, gone))
        assert "".join((new if new is not None else text).split()) == "".join(kept.split())
        assert (new is None) == (not gone)


def test_a_shared_passage_stays_whole_in_the_longest_document_only():
    rng = np.random.default_rng(1)
    passage, others = " ".join(random_words(rng, 60)), [random_words(rng, n) for n in (80, 50, 20)]
    texts = [f"{' '.join(words[:9])} {passage} {' '.join(words[9:])}" for words in others]

    found = found_in(documents_of(texts), 50)

    assert [
        text.encode()[a:b].decode()
        for text, row in zip(texts, listed(found["repeated"]), strict=True)
        for a, b in row
    ] == [passage] * 3
    assert [len(row) for row in listed(found["surplus"])] == [0, 1, 1]
    assert found["repeated_share"][2].as_py() == pytest.approx(len(passage) / len(texts[2]))


def test_priority_decides_before_length():
    rng = np.random.default_rng(1)
    passage = " ".join(random_words(rng, 60))
    table = documents_of([passage + " and some more", passage], ["web", "books"])

    lost = found_in(table, 50, priority=("books",))["surplus_bytes"].to_pylist()

    assert lost == [len(passage) + 1, 0]


def test_a_passage_shorter_than_a_window_is_not_repeated():
    passage = " ".join(random_words(np.random.default_rng(1), 49))

    assert found_in(documents_of([passage, passage + " x"]), 50)["repeated_bytes"].to_pylist() == [
        0,
        0,
    ]
    assert (
        found_in(documents_of([passage, passage + " x"]), 49)["repeated_bytes"].to_pylist()
        == [len(passage)] * 2
    )


def test_line_breaks_do_not_hide_a_passage_and_the_break_of_paragraphs_stays():
    words = random_words(np.random.default_rng(1), 60)
    wrapped = "Before.\n\n" + "\n".join(words) + " After."
    table = documents_of([" ".join(words) + " and much more than that", wrapped])

    found = found_in(table, 50)

    left = CUT.rewrite(None, table.append_column("surplus", found["surplus"]))["text"].to_pylist()
    assert left == [None, "Before.\n\nAfter."]


def test_what_is_cut_is_left_elsewhere_and_no_window_is_left_twice():
    rng = np.random.default_rng(1)
    stock = [random_words(rng, 30) for _ in range(12)]
    texts = [
        " ".join(sum((stock[i] for i in rng.integers(0, 12, 4).tolist()), random_words(rng, n)))
        for n in range(40)
    ]
    table = documents_of(texts)

    found = found_in(table, 20, shards=3)

    left = CUT.rewrite(None, table.append_column("surplus", found["surplus"]))["text"].to_pylist()
    after = [text if new is None else new for text, new in zip(texts, left, strict=True)]
    repeated = [window for window, places in windows(texts, 20).items() if len(places) > 1]
    now = windows(after, 20)
    assert len(repeated) > 100
    assert max(len(now[window]) for window in repeated) == 1
    assert set(" ".join(after).split()) == set(" ".join(texts).split())


def test_the_word_before_a_passage_does_not_keep_a_piece_of_it():
    rng = np.random.default_rng(1)
    passage = " ".join(random_words(rng, 80))
    texts = [f"{' '.join(random_words(rng, 30 - n))} the {passage} end" for n in range(6)]

    found = found_in(documents_of(texts), 50)

    assert [len(row) for row in listed(found["surplus"])] == [0, 1, 1, 1, 1, 1]
    assert min(found["surplus_bytes"].to_pylist()[1:]) >= len(f"the {passage} end")


def test_of_a_text_that_says_the_same_over_and_over_one_window_stays():
    table = documents_of([" ".join(["one two"] * 100)])

    found = found_in(table, 50)

    left = CUT.rewrite(None, table.append_column("surplus", found["surplus"]))["text"].to_pylist()
    assert left == [" ".join(["one two"] * 25)]


def test_neither_cuts_nor_order_nor_partitions_change_what_is_found():
    rng = np.random.default_rng(2)
    stock = [random_words(rng, 12) for _ in range(6)]
    texts = [
        " ".join(sum((stock[i] for i in rng.integers(0, 6, 5).tolist()), random_words(rng, n)))
        for n in range(30)
    ]
    table = documents_of(texts)
    order = rng.permutation(30)

    whole = found_in(table, 10)
    again = found_in(table.take(pa.array(order)), 10, shards=4, partitions=3)

    assert again.equals(whole.take(pa.array(order)).combine_chunks())
    assert sum(whole["surplus_bytes"].to_pylist()) > 1000


def test_other_sources_are_left_alone():
    text = " ".join(random_words(np.random.default_rng(1), 60))
    table = documents_of([text, text], ["web", "code"])

    found = run_inline(SharedSeeds(sources=("web",)), [table])

    assert found[0].num_rows == 0
