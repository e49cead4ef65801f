"""Copies leave a pool by a stated policy, the same on every engine; too great a loss stops it."""

from __future__ import annotations

import json
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from curator.corpus_spec import DedupSpec, MinhashSpec, SurvivorsSpec
from curator.engine.driver import Driver
from curator.engine.on_ray import OnRay
from curator.engine.run import Inline
from curator.errors import RecipeError
from curator.ledger import Store
from curator.shards import read_shard
from pipelines.cli import app
from pipelines.copying import copies_of
from pipelines.deduplicating import dedup
from pipelines.pool import Pool
from tests.support.corpus import corpus_of
from tests.support.stages import Length
from tests.support.terminal import on_terminal


def _words(seed: int, n: int) -> list[str]:
    return [f"w{(seed * 7919 + i * i * 31 + i) % 4096}" for i in range(n)]


def families(n: int = 12) -> list[str]:
    """Return texts in threes: an original, the same with an end cut off, the same shouted."""
    made = []
    for seed in range(n):
        words = _words(seed, 80)
        made += [" ".join(words), " ".join(words[:75]), " ".join(words).upper() + " !!"]
    return made


NEAR = MinhashSpec(containment=0.9)
POLICIES = {
    "longest": DedupSpec(minhash=NEAR),
    "shortest": DedupSpec(minhash=NEAR, survivors="shortest"),
    "column": DedupSpec(minhash=NEAR, survivors=SurvivorsSpec(column="length", prefer="lower")),
}


def deduplicated(spec: DedupSpec, driver: Driver, texts: list[str], shards: int = 3) -> Pool:
    corpus = corpus_of(driver.store, texts, shards)
    pool = Pool(corpus).beside(driver.map_stage(Length(), corpus, step="score.length"))
    return dedup(spec, pool, driver)


def living(pool: Pool) -> list[str]:
    return sorted(t for part in pool.learning().tables(("text",)) for t in part["text"].to_pylist())


@pytest.mark.parametrize(("policy", "kept"), [("longest", 2), ("shortest", 1), ("column", 1)])
def test_the_policy_says_which_copy_of_each_family_stays(tmp_path, policy, kept):
    driver = Driver(Store(tmp_path), Inline(1), quiet=True)
    texts = families()

    pool = deduplicated(POLICIES[policy], driver, texts)

    assert living(pool) == sorted(texts[kept::3])


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_all_engines_remove_the_same_copies_byte_for_byte(tmp_path, policy, ray_session):
    decisions = {}
    for name, engine in (("one", Inline(1)), ("two", Inline(2)), ("ray", OnRay(2))):
        driver = Driver(Store(tmp_path / name), engine, quiet=True)
        pool = deduplicated(POLICIES[policy], driver, families())
        decisions[name] = [(one.id, one.digest) for one in pool.decisions]
        engine.close()

    assert decisions["one"] == decisions["two"] == decisions["ray"]


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_cuts_into_shards_change_no_removal(tmp_path, policy):
    found = []
    for shards in (1, 7):
        driver = Driver(Store(tmp_path / str(shards)), Inline(1), quiet=True)
        pool = deduplicated(POLICIES[policy], driver, families(), shards)
        found.append(living(pool))

    assert found[0] == found[1]


def test_every_removal_names_a_living_document_and_how_alike_they_are(tmp_path):
    driver = Driver(Store(tmp_path), Inline(1), quiet=True)
    pool = deduplicated(POLICIES["longest"], driver, families())
    near = pool.decisions[-1]
    rows = [row for shard in near.shards for row in read_shard(shard).to_pylist()]
    dropped = [row for row in rows if row["keep"] is False]
    ids = pa.concat_arrays(
        [t["doc_id"].combine_chunks() for t in pool.learning().tables(["doc_id"])]
    )

    assert len(dropped) == near.dropped["near_duplicate"] == 12
    assert pc.all(pc.is_in(pa.array([r["kept_id"] for r in dropped], ids.type), ids)).as_py()
    assert all(row["jaccard"] >= 0.8 and row["containment"] >= 0.9 for row in dropped)


def test_a_column_that_nothing_has_is_named_with_those_there_are(tmp_path):
    driver = Driver(Store(tmp_path), Inline(1), quiet=True)
    spec = DedupSpec(survivors=SurvivorsSpec(column="lenght"))

    with pytest.raises(RecipeError, match=r"'lenght'; did you mean 'length'.*extra\.NAME"):
        deduplicated(spec, driver, families(2))


@pytest.mark.parametrize("column", ["extra.votes", "date", "origin"])
def test_a_column_without_a_value_anywhere_is_refused(tmp_path, column):
    driver = Driver(Store(tmp_path), Inline(1), quiet=True)
    spec = DedupSpec(survivors=SurvivorsSpec(column=column))

    with pytest.raises(RecipeError, match=f"no document has a number.*'{column}'"):
        deduplicated(spec, driver, families(2))


def test_a_source_to_keep_first_that_has_no_documents_is_told(tmp_path, capsys):
    driver = Driver(Store(tmp_path), Inline(1))

    deduplicated(DedupSpec(source_priority=["toi", "toy"]), driver, families(2))

    assert "dedup: no document is of source 'toi' of source_priority; did you mean 'toy'?" in (
        capsys.readouterr().err
    )


@pytest.fixture
def curator(monkeypatch, capsys, tmp_path):
    """Return a function that runs the command line in a folder of its own: (code, stdout)."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["curator", *map(str, words)])
        code = 0
        try:
            app()
        except SystemExit as left:
            code = left.code or 0
        return code, capsys.readouterr().out

    return run


@pytest.fixture
def recipe(tmp_path):
    """Return a recipe of two sources: 40 copies of one text, and 12 families in threes."""
    calls = [{"text": "call the function now" + "!" * i, "source": "calls"} for i in range(40)]
    web = [{"text": text, "source": "web"} for text in families()]
    lines = [json.dumps(record) for record in (*calls, *web)]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    corpus = {
        "ingest": [{"reader": "jsonl", "files": "in.jsonl", "source": {"column": "source"}}],
        "dedup": {"exact": True, "minhash": {"containment": 0.9}},
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps({"name": "copies", "corpus": corpus}))
    return path


def test_a_source_that_would_vanish_stops_the_run_from_the_command_line(curator, recipe):
    code, out = curator("run", recipe, "--workers", 1, "--json")

    error = json.loads(out)["error"]
    assert code == 1
    assert error["class"] == "BudgetError"
    assert "source 'calls' would lose 39 of 40 documents (97.5%)" in error["message"]


def test_the_command_tells_what_sources_lost_and_names_the_largest_clusters(
    curator, recipe, tmp_path
):
    loss = "corpus.dedup.max_source_loss=1.0"
    code, out = curator("run", recipe, "--workers", 1, "--set", loss, "--json")
    folder = json.loads(out)["out"]
    _, told = curator("copies", folder, "--json")
    found = json.loads(told)

    assert code == 0
    assert found["sources"]["calls"] == {"documents": 40, "dropped": 39, "share": 39 / 40}
    assert found["sources"]["web"]["dropped"] == 24
    assert found["clusters"][0]["documents"] == 40
    assert found["clusters"][0]["origin"].startswith("in.jsonl")
    shown = on_terminal(copies_of(folder, tmp_path).shown, width=200)
    assert "lost per source" in shown
    assert "call the function now" in shown


def test_where_no_copies_were_looked_for_the_command_says_so(tmp_path):
    corpus_of(Store(tmp_path), families(1), 1)

    with pytest.raises(RecipeError, match="no step of deduplication; wanted a run's folder"):
        copies_of("ingest", tmp_path)
