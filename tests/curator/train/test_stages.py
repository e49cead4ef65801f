"""Scores of a stage come from the state that it begins from: no older, no younger, no other one."""

from __future__ import annotations

import json

import pytest

from curator.errors import LedgerError, RecipeError
from curator.train.piece import pieces_of
from curator.train.stages import Checkpoint, StageScheduler


def trained(folder, scheduler, identity, steps=None):
    """Write what a trained piece leaves, and return its folder."""
    folder.mkdir()
    chain = [*(one.identity for one in scheduler.checkpoints), identity]
    end = scheduler.piece.before + scheduler.steps if steps is None else steps
    record = {"identity": identity, "steps": end,
              "piece": {"pieces": [{"identity": one} for one in chain]}}  # fmt: skip
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "trunk.safetensors").touch()
    return folder


@pytest.fixture
def scheduler():
    return StageScheduler(pieces_of(10, 2, 0.2))


def test_the_state_of_the_last_piece_is_the_one_to_ask(scheduler, tmp_path):
    handed = []
    for number, identity in enumerate("abc"):
        scheduler.finish(trained(tmp_path / identity, scheduler, identity))
        handed.append((number, scheduler.current().identity, scheduler.current().steps))

    assert handed == [(0, "a", 2), (1, "b", 6), (2, "c", 10)]
    assert scheduler.over


def test_no_state_is_there_to_be_asked_before_the_first_step(scheduler):
    with pytest.raises(RecipeError, match="give it a `warmup`"):
        scheduler.current()


def test_a_stale_state_is_refused(scheduler, tmp_path):
    stale = scheduler.finish(trained(tmp_path / "a", scheduler, "a"))
    scheduler.require_current(stale)
    scheduler.finish(trained(tmp_path / "b", scheduler, "b"))

    with pytest.raises(RecipeError, match="the stale state after 2 steps"):
        scheduler.require_current(stale)


def test_a_later_state_or_one_of_another_run_is_refused(scheduler, tmp_path):
    scheduler.finish(trained(tmp_path / "a", scheduler, "a"))

    with pytest.raises(RecipeError, match="another run's state"):
        scheduler.require_current(Checkpoint(tmp_path / "b", "b", 6))
    with pytest.raises(RecipeError, match="another run's state"):
        scheduler.require_current(Checkpoint(tmp_path / "a", "z", 2))


def test_what_is_not_the_next_piece_is_not_taken(scheduler, tmp_path):
    with pytest.raises(LedgerError, match="ends at step 2"):
        scheduler.finish(trained(tmp_path / "long", scheduler, "long", steps=3))
    with pytest.raises(LedgerError, match="holds no steps"):
        scheduler.finish(tmp_path / "nothing")
    lost = trained(tmp_path / "lost", scheduler, "lost")
    (lost / "trunk.safetensors").unlink()
    with pytest.raises(LedgerError, match="to go on from"):
        scheduler.finish(lost)


def test_after_the_last_piece_there_is_nothing_to_choose(scheduler, tmp_path):
    for identity in "abc":
        scheduler.finish(trained(tmp_path / identity, scheduler, identity))

    with pytest.raises(RecipeError, match="nothing more to choose"):
        _ = scheduler.piece
    with pytest.raises(RecipeError, match="stale"):
        scheduler.require_current(scheduler.checkpoints[0])
