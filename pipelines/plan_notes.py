"""What a leaderboard's plan warns of: shared text, repeated text, what is not counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from curator.evaluate.overlap import MOST_OVERLAP
from curator.recipe import TrainSpec

if TYPE_CHECKING:
    from pipelines.budgeting import ArmPlan
    from pipelines.curate import Curated
    from pipelines.entering import Contest


def not_counted(contest: Contest, made: Curated | None) -> Iterator[str]:
    """Yield which reference models are still to be trained: `training` is of the arms alone."""
    if made is not None:
        return  # they are there, and what they took is part of the scoring
    told = [
        f"{name} ({f'{spec.train.count} x ' if spec.train.count else ''}{spec.train.proxy} on "
        f"{spec.train.tokens:,} tokens)"
        for name, spec in contest.shared.models.items()
        if spec.train
    ]
    if told:
        yield f"reference models are trained first, and not counted above: {', '.join(told)}"


def notes_on(arms: Sequence[ArmPlan], train: TrainSpec, rungs: Sequence[int] = ()) -> Iterator[str]:
    """Yield a line for everything in a plan that its reader should know of its arms."""
    few = [arm.name for arm in arms if arm.overlap]
    if few and len(train.seeds) > 1:
        most = max(arm.overlap or 0.0 for arm in arms)
        so = "intervals allow for it"
        if most > MOST_OVERLAP:
            so = "intervals of those that share most of it speak of other seeds on the same text"
        yield (
            f"two runs of {', '.join(few)} share up to {most:.0%} of their text; {so}. Runs share "
            f"none where a selection holds about {1.4 * len(train.seeds):.0f} times the "
            f"{train.tokens:,} tokens of a run"
        )
    held, most_read = arms[0].asked or 0, max(rungs, default=0)
    if 0 < held < most_read:
        yield (
            f"at {most_read:,} tokens {arms[0].name} reads its {held:,} more than once: "
            "multipliers above 1 compare with text that repeats"
        )
    unknown = sorted({score.name for arm in arms for score in arm.scores or () if not score.made})
    if unknown:
        yield f"scores still to be made: {', '.join(unknown)}"
