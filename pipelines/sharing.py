"""Shares that arms take, beside what a score is good for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from curator.errors import BudgetError, CuratorError
from curator.recipe import Recipe
from pipelines.arms import Selected
from pipelines.lenient import listing, mapping
from pipelines.pool import Pool
from pipelines.tokenizing import total_tokens

_SLACK = 0.01  # a share counts documents' tokens to within a document


def share_problems(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for every arm whose share of the pool is more than its score allows.

    A scorer says so by `most_share`: GOT-D's gradients hold for small selections. Of budgets in
    tokens `keep_to_shares` knows what share they are, once the pool is made.
    """
    most = dict(_most(content))
    for name, arm in mapping(content.get("arms")).items():
        select = mapping(mapping(arm).get("select"))
        score = str(select.get("by")).partition(".")[0]
        share = select.get("share")
        if score in most and isinstance(share, float | int) and share > most[score]:
            yield (
                f"arms.{name}.select.share: {share!r} of the pool by {score!r}, which holds for at "
                f"most {most[score]!r}; take less, or raise the score's own `share` (with "
                "`iterate: true`)"
            )


def keep_to_shares(recipe: Recipe, selections: Mapping[str, Selected], pool: Pool) -> None:
    """Return only if no arm took more of the pool's tokens than its score holds for.

    Raises:
        BudgetError: one did.
    """
    most = dict(_most({"score": recipe.score}))
    for name, chosen in selections.items():
        score = str(recipe.arms[name].select.get("by")).partition(".")[0]
        if score not in most:
            continue
        share = int(chosen.summary["tokens"]) / max(1, total_tokens(pool))
        if share > most[score] * (1 + _SLACK):
            raise BudgetError(
                f"{name!r} took {share:.3f} of the pool's tokens by {score!r}, which holds for at "
                f"most {most[score]!r}; ask for fewer tokens, or raise the score's own `share` "
                "(with `iterate: true`)"
            )


def _most(content: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the scores that hold for a share of the pool only."""
    from curator.registry import make_scorer
    from pipelines.scoring import entry_name

    for entry in listing(content.get("score")):
        if not isinstance(entry, Mapping) or "use" not in entry:
            continue  # told already
        try:
            found = getattr(make_scorer(entry), "most_share", None)
        except CuratorError:
            continue
        if found is not None:
            yield entry_name(entry), float(found)
