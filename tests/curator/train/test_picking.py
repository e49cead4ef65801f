"""Picking while a run trains: what is picked, what it costs, cut runs, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from curator.errors import BudgetError, LedgerError, RecipeError
from curator.train.checkpoint import RECORD, WEIGHTS, load_model
from curator.train.conduct import Conduct
from curator.train.group import Alone
from curator.train.loader import Batches, open_mixture
from curator.train.loop import Run, train
from curator.train.model import Gpt, dropout_chance
from curator.train.online import Mixing
from curator.train.order import ORDER, read_order
from curator.train.pick import Pick, best_rows, row_chance
from curator.train.picking import PickedBatches, Picking, open_picking
from curator.train.proxy import Proxy
from curator.train.record import Seeds
from tests.support.mixtures import counting_documents, write_mixture

PROXY = Proxy(
    name="tiny", depth=1, width=16, heads=2, context=16, batch_tokens=64, precision="fp32"
)
SEEDS = {"seed": 1, "order_seed": 2}
BUDGET = 64 * 100


class Cut(Exception):
    """Stands for a kill in the middle of a run."""


def noise(count, vocab_size=64):
    chance = np.random.default_rng(0)
    return [("noise", chance.integers(1, vocab_size, 20).tolist()) for _ in range(count)]


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    documents = [*counting_documents(200), *noise(150)]
    return write_mixture(tmp_path_factory.mktemp("picking") / "mixture", documents)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """Return a reference that has learned to count, from documents of its own."""
    folder = tmp_path_factory.mktemp("reference")
    held_out = write_mixture(folder / "mixture", counting_documents(150))
    train(held_out, PROXY, tokens=64 * 150, seed=9, order_seed=9, out=folder / "run")
    return folder / "run"


def pick_of(method, clean=None, keep=0.25, **more):
    named = {"reference": str(clean), "reference_digest": "clean"} if clean else {}
    return Pick(method=method, keep=keep, **named, **more)


def batches_of(mixture, pick, proxy=PROXY, picks=None, steps=10):
    opened = open_mixture(mixture)
    picking = open_picking(pick, opened, proxy, 1000)
    read = Batches(
        opened, rows=pick.super_rows(proxy.batch_rows), context=proxy.context, order_seed=2,
        steps=steps,
    )  # fmt: skip
    reference = picking.open("cpu", torch.float32)
    return PickedBatches(
        read, picking, proxy.batch_rows, 2, [] if picks is None else picks, reference
    )


def plain_losses(model, inputs, targets):
    """Return the mean loss of each row by torch's own cross-entropy, one row at a time."""
    found = []
    for row, wanted in zip(inputs, targets, strict=True):
        bits = model.bits(torch.from_numpy(row[None]), torch.from_numpy(wanted[None]))
        found.append(float(bits.double().mean() * math.log(2)))
    return np.array(found)


def test_the_rows_picked_are_those_that_numpy_would_pick(mixture, clean):
    learner = Gpt(PROXY.shape(64), seed=3)
    reference = load_model(clean)
    for method, scores in {
        "learnability": lambda own, its: own - its,
        "high_loss": lambda own, its: own,
        "easy_reference": lambda own, its: -its,
    }.items():
        batches = batches_of(mixture, pick_of(method, clean))
        inputs, targets = batches.read.batch(0)
        losses = [plain_losses(model, inputs, targets) for model in (learner, reference)]

        batches.choose(0, learner)

        wanted = best_rows(scores(*losses), 4, row_chance(16, 0, 2))
        assert batches.picks[0].tolist() == wanted.tolist()
        assert np.array_equal(batches.batch(0)[0], inputs[wanted])
        assert np.array_equal(batches.batch(0)[1], targets[wanted])


def test_scores_are_of_the_learner_as_it_stands(mixture):
    batches = batches_of(mixture, pick_of("high_loss"))
    one, other = Gpt(PROXY.shape(64), seed=3), Gpt(PROXY.shape(64), seed=4)

    for model in (one, other):
        batches.choose(0, model)

    assert batches.picks[0].tolist() != batches.picks[1].tolist()


def test_dropout_is_off_while_rows_are_scored(mixture):
    batches = batches_of(mixture, pick_of("high_loss"))
    plain = Gpt(PROXY.shape(64), seed=3)
    dropping = Gpt(PROXY.shape(64), seed=3, dropout=0.9).train()
    for model in (plain, dropping):
        for weight in model.parameters():  # matrices that write to the stream start at zero
            weight.data += 0.1
    inputs, targets = batches.read.batch(0)
    ids = torch.from_numpy(inputs)
    assert not torch.equal(dropping(ids, chance=dropout_chance(1, 0)), plain(ids))

    found = [batches.losses(model, inputs, targets) for model in (plain, dropping)]

    assert np.array_equal(*found)


def test_a_reference_that_is_the_learner_is_told(mixture, clean):
    batches = batches_of(mixture, pick_of("learnability", clean))

    with pytest.raises(RecipeError, match=r"all 16 rows score 0\.0.*the learner itself"):
        batches.choose(0, load_model(clean))


