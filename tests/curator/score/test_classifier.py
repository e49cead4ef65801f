from __future__ import annotations

from pathlib import Path

import fasttext
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.errors import PluginError
from curator.score import classifier
from curator.score.classifier import Settings, neighbors_of, scaled


@given(st.integers(1, 3_000_000))
def test_few_examples_are_shown_more_often_and_many_are_left_alone(documents: int):
    found = scaled(Settings(), documents)
    steps = found.learning_rate * found.epochs * documents

    assert 0.1 <= found.learning_rate <= 0.5
    assert 5 <= found.epochs <= 50
    if documents >= 20_000:
        assert found == Settings()
    elif documents >= 400:
        assert steps == pytest.approx(10_000, rel=0.1)


def test_what_is_tried_begins_with_the_rule_itself():
    grid = neighbors_of(Settings())

    assert grid[0] == Settings()
    assert len(set(grid)) == 4


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb", "a b"),
        ("x__label__good y", "x_label_good y"),
        ("a </s> b", "a </s b"),
        ("plain", "plain"),
    ],
)
def test_nothing_in_a_line_means_anything_to_fasttext(text: str, line: str):
    assert classifier.one_line(pa.array([text], pa.large_string())).to_pylist() == [line]


def test_a_model_of_other_classes_is_refused(tmp_path: Path):
    (tmp_path / "lines.txt").write_text("__label__spam buy\n__label__ham proof\n")
    settings = {"dim": 2, "bucket": 10, "thread": 1, "verbose": 0}
    model = fasttext.train_supervised(str(tmp_path / "lines.txt"), **settings)
    model.save_model(str(tmp_path / "model.bin"))

    with pytest.raises(PluginError, match=r"labels are .*spam.*; wanted .*__label__good"):
        classifier.load(tmp_path / "model.bin")
