"""Long texts become several documents; joined they are the text."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.ingest.reader import make_reader
from curator.ingest.records import documents_table
from curator.ingest.split import LEAST, split_long

texts = st.lists(st.text(st.sampled_from("aé漢🙂. \n"), max_size=1500), min_size=1, max_size=4)


def split(contents: list[str], most: int = LEAST) -> pa.Table:
    origins = [f"f#{row}" for row in range(len(contents))]
    return split_long(documents_table("s", origins, contents), most)


@settings(deadline=None)
@given(texts)
def test_the_pieces_of_a_text_joined_are_the_text(contents):
    made = split(contents)
    found: dict[str, str] = {}
    for origin, text in zip(made["origin"].to_pylist(), made["text"].to_pylist(), strict=True):
        where = origin.partition("/")[0]
        found[where] = found.get(where, "") + text

    assert found == {f"f#{row}": text for row, text in enumerate(contents)}


@settings(deadline=None)
@given(texts)
def test_a_piece_is_no_longer_than_was_asked_but_for_white_space(contents):
    for text in split(contents)["text"].to_pylist():
        assert len(text.strip().encode()) <= LEAST
        assert text.strip() or text in contents


def test_white_space_that_a_text_begins_with_goes_with_its_first_words():
    pieces = split([" " * 3 * LEAST + "word " * 60])["text"].to_pylist()

    assert [len(piece.split()) for piece in pieces] == [51, 9]
    assert split([" " * 3 * LEAST])["text"].to_pylist() == [" " * 3 * LEAST]


def test_a_text_is_not_held_once_for_every_piece():
    documents = documents_table("s", ["f#0"], ["x" * 400_000])
    pool = pa.default_memory_pool()
    reached, held = pool.max_memory() or 0, pool.bytes_allocated()
    made = split_long(documents, LEAST)

    assert made.num_rows == 1563
    assert pool.max_memory() <= max(reached, held + 10_000_000)


def test_a_text_is_cut_at_the_best_pause_of_the_second_half():
    first, second = "word. " * 30, "more words " * 20

    assert split([f"{first}\n\n{second}"])["text"].to_pylist()[0] == f"{first}\n\n"
    assert split(["word " * 60])["text"].to_pylist()[0].endswith(" ")
    assert split(["x" * 300])["text"].to_pylist() == ["x" * 256, "x" * 44]


def test_pieces_keep_their_columns_and_say_where_they_come_from():
    made = split(["short", "x" * 600])

    assert made["origin"].to_pylist() == ["f#0", "f#1/1", "f#1/2", "f#1/3"]
    assert set(made["source"].to_pylist()) == {"s"}


def test_a_size_with_hardly_a_pause_in_it_is_refused():
    with pytest.raises(RecipeError, match="piece_bytes is 10; wanted at least 256"):
        make_reader({"source": "s", "files": "x.jsonl", "piece_bytes": 10})
