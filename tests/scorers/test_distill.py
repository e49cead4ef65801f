from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.shards import read_shard, write_shard
from curator.stage import Site
from curator.testing import documents
from scorers.distill import Distill
from tests.support.labelled import graded_texts, labelled

COUNT = 600
SMALL: dict[str, Any] = {
    "of": "label", "positives": 0.3, "dimensions": 8, "buckets": 2000, "least_positives": 20,
}  # fmt: skip


def fitted(folder: Path, *, corpus: Any = None, **settings: Any) -> tuple[Distill, dict[str, Any]]:
    """Return a scorer fitted into `folder` and its report."""
    if corpus is None:
        texts, shares = graded_texts(COUNT)
        corpus = labelled(folder / "made", texts, shares)
    scorer = Distill(**(SMALL | settings))
    (folder / "fitted").mkdir(parents=True)
    scorer.fit({"raw": corpus}, folder / "fitted", Site())
    return scorer, json.loads((folder / "fitted" / "report.json").read_text())


def scored(scorer: Distill, folder: Path, texts: list[str], **columns: pa.Array) -> pa.Table:
    table = documents(texts)
    for name, column in columns.items():
        table = table.append_column(name, column)
    return scorer.process(scorer.load(Site(fitted=folder / "fitted")), table)


def unit_vectors(shares: np.ndarray) -> np.ndarray:
    chance = np.random.default_rng(3)
    return np.c_[shares, 1 - shares, chance.normal(size=(len(shares), 3))]


@pytest.mark.parametrize(
    "settings",
    [{}, {"tune": True}, {"model": "linear"}, {"model": "linear", "learn": "class"}],
    ids=str,
)
def test_a_model_of_words_orders_held_out_texts_as_their_labels_do(tmp_path: Path, settings: dict):
    scorer, report = fitted(tmp_path, **settings)
    good, mixed, bad = scored(
        scorer, tmp_path, ["lemma proof hence theorem", "lemma proof buy free", "buy cheap free"]
    )["distilled"].to_pylist()

    assert report["auc"] > 0.95
    assert report["spearman"] > 0.85
    assert good > mixed > bad


def test_a_value_is_learned_in_the_labels_own_unit(tmp_path: Path):
    scorer, report = fitted(tmp_path, model="linear", penalty=0.01)
    texts = ["lemma proof hence theorem " * 3, "buy cheap free click " * 3]

    assert scored(scorer, tmp_path, texts)["distilled"].to_pylist() == pytest.approx(
        [1, 0], abs=0.2
    )
    assert all(abs(b["predicted"] - b["observed"]) < 0.15 for b in report["calibration"])


def test_a_model_of_vectors_reads_no_text(tmp_path: Path):
    texts, shares = graded_texts(COUNT)
    vectors = unit_vectors(shares)
    made = labelled(tmp_path / "made", texts, shares, vectors=vectors)
    scorer, report = fitted(tmp_path, corpus=made, model="ridge", penalty=0.001)
    column = pa.array([*vectors[:3].astype(np.float16), None], pa.list_(pa.float16()))
    found = scored(scorer, tmp_path, ["x"] * 4, vector=column)["distilled"].to_pylist()

    assert scorer.reads == ("vector", "doc_id", "label")
    assert [stage.name for stage in scorer.beside] == ["embed"]
    assert report["spearman"] > 0.99
    assert found[:3] == pytest.approx(shares[:3], abs=0.02)
    assert found[3] is None


def test_labels_of_documents_without_vectors_teach_nothing(tmp_path: Path):
    texts, shares = graded_texts(COUNT)
    made = labelled(tmp_path / "made", texts, shares, vectors=np.zeros((COUNT, 4)))
    nulls = [pa.nulls(shard.rows, pa.list_(pa.float16())) for shard in made.shards]
    beside = tuple(
        write_shard(read_shard(s).set_column(1, "vector", n), tmp_path / s.name, name=s.name)
        for s, n in zip(made.beside[0], nulls, strict=True)
    )
    with pytest.raises(RecipeError, match=r"none of .* documents to learn from has a vector"):
        fitted(tmp_path, corpus=replace(made, beside=(beside,)), model="ridge")


def test_labels_of_which_the_lower_are_better_teach_the_same(tmp_path: Path):
    texts, shares = graded_texts(COUNT)
    up, down = tmp_path / "up", tmp_path / "down"
    scorer, _ = fitted(up, corpus=labelled(up / "made", texts, shares))
    fitted(down, corpus=labelled(down / "made", texts, -shares, better="lower"))
    asked = ["lemma proof buy", "cheap casino hence", "free"]

    assert scored(scorer, up, asked).equals(scored(scorer, down, asked))


def test_the_report_counts_every_document_once(tmp_path: Path):
    texts, shares = graded_texts(COUNT)
    labels = [None if row % 5 == 0 else share for row, share in enumerate(shares)]
    _, report = fitted(tmp_path, corpus=labelled(tmp_path / "made", texts, labels))

    assert (report["labelled"], report["unlabelled"]) == (480, 120)
    assert report["documents"]["positive"] == report["documents"]["negative"]
    assert sum(b["documents"] for b in report["calibration"]) == sum(report["heldout"].values())
    assert sum(v["documents"] for v in report["levels"]) == sum(report["heldout"].values())
    assert [each["rate"] for each in report["thresholds"]] == [0.03, 0.1, 0.3]
    assert report["thresholds_weigh"] == "bytes of text, on held-out documents"
    assert set(report["recall"]) == {"0.03", "0.1", "0.3"}