def test_only_the_tokens_asked_for_are_scored(mixture, clean):
    batches = batches_of(mixture, pick_of("high_loss", scored_tokens=4))
    inputs, targets = batches.read.batch(0)
    model = load_model(clean)

    found = batches.losses(model, inputs, targets)

    np.testing.assert_allclose(found, plain_losses(model, inputs[:, :4], targets[:, :4]), rtol=1e-5)


def test_documents_of_a_row_do_not_see_each_other_in_scores_where_training_keeps_them_apart(
    mixture, clean
):
    inputs, targets = batches_of(mixture, pick_of("high_loss")).read.batch(0)
    model, found = load_model(clean), []
    for masked in (False, True):
        batches = batches_of(mixture, pick_of("high_loss"))
        batches._masked = masked
        found.append(batches.losses(model, inputs, targets))

    assert not np.allclose(*found)


@pytest.mark.parametrize(
    "method", ["learnability", "high_loss", "easy_reference", "uniform", "placebo"]
)
def test_every_method_spends_the_budget_and_not_more(mixture, clean, tmp_path, method):
    pick = pick_of(method, None if method in ("high_loss", "uniform") else clean, temperature=0.1)

    record = train(
        mixture, PROXY, tokens=BUDGET, **SEEDS, out=tmp_path / "run", conduct=Conduct(pick=pick)
    )

    told, plain = record.picking, PROXY.shape(64).flops_per_token
    assert record.finished
    assert told["budget_tokens"] == BUDGET
    assert record.flops == record.tokens * plain + sum(told["flops"].values())
    assert BUDGET * plain - record.flops < 64 * plain * told["cost_factor"]
    assert record.flops <= BUDGET * plain
    assert told["tokens_read"] == 4 * record.tokens == sum(told["offered"].values())
    asked = {
        "learnability": (1, 1),
        "placebo": (1, 1),
        "high_loss": (1, 0),
        "easy_reference": (0, 1),
    }
    scored = [share * told["tokens_read"] for share in asked.get(method, (0, 0))]
    assert [*told["tokens_scored"].values()] == scored


def test_learnability_leaves_noise_out_and_high_loss_takes_it(mixture, clean, tmp_path):
    shares = {}
    for method in ("learnability", "easy_reference", "high_loss", "placebo"):
        pick = pick_of(method, clean)
        record = train(
            mixture,
            PROXY,
            tokens=2 * BUDGET,
            **SEEDS,
            out=tmp_path / method,
            conduct=Conduct(pick=pick),
        )
        seen = {source: part["seen"] for source, part in record.coverage.items()}
        shares[method] = seen["noise"] / sum(seen.values())
        offered = record.picking["offered"]["noise"] / record.picking["tokens_read"]

    assert shares["learnability"] < 0.5 * offered
    assert shares["easy_reference"] < 0.5 * offered
    assert shares["high_loss"] > 1.5 * offered
    assert shares["placebo"] == pytest.approx(offered, abs=0.1)


@pytest.mark.parametrize("method", ["learnability", "placebo"])
def test_an_interrupted_run_picks_and_ends_as_if_never_interrupted(
    mixture, clean, tmp_path, method
):
    proxy = dataclasses.replace(PROXY, dropout=0.2, average_share=0.5)
    pick = pick_of(method, clean, temperature=0.05)
    budget = {"tokens": BUDGET, **SEEDS, "conduct": Conduct(pick=pick), "checkpoint_seconds": 0}
    whole = train(mixture, proxy, **budget, out=tmp_path / "whole")

    def cut(at):
        def stop(progress):
            if progress.step == at:
                raise Cut

        return stop

    for step in (5, 17):
        with pytest.raises(Cut):
            train(mixture, proxy, **budget, out=tmp_path / "cut", progress=cut(step))
    resumed = train(mixture, proxy, **budget, out=tmp_path / "cut")

    assert resumed.curve == whole.curve
    assert resumed.coverage == whole.coverage
    for name in (WEIGHTS, ORDER):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_order_log_tells_the_rows_that_were_picked(mixture, clean, tmp_path):
    pick = pick_of("easy_reference", clean)
    record = train(
        mixture, PROXY, tokens=BUDGET, **SEEDS, out=tmp_path / "run", conduct=Conduct(pick=pick)
    )
    opened = open_mixture(mixture)

    log = read_order(tmp_path / "run")

    batches = batches_of(mixture, pick, steps=record.steps)
    for step in range(record.steps):
        batches.choose(step, None)  # asks the reference alone
    for step in (0, 7, record.steps - 1):
        pieces = log.filter(log["step"].to_numpy() == step)
        starts = opened.offsets[pieces["row"].to_numpy()] + pieces["offset"].to_numpy()
        ends = starts + pieces["length"].to_numpy()
        tokens = np.concatenate([opened.tokens[a:b] for a, b in zip(starts, ends, strict=True)])
        assert np.array_equal(tokens, batches.batch(step)[0].ravel())
    seen = sum(part["seen"] for part in record.coverage.values())
    assert seen == record.tokens == sum(log["length"].to_pylist())


