"""A run in pieces is the whole run cut: one schedule, one state, one record."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from curator.errors import BudgetError, LedgerError, RecipeError
from curator.train import loop
from curator.train.checkpoint import RECORD, TRUNK, WEIGHTS, read_record
from curator.train.loader import open_mixture
from curator.train.loop import Run, train
from curator.train.order import read_order
from curator.train.piece import Piece, pieces_of
from curator.train.proxy import Proxy
from curator.train.schedule import Schedule
from tests.support.mixtures import counting_documents, write_mixture

PROXY = Proxy(
    depth=1, width=16, heads=2, context=16, batch_tokens=64, precision="fp32", dropout=0.1
)
SEEDS = {"seed": 1, "order_seed": 2}


@pytest.fixture
def mixture(tmp_path):
    return write_mixture(tmp_path / "mixture", counting_documents(300))


def in_pieces(mixtures, out, pieces, proxy=PROXY, **more):
    """Return the records of a run's pieces, each on a mixture of its own."""
    ends = [*(piece.before for piece in pieces[1:]), pieces[0].of]
    start, records = None, []
    for number, (piece, mixture, end) in enumerate(zip(pieces, mixtures, ends, strict=True)):
        tokens, last = 64 * (end - piece.before), number == len(pieces) - 1
        records.append(
            train(mixture, proxy, tokens=tokens, **SEEDS, out=out / f"{number}", start=start,
                  as_trunk=not last, piece=piece, **more)
        )  # fmt: skip
        start = out / f"{number}"
    return records


@given(
    st.integers(1, 400), st.integers(1, 8), st.floats(0, 0.9), st.sampled_from(["wsd", "cosine"])
)
def test_the_rates_of_all_pieces_are_those_of_the_whole_run(steps, stages, warmup, kind):
    try:
        pieces = pieces_of(steps, stages, warmup)
    except BudgetError:
        return
    schedule = Schedule(kind=kind)
    ends = [*(piece.before for piece in pieces[1:]), steps]
    rates = [
        piece.factor(schedule, step)
        for piece, end in zip(pieces, ends, strict=True)
        for step in range(end - piece.before)
    ]

    assert rates == [schedule.factor(step, steps) for step in range(steps)]


def test_stages_are_alike_and_follow_the_warmup():
    assert [piece.before for piece in pieces_of(100, 4, 0.2)] == [0, 20, 40, 60, 80]
    assert [piece.before for piece in pieces_of(100, 2, 0.0)] == [0, 50]
    with pytest.raises(BudgetError, match="too few for a warm-up of 50% and 4 stages"):
        pieces_of(5, 4, 0.5)


def test_a_piece_outside_the_whole_is_refused():
    with pytest.raises(RecipeError, match="begins after 5 of 5 steps"):
        Piece(5, 5)


def read_as_one(monkeypatch, mixture, steps):
    """Let every piece read the batches that the whole run reads at the same steps."""
    whole = Run(open_mixture(mixture), PROXY, steps, loop.Seeds(1, 2, 1), mixture).batches()
    took = Run._batch

    def batch(run, batches, step):
        return took(run, whole, run.steps_before + step)

    monkeypatch.setattr(Run, "_batch", batch)


@pytest.mark.parametrize("average", [0.0, 0.2])
def test_pieces_that_read_what_the_whole_run_reads_are_that_run(
    mixture, tmp_path, monkeypatch, average
):
    read_as_one(monkeypatch, mixture, 40)
    proxy = dataclasses.replace(PROXY, average_share=average)
    pieces = pieces_of(40, 3, 0.25)

    whole = train(mixture, proxy, tokens=64 * 40, **SEEDS, out=tmp_path / "whole")
    cut = in_pieces([mixture] * 4, tmp_path / "cut", pieces, proxy)

    ours, theirs = (load_file(tmp_path / each / WEIGHTS) for each in ("cut/3", "whole"))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert [point["loss"] for point in cut[-1].curve] == [point["loss"] for point in whole.curve]
    for what in ("tokens", "steps", "flops", "first_loss", "final_loss", "seed", "order_seed"):
        if what != "final_loss":  # of the last twentieth of each run's own steps
            assert getattr(cut[-1], what) == getattr(whole, what)


