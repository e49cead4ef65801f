"""The same bytes on any engine with any number of workers; accounts that add up."""

from __future__ import annotations

from types import SimpleNamespace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.engine import routing, shuffle
from curator.engine.driver import Driver, sights
from curator.engine.run import Inline
from curator.engine.tasks import committed
from curator.errors import PluginError, ShardError
from curator.ledger import Store
from curator.schema import field_note
from curator.shards import read_shard
from curator.stage import Site
from tests.support.corpus import corpus_of, made_up_texts
from tests.support.stages import (
    DropShort,
    FirstOfItsLetter,
    Length,
    LosesARow,
    Raises,
    SameFirstLetter,
    Suicidal,
    others_dropped,
)


@pytest.fixture(params=["inline-1", "inline-2", pytest.param("ray-2", marks=pytest.mark.ray)])
def driver(request, tmp_path):
    kind, workers = request.param.split("-")
    if kind == "ray":
        from curator.engine.on_ray import OnRay

        request.getfixturevalue("ray_session")
        engine = OnRay(int(workers))
    else:
        engine = Inline(int(workers))
    yield Driver(Store(tmp_path), engine, quiet=True)
    engine.close()


def test_what_killed_jobs_told_of_their_progress_is_gone_after_a_step(driver, tmp_path):
    answers = tmp_path / "answers"
    answers.mkdir()
    (answers / "pulse-1").write_text("0.9")
    corpus = corpus_of(driver.store, made_up_texts(50), 3)
    driver.map_stage(DropShort(40), corpus, step="drop", site=Site(cache=answers))

    assert list(answers.iterdir()) == []


def test_a_sidecar_has_the_rows_of_its_corpus_and_nulls_for_the_dropped(driver):
    corpus = corpus_of(driver.store, made_up_texts(50), 3)

    kept = driver.map_stage(DropShort(40), corpus, step="drop")
    scored = driver.map_stage(Length(), corpus, step="score.length", alive=kept)

    for document, decision, score in zip(corpus.shards, kept.shards, scored.shards, strict=True):
        texts = read_shard(document)["text"].to_pylist()
        keep = read_shard(decision)["keep"].to_pylist()
        lengths = read_shard(score)["length"].to_pylist()
        assert keep == [len(text) >= 40 for text in texts]
        assert lengths == [len(t) if k else None for t, k in zip(texts, keep, strict=True)]
    assert kept.rows_in == kept.rows_out + sum(kept.dropped.values())
    assert scored.rows_in == kept.rows_out


def test_all_engines_write_the_same_bytes(driver, tmp_path):
    corpus = corpus_of(driver.store, made_up_texts(50), 3)
    alone = Driver(Store(tmp_path / "alone"), Inline(1), quiet=True)
    other = corpus_of(alone.store, made_up_texts(50), 3)

    for one, its in ((driver, corpus), (alone, other)):
        kept = one.map_stage(DropShort(40), its, step="drop")
        one.map_stage(Length(), its, step="score.length", alive=kept)
        one.shuffle_stage(SameFirstLetter(), its, step="letters", alive=kept)

    mine = {a.name: (a.id, a.digest) for _, a in driver.store.artifacts()}
    assert mine == {a.name: (a.id, a.digest) for _, a in alone.store.artifacts()}


def test_a_second_run_computes_nothing(driver):
    corpus = corpus_of(driver.store, made_up_texts(20), 2)
    first = driver.map_stage(Length(), corpus, step="score.length")

    second = driver.map_stage(Length(), corpus, step="score.length")

    assert second == first
    assert [step.cached for step in driver.steps] == [False, True]


def test_an_added_shard_is_the_only_one_computed(tmp_path):
    driver = Driver(Store(tmp_path), Inline(1), quiet=True)
    small = corpus_of(driver.store, made_up_texts(20), 2)
    driver.map_stage(Length(), small, step="score.length")
    more = corpus_of(driver.store, made_up_texts(8), 1, "more")
    both = type(small)("ingest", {}, small.tasks + more.tasks)

    made = driver.map_stage(Length(), both, step="score.length")

    records = list((tmp_path / "shards" / "score.length").rglob("*.json"))
    assert len(made.shards) == len(records) == 3


def test_a_shuffle_does_not_depend_on_how_rows_are_cut(tmp_path):
    tables = []
    for shards in (1, 4):
        driver = Driver(Store(tmp_path / str(shards)), Inline(1), quiet=True)
        corpus = corpus_of(driver.store, made_up_texts(50), shards)
        reduced = driver.shuffle_stage(SameFirstLetter(), corpus, step="letters")
        table = pa.concat_tables(read_shard(shard) for shard in reduced.shards)
        tables.append(
            dict(zip(table["letter"].to_pylist(), table["count"].to_pylist(), strict=True))
        )

    assert tables[0] == tables[1]
    assert sum(tables[0].values()) == 50