def test_the_report_says_what_was_tried_and_chosen(tmp_path: Path):
    _, report = fitted(tmp_path, tune=True)

    assert len(report["tuning"]) == 4
    assert report["settings"]["learning_rate"] in {t["learning_rate"] for t in report["tuning"]}


def test_few_examples_raise_the_rate_and_then_the_epochs(tmp_path: Path):
    _, report = fitted(tmp_path)
    steps = report["settings"]["epochs"] * sum(report["documents"].values()) * 0.5

    assert report["settings"]["learning_rate"] == 0.5
    assert steps == pytest.approx(10_000, rel=0.05) or report["settings"]["epochs"] == 50


def test_settings_that_are_given_are_kept(tmp_path: Path):
    _, report = fitted(tmp_path, learning_rate=0.3, epochs=9, min_count=2)

    assert report["settings"] == {
        "learning_rate": 0.3, "epochs": 9, "dimensions": 8, "min_count": 2,
        "word_ngrams": 2, "buckets": 2000,
    }  # fmt: skip


def test_seen_are_the_labelled_documents_that_were_not_held_out(tmp_path: Path):
    texts, shares = graded_texts(COUNT)
    labels = [None if row < 60 else share for row, share in enumerate(shares)]
    scorer, report = fitted(tmp_path, corpus=labelled(tmp_path / "made", texts, labels))
    seen = np.array(scored(scorer, tmp_path, texts)["seen"].to_pylist())

    assert seen[:60].sum() == 0
    assert (seen[60:] == 0).sum() == sum(report["heldout"].values())


@pytest.mark.parametrize("text", ["", " \n\t", "\x00"])
@pytest.mark.parametrize("model", ["fasttext", "linear"])
def test_a_text_without_words_has_no_score(tmp_path: Path, model: str, text: str):
    scorer, _ = fitted(tmp_path, model=model)
    expected = None if model == "fasttext" or text != "\x00" else pytest.approx(0.5, abs=0.5)

    assert scored(scorer, tmp_path, [text])["distilled"].to_pylist() == [expected]


def test_line_breaks_and_words_that_read_as_labels_teach_nothing(tmp_path: Path):
    texts, shares = graded_texts(COUNT)
    hostile = [f"__label__bad\n{text}\n__label__good\n</s>" for text in texts]
    scorer, report = fitted(tmp_path, corpus=labelled(tmp_path / "made", hostile, shares))
    one, many = scored(scorer, tmp_path, ["lemma proof buy", "lemma\nproof\nbuy"])[
        "distilled"
    ].to_pylist()

    assert report["auc"] > 0.95
    assert one == many


@pytest.mark.parametrize("model", ["fasttext", "linear"])
def test_the_same_labels_give_the_same_bytes(tmp_path: Path, model: str):
    for name in ("one", "two"):
        fitted(tmp_path / name, model=model)
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "fitted").iterdir()}
        for name in ("one", "two")
    )

    assert one == two


def test_a_model_that_orders_nothing_is_refused(tmp_path: Path):
    texts, shares = graded_texts(COUNT)
    shuffled = np.random.default_rng(1).permutation(shares)
    made = labelled(tmp_path / "made", texts, shuffled)

    with pytest.raises(RecipeError, match=r"held-out auc 0\.\d+ .* wanted 0\.8 or more"):
        fitted(tmp_path, corpus=made, least_auc=0.8)


def test_labels_that_the_text_does_not_give_away_are_refused(tmp_path: Path):
    texts, shares = graded_texts(COUNT)
    shuffled = np.random.default_rng(1).permutation(shares)
    made = labelled(tmp_path / "made", texts, shuffled)

    with pytest.raises(RecipeError, match=r"held-out spearman .* wanted 0\.2 .*least_spearman"):
        fitted(tmp_path, corpus=made, least_auc=0.0, least_spearman=0.2)


def test_too_few_labelled_documents_are_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"180 of 600 .* wanted 200 \(least_positives\)"):
        fitted(tmp_path, least_positives=200)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learn": "value"}, "fastText learns classes"),
        ({"positives": 1.0}, "positives=1.0"),
        ({"heldout": 0.0}, "heldout=0.0"),
        ({"penalty": 0.0}, "penalty"),
        ({"epochs": 0}, "epochs are counts"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict, message: str):
    with pytest.raises(RecipeError, match=message):
        Distill(of="label", **settings)


def test_a_scorer_that_was_not_fitted_says_so():
    with pytest.raises(RecipeError, match="has not been fitted; give it labels by `of`"):
        Distill(of="label").load(Site())


def test_a_further_column_of_an_entry_is_read_beside_that_entry():
    scorer = Distill(of="verdict.disagreement")

    assert scorer.scores == ("verdict",)
    assert "verdict.disagreement" in scorer.reads
