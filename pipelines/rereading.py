"""A run's report made again from what the store holds: nothing computed, no record changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from curator.engine.driver import Driver
from curator.errors import RecipeError
from curator.ledger import Store
from curator.recipe import Recipe
from pipelines.running import read_run

Job = TypeVar("Job")
Result = TypeVar("Result")


class NotMade(RecipeError):
    """A step's result is not in the store."""


class Nothing:
    """An engine that does no work: to have any to do is an error."""

    workers = 1

    def map(
        self, work: Callable[[Job], Result], jobs: Sequence[Job]
    ) -> Iterator[tuple[int, Result]]:
        """Yield nothing.

        Raises:
            RecipeError: there is a job.
        """
        if jobs:
            raise _changed(str(getattr(jobs[0], "name", type(jobs[0]).__name__)))
        return iter(())

    def close(self) -> None:
        """Do nothing."""


@dataclass
class Reading(Driver):
    """A driver that only serves."""

    def folder(self, name: str, identity: Mapping[str, Any], make: Callable[[Path], Any]) -> Path:
        """Return a folder artifact.

        Raises:
            RecipeError: it is not in the store.
        """
        if not self.store.whole(self.store.folder_path(name, identity)):
            raise _changed(name)
        return super().folder(name, identity, make)


def rewrite_report(folder: Path) -> Path:
    """Return the path of a run's report, written again from what is in the store.

    Raises:
        RecipeError: a step of the run is not in the store, or no longer what the run made.
    """
    from pipelines.curate import curate
    from pipelines.reporting import report_of, write_report
    from pipelines.summarizing import file_name

    record = read_run(folder)
    if "leaderboard" in record:
        raise RecipeError(
            f"{folder} holds a leaderboard; run `curator leaderboard` again with its recipes: what "
            "is finished is served, and the page is written anew"
        )
    recipe = Recipe.model_validate(record["recipe_content"])
    store = Store(Path(record["store"]))
    with store.writing():
        curated = curate(recipe, Reading(store, Nothing(), quiet=True))
        told = {stage["artifact"]: stage for stage in record["stages"]}
        for step in curated.steps:
            stage = told.get(file_name(step.artifact))
            if stage is None:
                raise _changed(step.artifact.name)
            step.seconds, step.cached = stage["seconds"], stage["cached"]
        content = report_of(recipe, curated, store, seconds=float(record.get("seconds", 0)))
    write_report(content, folder / "report.html")
    return folder / "report.html"


def _changed(step: str) -> NotMade:
    return NotMade(
        f"{step!r} is not in the store as this run made it: inputs or settings changed since, or "
        "it was freed; run the recipe",
    )
