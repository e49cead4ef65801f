from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from curator.dedup.benchmarks import ITEMS
from curator.errors import RecipeError
from curator.identity import fingerprint
from curator.registry import make_scorer
from curator.shards import read_shard, write_shard
from curator.stage import Corpus, Site
from curator.testing import check_scorer, corpus, example_texts
from curator.train.checkpoint import TRUNK
from scorers.influence import Influence
from tests.support.trained import trained_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    texts = [text for role in ("raw", "target") for text in example_texts(role)]
    return trained_run(texts, tmp_path_factory.mktemp("run"), steps=60)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora")
    texts = [*example_texts("raw", 30), *example_texts("target", 60)[40:], ""]
    target = example_texts("target", 12)
    return {
        "raw": corpus(folder / "raw", texts, shards=3),
        "target": corpus(folder / "target", target, source="exam"),
    }


@pytest.fixture
def scorer(run):
    return Influence(model=str(run), documents=None, least_documents=10, audit=8)


def fitted(scorer, corpora, folder):
    folder.mkdir(exist_ok=True)
    scorer.fit(corpora, folder, Site())
    table = pa.concat_tables(corpora["raw"].tables(("doc_id", "text")))
    scores = scorer.process(scorer.load(Site(fitted=folder)), table)
    report = json.loads((folder / "report.json").read_text())
    return table.append_column("influence", scores["influence"]), scores, report


def test_text_like_the_target_lowers_its_loss_most(scorer, corpora, tmp_path):
    table, _, _ = fitted(scorer, corpora, tmp_path)
    like = set(example_texts("target", 60)[40:])
    found = table.to_pylist()
    means = [
        np.mean([r["influence"] for r in found if r["text"] and (r["text"] in like) is side])
        for side in (True, False)
    ]

    assert means[0] > means[1] + 0.5


def test_the_report_says_whether_to_believe_it(scorer, corpora, tmp_path):
    _, _, report = fitted(scorer, corpora, tmp_path)

    assert (report["probed"], report["without_tokens"], report["lost"]) == (50, 1, 0)
    assert report["audit"]["spearman_of_first_order_and_one_step"] > 0.8
    assert report["reliability"]["halves"] > 0.1
    assert 0 <= report["helpful_share"] <= 1


def test_scores_are_standardized_and_an_empty_text_has_none(scorer, corpora, tmp_path):
    table, scores, report = fitted(scorer, corpora, tmp_path)
    values = scores["influence"].drop_null().to_numpy()

    assert scores["influence"].null_count == 1
    assert table.filter(pa.compute.is_null(table["influence"]))["text"].to_pylist() == [""]
    assert values.mean() == pytest.approx(0, abs=1e-3)
    assert values.std() == pytest.approx(1, abs=1e-3)
    nats = scores["nats"].drop_null().to_numpy()
    assert nats.std() == pytest.approx(report["spread_nats"], rel=1e-3)


def test_one_step_and_first_order_agree(scorer, corpora, tmp_path):
    first = fitted(scorer, corpora, tmp_path / "a")[1]["influence"].drop_null()
    exact = fitted(replace(scorer, mode="one_step"), corpora, tmp_path / "b")[1]["influence"]

    assert np.corrcoef(first, exact.drop_null())[0, 1] > 0.8


def test_only_the_sample_is_scored(scorer, corpora, tmp_path):
    _, scores, report = fitted(replace(scorer, documents=20), corpora, tmp_path)

    assert report["probed"] + report["without_tokens"] == 20
    assert len(scores["influence"].drop_null()) == report["probed"]


def test_it_keeps_the_contract(scorer):
    check_scorer(replace(scorer, audit=4))


def test_where_the_model_lies_is_no_part_of_the_identity(scorer, run, tmp_path):
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("run.json", TRUNK, "tokenizer.json"):
        (moved / name).write_bytes((run / name).read_bytes())

    assert fingerprint(replace(scorer, model=str(moved)).identity()) == fingerprint(
        scorer.identity()
    )


