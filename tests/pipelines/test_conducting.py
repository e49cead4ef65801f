"""How arms read their mixture: earlier runs keep their names, refusals, one recipe run whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench.trial import made_up, recipe, write_files
from curator.arm_spec import ArmSpec
from curator.errors import RecipeError
from curator.identity import fingerprint
from curator.ledger import Store
from curator.shards import read_shard
from curator.train.conduct import PLAIN, Conduct
from curator.train.curriculum import Curriculum
from curator.train.loader import open_mixture
from curator.train.loop import Run
from curator.train.order import read_order
from curator.train.pick import Pick
from curator.train.picking import open_picking
from curator.train.proxy import Proxy
from curator.train.prune import Prune
from curator.train.record import Seeds
from curator.train.reweight import Reweight
from pipelines.check import checked
from pipelines.conducting import conducts_of
from pipelines.leaderboard import Settings, run_leaderboard
from pipelines.runs import budget_of, conduct_in_words
from pipelines.training import TrainJob, stacks_of
from tests.support.mixtures import counting_documents, write_mixture

ARM = {"method": "random", "tokens": 9_000}
TOKENS = 9_600
PRUNE = {"method": "seta", "epochs": 5, "groups": 4}
TINY = Proxy(name="tiny", depth=1, width=16, heads=2, context=16, batch_tokens=64, precision="fp32")


def content(files="in", select=ARM, train=None, proxy="d1", **arm):
    made = recipe(Path(files))
    return {
        **made,
        "score": [{"use": "difficulty", "as": "hard"}],
        "arms": {"random": {"select": ARM}, "own": {"select": select, **arm}},
        "baseline": "random",
        "train": train or {"proxy": proxy, "tokens": 2048 * 200, "seeds": [1, 2]},
    }


@pytest.fixture
def told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(made_up(1), tmp_path / "in", 1)

    def problems(**changes):
        with pytest.raises(RecipeError) as caught:
            checked(content(**changes), "recipe")
        return str(caught.value)

    return problems


def test_runs_that_are_plain_or_pick_are_called_what_they_were_before_there_were_conducts(tmp_path):
    """Fingerprints of the commit before: trained runs of a store are found again by these."""
    mixture = write_mixture(tmp_path / "mixture", counting_documents(40))
    opened, store = open_mixture(mixture), Store(tmp_path / "store")
    pick = Pick(method="high_loss", keep=0.25, seed=3)

    def named(job):
        libraries = {"libraries": None}  # another torch may be installed
        return fingerprint({k: v for k, v in job.identity.items() if k not in libraries})

    plain = Run(opened, TINY, 100, Seeds(1, 2, 3), tmp_path)
    picking = open_picking(pick, opened, TINY, 100)
    picks = Run(opened, TINY, 50, Seeds(1, 2, 3), tmp_path, picking=picking)
    jobs = [
        TrainJob(mixture, "d1", 4096, 1, store, precision="float32", conduct=conduct)
        for conduct in (PLAIN, Conduct(pick=pick))
    ]

    assert plain.identity == "04908cf1dbd7971e0a8226e759068b57"
    assert picks.identity == "efb374dcc33f7f58766c0842ca1be807"
    assert [named(job) for job in jobs] == [
        "fa0b86d36fd8f74b73d02e7dee15343e",
        "59bafc7f9c0c07ef1629da7b21a03896",
    ]


def test_every_conduct_has_a_folder_of_its_own_and_is_never_stacked(tmp_path):
    mixture = write_mixture(
        tmp_path / "mixture", counting_documents(40), difficulties=np.arange(40.0)
    )
    weighed = write_mixture(tmp_path / "weighed", counting_documents(40), weights=[2.0] * 40)
    store = Store(tmp_path / "store")
    conducts = [
        PLAIN,
        Conduct(prune=Prune(method="full", epochs=4)),
        Conduct(prune=Prune(method="seta", epochs=4)),
        Conduct(reweight=Reweight()),
        Conduct(order=Curriculum(by="hard")),
        Conduct(order=Curriculum(by="hard", reverse=True)),
    ]
    jobs = [
        TrainJob(mixture, "d1", 4096, 1, store, device="cuda", precision="float32", conduct=each)
        for each in conducts
    ]
    jobs.append(TrainJob(weighed, "d1", 4096, 1, store, device="cuda", precision="float32"))

    assert len({job.folder for job in jobs[:-1]}) == 6
    assert [stack.jobs for stack in stacks_of(jobs)] == [(jobs[0],)]


def test_sections_of_an_arm_become_its_conduct():
    arms = {
        "plain": ArmSpec(select=ARM),
        "pruned": ArmSpec(select=ARM, prune=PRUNE),
        "both": ArmSpec(select=ARM, reweight={"rule": "upper"}, order={"by": "hard"}),
    }

    found = conducts_of(arms, {})

    assert found == {
        "pruned": Conduct(prune=Prune(method="seta", epochs=5, groups=4)),
        "both": Conduct(reweight=Reweight(rule="upper"), order=Curriculum(by="hard")),
    }


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ({"prune": PRUNE | {"epochs": 3}}, "arms.own.prune: epochs is 3; wanted at least 4"),
        ({"prune": PRUNE | {"window": 0.1}}, "own.prune: window 0.1 of 4 groups is 0 groups"),
        ({"prune": PRUNE | {"method": "sita"}}, "own.prune: method is 'sita'; wanted one of full"),
        ({"prune": PRUNE | {"windows": 1}}, "own.prune.windows: unknown key"),
        ({"prune": PRUNE | {"groups": 400}}, "arms.own: 400 groups of 35 rows; wanted fewer"),
        ({"prune": PRUNE | {"epochs": 44}}, "arms.own: 10 groups of"),
        ({"reweight": {"rule": "lin"}}, "own.reweight: rule is 'lin'; wanted one of lin_upper"),
        ({"reweight": {"temperature": 0.0}}, "arms.own.reweight.temperature: found 0.0"),
        ({"order": {"by": "hrad"}}, "own.order.by: no score 'hrad'; did you mean 'hard'?"),
        ({"order": {"by": "hard.lenght"}}, "no column 'hard.lenght'; did you mean 'hard.length'?"),
        ({"order": {"by": "hard", "strategy": "up"}}, "own.order: strategy is 'up'; write sorted"),
        (
            {"prune": PRUNE, "reweight": {"rule": "upper"}},
            "arms.own: 'prune' and 'reweight': rows that stay count for those left out",
        ),
        (
            {"order": {"by": "hard"}, "pick": {"method": "uniform", "keep": 0.5}},
            "arms.own: 'pick' and 'order'",
        ),
        (
            {"order": {"by": "hard"}, "staged": {"stages": 2}},
            "'staged' trains in pieces, and 'order' is of a whole run",
        ),
        (
            {"reweight": {}, "select": {"method": "poisson", "by": "hard", "share": 0.5}},
            "method 'poisson' gives documents weights",
        ),
    ],
)
def test_what_cannot_be_followed_is_told_before_anything_runs(told, arm, message):
    if "44" in str(arm):
        arm = {"prune": {"method": "seta", "epochs": 44}, "train": train_of(2048 * 55)}
    if "400" in str(arm):
        arm |= {"train": train_of(9_000 * 5)}

    assert message in told(**arm)


def train_of(tokens, proxy="d1"):
    return {"proxy": proxy, "tokens": tokens, "seeds": [1, 2]}


def test_a_selection_smaller_than_an_epoch_is_told(told):
    assert "the mixture has 35 rows, and 5 epochs of this budget are of 320" in told(prune=PRUNE)


def test_epochs_of_a_branch_and_conducts_without_training_are_told(told, tmp_path):
    trunk = train_of(9_000 * 5) | {"trunk": {"arm": "random", "tokens": 4096}}

    assert "'prune' counts epochs from a run's first step" in told(prune=PRUNE, train=trunk)
    made = content(reweight={}) | {"train": None, "evaluate": None}
    with pytest.raises(RecipeError, match="says how proxies train, and there is no `train`"):
        checked(made, "recipe")


def test_a_proxy_of_three_rows_and_one_that_averages_are_told(told, tmp_path):
    narrow, mean = tmp_path / "narrow.yaml", tmp_path / "mean.yaml"
    narrow.write_text("{depth: 1, batch_tokens: 768}")
    mean.write_text("{depth: 1, average_share: 0.5}")

    assert "a batch has 3 rows" in told(reweight={}, proxy=str(narrow))
    train = train_of(9_000 * 5, str(mean))
    assert "a proxy with `average_share` cannot prune" in told(prune=PRUNE, train=train)


GROWING = {
    "by": "hard.length",
    "strategy": "iterative",
    "every": 5,
    "held_back": 256,
    "placebo": True,
}


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conducting")
    proxy = folder / "tiny.yaml"
    proxy.write_text("{depth: 1, width: 16, heads: 2, context: 32, batch_tokens: 128}")
    files = write_files(made_up(600), folder / "in", 2)
    select = {"method": "random", "tokens": 30_000}
    arms = {
        "random": {"select": select},
        "full": {"select": select, "prune": PRUNE | {"method": "full"}},
        "seta": {"select": select, "prune": PRUNE},
        "weighed": {"select": select, "reweight": {"rule": "upper", "temperature": 0.3}},
        "ordered": {"select": select, "order": {"by": "hard.length"}},
        "growing": {"select": select, "order": GROWING},
        "poisson": {"select": {"method": "poisson", "by": "hard.length", "tokens": 20_000}},
    }
    made = content(files) | {"arms": arms, "train": train_of(TOKENS, str(proxy))}
    made["corpus"] |= {"clean": None, "dedup": {"exact": True}, "tokenizer": {"bpe": 300}}
    path = folder / "conducts.yaml"
    path.write_text(json.dumps(made))
    settings = Settings(folder / "store", folder / "out", quiet=True)

    def run():
        return run_leaderboard(
            [path], proxy=str(proxy), tokens=TOKENS, seeds=2, settings=settings
        ).summary

    return run(), run()


def runs_of(board, arm):
    (line,) = [line for line in board["arms"] if line["arm"] == arm]
    folders = [Path(run) for run in line["proxies"]]
    return folders, [json.loads((run / "run.json").read_text()) for run in folders]


def test_a_pruned_arm_saves_tokens_of_the_budget_that_it_is_compared_at(board):
    (_, [full, _]), (_, [seta, _]) = runs_of(board[0], "full"), runs_of(board[0], "seta")

    assert budget_of(full) == budget_of(seta) == TOKENS
    assert seta["tokens"] < 0.8 * full["tokens"] <= TOKENS
    assert full["pruning"]["visited"] == [60] * 5
    assert seta["pruning"]["saved_share"] > 0.2
    assert conduct_in_words(seta) == ", epochs by seta"


def test_an_ordered_arm_reads_the_documents_of_the_random_one_from_easy_to_hard(board):
    (random, _), (ordered, told) = runs_of(board[0], "random"), runs_of(board[0], "ordered")
    for plain, easy in zip(random, ordered, strict=True):
        logs = [read_order(folder) for folder in (plain, easy)]
        tokens = [
            np.bincount(log["row"].to_numpy(), log["length"].to_numpy(), minlength=2000)
            for log in logs
        ]
        assert np.array_equal(*tokens)
        assert not logs[0].equals(logs[1])
    assert told[0]["mixture"] == runs_of(board[0], "random")[1][0]["mixture"]
    assert conduct_in_words(told[0]) == ", sorted by hard.length"


def test_an_arm_that_opens_more_and_more_says_so_in_the_report(board):
    _, [run, _] = runs_of(board[0], "growing")

    assert run["order"]["strategy"] == "iterative"
    assert conduct_in_words(run) == ", iterative by hard.length dealt anew"


def test_weights_of_a_poisson_selection_reach_its_proxies(board):
    _, [run, _] = runs_of(board[0], "poisson")
    store = Path(board[0]["arms"][0]["proxies"][0]).parent
    notes = [
        (path.parent, json.loads(path.read_text())) for path in store.glob("mixture*/mixture.json")
    ]
    [(folder, _)] = [each for each in notes if each[1].get("weighted")]

    assert read_shard(folder / "index.arrow")["weight"].to_numpy().min() >= 1
    assert run["status"] == "finished"
    assert (
        run["mixture"]["draw_hash"]
        == json.loads((folder / "mixture.json").read_text())["draw_hash"]
    )


def test_a_reweighted_run_tells_how_many_rows_counted(board):
    _, [run, _] = runs_of(board[0], "weighed")

    assert 1 < run["effective_rows"] < 4
    assert conduct_in_words(run) == ", weights by upper"


def test_everything_is_served_when_asked_again(board):
    first, again = board

    assert again["plan"]["finished"] == again["plan"]["runs"]
    assert [line["evaluation"] for line in first["arms"]] == [
        line["evaluation"] for line in again["arms"]
    ]
