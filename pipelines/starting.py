"""Which model the proxies of a recipe go on from: checked before anything runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from curator.errors import CuratorError
from curator.identity import settings_of
from curator.recipe import suggestion
from curator.train.proxy import find_proxy
from pipelines.lenient import mapping
from pipelines.runs import STATE

RUN = "run.json"


def start_problems(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the model that a recipe's proxies would go on from."""
    train, models = mapping(content.get("train")), mapping(content.get("models"))
    name = train.get("start")
    if not isinstance(name, str):
        return  # none, or told as a mistake of its shape
    if name not in models:
        yield f"train.start: no model {name!r}{suggestion(name, models)}"
        return
    wanted = _settings(train.get("proxy"))
    spec = mapping(models[original(name, models)])
    trained, path = mapping(spec.get("train")), spec.get("path")
    if trained:
        yield from _of_recipe(name, trained, wanted)
    elif isinstance(path, str):
        yield from _on_disk(name, Path(path), wanted)
    else:
        yield (
            f"train.start: model {name!r} is {dict(spec)!r}; wanted one with `train`, or the "
            "`path` of a run of this product: proxies go on from no other"
        )


def original(name: str, models: Mapping[str, Any]) -> str:
    """Return the model that one is a changed copy of, or the model itself."""
    seen = {name}
    while True:
        made = [mapping(part) for part in mapping(models.get(name)).values()]
        of = next((part["of"] for part in made if isinstance(part.get("of"), str)), None)
        if of is None or of not in models or of in seen:
            return name
        seen.add(of)
        name = of


def _of_recipe(
    name: str, trained: Mapping[str, Any], wanted: Mapping[str, Any] | None
) -> Iterator[str]:
    if trained.get("count"):
        yield f"train.start: {name!r} is a swarm; wanted one model"
    elif trained.get("state") is not True:
        yield (
            f"train.start: model {name!r} keeps no state of its optimizer; add `state: true` to "
            f"models.{name}.train"
        )
    found = _settings(trained.get("proxy"))
    if found is not None and wanted is not None and found != wanted:
        yield _other_proxy(name, trained.get("proxy"))


def _on_disk(name: str, folder: Path, wanted: Mapping[str, Any] | None) -> Iterator[str]:
    if not (folder / STATE).is_file():
        yield (
            f"train.start: model {name!r} has no {STATE} in {str(folder)!r}: the state of its "
            "optimizer was not kept; train one with `state: true`"
        )
        return
    try:
        found = json.loads((folder / RUN).read_bytes()).get("proxy")
    except (OSError, ValueError, AttributeError):
        found = None
    if wanted is not None and found != json.loads(json.dumps(wanted)):
        yield _other_proxy(name, str(folder))


def _other_proxy(name: str, found: Any) -> str:
    return (
        f"train.start: model {name!r} is of another proxy ({found!r}) than train.proxy; train "
        "both with one"
    )


def _settings(proxy: Any) -> Mapping[str, Any] | None:
    """Return the settings of a proxy by name; None where that is told elsewhere."""
    try:
        return dict(settings_of(find_proxy(proxy))) if isinstance(proxy, str) else None
    except CuratorError:
        return None
