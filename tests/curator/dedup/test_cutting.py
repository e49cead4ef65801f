"""What is cut out of a document, and what is left of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.dedup.benchmark_index import build_index
from curator.dedup.benchmarks import ITEMS
from curator.dedup.contamination import CutContamination, Decontaminate, united
from curator.dedup.cutting import JOINT, Cut, cut_texts
from curator.dedup.overlap import find_overlap
from curator.text.spans import Spans
from tests.support.copies import random_words

RNG = np.random.default_rng(11)
ITEM = " ".join(random_words(RNG, 30))
BEFORE, AFTER = (" ".join(random_words(RNG, 200)) for _ in range(2))
COLUMNS = [["quiz"], ["quiz/0"], [ITEM], pa.nulls(1, ITEMS.field("parts").type)]
INDEX = build_index(pa.table(COLUMNS, schema=ITEMS))
STAGE = CutContamination(index=INDEX.digest)


def column(*texts: str) -> pa.ChunkedArray:
    return pa.chunked_array([texts], pa.large_string())


def cut_by(cut: Cut, *texts: str) -> pa.Table:
    stage = CutContamination(index=INDEX.digest, cut=cut)
    return stage.process(INDEX, pa.table({"text": column(*texts)}))


def spans_at(*pairs: tuple[int, int]) -> Spans:
    starts, ends = (np.array(each, np.int64) for each in zip(*pairs, strict=True))
    return Spans(np.array([0, len(pairs)]), starts, ends, np.zeros(len(pairs), np.uint8))


def nothing(texts: pa.Array) -> Spans:
    none = np.zeros(0, np.int64)
    return Spans(np.zeros(len(texts) + 1, np.int64), none, none, none.astype(np.uint8))


def cut_at(text: str, cut: Cut, *pairs: tuple[int, int]) -> str | None:
    texts = pa.array([text], pa.large_string())
    return cut_texts(texts, spans_at(*pairs), cut, nothing)[0]


def test_the_copy_goes_with_200_characters_on_each_side_and_no_word_is_cut():
    text = f"{BEFORE} {ITEM} {AFTER}"
    row = STAGE.process(INDEX, pa.table({"text": column(text, BEFORE)})).to_pylist()
    left, right = row[0]["text"].split(JOINT)

    assert row[0]["keep"]
    assert BEFORE.startswith(left + " ")
    assert AFTER.endswith(" " + right)
    assert 200 <= len(BEFORE) - len(left) <= 205
    assert 200 <= len(AFTER) - len(right) <= 205
    assert row[0]["cut_characters"] == len(text) - len(row[0]["text"])
    assert (
        row[1] | {"keep": True, "text": None, "benchmark": None, "cut_characters": None} == row[1]
    )


def test_what_was_found_is_told_in_places_of_the_text_as_it_was():
    text = f"{BEFORE} {ITEM} {AFTER}"
    row = STAGE.process(INDEX, pa.table({"text": column(text)})).to_pylist()[0]
    hit = row["benchmark_hits"][0]

    assert text[hit["start"] : hit["end"]] == ITEM
    assert row["benchmark_spans"][0]["text"] == ITEM


def test_pieces_that_are_too_short_go_and_a_text_of_nothing_else_is_dropped():
    made = cut_by(Cut(), f"{BEFORE[:390]} {ITEM} {AFTER}", f"{BEFORE[:390]} {ITEM}").to_pylist()

    assert JOINT not in made[0]["text"]
    assert [row["keep"] for row in made] == [True, False]
    assert made[1]["reason"] == "contaminated:quiz"
    assert made[1]["benchmark_hits"]


@pytest.mark.parametrize(("copies", "keep"), [(9, True), (10, False)])
def test_a_text_in_more_than_ten_pieces_is_dropped(copies, keep):
    text = AFTER + f" {ITEM} {AFTER}" * copies

    assert cut_by(Cut(), text)["keep"].to_pylist() == [keep]


def test_margins_that_overlap_are_one_cut():
    text = f"{BEFORE} {ITEM} {AFTER[:100]} {ITEM} {AFTER}"

    assert cut_by(Cut(max_pieces=2), text)["keep"].to_pylist() == [True]


def test_what_joining_pieces_makes_is_cut_as_well():
    words = ITEM.split()
    halves = " ".join(words[:8]), " ".join(words[8:16])
    text = f"{BEFORE} {halves[0]} {ITEM} {halves[1]} {AFTER}"
    made = cut_by(Cut(margin=0, min_piece=1), text).to_pylist()[0]

    assert made["keep"]
    assert find_overlap(INDEX, column(made["text"])).pairs.is_empty()


def test_margins_count_characters_and_offsets_bytes():
    text = "ÄÖÜ ß€𝄞 [x] 漢字 é"
    start = len(text[: text.index("[")].encode())

    assert cut_at(text, Cut(margin=0, min_piece=1), (start, start + 3)) == f"ÄÖÜ ß€𝄞{JOINT}漢字 é"
    assert cut_at(text, Cut(margin=3, min_piece=1), (start, start + 3)) == f"ÄÖÜ{JOINT}é"


def test_a_word_without_end_is_cut_where_the_margin_ends():
    text = "y" * 1000 + "x" + "z" * 1000

    assert cut_at(text, Cut(min_piece=1), (1000, 1001)) == f"{'y' * 800}{JOINT}{'z' * 800}"


TEXTS = st.text(st.sampled_from("ab é漢\n"), min_size=1, max_size=60)
PLACES = st.lists(st.integers(0, 60), min_size=2, max_size=6)


@settings(max_examples=150, deadline=None)
@given(TEXTS, PLACES, st.integers(0, 8), st.integers(1, 5))
def test_what_is_left_was_there_outside_the_margins(text, places, margin, shortest):
    places = sorted({min(place, len(text)) for place in places})
    pairs = list(zip(places[::2], places[1::2], strict=False))
    if not pairs:
        return
    in_bytes = [(len(text[:a].encode()), len(text[:b].encode())) for a, b in pairs]
    left = cut_at(text, Cut(margin, shortest, 10), *in_bytes)
    gone = {at for a, b in pairs for at in range(a - margin, b + margin)}
    outside = "".join("\0" if at in gone else letter for at, letter in enumerate(text))
    pieces = left.split(JOINT) if left and JOINT not in text else []

    assert all(piece in outside and len(piece) >= shortest for piece in pieces)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.integers(0, 30))
def test_no_guarded_run_is_left_and_only_contaminated_texts_change(cuts, margin):
    words = ITEM.split() * 3
    text = " ".join(
        " ".join(words[at : at + 25]) + " " + BEFORE[at * 9 : at * 9 + 90] for at in cuts
    )
    made = cut_by(Cut(margin, 20, 100), text, BEFORE)
    kept = [row["text"] for row in made.to_pylist() if row["text"] is not None]

    assert find_overlap(INDEX, column(*kept)).pairs.is_empty()
    assert made["text"].to_pylist()[1] is None
    assert made["keep"].to_pylist()[1]


def test_cutting_and_dropping_find_the_same():
    texts = pa.table({"text": column(BEFORE, f"{BEFORE} {ITEM}", ITEM, "")})
    dropped = Decontaminate(index=INDEX.digest).process(INDEX, texts)
    cut = STAGE.process(INDEX, texts)

    for name in ("benchmark", "item_id", "benchmark_hits", "benchmark_spans", "matched_text"):
        assert dropped[name].equals(cut[name])
    assert cut["keep"].to_pylist() == [True, True, False, True]


def test_spans_of_several_items_are_united():
    overlap = find_overlap(INDEX, column(f"{ITEM} {ITEM}"))

    assert united(overlap.spans, 1).starts.tolist() == [0, len(ITEM) + 1]
