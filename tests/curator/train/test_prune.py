"""Rules of pruning: which groups are open, whom chance drops, what is unbiased and refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from curator.errors import BudgetError, RecipeError
from curator.train.clusters import cluster
from curator.train.hooks import Batch, Hooks, weighted_loss
from curator.train.model import Gpt
from curator.train.proxy import Shape
from curator.train.prune import Prune, choose_rows, in_window, saved, unbiased

ROWS = 400
LOSSES = np.random.default_rng(0).gamma(4, 1, ROWS).astype(np.float32)
SEEN = np.ones(ROWS, np.bool_)


def seta(**changes):
    return Prune(**{"method": "seta", "epochs": 16, "keep": 1.0, **changes})


def rows_of(prune, epoch, losses=LOSSES, visited=SEEN, seed=1):
    return choose_rows(prune, epoch, losses, visited, seed)[0]


def test_the_window_opens_every_group_over_one_cycle_and_all_at_first():
    prune = seta()
    cycle = prune.groups - prune.open_groups + 1

    opened = [set(prune.open_in(epoch)) for epoch in range(1, 1 + cycle)]

    assert prune.open_in(0) == range(10)
    assert set.union(*opened) == set(range(10))
    assert all(len(each) == 5 for each in opened)
    assert prune.open_in(5) == range(5, 10)  # the hardest, and then from the easiest again
    assert prune.open_in(6) == range(5)


def test_an_epoch_visits_the_rows_of_its_groups_each_once_in_an_order_by_chance():
    prune, groups = seta(), cluster(LOSSES.astype(np.float64), 10)
    for epoch in range(1, 14):
        rows = rows_of(prune, epoch)
        wanted = np.flatnonzero(np.isin(groups, prune.open_in(epoch)))

        assert np.array_equal(np.sort(rows), wanted)
        assert not np.array_equal(rows, wanted)
    assert np.array_equal(np.sort(rows_of(prune, 0)), np.arange(ROWS))


def test_the_last_eighth_of_the_epochs_is_drawn_whatever_the_losses():
    prune = seta(keep=0.5)
    for epoch in (14, 15):
        rows = rows_of(prune, epoch)

        assert len(rows) == ROWS // 2
        assert np.array_equal(rows, rows_of(prune, epoch, losses=LOSSES[::-1].copy()))
        # A uniform draw of half: its mean loss is that of all to within 4 standard errors.
        assert abs(LOSSES[rows].mean() - LOSSES.mean()) < 4 * LOSSES.std() / np.sqrt(len(rows))
    assert [Prune(method="full", epochs=4).anneals(epoch) for epoch in (2, 3)] == [False, True]
    assert not np.array_equal(rows_of(prune, 13), rows_of(prune, 13, losses=LOSSES[::-1].copy()))


def test_a_row_that_was_never_trained_on_stands_in_every_group():
    losses = LOSSES.copy()
    losses[7] = np.nan

    for epoch in range(1, 14):
        assert in_window(seta(), epoch, losses)[7]


def test_random_draws_the_share_whatever_the_losses():
    prune = Prune(method="random", epochs=8, keep=0.3)

    drawn = [rows_of(prune, epoch) for epoch in range(8)]

    assert {len(rows) for rows in drawn} == {120}
    assert len({rows.tobytes() for rows in drawn}) == 8
    assert np.array_equal(drawn[3], rows_of(prune, 3, losses=LOSSES[::-1].copy()))
    assert np.array_equal(np.sort(rows_of(Prune(method="full", epochs=8), 3)), np.arange(ROWS))


def test_a_placebo_visits_as_many_rows_and_knows_none_of_their_losses():
    prune, dealt = seta(), seta(placebo=True)
    for epoch in range(1, 14):
        own, placebo = rows_of(prune, epoch), rows_of(dealt, epoch)

        assert len(own) == len(placebo)
        assert set(own) != set(placebo)
    # Epoch 6 opens the easiest five groups: its rows are easier than a placebo's.
    assert LOSSES[rows_of(prune, 6)].mean() < LOSSES[rows_of(dealt, 6)].mean() - 0.3


def test_infobatch_leaves_out_easy_rows_alone_and_lets_those_that_stay_count_for_them():
    prune = Prune(method="infobatch", epochs=8)

    rows, weights = choose_rows(prune, 1, LOSSES, SEEN, 1)

    easy = LOSSES.mean() > LOSSES
    assert set(np.flatnonzero(~easy)) <= set(rows)
    assert 0.3 < np.isin(np.flatnonzero(easy), rows).mean() < 0.7
    assert np.array_equal(weights, np.where(easy[rows], 2, 1))
    last, whole = choose_rows(prune, 7, LOSSES, SEEN, 1)
    assert len(last) == ROWS
    assert (whole == 1).all()


def test_the_expected_gradient_of_a_pruned_epoch_is_that_of_the_whole():
    """Row gradients of a real model; 3 standard errors over 1,500 draws, in every direction."""
    shape = Shape(vocab_size=32, depth=1, width=8, heads=1, context=6)
    model, count = Gpt(shape, seed=1), 12
    ids = torch.randint(1, 32, (count, 7), generator=torch.Generator().manual_seed(0))
    gradients, losses = [], []
    for row in ids:
        model.zero_grad()
        loss = model.loss(row[None, :-1], row[None, 1:])
        loss.backward()
        gradients.append(
            torch.cat([w.grad.flatten() for w in model.parameters() if w.grad is not None])
        )
        losses.append(loss.item())
    of_row = torch.stack(gradients).double().numpy()
    known = np.array(losses, np.float32)
    random = np.random.default_rng(0)

    sums = []
    for _ in range(1500):
        stays, weights = unbiased(known, 0.6, random.random(count))
        sums.append((weights * stays) @ of_row)

    means, errors = np.mean(sums, 0), np.std(sums, 0) / np.sqrt(len(sums))
    far = np.abs(means - of_row.sum(0)) > 3 * errors + 1e-12
    assert far.mean() < 0.01  # 0.27 % of normal deviations are beyond three errors
    assert np.linalg.norm(means - of_row.sum(0)) < 0.05 * np.linalg.norm(of_row.sum(0))


def test_a_batch_of_weighted_rows_steps_by_the_mean_over_rows_and_tells_each_rows_loss():
    model = Gpt(Shape(vocab_size=32, depth=1, width=8, heads=1, context=6), seed=1)
    ids = torch.randint(1, 32, (4, 7), generator=torch.Generator().manual_seed(0))
    weights = torch.tensor([1.0, 2.0, 1.0, 2.0])
    batch = Batch(ids[:, :-1], ids[:, 1:], rows=weights)

    met = weighted_loss(model, Hooks(), 0, batch, None)

    alone = model.row_losses(batch.inputs, batch.targets)
    torch.testing.assert_close(met.row_losses.float(), alone, rtol=1e-5, atol=1e-5)
    assert met.loss.item() == pytest.approx(float((weights * alone).sum() / 4), rel=1e-5)
    assert met.plain == pytest.approx(float(alone.mean()), rel=1e-5)


def test_losses_that_are_told_change_nothing_of_the_loss():
    model = Gpt(Shape(vocab_size=32, depth=1, width=8, heads=1, context=6), seed=1)
    ids = torch.randint(1, 32, (4, 7), generator=torch.Generator().manual_seed(0))
    inputs, targets = ids[:, :-1], ids[:, 1:]

    met = weighted_loss(model, Hooks(), 0, Batch(inputs, targets, rows=torch.ones(4)), None)

    assert met.loss.item() == model.loss(inputs, targets).item()
    assert met.plain is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "sita"}, "method is 'sita'; wanted one of full, random, infobatch, seta"),
        ({"epochs": 3}, "epochs is 3; wanted at least 4"),
        ({"window": 0.04}, "window 0.04 of 10 groups is 0 groups; wanted at least one"),
        ({"keep": 0.0}, r"keep is 0.0; wanted a share in \(0, 1\]"),
        ({"rate": 0.5}, "method 'seta' has no rate; leave it out"),
        ({"annealing": 1.0}, "annealing is 1.0"),
        ({"method": "infobatch", "keep": None, "rate": 1.0}, "rate is 1.0"),
        ({"method": "random", "placebo": True}, "'random' asks no losses; leave out `placebo`"),
        ({"method": "full"}, "method 'full' has no keep"),
    ],
)
def test_settings_that_prune_nothing_are_refused(settings, message):
    with pytest.raises(RecipeError, match=message):
        seta(**settings)


def test_as_many_groups_as_rows_are_refused():
    with pytest.raises(RecipeError, match="10 groups of 10 rows; wanted fewer groups than rows"):
        seta().rows_of(160, 1000)
    assert seta().rows_of(176, 1000) == 11


def test_a_mixture_smaller_than_an_epoch_is_refused():
    with pytest.raises(BudgetError, match=r"has 50 rows.* of 100; select 2\.00 times.* 32 epochs"):
        seta().rows_of(1600, 50)
    assert seta().rows_of(1600, 98) == 98  # a selection is within a document of its budget


def test_a_visited_row_without_a_loss_is_refused():
    losses = LOSSES.copy()
    losses[3] = np.nan

    with pytest.raises(RecipeError, match="1 rows that were trained on have no loss, the first 3"):
        rows_of(seta(), 1, losses=losses)


def test_what_an_epoch_saved_is_of_all_rows():
    assert saved([100, 50], 100) == [0.0, 0.5]
