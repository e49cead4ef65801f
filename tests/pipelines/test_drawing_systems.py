"""Sensitivity sampling, source relevance and hard text as recipes compose them."""

from __future__ import annotations

import numpy as np
import pytest

from bench.trial import made_up, recipe, write_files
from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.ledger import Store
from curator.schema import SELECTION
from curator.shards import read_shard
from pipelines.check import checked
from pipelines.curate import curate

SIZES = "depth: 1, width: 16, heads: 2, batch_tokens: 128"
BY_SOURCE = {"method": "random", "share": 0.2, "quota_by": "source", "shortfall": "redistribute"}
ARMS = {
    "random": {"method": "random", "share": 0.2},
    "drawn": {"method": "poisson", "by": "sensitivity", "share": 0.2},
    "unweighted": {"method": "poisson", "by": "sensitivity", "share": 0.2, "weighted": False},
    "placebo": {"method": "placebo", "of": "drawn"},
    "relevant": {**BY_SOURCE, "quotas": "relevance"},
    "even": {**BY_SOURCE, "quotas": "uniform"},
    "hard": {
        "method": "topk",
        "by": "hard",
        "share": 0.2,
        "quota_by": "cluster",
        "quotas": "cluster.weight",
        "shortfall": "accept",
    },
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawing")
    for name, context in (("tiny", 32), ("short", 8)):
        (folder / f"{name}.yaml").write_text(f"{{{SIZES}, context: {context}}}")

    def model(proxy, tokens):
        trained = {"proxy": str(folder / f"{proxy}.yaml"), "tokens": tokens}
        return {"train": {**trained, "learns_from": "source:notes"}}

    content = recipe(
        write_files(made_up(400), folder / "in", 2),
        models={
            "full_model": model("tiny", 6400),
            "short_model": model("short", 6400),
            "early_model": model("tiny", 1280),
        },
        score=[
            {"use": "sensitivity", "model": "full_model", "dimensions": 8, "ridge": 1e-4},
            {
                "use": "lasso_relevance",
                "as": "relevance",
                "model": "full_model",
                "learns_from": {"target": "exam/train"},
                "least_targets": 5,
                "dimensions": 64,
            },
            {
                "use": "lasso_relevance",
                "as": "uniform",
                "kind": "uniform",
                "learns_from": {"target": "exam/train"},
            },
            {"use": "perplexity", "as": "full", "model": "full_model"},
            {"use": "perplexity", "as": "short", "model": "short_model"},
            {"use": "perplexity", "as": "early", "model": "early_model"},
            {"use": "clusters", "as": "cluster", "clusters": 4},
            {
                "use": "optidel_text",
                "as": "hard",
                "models": ["full_model", "short_model", "early_model"],
            },
        ],
        arms={name: {"select": select} for name, select in ARMS.items()},
        train=None,
        evaluate=None,
    )
    plan = checked(content, "recipe")
    return curate(plan, Driver(Store(folder / "store"), Inline(1), quiet=True))


def selection(made, arm):
    chosen = made.arms[arm].selected
    return read_shard(chosen.shard), chosen.summary


def test_a_weighted_draw_estimates_how_many_documents_there_are(made):
    drawn, told = selection(made, "drawn")
    unweighted, _ = selection(made, "unweighted")

    assert drawn.schema.names == [*SELECTION.names, "weight"]
    assert unweighted.equals(drawn.drop_columns("weight"))
    assert told["poisson"]["effective_sample_size"] <= drawn.num_rows
    # Of some fifty documents, by their chances: within three standard errors.
    weight = drawn["weight"].to_numpy().astype(np.float64)
    error = np.sqrt((weight**2 * (1 - 1 / weight)).sum())
    assert abs(weight.sum() - told["documents_in"]) < 3 * error


def test_a_placebo_of_a_weighted_draw_has_no_weights(made):
    placebo, _ = selection(made, "placebo")
    drawn, _ = selection(made, "drawn")

    assert placebo.schema == SELECTION
    assert abs(placebo.num_rows - drawn.num_rows) < 0.3 * drawn.num_rows


def test_sources_share_a_budget_by_their_weights(made):
    weights = {}
    for shard in made.viewed.shards:
        table = read_shard(shard)
        named = table["source"].to_pylist(), table["relevance"].to_pylist()
        weights |= dict(zip(*named, strict=True))
    _, told = selection(made, "relevant")
    total = sum(told["asked"].values())

    assert sum(weights.values()) == pytest.approx(1, abs=1e-3)
    short = {each["name"] for each in told["shortfalls"]}
    for source, asked in told["asked"].items():
        if not short:
            assert asked == pytest.approx(total * weights[source], abs=2)
        assert weights[source] or not asked
    _, even = selection(made, "even")
    assert max(even["asked"].values()) - min(even["asked"].values()) <= 1 or even["shortfalls"]


def test_hard_text_is_learned_text_of_every_cluster(made):
    rows = [read_shard(shard) for shard in made.viewed.shards]
    learned = {
        doc_id: value
        for table in rows
        for doc_id, value in zip(
            table["doc_id"].to_pylist(), table["hard.learned"].to_pylist(), strict=True
        )
    }
    hard, told = selection(made, "hard")

    assert hard.num_rows
    assert all(learned[doc_id] > 0 for doc_id in hard["doc_id"].to_pylist())
    assert len([asked for asked in told["asked"].values() if asked]) == 4
