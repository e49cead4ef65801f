from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.text.spans import SPANS, Spans, merge_spans, replace_spans, span_lists, spans_of
from tests.support.hostile import texts

MARKS = ("", "<x>", "é")


@st.composite
def marked_texts(draw):
    """Texts, and for each of them stretches of characters with a kind, in any order."""
    column = draw(st.lists(texts(), max_size=4))
    found = []
    for row, text in enumerate(column):
        place = st.integers(0, len(text))
        for one, other in draw(st.lists(st.tuples(place, place), max_size=5)):
            kind = draw(st.integers(0, len(MARKS) - 1))
            found.append((row, min(one, other), max(one, other), kind))
    return column, found


def spans_in_bytes(column, found) -> Spans:
    rows = [
        (row, len(column[row][:low].encode()), len(column[row][:high].encode()), kind)
        for row, low, high, kind in found
    ]
    rows, starts, ends, kinds = zip(*rows, strict=True) if rows else ([], [], [], [])
    return merge_spans(
        len(column),
        np.array(rows, np.int64),
        np.array(starts, np.int64),
        np.array(ends, np.int64),
        np.array(kinds, np.uint8),
    )


def slow(text: str, found) -> str:
    """Replace one text's stretches, character by character."""
    groups: list[list] = []
    for low, high, kind in sorted(found, key=lambda f: (f[0], -f[1], f[2])):
        if low == high:
            continue
        last = groups[-1] if groups else None
        if last and (low < last[1] or (low == last[1] and kind == last[2])):
            last[1] = max(last[1], high)
        else:
            groups.append([low, high, kind])
    for low, high, kind in reversed(groups):
        text = text[:low] + MARKS[kind] + text[high:]
    return text


@settings(deadline=None)  # the first call compiles
@given(marked_texts())
def test_replaced_texts_are_those_of_slow_code(drawn):
    column, found = drawn
    spans = spans_in_bytes(column, found)

    made = replace_spans(pa.array(column, pa.large_string()), spans, MARKS).to_pylist()

    expected = [
        slow(text, [f[1:] for f in found if f[0] == row]) for row, text in enumerate(column)
    ]
    assert made == expected


@settings(deadline=None)  # the first call compiles
@given(marked_texts())
def test_spans_survive_a_column_of_lists(drawn):
    spans = spans_in_bytes(*drawn)

    column = span_lists(spans, ("a", "b", "c"))
    again = spans_of(column, ("a", "b", "c"))

    assert column.type == SPANS
    assert all((one == other).all() for one, other in zip(spans, again, strict=True))
    assert spans.sizes.sum() == (spans.ends - spans.starts).sum()


def test_a_null_and_a_slice_of_lists_are_read_right():
    spans = spans_in_bytes(["abc", "defg"], [(0, 0, 1, 0), (1, 1, 3, 1)])
    column = pa.concat_arrays([span_lists(spans, ("a", "b")), pa.nulls(1, SPANS)])

    found = spans_of(column.slice(1), ("b",))

    assert found.offsets.tolist() == [0, 1, 1]
    assert (found.starts.tolist(), found.ends.tolist()) == ([1], [3])


@pytest.mark.parametrize(
    ("starts", "ends", "kinds", "told"),
    [
        ([0, 1], [2, 3], [0, 0], "overlap"),
        ([0], [9], [0], "leave their text"),
        ([2], [1], [0], "leave their text"),
        ([0], [1], [1], "of kind 1"),
        ([4], [5], [0], "inside a character"),
    ],
)
def test_spans_that_cannot_be_replaced_are_refused(starts, ends, kinds, told):
    spans = Spans(
        np.array([0, len(starts)]), np.array(starts), np.array(ends), np.array(kinds, np.uint8)
    )

    with pytest.raises(ValueError, match=told):
        replace_spans(pa.array(["abcé"], pa.large_string()), spans)


def test_a_kind_that_nobody_named_is_refused():
    column = span_lists(spans_in_bytes(["abc"], [(0, 0, 1, 0)]), ("secret",))

    with pytest.raises(ValueError, match="secret"):
        spans_of(column, ("email",))
