"""A piece of a longer run: one schedule over the whole, state handed from piece to piece.

A run whose text is chosen while it trains (MATES, NeurIPS 2024, arXiv:2406.06046; INGENIOUS,
EMNLP 2023) is cut where it chooses. Each piece reads a mixture of its own and goes on from the
weights, the optimizer's state and the step of the one before it; its rate is the whole run's at
that step, so that the last piece ends as a plain run of all the tokens ends. The record of a
piece counts all before it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from curator.errors import BudgetError, LedgerError, RecipeError
from curator.train.proxy import Proxy
from curator.train.schedule import Schedule

if TYPE_CHECKING:
    from curator.train.loop import Run
    from curator.train.record import RunRecord


@dataclass(frozen=True, slots=True)
class Piece:
    """Where a piece lies: `before` steps of the whole are done when it begins, of `of` in all."""

    before: int
    of: int

    def __post_init__(self) -> None:
        """Refuse a place outside the whole."""
        if not 0 <= self.before < self.of:
            raise RecipeError(
                f"a piece begins after {self.before!r} of {self.of!r} steps; wanted at least 0 and "
                "fewer than all"
            )

    def factor(self, schedule: Schedule, step: int) -> float:
        """Return what the highest rate is multiplied by at `step` (from 0) of the piece."""
        return schedule.factor(self.before + step, self.of)

    def averaged(self, share: float, steps: int) -> float:
        """Return the share of a piece's `steps` whose weights are averaged.

        It is `share` of the whole, all of it in the last piece; that reaches back to the piece's
        beginning at most, and no other piece averages.
        """
        return min(1.0, share * self.of / steps) if self.before + steps == self.of else 0.0


def whole_steps(tokens: int, proxy: Proxy) -> int:
    """Return how many steps a budget pays for.

    Raises:
        BudgetError: not even one.
    """
    if tokens < proxy.batch_tokens:
        raise BudgetError(
            f"{tokens} tokens are less than one batch of {proxy.batch_tokens}; ask for more"
        )
    return tokens // proxy.batch_tokens


def pieces_of(steps: int, stages: int, warmup: float) -> list[Piece]:
    """Return the pieces of a run of `steps` steps: the warm-up, if any, and `stages` alike.

    Args:
        steps: of the whole.
        stages: how many pieces follow the warm-up, at least 1.
        warmup: share of the steps before the first stage, in [0, 1).

    Raises:
        BudgetError: a piece would have no step.
    """
    first = round(warmup * steps)
    ends = [first + round(n * (steps - first) / stages) for n in range(stages + 1)]
    begins = [0] * (warmup > 0) + ends[:-1]
    if any(end <= begin for begin, end in zip(begins, [*begins[1:], steps], strict=True)):
        raise BudgetError(
            f"{steps} steps are too few for a warm-up of {warmup:.0%} and {stages} stages, each of "
            "at least one step; train on more tokens, or in fewer stages"
        )
    return [Piece(begin, steps) for begin in begins]


def require_place(run: Run) -> None:
    """Return only if a run goes on where its trunk stopped, or is no piece of a longer run.

    Raises:
        LedgerError: the trunk is a piece of another run, or not the one before; or it is a piece,
            and what goes on from it is not.
        RecipeError: it is a piece, and chooses or orders rows while it trains.
    """
    piece, trunk = run.piece, run.trunk
    if piece is None and (trunk is None or trunk.record.get("piece") is None):
        return
    found = None if trunk is None else (trunk.record.get("piece") or {}).get("of")
    steps = 0 if trunk is None else trunk.steps
    wanted = None if piece is None or not piece.before else piece.of
    begins = 0 if piece is None else piece.before
    same = trunk is None or trunk.record["order_seed"] == run.seeds.order
    if found != wanted or steps != begins or not same:
        next_one = _told(None if piece is None else piece.of, begins)
        raise LedgerError(
            f"it is {_told(found, steps)}, and what would go on from it is {next_one} in order "
            f"{run.seeds.order}; a piece goes on from the one before it, and nothing else does",
            where="" if trunk is None else str(trunk.folder),
        )
    if any(one is not None for one in (run.picking, run.mixing, run.pruning, run.order)):
        raise RecipeError(
            "a piece of a longer run reads its mixture as it is; let it not pick, prune, order or "
            "weigh sources too"
        )


def of_whole(run: Run, record: RunRecord, read: float) -> RunRecord:
    """Return a piece's record as one of all that was trained up to its end.

    First loss, curve, evaluations and seconds begin with the first piece. `window` is the first
    piece's with the mean share of all: as if all runs chose from one mixture, which bounds what
    their texts have in common. `piece` has the chain, each with its own window and coverage.

    Args:
        run: the piece.
        record: of its own steps.
        read: of the circle of documents, by the pieces before it.
    """
    assert run.piece is not None
    before = {} if run.trunk is None else run.trunk.record
    earlier = before["piece"]["pieces"] if before else []
    chain = [*earlier, _link(record, sum(each["tokens"] for each in earlier))]
    tokens = sum(each["tokens"] for each in chain)
    mean = sum(each["window"][1] * each["tokens"] for each in chain) / max(1, tokens)
    spent = before["circumstances"]["seconds"] if before else 0.0
    return dataclasses.replace(
        record,
        first_loss=before["first_loss"] if before else record.first_loss,
        curve=[*before.get("curve", []), *record.curve],
        evaluations=[*before.get("evaluations", []), *record.evaluations],
        window=[chain[0]["window"][0], mean],
        circumstances={
            **record.circumstances,
            "seconds": round(spent + record.circumstances["seconds"], 3),
        },
        piece={
            "of": run.piece.of,
            "factor": run.factor(record.steps - run.piece.before - 1),
            "read": read + record.window[1],
            "pieces": chain,
        },
    )


def _link(record: RunRecord, before: int) -> dict[str, Any]:
    """Return what the record of a whole run tells of one piece."""
    return {
        "identity": record.identity,
        "mixture": record.mixture,
        "tokens": record.tokens - before,
        "window": record.window,
        "coverage": record.coverage,
        "seconds": record.circumstances["seconds"],
    }


def _told(of: int | None, step: int) -> str:
    return "no piece of a longer run" if of is None else f"at step {step} of a run of {of}"
