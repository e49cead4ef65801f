from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.identity import id_matrix
from curator.refine.line_features import SHAPES, line_shapes_of
from curator.refine.line_pupil import Lesson, agreement, learned, margins
from curator.refine.lined import lines_of
from curator.refine.plant import Plant, planted_lines
from curator.refine.prox_learned import ProxLearned
from curator.refine.prox_replay import ProxReplay
from curator.refine.testing import check_refiner
from curator.schema import DOCUMENT
from curator.shards import write_shard
from curator.stage import REPORT, Corpus, Site
from curator.testing import corpus, documents

WORDS = [
    "river",
    "rose",
    "rain",
    "road",
    "closed",
    "map",
    "lake",
    "honey",
    "wax",
    "bees",
    "prime",
    "number",
    "iron",
    "sea",
    "salt",
]


def prose(count, seed=0):
    """Return documents of sentences, each of its own words."""
    chance = np.random.default_rng(seed)
    lines = chance.choice(WORDS, (count, 12, 9))
    return ["\n".join(" ".join(line).capitalize() + "." for line in one) for one in lines.tolist()]


def fitted(refiner, texts, folder):
    folder.mkdir()
    refiner.fit({"raw": corpus(folder / "raw", texts)}, folder, Site())
    return refiner.load(Site(fitted=folder)), json.loads((folder / REPORT).read_text())


def test_it_keeps_the_contract(tmp_path):
    raw = corpus(tmp_path / "raw", prose(120))

    check_refiner(ProxLearned(buckets=512), corpora={"raw": raw})


@pytest.mark.parametrize("teacher", ["planted", "rules"])
def test_a_pupil_finds_noise_that_it_has_not_seen(tmp_path, teacher):
    texts = prose(150)
    if teacher == "rules":  # they have something to say of noise only
        texts = Plant(rate=0.2, seed=5).refine(None, documents(texts)).children["text"].to_pylist()
    refiner = ProxLearned(teacher=teacher, buckets=4096)
    model, report = fitted(refiner, texts, tmp_path / "fitted")
    clean = documents(prose(40, seed=9))
    made = Plant(rate=0.2, seed=7).refine(None, clean).children
    refined = refiner.refine(model, documents(made["text"].to_pylist()))
    removed = sum(json.loads(one)["removed_lines"] for one in refined.children["about"].to_pylist())

    assert report["held_out"]["f1"] > 0.9
    assert report["teacher"] == teacher
    planted = sum(len(planted_lines(about)) for about in made["about"].to_pylist())
    assert abs(removed - planted) < 0.4 * planted  # rules miss about a quarter


def test_cut_into_other_shards_it_learns_the_same(tmp_path):
    refiner, texts = ProxLearned(buckets=512), prose(100)
    models = []
    for shards in (1, 3):
        out = tmp_path / f"{shards}"
        out.mkdir()
        raw = corpus(
            tmp_path / f"raw-{shards}", texts[::-1] if shards > 1 else texts, shards=shards
        )
        refiner.fit({"raw": raw}, out, Site())
        models.append(refiner.load(Site(fitted=out)))

    assert all(np.array_equal(one, other) for one, other in zip(*models, strict=True))


def labelled(folder: Path, texts, labels):
    table = documents(texts)
    extra = [json.dumps({"meta": {"line_labels": one}}) if one else None for one in labels]
    at = DOCUMENT.get_field_index("extra")
    table = table.set_column(at, DOCUMENT.field("extra"), pa.array(extra, pa.string()))
    return Corpus((write_shard(table, folder / "labelled.arrow", name="labelled"),))


def test_it_learns_from_labels_and_only_from_documents_that_have_them(tmp_path):
    texts = [f"{one}\nshare this page {n}" for n, one in enumerate(prose(120))]
    labels = [[1] * 12 + [0] if n % 4 else None for n in range(120)]
    refiner = ProxLearned(teacher="labels", buckets=512)
    refiner.fit({"raw": labelled(tmp_path, texts, labels)}, tmp_path, Site())
    report = json.loads((tmp_path / REPORT).read_text())

    assert report["documents"] == 90
    assert report["held_out"]["f1"] == 1.0


def test_labels_of_other_lines_are_refused(tmp_path):
    texts = prose(10)
    with pytest.raises(RecipeError, match="one label"):
        ProxLearned(teacher="labels").fit(
            {"raw": labelled(tmp_path, texts, [[1, 0]] * 10)}, tmp_path, Site()
        )