def test_a_run_that_picks_is_another_run_and_one_that_does_not_keeps_its_name(
    mixture, clean, tmp_path
):
    opened = open_mixture(mixture)

    def named(pick):
        picking = pick and open_picking(pick, opened, PROXY, 100)
        return Run(opened, PROXY, 100, Seeds(1, 1, 1), tmp_path, picking=picking).identity

    one = pick_of("learnability", clean)
    others = [
        None,
        dataclasses.replace(one, reference_digest="another"),
        dataclasses.replace(one, keep=0.5),
        dataclasses.replace(one, seed=1),
    ]

    assert len({named(pick) for pick in [one, *others]}) == 5
    assert named(dataclasses.replace(one, reference=f"{clean}/")) == named(one)


def test_a_reference_with_another_tokenizer_is_refused(mixture, clean, tmp_path):
    record = json.loads((clean / RECORD).read_text())
    record["mixture"]["tokenizer_digest"] = "f" * 32
    (tmp_path / RECORD).write_text(json.dumps(record))

    with pytest.raises(RecipeError, match=r"has tokenizer 'ffff.*cannot be compared"):
        open_picking(pick_of("learnability", tmp_path), open_mixture(mixture), PROXY, 1000)


def test_a_reference_trained_on_the_documents_to_pick_from_is_refused(mixture, tmp_path):
    train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "own")

    with pytest.raises(RecipeError, match=r"trained on the documents to pick from.*held out"):
        open_picking(pick_of("learnability", tmp_path / "own"), open_mixture(mixture), PROXY, 1000)


def test_a_reference_that_branched_from_the_documents_to_pick_from_is_refused(
    mixture, clean, tmp_path
):
    record = json.loads((clean / RECORD).read_text())
    record["trunk"] = {"mixture": open_mixture(mixture).identity()}
    (tmp_path / RECORD).write_text(json.dumps(record))

    with pytest.raises(RecipeError, match="trained on the documents to pick from"):
        open_picking(pick_of("learnability", tmp_path), open_mixture(mixture), PROXY, 1000)


def test_a_reference_that_is_no_finished_run_is_refused(mixture, tmp_path):
    with pytest.raises(LedgerError, match=r"holds no run\.json; wanted a proxy"):
        open_picking(pick_of("learnability", tmp_path), open_mixture(mixture), PROXY, 1000)


def test_a_reference_of_a_shorter_context_reads_only_what_it_can(mixture, clean):
    longer = dataclasses.replace(PROXY, context=32)
    opened = open_mixture(mixture)

    with pytest.raises(RecipeError, match="reads 16 tokens at a time, and 32 of each row"):
        open_picking(pick_of("learnability", clean, keep=0.5), opened, longer, 1000)
    found = open_picking(pick_of("learnability", clean, scored_tokens=16), opened, longer, 1000)
    assert found.reference


def test_a_budget_of_too_few_steps_is_refused(mixture, clean, tmp_path):
    pick = pick_of("learnability", clean)

    with pytest.raises(BudgetError, match="pays for 2; wanted at least 20"):
        train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "run", conduct=Conduct(pick=pick))


def test_rows_are_not_chosen_in_two_ways_or_by_several_processes(mixture, tmp_path):
    opened = open_mixture(mixture)
    picking = open_picking(pick_of("uniform"), opened, PROXY, 100)
    assert isinstance(picking, Picking)
    pair = Alone()
    pair.size = 2
    for more in ({"mixing": object.__new__(Mixing)}, {"group": pair}):
        with pytest.raises(RecipeError, match="ranks them in one process"):
            Run(opened, PROXY, 100, Seeds(1, 1, 1), tmp_path, picking=picking, **more)


def test_a_branch_picks_from_text_that_its_trunk_did_not_read(clean, tmp_path):
    mixture = write_mixture(tmp_path / "mixture", [*counting_documents(400), *noise(300)])
    train(mixture, PROXY, tokens=64 * 20, **SEEDS, out=tmp_path / "trunk", as_trunk=True)
    pick = pick_of("learnability", clean)

    record = train(
        mixture, PROXY, tokens=BUDGET, **SEEDS, out=tmp_path / "run", start=tmp_path / "trunk",
        conduct=Conduct(pick=pick),
    )  # fmt: skip

    trunk, branch = (set(read_order(tmp_path / run)["row"].to_pylist()) for run in ("trunk", "run"))
    own = record.tokens - 64 * 20
    assert record.finished
    assert len(trunk & branch) <= 1  # the document at which the trunk's window ends
    assert record.picking["tokens_read"] == 4 * own
    plain = PROXY.shape(64).flops_per_token
    assert record.flops == record.tokens * plain + sum(record.picking["flops"].values())
