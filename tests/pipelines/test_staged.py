"""Arms that choose while they train: each stage from the state before it, nothing done twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.errors import BudgetError
from curator.ledger import Store
from curator.shards import read_shard
from curator.train.checkpoint import read_record
from curator.train.proxy import find_proxy
from pipelines.check import checked
from pipelines.curate import curate
from pipelines.rereading import Nothing, NotMade, Reading
from pipelines.runs import budget_of, proxy_called
from pipelines.training import TrainJob, run_train
from tests.support.staged_recipes import ASKED, STAGED, staged_recipe

BATCH = find_proxy("d1").batch_tokens


def run(content, store: Path):
    return curate(checked(content, "trial"), Driver(Store(store), Inline(1), quiet=True))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a finished run, its recipe and its store."""
    folder = tmp_path_factory.mktemp("staged")
    content = staged_recipe(folder)
    return run(content, folder / "store"), content, folder / "store"


def rows(selected) -> set[bytes]:
    return set(read_shard(selected.shard, ("doc_id",))["doc_id"].cast(pa.binary()).to_pylist())


def test_each_stage_is_scored_by_the_state_that_it_begins_from(made):
    curated, *_ = made
    for course in curated.staged["mates"].courses:
        warm, *stages = course.turns

        assert warm.asked is None
        assert [turn.asked for turn in stages] == course.scheduler.checkpoints[:-1]
        assert [turn.asked.steps for turn in stages] == [2, 5]
        assert stages[0].probe.digest != stages[1].probe.digest


def test_the_last_piece_stands_for_a_run_of_all_tokens(made):
    curated, *_ = made
    plain = read_record(curated.proxies["random"][0])
    for arm in ("mates", "static", "placebo"):
        records = [read_record(folder) for folder in curated.proxies[arm]]

        assert [record["seed"] for record in records] == [1, 2]
        for record in records:
            assert (record["tokens"], record["flops"]) == (plain["tokens"], plain["flops"])
            assert proxy_called(record) == proxy_called(plain)
            assert budget_of(record) == budget_of(plain)
            assert len(record["curve"]) == len(plain["curve"])
    assert [len(c.turns) for c in curated.staged["static"].courses] == [2, 2]


def test_arms_share_the_warmup_of_their_seed_and_no_more(made):
    curated, *_ = made
    chains = {
        arm: [read_record(folder)["piece"]["pieces"] for folder in curated.proxies[arm]]
        for arm in ("mates", "static", "placebo")
    }
    first = [[chain[0]["identity"] for chain in each] for each in chains.values()]

    assert first[0] == first[1] == first[2]
    assert len(set(first[0])) == 2  # one a seed
    assert len({chain[1]["identity"] for each in chains.values() for chain in each}) == 6


def test_no_document_is_read_twice_and_probed_ones_never(made):
    curated, *_ = made
    for arm in ("mates", "placebo"):
        for course in curated.staged[arm].courses:
            taken = [rows(turn.selected) for turn in course.turns]
            assert sum(map(len, taken)) == len(set().union(*taken))
    course = curated.staged["mates"].courses[0]
    first, second = (turn.probe for turn in course.turns[1:])
    both = [
        pl.concat([pl.Series(read_shard(s).column(0)) for s in probe.shards]).is_not_null()
        for probe in (first, second)
    ]
    probed = both[0] & both[1]
    read = set().union(*(rows(turn.selected) for turn in course.turns))
    ids = pa.concat_arrays(
        [c for s in curated.pool.corpus.shards
         for c in read_shard(s, ("doc_id",))["doc_id"].cast(pa.binary()).chunks]
    )  # fmt: skip

    assert probed.sum() > 10
    assert not read & set(ids.filter(pa.array(probed)).to_pylist())


def test_a_placebo_takes_as_much_from_the_same_candidates_by_chance(made):
    curated, *_ = made
    pairs = zip(curated.staged["mates"].courses, curated.staged["placebo"].courses, strict=True)
    for theirs, ours in pairs:
        for one, other in zip(theirs.turns[1:], ours.turns[1:], strict=True):
            wanted, found = (turn.selected.summary["tokens"] for turn in (one, other))
            assert found == pytest.approx(wanted, rel=0.1)
            assert rows(one.selected) != rows(other.selected)


def test_each_run_and_stage_draws_its_own_chance(made):
    curated, *_ = made
    taken = [
        turn.selected.manifest_hash for c in curated.staged["mates"].courses for turn in c.turns[1:]
    ]

    assert len(set(taken)) == 4


def test_the_account_of_stages_tells_drift_overlap_and_sources(made):
    curated, *_ = made
    lines = curated.staged["mates"].lines

    assert [(line["seed"], line["stage"], line["before"]) for line in lines] == [
        (1, 0, 0), (1, 1, 2), (1, 2, 5), (2, 0, 0), (2, 1, 2), (2, 2, 5),
    ]  # fmt: skip
    assert "drift" not in lines[0]
    assert lines[1]["drift"] is None
    assert -1 <= lines[2]["drift"] <= 1
    assert lines[2]["probed"] > 10
    assert lines[2]["kept"] == 0
    assert all(sum(line["sources"].values()) == pytest.approx(1) for line in lines)


