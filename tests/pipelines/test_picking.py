"""Picks in a recipe: what is refused before anything runs, and arms of equal arithmetic."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.trial import made_up, recipe, write_files
from curator.arm_spec import PickSpec
from curator.errors import RecipeError
from curator.ledger import Store
from curator.train.conduct import Conduct
from curator.train.pick import Pick
from pipelines import training
from pipelines.check import checked
from pipelines.leaderboard import Settings, run_leaderboard
from pipelines.picking import pick_of
from pipelines.runs import budget_of
from pipelines.training import TrainJob, stacks_of
from tests.support.mixtures import counting_documents, write_mixture

PICK = {"method": "learnability", "reference": "clean", "keep": 0.25}
ARM = {"method": "random", "tokens": 30_000}
TOKENS = 9_600  # 75 steps of the proxy below


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Stand where the recipes' input is: one file."""
    monkeypatch.chdir(tmp_path)
    write_files(made_up(1), tmp_path / "in", 1)


def content(files="in", pick=PICK, models=None, **changes):
    """Return a recipe whose arm picks by a reference trained on one source."""
    learned = {"proxy": "d1", "tokens": 2048, "learns_from": "source:books"}
    made = recipe(Path(files))
    made["corpus"] |= {"roles": {"good": "source:books"}}
    return {
        **made,
        "score": [],
        "models": {"clean": {"train": learned}} if models is None else models,
        "arms": {"random": {"select": ARM}, "picked": {"select": ARM, "pick": pick}},
        "baseline": "random",
        "train": {"proxy": "d1", "tokens": 2048 * 200, "seeds": [1, 2]},
        **changes,
    }


def told(**changes):
    with pytest.raises(RecipeError) as caught:
        checked(content(**changes), "recipe")
    return str(caught.value)


def test_a_sound_pick_is_read():
    assert checked(content(), "recipe").arms["picked"].pick == PickSpec(**PICK)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "rho"}, "arms.picked.pick: method is 'rho'; wanted one of learnability"),
        ({"reference": None}, "names none; add `reference: NAME`"),
        ({"reference": "claen"}, "pick.reference: no model 'claen'; did you mean 'clean'?"),
        ({"method": "high_loss"}, "'high_loss' asks no reference; leave it out"),
        ({"keep": 0.3}, "super-batch of 26.67 rows; wanted a whole number"),
        ({"keep": 1.0}, "arms.picked.pick.keep: found 1.0"),
        ({"scored_tokens": 300}, "scored_tokens is 300, and a row has 256"),
        ({"tau": 1}, "arms.picked.pick.tau: unknown key"),
        ({"temperature": 0}, "arms.picked.pick.temperature: found 0"),
    ],
)
def test_a_pick_that_cannot_be_followed_is_told_before_anything_runs(change, message):
    assert message in told(pick={**PICK, **change})


def test_a_reference_of_shorter_rows_is_told():
    settings = {"clean": {"train": {"proxy": "d1", "tokens": 2048}}}
    longer = {"proxy": "d8", "tokens": 8192 * 500, "seeds": [1]}

    message = told(models=settings, train=longer)

    assert "reads 512 tokens of each row, its reference 256 at a time" in message


def test_a_budget_that_scoring_would_eat_is_told():
    message = told(train={"proxy": "d1", "tokens": 2048 * 40, "seeds": [1]})

    assert "a step that picks costs 3.67 plain ones, so a budget of 40 steps pays for 10" in message


@pytest.mark.parametrize(
    "spec", [{"path": "somewhere"}, {"gguf": "model.gguf"}], ids=["path", "gguf"]
)
def test_a_reference_that_reads_other_tokens_is_told(spec):
    assert "wanted `train`, or the `path` of a finished run" in told(models={"clean": spec})


def test_a_swarm_is_no_reference():
    swarm = {"train": {"proxy": "d1", "tokens": 2048, "count": 3}}

    assert "'clean' is a swarm; wanted one model" in told(models={"clean": swarm})


