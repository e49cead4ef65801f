"""How a run reads its mixture and counts what it reads: all that is decided while it trains.

At most one of `pick` and `prune` decides which rows a run trains on, `reweight` how much each
counts, `order` in which order documents come. A conduct without any is plain training, and names
nothing: runs are called what they were called before there were conducts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from curator.errors import RecipeError
from curator.train.curriculum import Curriculum
from curator.train.opening import Iterative
from curator.train.pick import Pick
from curator.train.prune import Prune
from curator.train.reweight import Reweight

# Pairs that are refused, and why.
_APART = {
    ("pick", "prune"): "both choose the rows that are trained on",
    ("pick", "reweight"): "rows are picked by their losses already",
    ("pick", "order"): "what is picked is not all that is read, so orders would differ in text",
    ("prune", "reweight"): "rows that stay count for those left out, and a second weight undoes it",
    ("prune", "order"): "every epoch is an order of its own",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """What a run does beside reading its mixture by chance, each part None where it does not.

    Attributes:
        pick: which rows of super-batches it trains on, paid for out of its tokens.
        prune: which rows each of several epochs visits.
        reweight: how much each row of a batch counts.
        order: in which order its documents are read.
    """

    pick: Pick | None = None
    prune: Prune | None = None
    reweight: Reweight | None = None
    order: Curriculum | Iterative | None = None

    def __post_init__(self) -> None:
        """Refuse parts that undo each other."""
        for (one, other), reason in _APART.items():
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise RecipeError(f"{one!r} and {other!r}: {reason}; leave one of them out")

    @property
    def plain(self) -> bool:
        """Whether there is nothing to it."""
        return not self.parts()

    def parts(self) -> dict[str, Any]:
        """Return name -> settings of the parts there are: what names a run beside its text."""
        named = {name: getattr(self, name) for name in ("pick", "prune", "reweight", "order")}
        return {name: part for name, part in named.items() if part is not None}


PLAIN = Conduct()
