from unicodedata import category

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.text.line_shapes import line_shapes, line_texts
from curator.text.unicode import SOLO, characters


def slow_shapes(texts):
    """The same, line by line and character by character."""
    classes = characters().classes
    rows = []
    for row, text in enumerate(texts):
        start = 0
        for line in text.split("\n"):
            size = len(line.encode())
            bare = line.strip()
            if bare:
                words, inside = 0, False
                for letter in bare:
                    alone = ord(letter) < len(classes) and bool(classes[ord(letter)] & SOLO)
                    if letter.isspace():
                        inside = False
                    elif category(letter)[0] != "M":
                        words += alone or not inside
                        inside = not alone
                first = size - len(line.lstrip().encode())
                rows.append((
                    row, start, start + size, start + first, words, len(bare),
                    sum(not c.isspace() for c in bare),
                    sum(category(c) in ("Lu", "Lt") for c in bare),
                    sum(c.isalpha() for c in bare), sum(c.isnumeric() for c in bare),
                ))  # fmt: skip
            start += size + 1
    return rows


def shapes(texts):
    return list(zip(*(column.tolist() for column in line_shapes(pa.array(texts))), strict=True))


def test_lines_are_told_by_place_length_words_and_letters():
    assert shapes(["  THE End \n\n12", "你好 ok"]) == [
        (0, 0, 10, 2, 2, 7, 6, 4, 6, 0),
        (0, 12, 14, 12, 1, 2, 2, 0, 0, 2),
        (1, 0, 9, 0, 3, 5, 4, 0, 4, 0),
    ]


def test_chosen_lines_come_as_strings_without_white_space_in_front():
    texts = pa.array(["x", "  one\n\n\ttwo ", None])
    lines = line_shapes(texts)

    assert line_texts(texts, lines, lines.words.nonzero()[0][1:]).to_pylist() == ["one", "two "]


LINES = st.text(st.sampled_from("aB1 \t\n\r　你กิé. Ⅳ²ñ"), max_size=20)


@settings(max_examples=200)
@given(st.lists(LINES, min_size=1, max_size=4))
def test_shapes_are_those_of_a_slow_count(texts):
    assert shapes(texts) == slow_shapes(texts)
