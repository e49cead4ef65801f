"""Epochs while a run trains: the same rows, losses for nothing, cut runs, and the account."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from curator.errors import BudgetError, RecipeError
from curator.train.checkpoint import WEIGHTS
from curator.train.conduct import Conduct
from curator.train.loader import open_mixture
from curator.train.loop import Run, train
from curator.train.order import ORDER, read_order
from curator.train.proxy import Proxy
from curator.train.prune import Prune
from curator.train.pruning import PrunedBatches, PruneState, open_pruning
from curator.train.record import Seeds
from tests.support.mixtures import counting_documents, write_mixture

PROXY = Proxy(
    name="tiny", depth=1, width=16, heads=2, context=16, batch_tokens=64, precision="fp32"
)
SEEDS = {"seed": 1, "order_seed": 2}
EPOCHS, ROWS = 6, 60
BUDGET = EPOCHS * ROWS * PROXY.context


class Cut(Exception):
    """Stands for a kill in the middle of a run."""


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    return write_mixture(tmp_path_factory.mktemp("pruning") / "mixture", counting_documents(60))


def prune_of(method="seta", **more):
    return Prune(**{"method": method, "epochs": EPOCHS, **more})


def trained(mixture, out, prune, **more):
    return train(
        mixture, PROXY, tokens=BUDGET, **SEEDS, out=out, conduct=Conduct(prune=prune), **more
    )


@pytest.mark.parametrize("method", ["seta", "infobatch"])
def test_an_interrupted_run_ends_as_if_never_interrupted(mixture, tmp_path, method):
    whole = trained(mixture, tmp_path / "whole", prune_of(method))

    def cut(at):
        def stop(progress):
            if progress.step == at:
                raise Cut

        return stop

    for step in (3, 15, 29):  # within the first epoch, at its end, and later
        with pytest.raises(Cut):
            trained(
                mixture,
                tmp_path / "cut",
                prune_of(method),
                checkpoint_seconds=0,
                progress=cut(step),
            )
    resumed = trained(mixture, tmp_path / "cut", prune_of(method), checkpoint_seconds=0)

    assert resumed.curve == whole.curve
    assert resumed.pruning == whole.pruning
    for name in (WEIGHTS, ORDER):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_account_adds_up(mixture, tmp_path):
    full, seta, infobatch, placebo = (
        trained(mixture, tmp_path / str(n), prune)
        for n, prune in enumerate(
            (prune_of("full"), prune_of(), prune_of("infobatch"), prune_of(placebo=True))
        )
    )

    assert full.tokens == BUDGET
    assert full.pruning["saved_share"] == 0
    for run in (full, seta, infobatch, placebo):
        told = run.pruning
        assert told["budget_tokens"] == BUDGET
        assert run.tokens == told["tokens"] == sum(told["visited"]) * PROXY.context
        assert run.flops == run.tokens * PROXY.shape(64).flops_per_token  # choosing cost nothing
        assert told["saved"] == [
            pytest.approx(1 - rows / ROWS, abs=1e-6) for rows in told["visited"]
        ]
        assert told["saved_share"] == pytest.approx(1 - run.tokens / BUDGET, abs=1e-6)
        assert sum(part["seen"] for part in run.coverage.values()) == run.tokens
    assert seta.tokens < infobatch.tokens < full.tokens
    assert abs(placebo.tokens - seta.tokens) < 0.15 * seta.tokens
    assert infobatch.pruning["visited"][0] == infobatch.pruning["visited"][-1] == ROWS


def test_rows_are_the_same_tokens_in_every_epoch(mixture, tmp_path):
    trained(mixture, tmp_path / "run", prune_of("full"))
    opened, log = open_mixture(mixture), read_order(tmp_path / "run")
    starts = opened.offsets[log["row"].to_numpy()] + log["offset"].to_numpy()
    places = np.concatenate(
        [np.arange(a, a + n) for a, n in zip(starts, log["length"].to_numpy(), strict=True)]
    ).reshape(EPOCHS, ROWS, PROXY.context)

    epochs = [{row.tobytes() for row in epoch} for epoch in places]

    assert all(epoch == epochs[0] for epoch in epochs)
    assert len({epoch.tobytes() for epoch in places}) == EPOCHS  # each in an order of its own


def test_losses_kept_are_those_that_the_model_had_before_the_step(mixture):
    opened = open_mixture(mixture)
    run = Run(
        opened, PROXY, 90, Seeds(1, 2, 1), mixture / "out",
        pruning=open_pruning(prune_of("full"), opened, PROXY, 90),
    )  # fmt: skip
    model, optimizer, _, position = run._begin()
    batches = run.batches(position)
    batches.choose(0)
    inputs, targets = (run._batch(batches, 0).inputs, run._batch(batches, 0).targets)
    before = model.row_losses(inputs, targets).numpy()

    loss = run._step(model, optimizer, batches, position)

    np.testing.assert_allclose(position.pruned.losses[batches.chosen(0)], before, rtol=1e-5)
    assert loss == pytest.approx(before.mean(), rel=1e-5)
    assert (position.pruned.last >= 0).sum() == PROXY.batch_rows


def test_a_pruned_run_moves_through_the_schedule_as_the_unpruned_one(mixture, tmp_path):
    opened = open_mixture(mixture)
    pruning = open_pruning(prune_of("random", keep=0.5), opened, PROXY, 90)
    batches = PrunedBatches(opened, pruning, PROXY.context, 2, PruneState())
    found, step = [], 0
    while not batches.over(step):
        batches.choose(step)
        found.append(batches.plain_step(step))
        batches.meet(step, np.ones(4, np.float32))
        step += 1

    assert step == EPOCHS * 7  # 30 of 60 rows are 7 whole batches
    assert [found[7 * epoch] for epoch in range(EPOCHS)] == [15 * epoch for epoch in range(EPOCHS)]
    assert found == sorted(found)
    assert found[-1] < 90


def test_a_pruned_run_is_another_run(mixture, tmp_path):
    opened = open_mixture(mixture)

    def named(prune):
        pruning = prune and open_pruning(prune, opened, PROXY, 90)
        return Run(opened, PROXY, 90, Seeds(1, 1, 1), tmp_path, pruning=pruning).identity

    prunes = [None, prune_of(), prune_of(seed=1), prune_of(placebo=True), prune_of("full")]
    assert len({named(prune) for prune in prunes}) == len(prunes)


def test_what_cannot_be_followed_is_refused(mixture, tmp_path):
    opened = open_mixture(mixture)
    averaging = dataclasses.replace(PROXY, average_share=0.5)

    with pytest.raises(RecipeError, match=r"average_share is 0\.5"):
        open_pruning(prune_of(), opened, averaging, 90)
    with pytest.raises(BudgetError, match=r"select .* times as many tokens"):
        open_pruning(prune_of(), opened, PROXY, 9000)
    with pytest.raises(RecipeError, match="an epoch is 2 rows and a batch 4"):
        open_pruning(prune_of("full"), opened, PROXY, 3)
    pruning = open_pruning(prune_of(), opened, PROXY, 90)
    with pytest.raises(RecipeError, match="counts epochs from its first step"):
        Run(opened, PROXY, 90, Seeds(1, 1, 1), tmp_path, as_trunk=True, pruning=pruning)


def test_an_epoch_of_less_than_a_batch_is_refused(mixture):
    opened = open_mixture(mixture)
    pruning = open_pruning(prune_of("random", keep=0.05), opened, PROXY, 90)
    batches = PrunedBatches(opened, pruning, PROXY.context, 2, PruneState())

    with pytest.raises(RecipeError, match="epoch 0 would visit 3 of 60 rows, less than a batch"):
        batches.choose(0)
