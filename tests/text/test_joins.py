"""What is left when passages are cut out reads on as text."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from curator.text.joins import joined
from curator.text.spans import Spans, replace_spans


def left_of(marked):
    """The text without what stands in angle brackets."""
    starts, ends, text = [], [], b""
    for part in marked.encode().replace(b">", b"<").split(b"<"):
        text += part
        starts.append(len(text))
    borders = np.array(starts[:-1], np.int64)
    starts, ends = borders[::2], borders[1::2]
    column = pa.array(["before", text.decode()], pa.large_string())
    offsets = np.array([0, 0, len(starts)], np.int64)
    spans = joined(column, Spans(offsets, starts, ends, np.zeros(len(starts), np.uint8)))
    return replace_spans(column, spans)[1].as_py()


@pytest.mark.parametrize(
    ("marked", "left"),
    [
        ("one <two> three", "one three"),
        ("one\n\n<two> three", "one\n\nthree"),
        ("one <two>\n\nthree", "one\n\nthree"),
        ("a\n  <b>\n    c", "a\n    c"),
        ("<a>\n  <b>\n    c", "    c"),
        ("  <a> b", "b"),
        ("a\n\n<b>", "a"),
        ("a\n<b>\n", "a\n"),
        ("a\n<b>\n\nc\n<d>\n<e>\n", "a\n\nc\n"),
        ("<a>\u3000<b> ", " "),
        ("one <二三>四", "one 四"),
        ("一<二三>四", "一四"),
        ("一<二三> four", "一 four"),
        ("x\u2003<y>\u2003z", "x\u2003z"),
    ],
)
def test_one_of_the_gaps_stays(marked, left):
    assert left_of(marked) == left
