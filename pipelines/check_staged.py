"""Mistakes in arms that choose while they train, told before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from curator.arm_spec import StagedSpec
from curator.errors import CuratorError
from pipelines.lenient import listing, mapping, refusal
from pipelines.placebos import chain, placebos

_WHILE_TRAINING = ("pick", "prune", "reweight", "order")  # ways to read a mixture of their own


def staged_problems(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the stages of a recipe's arms."""
    arms = {name: mapping(arm) for name, arm in mapping(content.get("arms")).items()}
    of = placebos({name: mapping(arm.get("select")) for name, arm in arms.items()})
    entries = [dict(e) for e in listing(content.get("score")) if isinstance(e, Mapping)]
    entries = [entry for entry in entries if "use" in entry]
    for name, arm in arms.items():
        where = f"arms.{name}.staged"
        said = arm.get("staged")
        if name in of:
            if said is not None:
                yield f"{where}: a placebo has the stages of the arm that it is of; leave it out"
            said = arms.get(chain(name, of)[-1], {}).get("staged")
        if not isinstance(said, Mapping):
            continue  # none, or told as a mistake of its shape
        beside = [key for key in _WHILE_TRAINING if arm.get(key) is not None]
        if beside:
            yield f"arms.{name}.{beside[0]}: a staged arm reads its mixtures as they are; drop it"
        if name not in of:
            yield from _whole_arm(where, arm, said, entries, content)
    yield from _asked_too_early(arms, of, entries, mapping(content.get("models")))


def _whole_arm(
    where: str,
    arm: Mapping[str, Any],
    said: Mapping[str, Any],
    entries: list[dict[str, Any]],
    content: Mapping[str, Any],
) -> Iterator[str]:
    """Yield what is wrong with one arm's stages."""
    train = mapping(content.get("train"))
    if not train:
        yield f"{where}: it chooses while its proxies train, and there is no `train`; add it"
    for key in ("trunk", "start"):
        if train.get(key) is not None:
            yield f"{where}: its runs begin with first weights, not with train.{key}; drop one"
    try:
        spec = StagedSpec.model_validate(dict(said))
    except ValidationError:
        return  # told as a mistake of its shape
    yield from _too_short(where, spec, train)
    if spec.model is None:
        return
    asking = _names(entries, spec.model)
    by = str(mapping(arm.get("select")).get("by", "")).partition(".")[0]
    if not asking:
        yield f"{where}.model: no score asks a model {spec.model!r}; name it in one: `model: NAME`"
    elif by not in asking:
        yield (
            f"{where}.model: the arm ranks by {by!r}, which does not ask {spec.model!r}: it would "
            f"choose alike at every stage; rank by one of {', '.join(asking)}, or drop `model`"
        )
    elif spec.warmup == 0:
        yield f"{where}: scores ask the run's own model before its first step; give it a `warmup`"
    elif spec.probed == 0 and spec.candidates == "fresh" and spec.stages > 1:
        yield (
            f"{where}.probed: stages of fresh candidates have no document in common to be probed; "
            "set some aside"
        )


def _too_short(where: str, spec: StagedSpec, train: Mapping[str, Any]) -> Iterator[str]:
    from curator.train.piece import pieces_of
    from curator.train.proxy import find_proxy

    tokens, proxy = train.get("tokens"), train.get("proxy")
    if isinstance(tokens, int) and isinstance(proxy, str):
        try:
            steps = tokens // find_proxy(proxy).batch_tokens
        except CuratorError:
            return  # told already
        if steps > 0:
            yield from refusal(lambda: pieces_of(steps, spec.stages, spec.warmup), where)


def _names(entries: list[dict[str, Any]], model: str) -> list[str]:
    """Return the scores that ask a model, or read one that does; none where one has mistakes."""
    from pipelines.live import live
    from pipelines.scoring import entry_name

    try:
        return [entry_name(entry) for entry in live(entries, model)]
    except CuratorError:
        return []


def _asked_too_early(
    arms: Mapping[str, Mapping[str, Any]],
    of: Mapping[str, str],
    entries: list[dict[str, Any]],
    models: Mapping[str, Any],
) -> Iterator[str]:
    """Yield which plain arms rank by a score whose model only a staged run has."""
    specs = [mapping(arm.get("staged")) for arm in arms.values()]
    names = {spec.get("model") for spec in specs if isinstance(spec.get("model"), str)}
    for model in sorted(str(name) for name in names - set(models)):
        asking = _names(entries, model)
        for name, arm in arms.items():
            by = str(mapping(arm.get("select")).get("by", "")).partition(".")[0]
            if by in asking and mapping(arm.get("staged")).get("model") != model and name not in of:
                yield (
                    f"arms.{name}.select.by: {by!r} asks {model!r}, the state of a staged run, and "
                    "this arm has no such stages; add `staged`, or a model of that name"
                )