def test_what_picks_without_training_is_told():
    assert "there is no `train`; add it" in told(train=None, evaluate=None)


@pytest.mark.parametrize(
    ("learns_from", "message"),
    [
        ("godo", "learns_from ['godo'] is neither a role of the corpus"),
        (["source:books", "exam/train"], "neither a role of the corpus nor sources"),
        ("exam/test", "'exam/test' is a test split"),
        ("exam/dev", "no benchmark split 'exam/dev'"),
    ],
)
def test_text_that_a_reference_cannot_learn_from_is_told(learns_from, message):
    model = {"train": {"proxy": "d1", "tokens": 2048, "learns_from": learns_from}}

    assert message in told(models={"clean": model})


def test_a_role_of_the_corpus_says_what_a_reference_learns_from():
    model = {"train": {"proxy": "d1", "tokens": 2048, "learns_from": "good"}}

    assert checked(content(models={"clean": model}), "recipe").models["clean"].train


def test_a_model_without_weights_is_no_reference(tmp_path):
    with pytest.raises(RecipeError, match=r"model 'clean' has no model\.safetensors"):
        pick_of(PickSpec(**PICK), {"clean": tmp_path})
    with pytest.raises(RecipeError, match="no model 'clean'"):
        pick_of(PickSpec(**PICK), {})


def test_a_reference_is_named_by_its_weights(tmp_path):
    found = []
    for folder, weights in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / training.WEIGHTS).write_bytes(weights)
        found.append(pick_of(PickSpec(**PICK), {"clean": tmp_path / folder}).reference_digest)

    assert found[0] == found[1] != found[2]


def test_a_run_that_picks_has_a_folder_of_its_own_and_is_never_stacked(tmp_path):
    mixture = write_mixture(tmp_path / "mixture", counting_documents(40))
    store = Store(tmp_path / "store")
    picks = [None, Pick(method="uniform", keep=0.5), Pick(method="uniform", keep=0.25)]
    jobs = [
        TrainJob(mixture, "d1", 4096, 1, store, device="cuda", conduct=Conduct(pick=pick))
        for pick in picks
    ]

    assert "pick" not in jobs[0].identity
    assert len({job.folder for job in jobs}) == 3
    assert [stack.jobs for stack in stacks_of(jobs)] == [(jobs[0],)]


def test_a_budget_is_that_of_plain_training():
    assert budget_of({"tokens": 640}) == 640
    assert budget_of({"tokens": 256, "picking": {"budget_tokens": 640}}) == 640
    branch = {"tokens": 512, "trunk": {"tokens": 256}, "picking": {"budget_tokens": 640}}
    assert budget_of(branch) == 896


def test_the_summary_of_a_run_has_its_budget_and_how_its_rows_were_picked(board):
    run = json.loads((Path(board[0]["out"]) / "run.json").read_text())
    arms = {line["arm"]: line["method"] for line in board[0]["arms"]}

    budgets = {proxy["budget"] for arm in run["arms"].values() for proxy in arm["proxies"]}
    assert budgets == {TOKENS}
    assert arms["rho"] == "random, rows by learnability"
    assert arms["random"] == "random"


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    folder = tmp_path_factory.mktemp("picking")
    proxy = folder / "tiny.yaml"
    proxy.write_text("{depth: 1, width: 16, heads: 2, context: 32, batch_tokens: 128}")
    files = write_files(made_up(600), folder / "in", 2)
    models = {
        "clean": {"train": {"proxy": str(proxy), "tokens": 2048, "learns_from": "good"}},
        "quizzed": {"train": {"proxy": str(proxy), "tokens": 2048, "learns_from": "exam/train"}},
    }
    arms = {
        "random": {"select": ARM},
        "rho": {"select": ARM, "pick": PICK | {"scored_tokens": 16}},
        "quiz": {"select": ARM, "pick": PICK | {"reference": "quizzed", "temperature": 0.1}},
        "placebo": {"select": ARM, "pick": PICK | {"method": "placebo", "scored_tokens": 16}},
    }
    train = {"proxy": str(proxy), "tokens": TOKENS, "seeds": [1, 2]}
    made = content(files, models=models, arms=arms, train=train)
    made["corpus"] |= {"clean": None, "dedup": {"exact": True}, "tokenizer": {"bpe": 300}}
    made["corpus"]["benchmarks"]["exam"]["apart"] = 13  # a reference learns from its examples
    path = folder / "rho.yaml"
    path.write_text(json.dumps(made))
    settings = Settings(folder / "store", folder / "out", quiet=True)

    def run():
        return run_leaderboard(
            [path], proxy=str(proxy), tokens=TOKENS, seeds=2, settings=settings
        ).summary

    return run(), run()


