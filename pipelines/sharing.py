"""Shares that arms take, beside what a score is good for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from curator.errors import CuratorError
from pipelines.lenient import listing, mapping


def share_problems(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for every arm whose share of the pool is more than its score allows.

    A scorer says so by `most_share`: GOT-D's gradients hold for small selections. Budgets in tokens
    are not known to be shares before the pool is made, and pass.
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