def test_a_record_tells_the_whole_and_each_of_its_pieces(mixture, tmp_path):
    other = write_mixture(tmp_path / "other", counting_documents(280))
    records = in_pieces([mixture, other, mixture], tmp_path, pieces_of(30, 2, 1 / 3))
    last = records[-1]
    told = last.piece["pieces"]

    assert [each["identity"] for each in told] == [record.identity for record in records]
    assert [each["tokens"] for each in told] == [640, 640, 640]
    assert told[1]["mixture"] == records[1].mixture != records[0].mixture
    assert [point["tokens"] for point in last.curve] == [64 * step for step in range(1, 31)]
    assert last.first_loss == records[0].first_loss == last.curve[0]["loss"]
    assert last.circumstances["seconds"] >= sum(each["seconds"] for each in told) - 0.01
    assert last.piece["of"] == 30
    assert last.piece["factor"] == Schedule().factor(29, 30)
    assert json.loads((tmp_path / "2" / RECORD).read_text())["piece"] == last.piece
    assert not (tmp_path / "2" / TRUNK).exists()


def test_pieces_on_one_mixture_read_no_document_twice(mixture, tmp_path):
    in_pieces([mixture] * 3, tmp_path, pieces_of(30, 2, 1 / 3))
    read = [set(read_order(tmp_path / str(n))["row"].to_pylist()) for n in range(3)]

    # The last document of a piece, and the first of the next, may be one that was cut.
    assert all(len(one & other) <= 1 for one in read for other in read if one is not other)


def test_a_plain_run_is_named_as_before(mixture, tmp_path):
    run = Run(open_mixture(mixture), PROXY, 10, loop.Seeds(1, 2, 1), tmp_path)
    pieces = [dataclasses.replace(run, piece=Piece(0, of)) for of in (20, 30)]

    assert len({run.identity, *(piece.identity for piece in pieces)}) == 3


class Cut(Exception):
    """Stands for a kill in the middle of a run."""


def test_a_piece_that_was_cut_goes_on_from_its_checkpoint(mixture, tmp_path):
    pieces = pieces_of(30, 1, 1 / 3)
    in_pieces([mixture] * 2, tmp_path / "whole", pieces)

    def cut(progress):
        if progress.step == 7:
            raise Cut

    start = tmp_path / "whole/0"
    again = {"tokens": 64 * 20, **SEEDS, "out": tmp_path / "cut", "start": start}
    with pytest.raises(Cut):
        train(mixture, PROXY, **again, piece=pieces[1], checkpoint_seconds=0, progress=cut)
    record = train(mixture, PROXY, **again, piece=pieces[1])

    theirs = read_record(tmp_path / "whole/1")
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == (
        tmp_path / "whole/1" / WEIGHTS
    ).read_bytes()
    assert record.curve == theirs["curve"]


@pytest.mark.parametrize(
    ("piece", "order_seed", "told"),
    [
        (Piece(5, 30), 2, "at step 10 of a run of 30, and what would go on from it is at step 5"),
        (Piece(10, 40), 2, "at step 10 of a run of 40"),
        (Piece(0, 30), 2, "at step 0"),
        (Piece(10, 30), 3, "in order 3"),
        (None, 2, "no piece of a longer run"),
    ],
)
def test_a_piece_goes_on_from_the_one_before_it_alone(mixture, tmp_path, piece, order_seed, told):
    train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "a", as_trunk=True,
          piece=Piece(0, 30))  # fmt: skip

    with pytest.raises(LedgerError, match=told):
        train(mixture, PROXY, tokens=640, seed=1, order_seed=order_seed, out=tmp_path / "b",
              start=tmp_path / "a", piece=piece)  # fmt: skip


def test_a_piece_without_the_one_before_it_is_refused(mixture, tmp_path):
    train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "trunk", as_trunk=True)

    for start in (None, tmp_path / "trunk"):
        with pytest.raises(LedgerError, match="no piece of a longer run"):
            train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "b", start=start,
                  piece=Piece(10, 30))  # fmt: skip
