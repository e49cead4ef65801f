from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from bench.trial import made_up, recipe, write_files
from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.errors import BudgetError, RecipeError
from curator.ledger import Store
from curator.mix.reader import NOTES_FILE
from curator.recipe import ModelSpec
from curator.shards import read_shard
from curator.train.checkpoint import TRUNK, read_record
from pipelines.check import checked
from pipelines.curate import prepare
from pipelines.modeling import reference_models
from pipelines.scoring import Teachers, folders_of, score_one
from pipelines.trained_on import documents_of, require_apart


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Return a driver and a small pool whose tokens are counted."""
    folder = tmp_path_factory.mktemp("modeling")
    content = recipe(write_files(made_up(120), folder / "in", 2), train=None, evaluate=None)
    content["corpus"] = {"ingest": content["corpus"]["ingest"], "tokenizer": {"bpe": 512}}
    content |= {"score": [], "arms": {"main": {"select": {"method": "random", "tokens": 1000}}}}
    driver = Driver(Store(folder / "store"), Inline(1), quiet=True)
    made = prepare(checked({**content, "baseline": None}, "trial"), driver)
    return driver, made.pool, made.tokens


def specs(**models) -> dict[str, ModelSpec]:
    return {name: ModelSpec.model_validate(spec) for name, spec in models.items()}


def swarm(**changes) -> dict:
    return {"train": {"proxy": "demo", "tokens": 2048, "count": 3, "concentration": 0.3} | changes}


@pytest.fixture(scope="module")
def trained(prepared):
    driver, pool, tokens = prepared
    return reference_models(specs(many=swarm()), pool, tokens, driver)


def mixture_of(run: Path) -> dict:
    return json.loads((run / "run.json").read_text())["mixture"]


def test_a_swarm_is_so_many_models_of_one_kind_on_different_text(trained):
    _, models = trained
    runs = [json.loads((folder / "run.json").read_text()) for folder in models.values()]

    assert list(models) == ["many-1", "many-2", "many-3"]
    assert all(run["proxy"] == runs[0]["proxy"] and run["tokens"] == 2048 for run in runs)
    assert len({run["mixture"]["draw_hash"] for run in runs}) == 3


def test_documents_of_a_swarm_leave_the_pool_and_are_disjoint(prepared, trained):
    _, before, _ = prepared
    after, _ = trained
    roles = pa.concat_tables([read_shard(s, ("role",)) for s in after.alive.shards])["role"]
    counts = {row["values"]: row["counts"] for row in roles.value_counts().to_pylist()}

    assert set(counts) == {None, "many-1", "many-2", "many-3"}
    assert before.rows - after.rows == sum(n for role, n in counts.items() if role)
    assert after.alive.dropped == {"reference": before.rows - after.rows}


def test_each_model_of_a_swarm_has_its_own_mixture_of_sources(prepared, trained):
    _, pool, _ = prepared
    after, _ = trained
    ids = {}
    for shard, decided in zip(pool.corpus.shards, after.alive.shards, strict=True):
        table = read_shard(shard, ("source",)).append_column(
            "role", read_shard(decided, ("role",))["role"]
        )
        for row in table.to_pylist():
            ids.setdefault(row["role"], []).append(row["source"])
    shares = {
        role: {source: rows.count(source) / len(rows) for source in ("web", "books", "notes")}
        for role, rows in ids.items()
        if role
    }

    assert len({max(of, key=of.get) for of in shares.values()}) > 1


def test_a_swarm_is_trained_once(prepared, trained):
    driver, pool, tokens = prepared
    steps = {f: f.stat().st_mtime_ns for f in trained[1].values()}
    again = reference_models(specs(many=swarm()), pool, tokens, driver)

    assert again[1] == trained[1]
    assert steps == {f: f.stat().st_mtime_ns for f in again[1].values()}


def test_a_swarm_may_take_no_more_than_half_of_the_pool_in_total(prepared):
    driver, pool, tokens = prepared
    with pytest.raises(BudgetError, match=r"'many' would train on .*wanted at most half"):
        reference_models(specs(many=swarm(count=40)), pool, tokens, driver)


def test_a_model_with_state_keeps_its_optimizers_and_is_another_run(prepared):
    driver, pool, tokens = prepared
    train = {"proxy": "demo", "tokens": 2048}
    plain, kept = (
        reference_models(specs(warm={"train": train | more}), pool, tokens, driver)[1]["warm"]
        for more in ({}, {"state": True})
    )

    assert not (plain / TRUNK).exists()
    assert (kept / TRUNK).is_file()
    assert read_record(kept)["identity"] != read_record(plain)["identity"]
    assert Store.whole(kept)


def test_a_document_that_the_pool_has_twice_is_read_once(tmp_path):
    twice = [record for record in made_up(60) for _ in range(2)]
    content = recipe(write_files(twice, tmp_path / "in", 2), train=None, evaluate=None)
    content["corpus"] = {"ingest": content["corpus"]["ingest"], "tokenizer": {"bpe": 512}}
    content |= {"score": [], "arms": {}, "baseline": None}
    content["models"] = {"ref": {"train": {"proxy": "demo", "tokens": 2048}}}
    driver = Driver(Store(tmp_path / "store"), Inline(1), quiet=True)
    made = prepare(checked(content, "trial"), driver)
    read = documents_of(made.models["ref"]).to_pylist()

    assert len(read) == len(set(read)) > 1


def test_a_model_called_as_one_of_a_swarm_is_refused(prepared):
    driver, pool, tokens = prepared
    named = {"many-2": {"path": "somewhere"}, "many": swarm()}
    with pytest.raises(RecipeError, match=r"two models are called 'many-2'.*another name"):
        reference_models(specs(**named), pool, tokens, driver)


def test_what_a_reference_was_trained_on_is_not_in_the_pool_it_scores(prepared, trained):
    after, models = trained
    read = documents_of(models["many-1"])
    left = pa.concat_tables(list(after.learning().tables(("doc_id",))))["doc_id"]

    assert len(read) > 3
    assert not set(read.to_pylist()) & set(left.to_pylist())
    require_apart("many-1", models["many-1"], after)


def test_a_model_on_disk_that_was_trained_on_the_pool_is_refused(prepared, trained):
    driver, pool, tokens = prepared
    ref = {"ref": {"path": str(trained[1]["many-1"])}}
    with pytest.raises(RecipeError, match=r"'ref' .* was trained on .* of the pool's documents"):
        reference_models(specs(**ref), pool, tokens, driver)


def test_of_a_model_that_was_moved_nothing_is_known(trained, tmp_path):
    shutil.copytree(trained[1]["many-1"], tmp_path / "moved")

    assert documents_of(tmp_path / "moved") is None
    assert documents_of(tmp_path / "absent") is None


@pytest.mark.parametrize("content", [b"{", b"[]", b'"mixture"', b'{"mixture": 3}', b"\xff\xfe"])
def test_of_another_program_s_notes_nothing_is_known(trained, tmp_path, content):
    for name in ("model", "beside"):
        (tmp_path / name).mkdir()
    (tmp_path / "model" / "run.json").write_bytes(content)
    assert documents_of(tmp_path / "model") is None

    shutil.copy(trained[1]["many-1"] / "run.json", tmp_path / "model")
    (tmp_path / "beside" / NOTES_FILE).write_bytes(content)
    assert documents_of(tmp_path / "model") is None


def test_the_name_of_a_swarm_stands_for_all_of_its_models():
    models = {f"many-{n}": Path(f"/m{n}") for n in range(1, 12)} | {"ref": Path("/ref")}

    assert folders_of("many", models) == [Path(f"/m{n}") for n in range(1, 12)]
    assert folders_of("many-2", models) == [Path("/m2")]
    assert folders_of("/path", models) == ["/path"]


def test_a_scorer_of_losses_asks_every_model_of_a_swarm(prepared, trained):
    driver, _, _ = prepared
    pool, models = trained
    entry = {"use": "losses", "as": "bits", "models": ["many"], "documents": 5}
    sidecar = score_one(entry, pool, Teachers(models=models), driver)
    made = pa.concat_tables([read_shard(shard) for shard in sidecar.shards])
    told = made.filter(made["bits"].is_valid())

    assert made.column_names[:2] == ["bits", "bits.loss_bits"]
    assert [len(row) for row in told["bits.loss_bits"].to_pylist()] == [3] * 5


def test_concentration_without_a_count_is_a_mistake():
    with pytest.raises(ValueError, match="add 'count'"):
        specs(one={"train": {"proxy": "demo", "tokens": 2048, "concentration": 0.5}})


def test_a_pruned_model_is_a_damaged_copy_with_state_that_runs_can_begin_from(prepared):
    driver, pool, tokens = prepared
    warm = {"train": {"proxy": "demo", "tokens": 2048, "state": True}}
    asked = specs(warm=warm, damaged={"pruned": {"of": "warm", "share": 0.5}})
    _, models = reference_models(asked, pool, tokens, driver)
    _, again = reference_models(asked, pool, tokens, driver)

    assert models == again
    assert (models["damaged"] / TRUNK).is_file()
    assert read_record(models["damaged"])["pruned"]["share"] == 0.5
    assert read_record(models["damaged"])["pruned"]["of"] == read_record(models["warm"])["identity"]


def test_a_pruned_copy_of_nothing_or_of_a_copy_is_refused(prepared):
    driver, pool, tokens = prepared
    copy = {"pruned": {"of": "other"}}

    with pytest.raises(RecipeError, match="pruned of 'other'; wanted a model that is trained"):
        reference_models(specs(damaged=copy), pool, tokens, driver)
    with pytest.raises(RecipeError, match="pruned of 'other'"):
        reference_models(specs(other={"pruned": {"of": "x"}}, damaged=copy), pool, tokens, driver)
