"""Orders of documents: every strategy a permutation, and a run's text the same in all of them."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.errors import LedgerError, RecipeError
from curator.train.checkpoint import WEIGHTS
from curator.train.conduct import Conduct
from curator.train.curriculum import STRATEGIES, Curriculum, arranged
from curator.train.loader import Batches, open_mixture
from curator.train.loop import Run, train
from curator.train.order import read_order
from curator.train.proxy import Proxy
from curator.train.record import Seeds
from tests.support.mixtures import counting_documents, write_mixture

PROXY = Proxy(
    name="tiny", depth=1, width=16, heads=2, context=16, batch_tokens=64, precision="fp32"
)
COUNT = 120
HARDNESS = np.random.default_rng(0).normal(size=COUNT)
LENGTHS = np.random.default_rng(1).integers(2, 40, COUNT)
IDS = np.random.default_rng(2).integers(0, 256, (COUNT, 16), dtype=np.uint8)


def order_of(strategy="sorted", difficulty=HARDNESS, **more):
    return arranged(Curriculum(by="hard", strategy=strategy, **more), difficulty, LENGTHS, IDS)


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    return write_mixture(
        tmp_path_factory.mktemp("curriculum") / "mixture",
        counting_documents(COUNT),
        difficulties=HARDNESS,
    )


@given(
    strategy=st.sampled_from(STRATEGIES),
    reverse=st.booleans(),
    placebo=st.booleans(),
    start=st.floats(0.01, 1),
    power=st.floats(0.2, 4),
    warmup=st.floats(0.01, 0.99),
    sweeps=st.integers(2, 20),
)
def test_every_order_is_a_permutation(strategy, **settings):
    assert sorted(order_of(strategy, **settings)) == list(range(COUNT))


def test_sorted_goes_from_easy_to_hard_and_reverse_back():
    assert (np.diff(HARDNESS[order_of()]) >= 0).all()
    assert (np.diff(HARDNESS[order_of(reverse=True)]) <= 0).all()
    assert np.array_equal(order_of(hard="lower"), order_of(reverse=True))


def test_equal_difficulties_stay_in_the_order_by_chance():
    assert order_of(difficulty=np.ones(COUNT)).tolist() == list(range(COUNT))


def test_interleaved_sweeps_all_difficulties_in_every_part():
    parts = np.split(HARDNESS[order_of("interleaved", sweeps=4)], 4)

    for part in parts:
        assert (np.diff(part) >= 0).all()
        assert part[0] < -1
        assert part[-1] > 1


def test_a_warm_up_reads_the_easiest_share_sorted_and_the_rest_by_chance():
    order = order_of("warmup", warmup=0.25)
    read = np.cumsum(LENGTHS[order]) / LENGTHS.sum()
    head, rest = order[read <= 0.25], order[read > 0.25]

    assert (np.diff(HARDNESS[head]) >= 0).all()
    assert HARDNESS[head].max() < HARDNESS[rest].min()
    assert (np.diff(rest) > 0).all()  # documents are numbered in the order by chance


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_a_paced_order_reads_nothing_before_it_is_open(power):
    order = order_of("paced", start=0.2, power=power)
    easy = np.argsort(HARDNESS)
    share = np.empty(COUNT)
    share[easy] = (np.cumsum(LENGTHS[easy]) - LENGTHS[easy] / 2) / LENGTHS.sum()
    time = (np.cumsum(LENGTHS[order]) - LENGTHS[order]) / LENGTHS.sum()

    opened = np.minimum(1, 0.2 + 0.8 * time**power)
    # Where nothing is open, at the end, the next easiest document is read: a document's slack.
    assert (share[order] <= opened + LENGTHS.max() / LENGTHS.sum()).all()
    assert not (np.diff(HARDNESS[order]) >= 0).all()


def test_a_pace_slower_than_reading_goes_on_with_the_next_easiest():
    order = order_of("paced", start=0.05, power=4.0)

    assert np.corrcoef(HARDNESS[order], np.arange(COUNT))[0, 1] > 0.9


def test_a_placebo_deals_difficulties_to_other_documents():
    dealt = order_of(placebo=True)

    assert abs(np.corrcoef(HARDNESS[dealt], np.arange(COUNT))[0, 1]) < 0.3
    assert not np.array_equal(dealt, order_of(placebo=True, seed=1))


@pytest.mark.parametrize("steps", [7, 20, 55, 90])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_reads_the_multiset_of_tokens_that_the_order_by_chance_reads(
    mixture, strategy, steps
):
    """Less than a lap, and more: the places in tokens.bin are the same, each as often."""
    opened = open_mixture(mixture)
    sizes = {"rows": 4, "context": 16, "order_seed": 3, "steps": steps}
    plain = Batches(opened, **sizes)
    ordered = Batches(opened, **sizes, order=Curriculum(by="hard", strategy=strategy))

    found = [each.positions(0, steps * 64) for each in (plain, ordered)]

    assert Counter(found[0].tolist()) == Counter(found[1].tolist())
    assert not np.array_equal(*found)
    assert plain.coverage(steps) == ordered.coverage(steps)
    assert plain.window == ordered.window
    parts = np.concatenate([ordered.positions(step * 64, step * 64 + 64) for step in range(steps)])
    assert np.array_equal(parts, found[1])
    last = [each.batch(steps - 1)[1].ravel()[-1] for each in (plain, ordered)]
    assert last[0] == last[1]


def test_documents_of_a_run_come_from_easy_to_hard(mixture, tmp_path):
    conduct = Conduct(order=Curriculum(by="hard"))

    record = train(
        mixture, PROXY, tokens=64 * 20, seed=1, order_seed=2, out=tmp_path / "run", conduct=conduct
    )

    rows = read_order(tmp_path / "run")["row"].to_numpy()
    assert (np.diff(HARDNESS[rows]) >= 0).all()
    assert record.order["strategy"] == "sorted"


def test_a_run_in_another_order_is_another_run(mixture, tmp_path):
    opened = open_mixture(mixture)
    orders = [None, Curriculum(by="hard"), Curriculum(by="hard", reverse=True)]
    named = {
        Run(opened, PROXY, 20, Seeds(1, 1, 1), tmp_path, order=order).identity for order in orders
    }
    harder = write_mixture(
        tmp_path / "harder", counting_documents(COUNT), difficulties=HARDNESS[::-1]
    )
    run = Run(open_mixture(harder), PROXY, 20, Seeds(1, 1, 1), tmp_path, order=orders[1])

    assert len(named | {run.identity}) == 4


def test_an_interrupted_run_ends_as_if_never_interrupted(mixture, tmp_path):
    budget = {"tokens": 64 * 20, "seed": 1, "order_seed": 2, "checkpoint_seconds": 0}
    conduct = Conduct(order=Curriculum(by="hard", strategy="paced"))
    train(mixture, PROXY, **budget, out=tmp_path / "whole", conduct=conduct)

    def stop(progress):
        if progress.step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(mixture, PROXY, **budget, out=tmp_path / "cut", conduct=conduct, progress=stop)
    train(mixture, PROXY, **budget, out=tmp_path / "cut", conduct=conduct)

    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strategy": "sort"}, "strategy is 'sort'; write sorted or paced"),
        ({"hard": "high"}, "hard is 'high'; write higher or lower"),
        ({"start": 0.0}, "start is 0"),
        ({"power": 0.0}, "power is 0"),
        ({"sweeps": 1}, "sweeps is 1; wanted at least 2"),
        ({"warmup": 1.0}, "warmup is 1"),
    ],
)
def test_settings_that_order_nothing_are_refused(settings, message):
    with pytest.raises(RecipeError, match=message):
        Curriculum(by="hard", **settings)


def test_documents_without_a_difficulty_and_equal_ones_are_refused(tmp_path):
    documents = counting_documents(10)
    sizes = {"rows": 4, "context": 16, "order_seed": 3, "steps": 2, "order": Curriculum(by="hard")}
    for name, values, message in (
        ("unknown", [1.0, *[np.nan] * 9], "have no 'hard' to be ordered by"),
        ("equal", [2.0] * 10, r"have the 'hard' 2\.0: nothing to order by"),
    ):
        opened = open_mixture(write_mixture(tmp_path / name, documents, difficulties=values))
        with pytest.raises(RecipeError, match=message):
            Batches(opened, **sizes)
    plain = open_mixture(write_mixture(tmp_path / "plain", documents))
    with pytest.raises(LedgerError, match=r"difficulty\.arrow is missing"):
        Batches(plain, **sizes)
    short = open_mixture(write_mixture(tmp_path / "short", documents, difficulties=[1.0, 2.0]))
    with pytest.raises(LedgerError, match="has 2 rows for 10 documents"):
        Batches(short, **sizes)


def test_a_mixture_that_changes_while_it_is_read_has_no_order(mixture, tmp_path):
    from curator.train.online import Mixing

    opened = open_mixture(mixture)
    with pytest.raises(RecipeError, match="no order to change"):
        Run(
            opened, PROXY, 20, Seeds(1, 1, 1), tmp_path, mixing=object.__new__(Mixing),
            order=Curriculum(by="hard"),
        )  # fmt: skip


def test_parts_that_undo_each_other_are_refused():
    from curator.train.pick import Pick
    from curator.train.prune import Prune
    from curator.train.reweight import Reweight

    parts = {
        "pick": Pick(method="uniform", keep=0.5),
        "prune": Prune(method="full", epochs=4),
        "reweight": Reweight(),
        "order": Curriculum(by="hard"),
    }
    for one, other in (
        ("pick", "prune"), ("pick", "reweight"), ("pick", "order"), ("prune", "reweight"),
        ("prune", "order"),
    ):  # fmt: skip
        with pytest.raises(RecipeError, match=f"'{one}' and '{other}'"):
            Conduct(**{one: parts[one], other: parts[other]})
    both = Conduct(reweight=parts["reweight"], order=parts["order"])
    assert set(both.parts()) == {"reweight", "order"}
    assert Conduct().plain
    assert dataclasses.replace(both, order=None).parts() == {"reweight": parts["reweight"]}
