import pyarrow as pa
import pytest
from hypothesis import given, settings

from curator.text.segments import segments
from curator.text.statistics import COUNTS, count_texts
from tests.support import text_reference
from tests.support.hostile import TEXTS, texts


def counted(text):
    found = count_texts(pa.array([text], pa.large_string()))
    edited = bytes(found.edited.data).decode()
    return dict(zip(COUNTS, found.counts[0].tolist(), strict=True)), edited


def assert_as_reference(text):
    ours, edited = counted(text)
    expected, expected_edited = text_reference.statistics(text, segments)

    assert edited == expected_edited
    assert {name: ours[name] for name in expected} == expected


@pytest.mark.parametrize("text", TEXTS)
def test_awkward_texts_count_as_the_plain_reference_does(text):
    assert_as_reference(text)


@settings(max_examples=150, deadline=None)
@given(texts())
def test_hostile_unicode_counts_as_the_plain_reference_does(text):
    assert_as_reference(text)


def test_a_text_with_more_tokens_than_the_first_room_is_counted_whole():
    text = " ".join(f"word{number % 700}" for number in range(5_000))

    assert_as_reference(text)


def test_counts_do_not_depend_on_how_rows_are_cut():
    rows = pa.array([*TEXTS, None, "the end."], pa.large_string())
    whole = count_texts(rows).counts.tolist()
    cut = pa.chunked_array([rows.slice(0, 3), rows.slice(3, 0), rows.slice(3)])

    assert count_texts(cut).counts.tolist() == whole
    assert count_texts(rows.slice(5)).counts.tolist() == whole[5:]
    assert count_texts(rows.cast(pa.string())).counts.tolist() == whole


def test_a_null_counts_as_an_empty_text():
    rows = count_texts(pa.array([None, ""], pa.large_string())).counts

    assert rows[0].tolist() == rows[1].tolist()


def test_an_empty_column_has_no_rows():
    assert count_texts(pa.array([], pa.large_string())).counts.shape == (0, len(COUNTS))


def test_broken_utf8_is_survived_and_stays_in_its_row():
    raw = b"ok text" + b"\xff\xfe\xe2\x80" + b"next text"
    offsets = pa.py_buffer(pa.array([0, 7, 11, 20], pa.int64()).buffers()[1])
    rows = pa.LargeStringArray.from_buffers(3, offsets, pa.py_buffer(raw))

    counts = count_texts(rows).counts[:, COUNTS.index("tokens")]

    assert counts.tolist()[0::2] == [2, 2]


def test_lorem_ipsum_and_curly_brackets_are_counted_and_their_lines_stay():
    text = (
        "Lorem ipsum is here to stay. It is.\nThis line has a { bracket.\n"
        "With { and javascript it goes.\nWith { and cookie policy it goes."
    )

    ours, edited = counted(text)

    assert edited == "Lorem ipsum is here to stay. It is.\nThis line has a { bracket."
    assert (ours["c4_lorem_ipsum_lines"], ours["c4_curly_bracket_lines"]) == (1, 2)
    assert (ours["c4_kept_lines"], ours["c4_sentences"]) == (2, 3)
    assert (ours["c4_javascript_lines"], ours["c4_policy_lines"]) == (1, 1)
    assert_as_reference(text)