def test_a_worker_that_dies_once_is_tried_again(tmp_path):
    deaths = tmp_path / "deaths"
    deaths.mkdir()
    driver = Driver(Store(tmp_path / "store"), Inline(2), quiet=True)
    corpus = corpus_of(driver.store, made_up_texts(40), 4)

    made = driver.map_stage(Suicidal(str(deaths), 2), corpus, step="score.s")

    assert len(list(deaths.iterdir())) >= 2
    assert made.rows_out == 40
    driver.engine.close()


def test_a_worker_that_always_dies_fails_the_run_and_names_the_shard(tmp_path):
    deaths = tmp_path / "deaths"
    deaths.mkdir()
    driver = Driver(Store(tmp_path / "store"), Inline(2), quiet=True)
    corpus = corpus_of(driver.store, made_up_texts(40), 1)

    with pytest.raises(ShardError, match=r"score\.s of toy-000.*died 3 times"):
        driver.map_stage(Suicidal(str(deaths), 99), corpus, step="score.s")


def test_a_scorer_that_loses_a_row_is_named(driver):
    corpus = corpus_of(driver.store, made_up_texts(20), 2)

    with pytest.raises(PluginError, match=r"returned 9 rows for 10 documents"):
        driver.map_stage(LosesARow(), corpus, step="score.l")


def test_careless_errors_come_back_with_the_name_of_the_shard(driver):
    corpus = corpus_of(driver.store, made_up_texts(20), 1)

    with pytest.raises(ShardError, match=r"score\.r of toy-000: KeyError: 'poison'"):
        driver.map_stage(Raises(), corpus, step="score.r")


def test_what_a_score_says_of_itself_reaches_the_stages_that_read_it(tmp_path):
    driver = Driver(Store(tmp_path), Inline(1), quiet=True)
    corpus = corpus_of(driver.store, made_up_texts(20), 1)
    scored = driver.map_stage(Length(), corpus, step="score.length", rename={"length": "chars"})

    (sight,) = sights(corpus, (scored,), None)
    field = sight.columns(("doc_id", "chars")).schema.field("chars")

    assert field_note(field, "unit") == "characters"
    assert field_note(field, "better") == "higher"


def test_a_range_too_large_for_one_reducer_is_reduced_in_parts(tmp_path, monkeypatch):
    found = []
    for limit in (shuffle.REDUCE_BYTES, 64):
        monkeypatch.setattr(shuffle, "REDUCE_BYTES", limit)
        driver = Driver(Store(tmp_path / str(limit)), Inline(1), quiet=True)
        corpus = corpus_of(driver.store, made_up_texts(60), 3)
        reduced = driver.shuffle_stage(SameFirstLetter(), corpus, step="letters")
        rows = [row for shard in reduced.shards for row in read_shard(shard).to_pylist()]
        parts = sum("-of-" in shard.name for shard in reduced.shards)
        found.append((parts, sorted(map(str, rows))))

    (none, whole), (some, in_parts) = found
    assert none == 0
    assert some > 0
    assert in_parts == whole


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.text(max_size=1)), max_size=40))
def test_rows_are_put_in_the_order_of_all_columns(rows):
    kinds = (pa.uint64(), pa.int64(), pa.string())
    columns = zip(*rows, strict=True) if rows else ([], [], [])
    table = pa.table([pa.array(c, k) for c, k in zip(columns, kinds, strict=True)], names="abc")

    assert [tuple(row.values()) for row in shuffle.in_order(table).to_pylist()] == sorted(rows)


def test_many_reduced_rows_are_gathered_by_shards_before_they_go_home(tmp_path, monkeypatch):
    found = []
    for limit in (routing.REDUCE_BYTES, 300):
        monkeypatch.setattr(routing, "REDUCE_BYTES", limit)
        driver = Driver(Store(tmp_path / str(limit)), Inline(1), quiet=True)
        corpus = corpus_of(driver.store, made_up_texts(60), 5)
        reduced = driver.shuffle_stage(FirstOfItsLetter(), corpus, step="letters")
        made = driver.route(others_dropped, reduced, corpus, step="letters")
        gathered = [a for _, a in driver.store.artifacts() if a.name == "letters.gather"]
        found.append((len(gathered), made.rows_out, [shard.digest for shard in made.shards]))

    letters = {text[0] for text in made_up_texts(60) if text}
    (none, kept, whole), (one, _, in_groups) = found
    assert (none, one) == (0, 1)
    assert kept == len(letters)
    assert in_groups == whole


def _interrupted_in_a_kernel():
    raise SystemError("returned a result with an exception set") from KeyboardInterrupt()


def test_ctrl_c_within_a_compiled_kernel_is_no_fault_of_the_shard(tmp_path):
    task = SimpleNamespace(store=Store(tmp_path), step="trial", key="0" * 32, name="trial of a")

    with pytest.raises(KeyboardInterrupt):
        committed(task, _interrupted_in_a_kernel)
