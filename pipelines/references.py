"""Finished runs that a new corpus is compared with: what they kept is not wanted a second time.

Nothing needs to be exported. What deduplication emits for a shard is kept in the store by its
content, so a run that was compared with once is an index from then on: the next crawl costs its own
text, one look at the reference's ids and the text of the documents that copies are found of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from curator.engine.driver import Driver
from curator.errors import LedgerError, RecipeError
from curator.ledger import Artifact
from pipelines.looking import open_view
from pipelines.pool import Pool
from pipelines.running import RUN

_WHERE: Final = "corpus.dedup.against"
_STEPS: Final = (
    "dedup.exact", "dedup.paragraphs", "dedup.minhash", "dedup.substring", "dedup.semantic",
)  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """What a run kept: its documents after its own cleaning and deduplication."""

    pool: Pool
    alive: Artifact | None

    def before(self, step: str) -> Artifact:
        """Return the documents as the run itself had them when it came to a step.

        Later its own deduplication may have cut lines or passages out of them, which documents
        that come to the same step now still have.
        """
        later = _STEPS[_STEPS.index(step) :]
        made = (n for n, one in enumerate(self.pool.decisions) if one.name in later)
        at = self.pool.decisions.index(self.alive) + 1 if self.alive else 0
        return self.pool.corpus_after(next(made, at))


def open_references(paths: Sequence[str]) -> tuple[Kept, ...]:
    """Return what each of some runs' folders kept.

    Documents that later left a run's pool for another use, such as held-out text, are among them:
    a copy of theirs is not wanted back.

    Raises:
        RecipeError: a path is no finished run, or its store is gone.
    """
    return tuple(_kept(Path(path)) for path in paths)


def refuse_itself(paths: Sequence[str], out: Path) -> None:
    """Return only if no path is where a run is about to be written.

    Raises:
        RecipeError: one is: compared with what it kept the last time, a run keeps something else
            every time.
    """
    if out.resolve() in {Path(path).resolve() for path in paths}:
        raise RecipeError(
            f"{str(out)!r} is the folder that this run is written to; wanted the folders of other "
            "runs: give this one another --out",
            where=_WHERE,
        )


def stand_on(against: Sequence[Kept], driver: Driver) -> None:
    """Have this run stand on what others kept, so that the store keeps it as long as the run.

    What lies in a store of its own is kept or freed there.
    """
    for kept in against:
        parents = (parent.corpus for parent in kept.pool.parents)
        for one in (*parents, kept.pool.corpus, *kept.pool.decisions, *kept.pool.sidecars):
            path = driver.store.artifact_path(one)
            if path.is_file():
                driver.artifacts[one.id] = path


def _kept(folder: Path) -> Kept:
    if not (folder / RUN).is_file():
        raise RecipeError(
            f"{str(folder)!r} holds no {RUN}; wanted the --out folder of a finished run",
            where=_WHERE,
        )
    try:
        pool = open_view(str(folder), folder).pool
    except (LedgerError, RecipeError) as error:
        raise RecipeError(
            f"what {str(folder)!r} kept is not in its store any more ({error}); run its recipe "
            "again, or leave it out",
            where=_WHERE,
        ) from error
    # Later decisions take documents for another use, or for what they share with a benchmark.
    last = [one for one in pool.decisions if one.name.startswith(("clean", "dedup."))][-1:]
    return Kept(pool, last[0] if last else None)
