"""Which documents join concepts that those taken before them have apart.

PASER's filter (He et al. 2025, arXiv:2502.12594; BokwaiHo/PASER): a graph links concepts that an
accepted document has together, and a document is rejected if it has two that the graph knows and
does not link. Any unseen pair of seen concepts does that, so once the graph is large nearly
everything is rejected: the shares below are there to be looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

_TENTHS = 10


class Graph:
    """Concepts, and which of them an accepted document has had together."""

    def __init__(self) -> None:
        self._linked: dict[str, set[str]] = {}

    def accepts(self, concepts: Iterable[str]) -> bool:
        """Return whether a document with these concepts is consistent; if so, it is taken in."""
        told = sorted(set(concepts))
        for one, other in combinations([each for each in told if each in self._linked], 2):
            if other not in self._linked[one]:
                return False
        for one in told:
            self._linked.setdefault(one, set()).update(told)
        return True


def visit(groups: Iterable[Sequence[tuple[str, ...]]]) -> tuple[list[list[bool]], dict[str, Any]]:
    """Return who is rejected, and what a report says of it.

    Args:
        groups: each a graph of its own: the concepts of its documents, in the order of the visit.

    Returns:
        For each group whether each document is rejected; and visited, rejected, rejected_share,
        and the share of each tenth of the visit.
    """
    rejected = []
    seen, gone = [0] * _TENTHS, [0] * _TENTHS
    for documents in groups:
        graph = Graph()
        found = [not graph.accepts(concepts) for concepts in documents]
        for place, out in enumerate(found):
            tenth = _TENTHS * place // len(found)
            seen[tenth] += 1
            gone[tenth] += out
        rejected.append(found)
    report = {
        "visited": sum(seen),
        "rejected": sum(gone),
        "rejected_share": round(sum(gone) / max(1, sum(seen)), 4),
        "rejected_share_by_tenth": [
            round(out / max(1, count), 4) for out, count in zip(gone, seen, strict=True)
        ],
    }
    return rejected, report
