"""What a recipe says of how proxies read their mixture: checked, and made ready for the trainer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from curator.arm_spec import ArmSpec, OrderSpec, PruneSpec, ReweightSpec
from curator.errors import RecipeError
from curator.section import Section
from curator.train.conduct import Conduct
from curator.train.curriculum import Curriculum
from curator.train.opening import ITERATIVE, Iterative
from curator.train.pick import Pick
from curator.train.proxy import Proxy
from curator.train.prune import Prune
from curator.train.reweight import Reweight
from pipelines.lenient import mapping, refusal
from pipelines.picking import pick_of, proxy_of

_PARTS: dict[str, type[Section]] = {
    "prune": PruneSpec,
    "reweight": ReweightSpec,
    "order": OrderSpec,
}
Order = Curriculum | Iterative
Settings = Prune | Reweight | Order


def conducts_of(arms: Mapping[str, ArmSpec], models: Mapping[str, Path]) -> dict[str, Conduct]:
    """Return the conduct of every arm that has one, a reference named by its weights.

    Raises:
        RecipeError: a reference is none of the models, or has no weights.
    """
    found = {name: conduct_of(arm, models) for name, arm in arms.items()}
    return {name: conduct for name, conduct in found.items() if not conduct.plain}


def conduct_of(arm: ArmSpec, models: Mapping[str, Path]) -> Conduct:
    """Return an arm's conduct as the trainer takes it.

    Raises:
        RecipeError: its reference is none of the models, or has no weights; parts undo each other.
    """
    return Conduct(
        pick=pick_of(arm.pick, models) if arm.pick else None,
        prune=Prune(**arm.prune.model_dump()) if arm.prune else None,
        reweight=Reweight(**arm.reweight.model_dump()) if arm.reweight else None,
        order=_order_of(arm.order.model_dump()) if arm.order else None,
    )


def conduct_problems(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for every mistake in how a recipe's arms would read, but in their picks."""
    train = mapping(content.get("train"))
    proxy = proxy_of(train)
    for name, arm in mapping(content.get("arms")).items():
        said = {key: mapping(arm).get(key) for key in _PARTS}
        if not any(isinstance(part, Mapping) for part in said.values()):
            continue
        where = f"arms.{name}"
        if not train:
            yield f"{where}: says how proxies train, and there is no `train`; add it"
        parts: dict[str, Any] = {}
        for key, part in said.items():
            if isinstance(part, Mapping):
                made = list[Settings]()
                yield from refusal(lambda k=key, p=part, m=made: _made(k, p, m), f"{where}.{key}")
                parts |= {key: made[0]} if made else {}
        yield from refusal(lambda p=parts, a=arm: _together(p, mapping(a), train), where)
        if proxy is not None:
            yield from refusal(lambda p=parts, a=arm: _fits(p, mapping(a), train, proxy), where)


def _made(key: str, said: Mapping[str, Any], made: list[Settings]) -> None:
    """Add the settings of one part to `made`; none if its shape is wrong, which is told elsewhere.

    Raises:
        RecipeError: they make no sense.
    """
    try:
        settings = _PARTS[key].model_validate(dict(said)).model_dump()
    except ValidationError:
        return
    if key == "prune":
        made.append(Prune(**settings))
    elif key == "reweight":
        made.append(Reweight(**settings))
    else:
        made.append(_order_of(settings))


def _order_of(settings: Mapping[str, Any]) -> Order:
    """Return an order: of all settings those that its strategy has.

    Raises:
        RecipeError: they make no sense.
    """
    kind = Iterative if settings["strategy"] == ITERATIVE else Curriculum
    if kind is Iterative and settings["reverse"]:
        raise RecipeError("an iterative order opens what is easy first; leave `reverse` out")
    return kind(**{field.name: settings[field.name] for field in dataclasses.fields(kind)})


def _together(parts: Mapping[str, Any], arm: Mapping[str, Any], train: Mapping[str, Any]) -> None:
    """Refuse parts that undo each other, or what else the arm and the training do.

    Raises:
        RecipeError: naming what to leave out.
    """
    # Which one the pick is makes no difference here, and it may have mistakes of its own.
    Conduct(**parts, pick=Pick(method="uniform", keep=0.5) if arm.get("pick") else None)
    if arm.get("staged") and parts:
        raise RecipeError(
            f"'staged' trains in pieces, and {next(iter(parts))!r} is of a whole run; leave one of "
            "them out"
        )
    if "prune" in parts and (train.get("trunk") or train.get("start")):
        raise RecipeError(
            "'prune' counts epochs from a run's first step; leave out it, or train.trunk and "
            "train.start"
        )
    chosen = [key for key in ("pick", "prune", "reweight") if isinstance(arm.get(key), Mapping)]
    if mapping(arm.get("select")).get("method") == "poisson" and chosen:
        raise RecipeError(
            f"method 'poisson' gives documents weights, which are right only where all of them "
            f"count by these; leave out {chosen[0]!r}"
        )


def _fits(
    parts: Mapping[str, Any], arm: Mapping[str, Any], train: Mapping[str, Any], proxy: Proxy
) -> None:
    """Refuse what this proxy and budget cannot follow.

    Raises:
        RecipeError: too small a batch; more groups than rows; a proxy that averages weights.
        BudgetError: a selection smaller than an epoch.
    """
    if "reweight" in parts:
        parts["reweight"].require_rows(proxy.batch_rows)
    if "prune" not in parts:
        return
    if proxy.average_share:
        raise RecipeError("prune: a proxy with `average_share` cannot prune; use one without")
    tokens, selected = train.get("tokens"), mapping(arm.get("select")).get("tokens")
    if isinstance(tokens, int):
        budget = tokens // proxy.context
        there = selected // proxy.context if isinstance(selected, int) else budget
        parts["prune"].rows_of(budget, there)
