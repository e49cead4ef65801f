"""A list of words is held to by counting, whatever the case, the accents or the cut."""

from __future__ import annotations

import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.refine.vocabulary import Frequencies, Vocabulary, read_words


def column(*texts: str) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts, pa.large_string())])


def test_the_share_outside_counts_words_and_no_figures():
    shares = Vocabulary(("the", "dog", "cafe")).outside(
        column("The DOG barks.", "the café, 1998", "", "Wow!")
    )

    assert shares.tolist() == pytest.approx([1 / 3, 0, 0, 1])


def test_words_beside_the_list_may_be_there():
    assert Vocabulary(("a",), ("Helen",)).outside(column("a Helen a Paul")).tolist() == [0.25]


def test_frequencies_do_not_depend_on_how_texts_are_cut():
    texts = ["b a b", "Á a", "c c c", "a"]
    whole, cut = Frequencies(), Frequencies()
    whole.add(column(*texts))
    for text in texts:
        cut.add(column(text))

    assert whole.most(2) == cut.most(2) == ("a", "c")
    assert whole.most(9) == ("a", "c", "b")
    assert whole.covered(("a", "b")) == pytest.approx(6 / 9)


def test_no_text_makes_no_list():
    with pytest.raises(RecipeError, match="no text to learn words from"):
        Frequencies().most(5)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("two words", "is not one word"),
        ("", "0 words"),
        ("a\nA", "1 of them different"),
        ("\n".join(f"w{n}" for n in range(2001)), "2,001 words"),
    ],
)
def test_a_file_that_is_no_list_of_words_is_refused(tmp_path, content, told):
    (tmp_path / "words.txt").write_text(content)

    with pytest.raises(RecipeError, match=told):
        read_words(tmp_path / "words.txt")


def test_a_file_of_words_is_read_in_its_order(tmp_path):
    (tmp_path / "words.txt").write_text("The\n\ncafé\n")

    assert read_words(tmp_path / "words.txt") == ("the", "cafe")