def records(board, arm):
    (line,) = [line for line in board["arms"] if line["arm"] == arm]
    return [json.loads((Path(run) / "run.json").read_text()) for run in line["proxies"]]


def test_arms_that_pick_are_compared_at_equal_arithmetic(board):
    first, _ = board
    plain = records(first, "random")[0]["flops"]

    for arm in ("rho", "quiz", "placebo"):
        for run in records(first, arm):
            assert run["tokens"] < TOKENS
            assert 0.94 * plain < run["flops"] <= plain
        (line,) = [line for line in first["arms"] if line["arm"] == arm]
        assert line["headline"]["verdict"]


def test_a_placebo_costs_what_the_method_does_and_picks_by_chance(board):
    rho, placebo = (records(board[0], arm)[0] for arm in ("rho", "placebo"))

    assert (rho["tokens"], rho["flops"]) == (placebo["tokens"], placebo["flops"])
    assert rho["coverage"] != placebo["coverage"]


def test_an_arm_is_charged_the_training_of_its_reference(board):
    spent = {line["arm"]: line["cost"] for line in board[0]["arms"]}

    assert spent["random"]["scoring_flops"] == 0
    assert spent["rho"]["scoring_flops"] == spent["placebo"]["scoring_flops"] > 0
    assert spent["rho"]["scores"] == ("clean",)


def test_a_plan_says_which_references_it_does_not_count(board, tmp_path):
    path = Path(board[0]["out"]).parent / "rho.yaml"
    proxy = str(path.parent / "tiny.yaml")

    def notes(store):
        settings = Settings(store, tmp_path / "out", quiet=True)
        found = run_leaderboard(
            [path], proxy=proxy, tokens=TOKENS, seeds=2, settings=settings, plan_only=True
        )
        return " ".join(found.summary["plan"]["notes"])

    told = f"not counted above: clean ({proxy} on 2,048 tokens), quizzed ({proxy} on 2,048 tokens)"
    assert told in notes(tmp_path / "store")
    assert "not counted above" not in notes(path.parent / "store")


def test_a_reference_reads_the_text_it_was_told_to_and_that_is_no_longer_in_the_pool(board):
    runs = {name: records(board[0], name)[0] for name in ("random", "rho", "quiz")}
    store = Path(board[0]["arms"][0]["proxies"][0]).parent
    learned = {
        json.loads(run.read_text())["identity"]: json.loads(run.read_text())["coverage"]
        for run in store.glob("proxy-*/run.json")
    }

    assert set(learned[runs["rho"]["picking"]["reference"]]) == {"books"}
    assert set(learned[runs["quiz"]["picking"]["reference"]]) == {"exam"}


def test_a_leaderboard_with_picks_is_served_when_asked_again(board):
    first, again = board

    assert again["plan"]["finished"] == again["plan"]["runs"]
    assert [line["evaluation"] for line in first["arms"]] == [
        line["evaluation"] for line in again["arms"]
    ]
