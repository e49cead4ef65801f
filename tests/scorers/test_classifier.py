from __future__ import annotations

import json
from pathlib import Path

import fasttext
import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.score import classifier
from curator.stage import Site
from curator.testing import corpus, documents
from scorers.classifier import Classifier

SMALL = Classifier(dimensions=8, buckets=1000, epochs=20)
GOOD_WORDS = ["theorem", "lemma", "proof", "integral", "therefore", "hence"]
BAD_WORDS = ["click", "buy", "cheap", "casino", "winner", "free"]


def passages(words: list[str], count: int, seed: int) -> list[str]:
    chance = np.random.default_rng(seed)
    return [" ".join(chance.choice(words, size=12)) for _ in range(count)]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fitted")
    SMALL.fit(two_classes(tmp_path_factory.mktemp("corpora"), 200), out, Site())
    return out


def two_classes(folder: Path, count: int) -> dict:
    return {
        "good": corpus(folder / "good", passages(GOOD_WORDS, count, 0), source="good"),
        "bad": corpus(folder / "bad", passages(BAD_WORDS, count, 1), source="bad"),
    }


def probabilities(fitted: Path, texts: list[str]) -> list[float | None]:
    model = SMALL.load(Site(fitted=fitted))
    return SMALL.process(model, documents(texts))["good_probability"].to_pylist()


def test_good_text_scores_above_bad_text(fitted: Path):
    good, bad = probabilities(fitted, ["hence the lemma and proof", "buy cheap casino"])

    assert good > 0.9
    assert bad < 0.1


def test_the_probability_is_read_by_label_and_not_by_position(fitted: Path):
    model = fasttext.load_model(str(fitted / "model.bin"))
    labels, values = model.predict(["buy cheap casino"], k=-1)

    assert labels[0][0] == "__label__bad"  # bad comes first for this text
    assert probabilities(fitted, ["buy cheap casino"])[0] == pytest.approx(
        float(values[0][1]), abs=1e-4
    )


@pytest.mark.parametrize("text", ["", "  ", "\n\n", "\t\r\x0b\x0c \x00"])
def test_a_text_without_words_has_no_score(fitted: Path, text: str):
    assert probabilities(fitted, [text]) == [None]


def test_a_line_break_is_a_space(fitted: Path):
    one, many = probabilities(fitted, ["proof lemma buy", "proof\nlemma\nbuy"])

    assert one == many


def test_words_that_look_like_labels_teach_nothing(tmp_path: Path):
    poisoned = [f"__label__bad {text}" for text in passages(GOOD_WORDS, 100, 0)]
    corpora = two_classes(tmp_path, 100) | {"good": corpus(tmp_path / "p", poisoned)}
    SMALL.fit(corpora, tmp_path, Site())

    labels = SMALL.load(Site(fitted=tmp_path)).labels

    assert set(labels) == {"__label__good", "__label__bad"}
    assert probabilities(tmp_path, ["hence the lemma and proof"])[0] > 0.9


def test_the_report_has_the_heldout_auc(fitted: Path):
    report = json.loads((fitted / "report.json").read_text())

    assert report["auc"] == 1.0
    assert report["documents"]["good"] + report["heldout"]["good"] == 200
    assert 5 < report["heldout"]["good"] < 40  # a tenth of 200 by chance: within 4 sd of 20


def test_the_report_is_calibrated_on_what_was_held_out(fitted: Path):
    report = json.loads((fitted / "report.json").read_text())
    bins = report["calibration"]

    assert sum(each["documents"] for each in bins) == sum(report["heldout"].values())
    assert (bins[0]["observed"], bins[-1]["observed"]) == (0, 1)


def test_the_report_says_how_far_length_and_format_alone_would_go(tmp_path: Path):
    asked = [f"Question: why?\nAnswer: {text} {text}" for text in passages(GOOD_WORDS, 60, 0)]
    corpora = two_classes(tmp_path, 60) | {"good": corpus(tmp_path / "asked", asked)}
    SMALL.fit(corpora, tmp_path, Site())
    leak = json.loads((tmp_path / "report.json").read_text())
    good, bad = leak["looks"]

    assert leak["auc_of_length"] > 0.99
    assert (good["class"], good["prompts"], bad["prompts"]) == ("good", 1, 0)
    assert (good["question_marks"], bad["several_lines"]) == (1, 0)


def test_rate_and_epochs_can_be_left_to_the_number_of_examples(tmp_path: Path):
    scorer = Classifier(dimensions=8, buckets=1000, learning_rate=None, epochs=None)
    scorer.fit(two_classes(tmp_path, 60), tmp_path, Site())
    settings = json.loads((tmp_path / "report.json").read_text())["settings"]

    assert (settings["learning_rate"], settings["epochs"]) == (0.5, 50)


def test_words_that_end_a_line_for_fasttext_hide_nothing(fitted: Path):
    plain, hidden = probabilities(fitted, ["buy cheap casino", "</s> buy cheap casino"])

    assert hidden == pytest.approx(plain, abs=0.05)


def test_classes_are_balanced_by_chance_of_the_document(tmp_path: Path):
    corpora = two_classes(tmp_path, 60) | {
        "bad": corpus(tmp_path / "many", passages(BAD_WORDS, 300, 2), source="many")
    }
    SMALL.fit(corpora, tmp_path, Site())
    report = json.loads((tmp_path / "report.json").read_text())

    assert sum(part["bad"] for part in (report["documents"], report["heldout"])) == 60


def test_a_model_that_tells_nothing_apart_is_refused(tmp_path: Path):
    same = {
        "good": corpus(tmp_path / "good", passages(GOOD_WORDS, 600, 0), source="a"),
        "bad": corpus(tmp_path / "bad", passages(GOOD_WORDS, 600, 1), source="b"),
    }

    with pytest.raises(RecipeError, match="cannot tell good from bad: AUC 0"):
        Classifier(dimensions=8, buckets=1000, least_auc=0.7).fit(same, tmp_path, Site())


def test_one_class_is_refused(tmp_path: Path):
    corpora = two_classes(tmp_path, 10) | {"bad": corpus(tmp_path / "none", [])}

    with pytest.raises(RecipeError, match="role 'bad': the corpus has no documents"):
        SMALL.fit(corpora, tmp_path, Site())


def test_one_example_is_refused(tmp_path: Path):
    corpora = two_classes(tmp_path, 10) | {"bad": corpus(tmp_path / "one", ["free"])}

    with pytest.raises(RecipeError, match=r"\{'good': 10, 'bad': 1\}; wanted at least 2"):
        SMALL.fit(corpora, tmp_path, Site())


def test_a_repeated_document_counts_once(tmp_path: Path):
    corpora = two_classes(tmp_path, 20) | {
        "good": corpus(tmp_path / "twice", passages(GOOD_WORDS, 10, 0) * 3, source="good")
    }
    SMALL.fit(corpora, tmp_path, Site())
    report = json.loads((tmp_path / "report.json").read_text())

    assert report["documents"]["good"] + report["heldout"]["good"] == 10


def test_training_twice_gives_the_same_bytes(tmp_path: Path):
    texts = pa.array(passages(GOOD_WORDS, 30, 0), pa.large_string())
    others = pa.array(passages(BAD_WORDS, 30, 1), pa.large_string())
    settings = classifier.Settings(dimensions=8, buckets=500)
    for name in ("one", "two"):
        model = classifier.train(texts, others, settings, np.arange(60))
        model.save_model(str(tmp_path / name))

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
