"""What a conduct comes to in one run: its parts checked against mixture and proxy, its batches."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from curator.errors import RecipeError
from curator.train.checkpoint import Position
from curator.train.conduct import Conduct
from curator.train.curriculum import Curriculum
from curator.train.draws import DrawnBatches
from curator.train.ending import RunBatches
from curator.train.holding import open_held_back
from curator.train.hooks import Hooks
from curator.train.loader import Batches, Mixture
from curator.train.opening import Iterative
from curator.train.picking import PickedBatches, Picking, open_picking
from curator.train.proxy import Proxy
from curator.train.pruning import PrunedBatches, Pruning, open_pruning
from curator.train.reweighting import Reweighting

if TYPE_CHECKING:
    from curator.train.loop import Run


@dataclass(frozen=True)
class Reading:
    """A conduct opened for one run: steps, hooks, and whatever chooses or orders what is read."""

    steps: int
    hooks: Hooks
    picking: Picking | None = None
    pruning: Pruning | None = None
    order: Curriculum | Iterative | None = None


def open_conduct(
    conduct: Conduct, mixture: Mixture, proxy: Proxy, steps: int, order_seed: int, hooks: Hooks
) -> Reading:
    """Return a conduct as one run follows it.

    Args:
        conduct: the settings.
        mixture: what the run reads.
        proxy: of the run.
        steps: that its budget pays for, of plain training.
        order_seed: of the run.
        hooks: of the caller.

    Raises:
        RecipeError: a part cannot be followed with this mixture or proxy, or two weigh rows.
        BudgetError: the budget or the mixture is too small for it.
    """
    if conduct.pick is not None:
        picking = open_picking(conduct.pick, mixture, proxy, steps)
        return Reading(picking.steps, hooks, picking)
    if conduct.prune is not None:
        pruning = open_pruning(conduct.prune, mixture, proxy, steps)
        return Reading(pruning.plain_steps, hooks, pruning=pruning)
    if conduct.reweight is not None:
        if hooks.rows is not None:
            raise RecipeError(
                f"hook {hooks.rows.name!r} and `reweight` both weigh rows; leave one of them out"
            )
        conduct.reweight.require_rows(proxy.batch_rows)
        uniform = math.ceil(conduct.reweight.uniform * steps)
        weighing = Reweighting(conduct.reweight, uniform, order_seed)
        hooks = dataclasses.replace(hooks, rows=weighing)
    if isinstance(conduct.order, Iterative):
        if hooks.evaluation is not None:
            raise RecipeError(
                f"hook {hooks.evaluation.name!r} and an iterative order both evaluate; leave one "
                "of them out"
            )
        measure = open_held_back(conduct.order, mixture, proxy, steps, order_seed)
        hooks = dataclasses.replace(hooks, evaluation=measure)
    return Reading(steps, hooks, order=conduct.order)


def naming(run: Run) -> Mapping[str, Any]:
    """Return what names a run beside what every run has; nothing for a plain one."""
    named: dict[str, Any] = {}
    if run.picking is not None:
        named["picking"] = {"pick": run.picking.pick, "of": run.picking.budget_steps}
    if run.pruning is not None:
        of = {"rows": run.pruning.rows, "of": run.pruning.budget_steps}
        named["pruning"] = {"prune": run.pruning.prune, **of}
    if run.order is not None:
        named["order"] = {"order": run.order, "difficulty": run.mixture.difficulty_digest}
    return named


def require_sense(run: Run) -> None:
    """Refuse what cannot be read together, or not by several processes.

    Raises:
        RecipeError: naming what to leave out.
    """
    chosen = run.picking is not None or run.pruning is not None
    if chosen and (run.mixing is not None or run.group.size > 1):
        raise RecipeError(
            "a run that picks or prunes its rows ranks them in one process and takes them from the "
            "mixture as it is; leave out the weights of sources, and train it in one process"
        )
    if run.order is not None and run.mixing is not None:
        raise RecipeError(
            "an online mixture draws its documents as it goes, so there is no order to change; "
            "leave out `order` or the weights of sources"
        )
    if isinstance(run.order, Iterative) and (
        run.group.size > 1 or run.trunk is not None or run.as_trunk
    ):
        raise RecipeError(
            "an iterative order opens text by what one run has measured from its first step on; "
            "train it in one process, and leave out the trunk"
        )
    if run.pruning is not None and (run.trunk is not None or run.as_trunk):
        raise RecipeError(
            "a run that prunes counts epochs from its first step; leave out the trunk, or `prune`"
        )
    if run.pruning is not None and (run.hooks.rows or run.hooks.tokens):
        raise RecipeError("a run that prunes weighs rows itself; leave out hooks of rows or tokens")
    weighing = chosen or run.mixing is not None or run.hooks.rows is not None
    if run.mixture.weights is not None and weighing:
        raise RecipeError(
            "the mixture's documents have weights, which are right only where all of it is read "
            "and counted by them; leave out `pick`, `prune`, `reweight` and weights of sources"
        )
    if run.mixing is not None and run.mixing.schedule.online and not run.hooks.evaluation:
        raise RecipeError("an online mixture follows evaluations; hang one into `hooks`")
    if run.hooks.rows is not None and run.group.size > 1:
        raise RecipeError(
            f"hook {run.hooks.rows.name!r} weighs rows by the losses of a whole batch, which "
            f"{run.group.size} processes share; train it in one"
        )


def batches_of(run: Run, position: Position) -> RunBatches:
    """Return the batches that a run reads, by step.

    Args:
        run: its settings.
        position: how far it is, with what it has measured and chosen: growing while it trains.
    """
    rows, order = run.proxy.batch_rows, run.seeds.order
    if run.pruning is not None:
        context = run.proxy.context
        return PrunedBatches(run.mixture, run.pruning, context, order, position.pruned)
    sizes = {
        "rows": rows if run.picking is None else run.picking.pick.super_rows(rows),
        "context": run.proxy.context,
        "order_seed": order,
        "steps": run.steps,
    }
    if run.mixing is not None:
        return DrawnBatches(run.mixture, run.mixing, **sizes, evaluated=position.evaluations)
    after = run.trunk.read_share(order) if run.trunk else 0.0
    read = Batches(
        run.mixture, **sizes, after=after, order=run.order, evaluated=position.evaluations
    )
    if run.picking is None:
        return read
    model = run.picking.open(run.device, run.compute)
    masked = run.proxy.document_mask
    return PickedBatches(read, run.picking, rows, order, position.picks, model, masked=masked)
