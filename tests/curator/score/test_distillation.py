from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.identity import document_ids
from curator.score import distillation
from curator.score.distillation import Labels, Split
from curator.testing import corpus
from tests.support.labelled import labelled

SPLIT = Split(least_positives=1)


def of_values(values: np.ndarray, *, flipped: bool = False) -> Labels:
    ids = document_ids("x", pa.array([f"{row}" for row in range(len(values))]))
    matrix = np.frombuffer(ids.buffers()[1], np.uint8).reshape(-1, 16)
    return Labels(matrix, np.asarray(values, float), flipped, 0)


def classes(values: np.ndarray, **changes) -> distillation.Plan:
    return distillation.split_classes(
        of_values(values), replace(SPLIT, **changes), where="distill of 'label'"
    )


def test_labels_of_which_the_lower_are_better_are_turned_once(tmp_path: Path):
    texts = ["a", "b", "c", "d"]
    made = labelled(tmp_path, texts, [1.0, None, 3.0, 2.0], better="lower")
    found = distillation.read_labels(made, "label", where="here")

    assert sorted(found.values) == [-3, -2, -1]
    assert (found.flipped, found.unlabelled) == (True, 1)
    assert found.ids.tolist() == sorted(found.ids.tolist())


def test_a_document_that_is_there_twice_has_one_label(tmp_path: Path):
    made = labelled(tmp_path, ["a", "b", "a"], [1.0, 2.0, 1.0])

    assert len(distillation.read_labels(made, "label", where="here").values) == 2


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_of_a_document_s_labels_the_best_counts_whichever_comes_first(tmp_path: Path, better: str):
    texts, values = ["a", "b", "a"], np.array([1.0, 0.0, -1.0])
    for name, order in (("one", [0, 1, 2]), ("other", [2, 1, 0])):
        given = [texts[row] for row in order]
        made = labelled(tmp_path / name, given, values[order], better=better)
        assert sorted(distillation.read_labels(made, "label", where="here").values) == [0.0, 1.0]


def test_the_best_share_is_positive():
    plan = classes(np.arange(100.0), positives=0.1)

    assert np.flatnonzero(plan.positive).tolist() == list(range(90, 100))
    assert (plan.negative == ~plan.positive).all()


def test_the_very_best_label_can_be_the_class():
    plan = classes(np.repeat([0.0, 14, 15], [50, 30, 20]), positives="best")

    assert plan.positive.sum() == 20


def test_a_label_can_be_the_border_in_its_own_direction():
    split = replace(SPLIT, least_label=3.0)
    values = np.arange(60.0) % 6
    up = distillation.split_classes(of_values(values), split, where="")
    down = distillation.split_classes(of_values(-values, flipped=True), split, where="")

    assert (up.positive == (values >= 3)).all()
    assert (down.positive == (values <= 3)).all()


def test_the_worst_are_as_many_as_the_best_and_leave_the_middle_out():
    values = np.repeat([0.0, 1, 2, 15], [8, 20, 52, 20])
    plan = classes(values, positives="best", negatives="worst")

    assert plan.negative.sum() == 20
    assert (values[plan.negative] == 0).sum() == 8
    assert (values[plan.negative] == 1).sum() == 12
    assert not (plan.learned & ~plan.positive & ~plan.negative).any()


def test_classes_are_as_many_as_each_other_and_no_larger_than_asked_for():
    plan = classes(np.arange(1000.0), positives=0.3, examples=50)

    assert (plan.learned & plan.positive).sum() == (plan.learned & plan.negative).sum() == 50


def test_who_is_held_out_does_not_depend_on_the_label():
    plan = classes(np.arange(5000.0), heldout=0.2)

    assert not (plan.heldout & plan.seen).any()
    assert not (plan.learned & ~plan.seen).any()
    for part in (plan.positive, plan.negative):  # within 4 sd of a fifth
        assert abs(plan.heldout[part].mean() - 0.2) < 4 * np.sqrt(0.16 / part.sum())
    assert plan.seen.sum() + plan.heldout.sum() == 5000  # also those that balancing left out


def test_ties_at_the_border_are_broken_by_the_document():
    values = np.repeat([0.0, 1.0], 50)
    one, other = (classes(values, positives=0.25, seed=seed).positive for seed in (0, 1))

    assert one.sum() == other.sum() == 25
    assert (one != other).any()
    assert values[one].min() == 1


def test_values_are_learned_from_all_that_are_not_held_out():
    plan = distillation.split_values(of_values(np.arange(200.0)), SPLIT, where="")

    assert (plan.learned == plan.seen).all()


@pytest.mark.parametrize("split", [distillation.split_classes, distillation.split_values])
def test_one_class_is_refused(split):
    with pytest.raises(RecipeError, match="all 30 labels make one class"):
        split(of_values(np.ones(30)), SPLIT, where="distill")


def test_too_few_positives_are_refused():
    with pytest.raises(RecipeError, match=r"10 of 100 labelled documents are positive; wanted 200"):
        classes(np.arange(100.0), least_positives=200)


def test_a_column_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"no labels 'label'.*names an earlier entry"):
        distillation.read_labels(corpus(tmp_path, ["a"]), "label", where="distill")


def test_a_column_without_a_label_is_refused(tmp_path: Path):
    made = labelled(tmp_path, ["a", "b"], [None, None])

    with pytest.raises(RecipeError, match="none of 2 documents has a label 'label'"):
        distillation.read_labels(made, "label", where="distill")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"better": "neither"}, "better 'neither'; wanted numbers"),
        ({"kind": pa.string(), "labels": ["x", "y"]}, "are string"),
        ({"labels": [1.0, float("inf")]}, "are not all finite"),
    ],
)
def test_a_column_of_something_else_is_refused(tmp_path: Path, changes: dict, message: str):
    labels = changes.pop("labels", [1.0, 2.0])
    made = labelled(tmp_path, ["a", "b"], labels, **changes)

    with pytest.raises(RecipeError, match=message):
        distillation.read_labels(made, "label", where="distill")