def test_labels_that_are_no_labels_are_refused(tmp_path):
    corpus = labelled(tmp_path, ["one\ntwo"] * 3, [["1", "0"]] * 3)
    with pytest.raises(RecipeError, match="line_labels has '1'; wanted 1 for a line to keep"):
        ProxLearned(teacher="labels").fit({"raw": corpus}, tmp_path, Site())


def test_it_learns_from_programs_of_another(tmp_path):
    texts = [f"{one}\nshare this page {n}" for n, one in enumerate(prose(120))]
    path = tmp_path / "programs.jsonl"
    chunks = [[0, 12, "remove_lines(line_start=12, line_end=12)"]]
    ids = [one.hex() for one in documents(texts)["doc_id"].to_pylist()]
    path.write_text("".join(json.dumps({"doc_id": one, "chunks": chunks}) + "\n" for one in ids))
    refiner = ProxLearned(teacher="programs", programs=str(path), buckets=512)
    _, report = fitted(refiner, texts, tmp_path / "fitted")

    assert report["held_out"]["f1"] == 1.0
    assert ProxLearned(teacher="programs", programs=str(path)).identity()
    assert refiner.identity() != ProxLearned(buckets=512).identity()


def test_too_few_lines_of_either_kind_are_refused(tmp_path):
    lined = lines_of(documents(prose(30))["text"])
    ids = id_matrix(documents(prose(30))["doc_id"])

    with pytest.raises(RecipeError, match="either kind"):
        learned(Lesson(lined, ids, np.zeros(len(lined.rows), bool)), 64, 1.0, 0)


def test_blank_lines_stay_and_lines_do_not_depend_on_other_documents():
    lined = lines_of(pa.array([*prose(60), "a\n\nb"]))
    truth = np.arange(len(lined.rows)) % 3 == 0
    ids = id_matrix(documents([*prose(60), "a\n\nb"])["doc_id"])
    pupil, _ = learned(Lesson(lined, ids, truth), 64, 1.0, 0)
    alone = margins(pupil, lines_of(pa.array(["a\n\nb"])))

    assert alone.tolist() == margins(pupil, lined)[-3:].tolist()
    assert alone[1] == -np.inf


def test_shapes_say_what_a_line_is_like_and_what_is_around_it():
    lined = lines_of(pa.array(["One two three.\n\nwww.x.org | AB 12\nOne two three.", "x"]))
    shapes = {name: line_shapes_of(lined)[:, at] for at, name in enumerate(SHAPES)}

    assert shapes["words"].tolist() == np.log1p([3, 0, 4, 3, 1]).tolist()
    assert shapes["ends_sentence"].tolist() == [1, 0, 0, 1, 0]
    assert shapes["begins_small"].tolist() == [0, 0, 1, 0, 1]
    assert shapes["address"].tolist() == [0, 0, 1, 0, 0]
    assert shapes["copies"].tolist() == np.log([2, 1, 1, 2, 1]).tolist()
    assert shapes["words_before"].tolist() == [0, 0, np.log1p(3), np.log1p(4), 0]
    assert shapes["closed_after"].tolist() == [0, 0, 1, 0, 0]
    assert (20 * shapes["from_end"]).tolist() == [2, 0, 1, 0, 0]
    assert shapes["upper_share"][2] == pytest.approx(2 / 14)


def test_agreement_is_precision_and_recall():
    truth = np.array([True, True, True, False, False])
    found = np.array([True, False, False, True, False])

    assert agreement(truth, found) == {
        "precision": 0.5, "recall": 0.3333, "f1": 0.4, "good_lost": 0.5
    }  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"teacher": "programs"},
        {"programs": "x"},
        {"documents": 0},
        {"buckets": 0},
        {"penalty": 0.0},
    ],
)
def test_settings_that_teach_nothing_are_refused(wrong):
    with pytest.raises(RecipeError, match="wanted"):
        ProxLearned(**wrong)


def test_what_was_not_fitted_cannot_be_loaded():
    with pytest.raises(RecipeError, match="fitted"):
        ProxLearned().load(Site())


def test_replay_is_the_teacher_that_it_says(tmp_path):
    with pytest.raises(RecipeError, match="programs="):
        ProxLearned(teacher="programs", programs=str(tmp_path / "none.jsonl"))
    with pytest.raises(RecipeError, match="programs="):
        ProxReplay()
