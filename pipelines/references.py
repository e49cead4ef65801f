"""Finished runs that a new corpus is compared with: what they kept is not wanted a second time.

Nothing needs to be exported. What deduplication emits for a shard is kept in the store by its
content, so a run that was compared with once is an index from then on: the next crawl costs its own
text, one look at the reference's ids and the text of the documents that copies are found of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from curator.errors import RecipeError
from curator.ledger import Artifact
from pipelines.looking import open_view
from pipelines.running import RUN


@dataclass(frozen=True)
class Kept:
    """What a run kept: its documents after its own deduplication."""

    corpus: Artifact
    alive: Artifact | None


def open_references(paths: Sequence[str]) -> tuple[Kept, ...]:
    """Return what each of some runs' folders kept.

    Documents that later left a run's pool for another use, such as held-out text, are among them:
    a copy of theirs is not wanted back.

    Raises:
        RecipeError: a path is no finished run.
    """
    return tuple(_kept(Path(path)) for path in paths)


def _kept(folder: Path) -> Kept:
    if not (folder / RUN).is_file():
        raise RecipeError(
            f"{str(folder)!r} holds no {RUN}; wanted the --out folder of a finished run",
            where="corpus.dedup.against",
        )
    view = open_view(str(folder), folder)
    decided = [n for n, one in enumerate(view.decisions) if one.name.startswith("dedup.")]
    last = decided[-1] if decided else len(view.decisions) - 1
    earlier = (parent for parent, decisions in view.parents if decisions > last)
    corpus = next(earlier, view.corpus)
    return Kept(corpus, view.decisions[last] if last >= 0 else None)
