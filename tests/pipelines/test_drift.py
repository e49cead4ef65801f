"""What an arm's account of stages is named by."""

from __future__ import annotations

from types import SimpleNamespace

from curator.train.piece import pieces_of
from pipelines.drift import drift_of


def named(steps: int) -> dict:
    """Return what names the account of a run of so many steps that always chooses alike."""
    found = []
    driver = SimpleNamespace(folder=lambda name, identity, make: found.append(identity))
    turn = SimpleNamespace(selected=SimpleNamespace(shard=SimpleNamespace(digest="0")), probe=None)
    pieces = pieces_of(steps, 2, 0.2)
    scheduler = SimpleNamespace(pieces=pieces)
    drift_of([SimpleNamespace(seed=1, turns=[turn] * 3, scheduler=scheduler)], driver)
    return found[0]


def test_runs_of_other_lengths_have_accounts_of_their_own_though_they_choose_alike():
    assert named(10) == named(10)
    assert named(10) != named(20)
