"""What a recipe's `pick` says: checked before anything runs, and made ready for the trainer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from curator.arm_spec import PickSpec
from curator.errors import CuratorError, RecipeError
from curator.identity import file_digest
from curator.recipe import suggestion
from curator.train.pick import METHODS, REFERENCE, Pick, cost_of
from curator.train.proxy import Proxy, find_proxy
from pipelines.lenient import mapping, refusal
from pipelines.training import WEIGHTS

RUN = "run.json"


def pick_of(spec: PickSpec, models: Mapping[str, Path]) -> Pick:
    """Return a pick as the trainer takes it.

    Raises:
        RecipeError: its reference is none of the models, or has no weights.
    """
    settings = spec.model_dump(exclude={"reference"})
    if spec.reference is None:
        return Pick(**settings)
    if spec.reference not in models:
        raise RecipeError(
            f"pick.reference: no model {spec.reference!r}{suggestion(spec.reference, models)}"
        )
    folder = models[spec.reference]
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise RecipeError(
            f"pick.reference: model {spec.reference!r} has no {WEIGHTS} in {str(folder)!r}; wanted "
            "the folder of a proxy that this product has trained"
        )
    return Pick(**settings, reference=str(folder), reference_digest=file_digest(weights))


def pick_problems(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for every mistake in the picks of a recipe's arms."""
    models, train = mapping(content.get("models")), mapping(content.get("train"))
    proxy = proxy_of(train)
    for name, arm in mapping(content.get("arms")).items():
        said = mapping(arm).get("pick")
        if not isinstance(said, Mapping):
            continue  # none, or told as a mistake of its shape
        where = f"arms.{name}.pick"
        if not train:
            yield f"{where}: rows are picked while a proxy trains, and there is no `train`; add it"
        faults = [*_reference_problems(where, said, models)]
        yield from faults
        if not faults and proxy is not None:
            yield from refusal(lambda s=said: _fits(s, content, proxy), where)


def _reference_problems(
    where: str, said: Mapping[str, Any], models: Mapping[str, Any]
) -> Iterator[str]:
    """Yield what is wrong with the model that a pick would ask."""
    name, asked = said.get("reference"), METHODS.get(str(said.get("method")), (REFERENCE,))
    if not isinstance(name, str):
        return  # its absence is told by `Pick`
    spec = mapping(models.get(name))
    if name not in models:
        yield f"{where}.reference: no model {name!r}{suggestion(name, models)}"
    elif REFERENCE not in asked:
        yield f"{where}.reference: method {said.get('method')!r} asks no reference; leave it out"
    elif mapping(spec.get("train")).get("count"):
        yield f"{where}.reference: {name!r} is a swarm; wanted one model"
    elif not (spec.get("train") or (isinstance(spec.get("path"), str) and _is_run(spec["path"]))):
        yield (
            f"{where}.reference: model {name!r} is {dict(spec)!r}; wanted `train`, or the `path` "
            "of a finished run of this product: only such a model reads the tokens of the proxies"
        )


def _is_run(path: str) -> bool:
    return (Path(path) / RUN).is_file()


def _fits(said: Mapping[str, Any], content: Mapping[str, Any], proxy: Proxy) -> None:
    """Refuse a pick that this proxy and budget cannot follow.

    Raises:
        RecipeError: as `Pick`, or the reference reads shorter rows.
        BudgetError: too few steps.
    """
    try:
        spec = PickSpec.model_validate(dict(said))
    except ValidationError:
        return  # told as a mistake of its shape
    pick = Pick(**spec.model_dump(exclude={REFERENCE}), reference=spec.reference or "")
    pick.super_rows(proxy.batch_rows)
    scored = pick.read_tokens(proxy.context)
    model = mapping(mapping(content.get("models")).get(spec.reference or ""))
    reference = proxy_of(mapping(model.get("train")))
    if pick.asks(REFERENCE) and reference and reference.context < scored:
        raise RecipeError(
            f"reads {scored} tokens of each row, its reference {reference.context} at a time; "
            "lower scored_tokens, or train a reference of a longer context"
        )
    tokenizer = mapping(mapping(content.get("corpus")).get("tokenizer"))
    vocabulary, tokens = tokenizer.get("bpe"), mapping(content.get("train")).get("tokens")
    if isinstance(vocabulary, int) and isinstance(tokens, int) and tokens >= proxy.batch_tokens:
        asked = reference.shape(vocabulary) if reference else None
        cost = cost_of(pick, proxy, proxy.shape(vocabulary), asked)
        cost.steps(tokens // proxy.batch_tokens)


def proxy_of(train: Mapping[str, Any]) -> Proxy | None:
    """Return the proxy that a section names, None if there is none: that is told elsewhere."""
    try:
        return find_proxy(str(train["proxy"])) if "proxy" in train else None
    except CuratorError:
        return None