def test_a_second_run_computes_nothing(made):
    curated, content, store = made
    reading = Reading(Store(store), Nothing(), quiet=True)

    again = curate(checked(content, "trial"), reading)

    assert again.proxies == curated.proxies
    assert again.staged["mates"].account == curated.staged["mates"].account
    assert again.arms["mates"].selected == curated.arms["mates"].selected


def test_a_run_that_was_cut_comes_to_the_same_bytes(made, tmp_path):
    curated, content, store = made
    shutil.copytree(store, tmp_path / "store")
    course = curated.staged["mates"].courses[1]
    weights = {}
    for checkpoint in course.scheduler.checkpoints[1:]:
        place = tmp_path / "store/folders" / checkpoint.folder.name
        weights[place] = (place / "model.safetensors").read_bytes()
        shutil.rmtree(place)
    with pytest.raises(NotMade):
        curate(checked(content, "trial"), Reading(Store(tmp_path / "store"), Nothing(), quiet=True))

    run(content, tmp_path / "store")

    assert all((p / "model.safetensors").read_bytes() == bytes_ for p, bytes_ in weights.items())


def test_random_stages_are_the_pieces_trained_one_by_one(tmp_path):
    arms = {
        "random": {"select": {"method": "random", "tokens": 20_000}},
        "drawn": {"select": {"method": "random", "share": 0.9},
                  "staged": {"stages": 1, "warmup": 0.25}},
    }  # fmt: skip
    content = staged_recipe(tmp_path, arms=arms, score=[], baseline="random")
    curated = run(content, tmp_path / "store")
    course = curated.staged["drawn"].courses[0]

    from curator.train.piece import pieces_of

    first, second = pieces_of(8, 1, 0.25)
    by_hand = Store(tmp_path / "other")
    mixtures = [turn.mixture.folder for turn in course.turns]
    warm = TrainJob(mixtures[0], "d1", 2 * BATCH, 1, by_hand, as_trunk=True, piece=first)
    rest = TrainJob(mixtures[1], "d1", 6 * BATCH, 1, by_hand, trunk=warm, piece=second)
    run_train(warm)
    record = read_record(run_train(rest))

    theirs = read_record(course.folder)
    assert record["curve"] == theirs["curve"]
    assert record["identity"] == theirs["identity"]
    assert [turn.asked for turn in course.turns] == [None, None]
    # No score asks the run, so all seeds choose alike, and read other parts of it.
    other = curated.staged["drawn"].courses[1]
    assert other.turns[1].selected.manifest_hash == course.turns[1].selected.manifest_hash


def test_all_candidates_may_be_chosen_again(tmp_path):
    spec = {"stages": 2, "warmup": 0.0, "candidates": "all"}
    arms = {
        "random": {"select": {"method": "random", "tokens": 20_000}},
        "drawn": {"select": {"method": "random", "share": 0.5}, "staged": spec},
    }
    content = staged_recipe(tmp_path, arms=arms, score=[], baseline="random")
    content["train"]["seeds"] = [1]
    course = run(content, tmp_path / "store").staged["drawn"].courses[0]
    one, two = (rows(turn.selected) for turn in course.turns)

    assert [turn.stage for turn in course.turns] == [1, 2]
    assert one & two
    assert one - two


def test_fresh_candidates_that_are_too_few_are_refused(tmp_path):
    arms = {"mates": {"select": ASKED | {"share": 0.05}, "staged": STAGED}}
    content = staged_recipe(tmp_path, arms=arms, baseline="mates")

    with pytest.raises(BudgetError, match=r"stage 1 of arm 'mates' trains on .* read twice"):
        run(content, tmp_path / "store")


def test_more_tokens_than_a_stage_has_candidates_are_refused(tmp_path):
    select = {key: ASKED[key] for key in ("method", "by")} | {"tokens": 10_000_000}
    content = staged_recipe(
        tmp_path, arms={"mates": {"select": select, "staged": STAGED}}, baseline="mates"
    )

    with pytest.raises(BudgetError):
        run(content, tmp_path / "store")


def test_the_report_and_the_record_tell_of_stages(made, tmp_path):
    from curator.report.page import render
    from pipelines.reporting import report_of
    from pipelines.summarizing import summary_of

    curated, content, store = made
    recipe = checked(content, "trial")
    page = render(report_of(recipe, curated, Store(store), seconds=1.0))
    summary = summary_of(recipe, curated, tmp_path)

    assert "Stages" in page
    assert json.dumps(summary["arms"]["mates"]["stages"])
    assert "stages" not in summary["arms"]["random"]
    assert list(summary["arms"]) == list(content["arms"])
