from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.score.arpa import read_arpa, write_arpa
from curator.score.ngram_lm import NgramModel
from tests.support.kneser_ney_reference import Arpa
from tests.support.ngram_models import sentences, trained

ASKED = pa.array([*sentences(30, seed=2), "ba never be", "two\nlines ba", ""], pa.large_string())
GOOD = """\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-1.5\t<unk>
0\t<s>\t-0.3
-0.7\t</s>
-0.4\ta\t-0.2

\\2-grams:
-0.1\t<s> a
-0.5\ta </s>

\\end\\
"""


@pytest.fixture
def model() -> NgramModel:
    return trained(sentences(), 4, (0, 0, 1))


def test_the_table_and_its_file_say_the_same(model: NgramModel, tmp_path: Path):
    write_arpa(model, tmp_path / "m.arpa")
    asked = Arpa(tmp_path / "m.arpa")
    expected = [asked.of_text(text) for text in ASKED.to_pylist()]

    np.testing.assert_allclose(model.tally(ASKED).log10, expected, rtol=1e-6)


def test_a_model_comes_back_from_its_file_as_it_was(model: NgramModel, tmp_path: Path):
    write_arpa(model, tmp_path / "once.arpa")
    back = read_arpa(tmp_path / "once.arpa")
    write_arpa(back, tmp_path / "twice.arpa")

    assert (tmp_path / "once.arpa").read_bytes() == (tmp_path / "twice.arpa").read_bytes()
    np.testing.assert_array_equal(back.tally(ASKED).log10, model.tally(ASKED).log10)
    assert back.words.spelled.equals(model.words.spelled)


def test_a_small_file_is_read_as_its_format_says(tmp_path: Path):
    (tmp_path / "m.arpa").write_text(GOOD)
    told = read_arpa(tmp_path / "m.arpa").tally(pa.array(["a", "b", "a b"], pa.large_string()))

    expected = [-0.1 - 0.5, -0.3 - 1.5 - 0.7, -0.1 - 0.2 - 1.5 - 0.7]
    np.testing.assert_allclose(told.log10, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("\\data\\\n", "", "wanted"),
        ("ngram 1=4", "ngram 1=4000000000", "bytes for each"),
        ("ngram 1=4", "ngram 1=99999999999999999", "ngram 1=COUNT"),
        ("ngram 2=2", "ngram 3=2", "ngram 2=COUNT"),
        ("ngram 2=2", "ngram 2=1", r"a </s>.*wanted '\\\\end"),
        ("ngram 2=2", "ngram 2=3", "fields"),
        ("-0.4\ta", "0.4\ta", "0 or less"),
        ("-0.4\ta", "nan\ta", "-1000 to 1000"),
        ("-0.4\ta", "-1e999\ta", "-1000 to 1000"),
        ("-0.4\ta", "__import__\ta", "no number"),
        ("-0.5\ta </s>", "-0.1\t<s> a", "twice"),
        ("-0.4\ta", "-0.4\t<s>", "twice"),
        ("-0.5\ta </s>", "-0.5\ta b", "missing"),
        ("-0.5\ta </s>", "-0.5\ta a </s>", "fields"),
        ("\t<unk>", "\tunk", "<unk>.* is missing"),
        ("\\end\\", "", "ends here"),
        ("\\2-grams:", "\\3-grams:", "wanted"),
        ("-0.4\ta\t", "-0.4\tA\t", "not as this package reads"),
        ("\ta\t", "\t" + "a" * (1 << 20) + "\t", "characters or more"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(old: str, new: str, complaint: str, tmp_path: Path):
    text = GOOD.replace(old, new, 1)
    if "A" in new:
        text = text.replace("<s> a", "<s> A").replace("a </s>", "A </s>")
    (tmp_path / "m.arpa").write_text(text)

    with pytest.raises(RecipeError, match=complaint):
        read_arpa(tmp_path / "m.arpa")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path):
    (tmp_path / "m.arpa").write_bytes(b"\\data\\\nngram 1=\xff\n")

    with pytest.raises(RecipeError, match="not UTF-8"):
        read_arpa(tmp_path / "m.arpa")


def test_more_ngrams_than_allowed_are_refused(tmp_path: Path):
    (tmp_path / "m.arpa").write_text(GOOD)

    with pytest.raises(RecipeError, match="wanted at most 5"):
        read_arpa(tmp_path / "m.arpa", most_ngrams=5)
