"""Staged arms as the rest of a run sees them: proxies, one selection, and an account of stages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curator.engine.driver import Driver
from curator.recipe import Recipe, TrainSpec
from pipelines.drift import REPORT, drift_of, taken_by
from pipelines.live import staged_specs
from pipelines.mixing import Mixed
from pipelines.scoring import teachers_of
from pipelines.staged import Board, Course, train_staged

if TYPE_CHECKING:
    from pipelines.curate import Curated


@dataclass(frozen=True)
class StagedArm:
    """One finished staged arm.

    Attributes:
        mixed: what its first run chose, over all stages.
        courses: its runs, in the order of the seeds.
        account: the folder with a line for every stage of every run.
    """

    mixed: Mixed
    courses: tuple[Course, ...]
    account: Path

    @property
    def proxies(self) -> list[Path]:
        """The last piece of every run."""
        return [course.folder for course in self.courses]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of `drift.stage_lines`, by seed and stage."""
        found: list[dict[str, Any]] = json.loads((self.account / REPORT).read_text())["stages"]
        return found

    @property
    def scorings(self) -> int:
        """How many selections the scores behind them were made for: a run's own, or one for all."""
        asked = any(turn.asked for course in self.courses for turn in course.turns)
        return len(self.courses) if asked else 1


def with_staged(recipe: Recipe, made: Curated, driver: Driver) -> Curated:
    """Return what a run made with its staged arms in it, in the order of the recipe."""
    names = tuple(staged_specs(recipe.arms))
    if not names:
        return made
    assert recipe.train is not None  # checked before anything ran
    (staged,) = staged_arms([(recipe, made, names)], recipe.train, driver)
    arms = {name: one.mixed for name, one in staged.items()} | dict(made.arms)
    proxies = {name: one.proxies for name, one in staged.items()} | dict(made.proxies)
    return replace(
        made,
        arms={name: arms[name] for name in recipe.arms},
        proxies={name: proxies[name] for name in recipe.arms},
        staged=staged,
    )


def staged_arms(
    asked: Sequence[tuple[Recipe, Curated, tuple[str, ...]]],
    train: TrainSpec,
    driver: Driver,
    device: str = "cpu",
) -> list[dict[str, StagedArm]]:
    """Return the staged arms of several recipes, trained side by side, a piece at a time.

    Args:
        asked: a recipe, what it has made before its staged arms, and which of those are wanted.
        train: how all are trained.
        driver: what does the work.
        device: what to train on.
    """
    boards = []
    for recipe, made, names in asked:
        assert made.tokens is not None  # counted for every recipe with arms
        teachers = teachers_of(recipe, made.benchmarks, made.models)
        boards.append(Board(recipe, names, made.pool, made.tokens, teachers, train, device))
    if not boards:
        return []
    trained = train_staged(boards, driver)
    return [{arm: _finished(runs, driver) for arm, runs in each.items()} for each in trained]


def _finished(runs: Sequence[Course], driver: Driver) -> StagedArm:
    return StagedArm(taken_by(runs[0], driver), tuple(runs), drift_of(runs, driver))
