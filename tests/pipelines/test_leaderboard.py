"""Recipes against each other: what may be compared, what is trained, what is told and kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bench.trial import made_up, recipe, write_files
from curator.errors import RecipeError
from curator.ledger import Store
from curator.recipe import TrainSpec
from pipelines.comparing import Evidence
from pipelines.entering import enter
from pipelines.leaderboard import Settings, run_leaderboard, rung_metric_of
from pipelines.measuring import compare_run_folders
from pipelines.rereading import rewrite_report
from pipelines.scoring import entry_name
from pipelines.tidying import collect_garbage

PROXY, TOKENS, SEEDS = "d1", 8192, 2  # four steps: what is tested is what surrounds them
TRAIN = TrainSpec(proxy=PROXY, tokens=TOKENS, seeds=[1, 2])
LETTERS = [{"use": "letters"}]
READ = {"use": "perplexity", "model": "ref"}
HIGH = {"select": {"method": "topk", "by": "letters", "tokens": 16_000}}
LOW = {"select": {"method": "topk", "by": "letters", "better": "lower", "tokens": 16_000}}
PLACEBO = {"select": {"method": "placebo", "of": "lettery"}}
RANDOM = {"select": {"method": "random", "tokens": 16_000}}


def corpus_over(files: Path) -> dict[str, Any]:
    """Return the corpus section of the recipes here."""
    return {
        **recipe(files)["corpus"],
        "clean": None,
        "dedup": None,
        "heldout": {"books": {"share": 0.05}, "web": {"share": 0.05}},
        "benchmarks": {"exam": {"source": "exam", "test_share": 0.1}},
        "tokenizer": {"bpe": 300},
    }


def write_recipe(folder: Path, files: Path, name: str, more: dict[str, Any], **changes) -> Path:
    """Return the path of a recipe with the arm `random` and others."""
    content = {
        "name": name,
        "seed": 17,
        "corpus": corpus_over(files),
        "score": LETTERS,
        "arms": {"random": RANDOM, **more},
        "baseline": "random",
        "evaluate": {"heldout": ["books", "web"], "final_target": "exam/test"},
        **changes,
    }
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(content))
    return path


class Place(NamedTuple):
    folder: Path
    files: Path
    high: Path
    low: Path
    settings: Settings
    first: dict[str, Any]  # the --json object of the first run


def run(paths, settings: Settings, **changes):
    """Return a finished leaderboard, or the plan of one."""
    return run_leaderboard(
        paths, proxy=PROXY, tokens=TOKENS, seeds=SEEDS, settings=settings, **changes
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Place:
    """Return a leaderboard of two recipes, run once with multipliers."""
    folder = tmp_path_factory.mktemp("leaderboard")
    files = write_files(made_up(240), folder / "files", 2)
    high = write_recipe(folder, files, "high", {"lettery": HIGH})
    low = write_recipe(folder, files, "low", {"numbery": LOW})
    settings = Settings(folder / "store", folder / "out", workers=1, quiet=True)
    done = run([high, low], settings, reach=2)
    return Place(folder, files, high, low, settings, done.summary)


def records(store: Path) -> dict[str, int]:
    """Return when the record of each finished run was written, in ns."""
    found = store.glob("folders/proxy-*/record.json")
    return {path.parent.name: path.stat().st_mtime_ns for path in found}


def test_an_arm_that_recipes_share_stands_once_and_the_places_follow_the_headline(place):
    arms = place.first["arms"]

    assert {arm["arm"] for arm in arms} == {"random", "lettery", "numbery"}
    assert [arm["place"] for arm in arms] == [1, 2, 3]
    effects = [arm["headline"]["effect"] if arm["headline"] else 0.0 for arm in arms]
    assert effects == sorted(effects)
    assert place.first["headline"] == "exam/test"
    assert place.first["retention"] == "heldout"
    assert next(arm for arm in arms if arm["baseline"])["arm"] == "random"


def test_every_arm_tells_what_it_took_and_what_its_verdict_cost(place):
    for arm in place.first["arms"]:
        assert arm["cost"]["tokens"] == TOKENS
        assert arm["cost"]["runs"] == SEEDS
        assert arm["cost"]["flops"] > 0
        assert arm["cost"]["hours"] > 0
        assert arm["cost"]["scores"] == (() if arm["arm"] == "random" else ("letters",))
        assert 0 < arm["selection"]["tokens"] <= 16_000
        assert sum(arm["selection"]["sources"].values()) == pytest.approx(1)
        assert set(arm["evaluation"]) == {"heldout/books", "heldout/web", "heldout", "exam/test"}
    shares = place.first["overlap"]
    assert shares["random"]["random"] == 1
    assert 0 <= shares["lettery"]["numbery"] < 1


def test_the_files_hold_what_is_printed(place):
    told = json.loads((place.settings.out / "leaderboard.json").read_text())
    page = (place.settings.out / "leaderboard.html").read_text()

    assert told == json.loads(json.dumps(place.first))
    assert "numbery" in page
    assert page.startswith("<!doctype html>")


def test_the_baseline_climbs_a_ladder_of_budgets_for_the_multiplier(place):
    budgets = place.first["rungs"]["budgets"]

    assert list(budgets) == [2048, 4096, 8192, 16384]
    assert all(len(values) == SEEDS for values in budgets.values())
    for arm in place.first["arms"]:
        assert (arm["multiplier"] is None) == arm["baseline"]
    assert place.first["plan"]["runs"] == 3 * SEEDS + 3 * SEEDS


def test_a_second_time_nothing_is_trained_and_the_numbers_are_the_same(place):
    before = records(place.settings.store)
    again = run([place.high, place.low], place.settings, reach=2).summary

    assert records(place.settings.store) == before
    assert again["plan"]["finished"] == again["plan"]["runs"]
    assert again["plan"]["tokens"] == 0
    assert again["comparison"] == place.first["comparison"]
    assert all(arm["cost"]["reused"] == SEEDS for arm in again["arms"])


def test_a_recipe_that_is_added_trains_its_own_arms_only(place, tmp_path):
    before = records(place.settings.store)
    more = write_recipe(
        tmp_path, place.files, "more", {"some": {"select": {"method": "random", "tokens": 12_000}}}
    )
    settings = Settings(place.settings.store, tmp_path / "out", workers=1, quiet=True)
    planned = run([place.high, place.low, more], settings, plan_only=True).summary["plan"]
    done = run([place.high, place.low, more], settings).summary
    after = records(place.settings.store)

    assert (planned["runs"], planned["finished"]) == (4 * SEEDS, 3 * SEEDS)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + SEEDS
    assert len(done["arms"]) == 4


def test_arms_that_drew_the_same_documents_are_told_to_be_one(place, tmp_path):
    twin = write_recipe(tmp_path, place.files, "twin", {"copy": RANDOM, "lettery": HIGH})
    settings = Settings(place.settings.store, tmp_path / "out", workers=1, quiet=True)
    arms = {arm["arm"]: arm for arm in run([twin], settings).summary["arms"]}

    found = {name: arm["same_mixture_as"] for name, arm in arms.items()}
    assert found == {"random": "", "copy": "random", "lettery": ""}
    assert arms["copy"]["proxies"] == arms["random"]["proxies"]
    assert arms["copy"]["place"] == arms["random"]["place"]


def test_a_leaderboard_that_was_cut_goes_on_with_what_is_missing(place, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(place.settings.store, store)
    gone = Path(place.first["arms"][0]["proxies"][0]).name
    shutil.rmtree(store / "folders" / gone)
    kept = records(store)
    settings = Settings(store, tmp_path / "out", workers=1, quiet=True)
    done = run([place.high, place.low], settings).summary
    after = records(store)

    assert done["comparison"] == place.first["comparison"]
    assert set(after) - set(kept) == {gone}
    assert {name: after[name] for name in kept} == kept


def test_a_plan_tells_the_cost_and_makes_nothing(place, tmp_path):
    settings = Settings(tmp_path / "store", tmp_path / "out", workers=1, quiet=True)
    plan = run([place.high, place.low], settings, plan_only=True).summary["plan"]

    assert plan["runs"] == 3 * SEEDS
    assert plan["finished"] == 0
    assert plan["tokens"] == 3 * SEEDS * TOKENS
    assert plan["flops"] > plan["tokens"]
    assert plan["tokens_per_second"] > 0
    assert "real" in plan["speed_known_from"] or "seconds" in plan["speed_known_from"]
    assert [arm["finished"] for arm in plan["arms"]] == [None] * 3
    assert plan["detectable"][0]["metric"] == "exam/test"
    assert plan["detectable"][0]["effect"] > 0
    assert not (tmp_path / "store").exists()
    assert not (tmp_path / "out").exists()


def test_a_plan_says_where_text_is_shared_and_where_it_repeats(place):
    def notes(tokens):
        plan = run_leaderboard(
            [place.high], proxy=PROXY, tokens=tokens, seeds=SEEDS, settings=place.settings,
            reach=2, plan_only=True,
        )  # fmt: skip
        return " ".join(plan.summary["plan"]["notes"])

    assert "intervals allow for it" in notes(8000)
    assert "speak of other seeds on the same text" in notes(14_000)
    assert "at 28,672 tokens random reads its 16,000 more than once" in notes(14_336)
    assert "more than once" not in notes(7000)


def test_other_commands_read_a_leaderboard_as_a_run(place):
    compared = compare_run_folders([place.settings.out], "lettery", "exam/test").summary
    freed = collect_garbage([], place.settings.store, delete=False).summary

    assert {row["arm"] for row in compared["comparison"]} == {"random", "numbery"}
    assert freed["runs_kept"]
    assert freed["paths"] == []
    with pytest.raises(RecipeError, match="run `curator leaderboard` again"):
        rewrite_report(place.settings.out)


def test_recipes_that_cannot_be_compared_are_told_every_reason_and_what_to_do(place, tmp_path):
    other = corpus_over(place.files) | {"tokenizer": {"bpe": 400}}
    other["heldout"] = {"books": {"share": 0.1}, "web": {"share": 0.05}}
    odd = write_recipe(
        tmp_path, place.files, "odd", {"lettery": HIGH}, corpus=other, seed=3,
        evaluate={"heldout": ["books"], "final_target": "exam/test"},
    )  # fmt: skip

    with pytest.raises(RecipeError) as refusal:
        enter([place.high, odd], TRAIN)
    told = str(refusal.value)
    for words in (
        "corpus.tokenizer.bpe: 300 in high, 400 in odd", "corpus.heldout.books.share: 0.05 in high",
        "seed: 17 in high, 3 in odd", "--set seed=17", "evaluate.heldout", "--corpus FILE",
    ):  # fmt: skip
        assert words in told


def test_a_corpus_file_makes_recipes_share_one(place, tmp_path):
    other = corpus_over(place.files) | {"tokenizer": {"bpe": 400}}
    odd = write_recipe(tmp_path, place.files, "odd", {"odd": HIGH}, corpus=other)
    (tmp_path / "corpus.yaml").write_text(json.dumps(corpus_over(place.files)))
    contest = enter([place.high, odd], TRAIN, corpus=tmp_path / "corpus.yaml")

    assert [entry.name for entry in contest.entries] == ["random", "lettery", "odd"]


def test_arms_of_one_name_that_differ_are_called_by_their_recipes(place, tmp_path):
    twin = write_recipe(tmp_path, place.files, "twin", {"lettery": LOW})
    contest = enter([place.high, twin], TRAIN)

    assert [entry.name for entry in contest.entries] == ["random", "high/lettery", "twin/lettery"]
    assert contest.entries[0].origin == "2 recipes"


def test_an_equal_arm_by_another_score_of_the_same_name_is_another_arm(place, tmp_path):
    score = [{"use": "ngrams", "as": "letters", "learns_from": {"target": "exam/train"}}]
    twin = write_recipe(tmp_path, place.files, "twin", {"lettery": HIGH}, score=score)
    names = [entry.name for entry in enter([place.high, twin], TRAIN).entries]

    assert names == ["random", "high/lettery", "twin/lettery"]


def test_a_placebo_enters_with_the_arm_that_it_is_of(place, tmp_path):
    of_low = {"placebo": PLACEBO, "lettery": LOW}
    recipes = [
        write_recipe(tmp_path, place.files, "one", {"placebo": PLACEBO, "lettery": HIGH}),
        write_recipe(tmp_path, place.files, "two", of_low),
        write_recipe(tmp_path, place.files, "three", of_low),
    ]
    entries = {entry.name: entry for entry in enter(recipes, TRAIN).entries}

    assert set(entries) == {
        "random", "one/placebo", "one/lettery", "two/placebo", "two/lettery",
    }  # fmt: skip
    assert entries["two/placebo"].origins == ("two", "three")
    for name, arm in (("one", HIGH), ("two", LOW)):
        recipe = entries[f"{name}/placebo"].recipe
        assert {each: spec.select for each, spec in recipe.arms.items()} == {
            "placebo": PLACEBO["select"], "lettery": arm["select"],
        }  # fmt: skip
        assert [entry["use"] for entry in recipe.score] == ["letters"]
        assert list(entries[f"{name}/lettery"].recipe.arms) == ["lettery"]


def test_a_placebo_is_drawn_after_its_arm_and_trained_like_any_other(place, tmp_path):
    path = write_recipe(tmp_path, place.files, "sham", {"placebo": PLACEBO, "lettery": HIGH})
    settings = Settings(place.settings.store, tmp_path / "out", workers=1, quiet=True)
    done = run([path], settings).summary
    arms = {arm["arm"]: arm for arm in done["arms"]}

    taken = {name: arm["selection"]["tokens"] for name, arm in arms.items()}
    assert taken["placebo"] == pytest.approx(taken["lettery"], rel=0.05)
    assert arms["placebo"]["same_mixture_as"] == ""
    assert done["overlap"]["placebo"]["lettery"] < 1
    assert done["overlap"]["placebo"]["random"] < 1


def test_reference_models_of_any_recipe_are_those_of_all(place, tmp_path):
    models = {name: {"train": {"proxy": "d1", "tokens": 4096}} for name in ("ref", "unread")}
    with_model = write_recipe(
        tmp_path, place.files, "with", {"numbery": LOW}, models=models, score=[*LETTERS, READ]
    )
    contest = enter([place.high, with_model], TRAIN)

    assert all(list(entry.recipe.models) == ["ref"] for entry in contest.entries)
    assert "ref is trained on leaves the pool for every arm" in contest.notes[0]


def test_models_of_one_name_are_one_model_in_any_two_recipes(place, tmp_path):
    paths = [
        write_recipe(
            tmp_path, place.files, f"with{tokens}", {"numbery": LOW},
            models={"ref": {"train": {"proxy": "d1", "tokens": tokens}}}, score=[*LETTERS, READ],
        )
        for tokens in (4096, 8192)
    ]  # fmt: skip

    with pytest.raises(RecipeError, match=r"models\.ref\.train\.tokens: 4096 in with4096"):
        enter([place.high, *paths], TRAIN)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"baseline": None, "arms": {"a": HIGH, "b": LOW}}, "the recipes name none"),
        ({"baseline": "lettery"}, "name several: lettery, random"),
        ({"evaluate": None}, "evaluate"),
        ({"evaluate": {}, "arms": {"random": RANDOM, "b": LOW}}, "the recipes measure nothing"),
    ],
)
def test_a_leaderboard_without_one_baseline_or_measure_is_refused(place, tmp_path, changes, words):
    odd = write_recipe(tmp_path, place.files, "odd", {"lettery": HIGH}, **changes)
    alone = "arms" in changes

    with pytest.raises(RecipeError, match=words):
        enter([odd] if alone else [place.low, odd], TRAIN)


def test_the_baseline_can_be_chosen_and_must_be_an_arm(place):
    contest = enter([place.high], TRAIN, baseline="lettery")

    assert contest.baseline.name == "lettery"
    with pytest.raises(RecipeError, match="no arm 'letery'; did you mean 'lettery'"):
        enter([place.high], TRAIN, baseline="letery")


def test_all_mistakes_of_all_recipes_are_told_at_once(place, tmp_path):
    bad = write_recipe(tmp_path, place.files, "bad", {"x": {"select": {"method": "topp"}}})
    worse = write_recipe(tmp_path, place.files, "worse", {}, baseline="nobody")

    with pytest.raises(RecipeError) as refusal:
        enter([place.high, bad, worse], TRAIN)
    assert "topp" in str(refusal.value)
    assert "nobody" in str(refusal.value)


def test_a_trunk_is_refused_and_may_be_set_aside(place, tmp_path):
    train = {"proxy": PROXY, "tokens": TOKENS, "trunk": {"arm": "random", "tokens": TOKENS}}
    odd = write_recipe(tmp_path, place.files, "odd", {"b": LOW}, train=train)

    with pytest.raises(RecipeError, match=r"odd: has train.trunk.*--set train.trunk=null"):
        enter([place.high, odd], TRAIN)
    contest = enter([place.high, odd], TRAIN, assignments=["train.trunk=null"])
    assert all(entry.recipe.train == TRAIN for entry in contest.entries)


def test_training_is_set_by_the_options_and_not_by_overrides(place):
    with pytest.raises(RecipeError, match=r"--set train.tokens=5: all arms are trained alike"):
        enter([place.high], TRAIN, assignments=["train.tokens=5"])


def test_an_arm_pays_for_the_scores_that_it_ranks_by_and_for_no_other(place, tmp_path):
    by = {"select": {"method": "topk", "by": "place.among", "tokens": 16_000}}
    score = [
        *LETTERS,
        {"use": "tests.pipelines.test_scoring:Place"},
        {"use": "letters", "as": "top"},
    ]
    contest = enter(
        [write_recipe(tmp_path, place.files, "two", {"a": HIGH, "b": by}, score=score)], TRAIN
    )
    found = {e.name: [entry_name(s) for s in e.recipe.score] for e in contest.entries}

    assert found == {"random": [], "a": ["letters"], "b": ["place"]}


def test_a_device_that_is_not_here_is_refused_before_anything_runs(place):
    with pytest.raises(RecipeError, match="--device: 'cuda:99' is not here"):
        run([place.high], place.settings, device="cuda:99")


def test_a_multiplier_wants_budgets_enough_before_anything_runs(place):
    with pytest.raises(RecipeError, match=r"2,048 tokens are too few.*train on 8,192 or more"):
        run_leaderboard(
            [place.high], proxy=PROXY, tokens=2048, seeds=2, settings=place.settings,
            reach=2, plan_only=True,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("headline", "metrics", "read"),
    [
        ("quiz/test", ["heldout/a", "quiz/test", "heldout"], "quiz/test"),
        ("quiz/test#accuracy", ["heldout/a", "quiz/test", "quiz/test#gold_bits"], "#gold_bits"),
        ("pairs/test#margin_nats", ["heldout/a", "pairs/test"], "pairs/test"),
        ("quiz/test#accuracy", ["heldout/a", "heldout"], "heldout"),
    ],
)
def test_a_multiplier_is_read_from_the_target_or_from_what_is_nearest_to_it(
    headline, metrics, read
):
    bits = {"base": {name: [1.0] for name in [*metrics, headline]}}
    evidence = Evidence("base", headline, (1,), bits, (), {})

    assert rung_metric_of(evidence).endswith(read)


def test_one_seed_is_too_few(place):
    with pytest.raises(RecipeError, match="--seeds 1"):
        run_leaderboard([place.high], proxy=PROXY, tokens=TOKENS, seeds=1, settings=place.settings)


def test_folders_record_how_long_they_took(place):
    fits = list((place.settings.store / "folders").glob("tokenizer-*/record.json"))

    assert fits
    assert all(json.loads(path.read_text())["seconds"] > 0 for path in fits)
    scored = [
        one for _, one in Store(place.settings.store).artifacts() if one.name == "score.letters"
    ]
    assert scored
    assert all(one.seconds > 0 for one in scored)