def test_only_answers_count_where_items_have_prompts(scorer, corpora, tmp_path):
    asked, answered = example_texts("raw", 12), example_texts("target", 12)
    texts = [f"{a}\n{b}" for a, b in zip(asked, answered, strict=True)]
    parts = [
        [
            {"start": 0, "end": len(a), "prompt": True},
            {"start": len(a) + 1, "end": len(a) + 1 + len(b), "prompt": False},
        ]
        for a, b in zip(asked, answered, strict=True)
    ]
    plain = corpus(tmp_path / "plain", texts, source="exam")
    table = read_shard(plain.shards[0]).append_column("parts", pa.array(parts, ITEMS.field(3).type))
    masked = Corpus((write_shard(table, tmp_path / "items.arrow", name="items"),))
    lax = replace(scorer, least_reliability=-1.0)
    counts = [
        fitted(lax, {**corpora, "target": target}, tmp_path / name)[2]["reference"]["tokens"]
        for name, target in (("all", plain), ("answers", masked))
    ]

    assert 0.4 * counts[0] < counts[1] < 0.6 * counts[0]


def test_an_item_of_the_final_target_is_refused(scorer, corpora, tmp_path):
    final = corpus(tmp_path / "final", example_texts("target", 2), source="exam")

    with pytest.raises(RecipeError, match="final target"):
        scorer.fit({**corpora, "final_target": final}, tmp_path, Site())


def test_a_target_without_words_is_refused(scorer, corpora, tmp_path):
    empty = corpus(tmp_path / "empty", ["", "\t" * 0], source="exam")

    with pytest.raises(RecipeError, match="Q without unmasked tokens"):
        scorer.fit({**corpora, "target": empty}, tmp_path, Site())


def test_too_few_probes_are_refused(scorer, corpora, tmp_path):
    with pytest.raises(RecipeError, match="50 documents were probed, wanted 500"):
        replace(scorer, least_documents=500).fit(corpora, tmp_path, Site())


def test_halves_that_disagree_are_refused(scorer, corpora, tmp_path):
    with pytest.raises(RecipeError, match="reliability is"):
        replace(scorer, least_reliability=1.0).fit(corpora, tmp_path, Site())


def test_lost_probes_are_refused(scorer, corpora, tmp_path, monkeypatch):
    from curator.influence import probes

    plain = probes.first_order

    def losing(*given):
        found = plain(*given)
        found[:2] = np.nan
        return found

    monkeypatch.setattr(probes, "first_order", losing)

    with pytest.raises(RecipeError, match="2 of 50 probes are no numbers"):
        scorer.fit(corpora, tmp_path, Site())


def test_a_model_without_its_state_is_refused(tmp_path):
    folder = trained_run(example_texts("raw"), tmp_path, steps=2)
    (folder / TRUNK).unlink()

    with pytest.raises(RecipeError, match="Missing optimizer state"):
        Influence(model=str(folder)).identity()


def test_weights_that_are_no_numbers_are_refused(scorer, run, corpora, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("run.json", "tokenizer.json"):
        (broken / name).write_bytes((run / name).read_bytes())
    with safe_open(run / TRUNK, framework="pt") as file:
        header = file.metadata()
    tensors = load_file(run / TRUNK)
    tensors["model.head.weight"][:] = float("nan")
    save_file(tensors, broken / TRUNK, header)

    with pytest.raises(RecipeError, match="slope"):
        replace(scorer, model=str(broken)).fit(corpora, tmp_path, Site())


@pytest.mark.parametrize(
    "settings",
    [
        {"probe_lr_scale": 0.0},
        {"documents": 1},
        {"max_tokens": 0},
        {"reference_tokens": 0},
        {"least_reliability": float("nan")},  # which nothing is below
    ],
)
def test_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(RecipeError, match=next(iter(settings))):
        Influence(model="any", **settings)


def test_a_missing_model_is_refused():
    with pytest.raises(RecipeError, match="model is missing"):
        make_scorer({"use": "influence"})
