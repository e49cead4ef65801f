"""One more step on a finished run: its recipe with a score, a selection or a mixture in place.

The corpus part and every step that the change does not touch are served from the store, so the
answer costs what the new step costs. Nothing is trained; the answer is a run folder of its own,
which `stats`, `show`, `whatif`, `export` and `train` read like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from curator.errors import RecipeError
from curator.ledger import Store
from curator.recipe import override, suggestion
from pipelines.check import checked
from pipelines.placebos import chain, placebos
from pipelines.running import Run, execute, open_engine, read_run, resumable


def score_once(
    scorer: str,
    folder: Path,
    *,
    name: str,
    settings: Sequence[str],
    learns_from: Sequence[str],
    out: Path,
    quiet: bool,
) -> Run:
    """Return the pool of a run with one more score, in the run folder `out`.

    Args:
        scorer: what a recipe would `use`.
        folder: of the finished run.
        name: of the score, as by a recipe's `as:`; "" leaves the scorer's own.
        settings: KEY=VALUE of the scorer, values in YAML.
        learns_from: ROLE=WHAT, where WHAT is "pool", "source:NAME" or a benchmark's split.
        out: the new run's folder.
        quiet: show no progress.

    Raises:
        RecipeError: no such scorer or setting, a role is not filled, a benchmark is not guarded.
    """
    entry = override({"use": scorer}, settings)
    if name:
        entry["as"] = name
    if learns_from:
        entry["learns_from"] = override({}, learns_from)
    content = _recipe_of(folder)
    return _execute(
        {**content, "score": [*content["score"], entry], "arms": {}}, folder, out, quiet=quiet
    )


def select_once(folder: Path, *, settings: Mapping[str, Any], out: Path, quiet: bool) -> Run:
    """Return the pool of a run with one new selection, the arm `main` of the run folder `out`.

    A placebo stands beside an arm of the run, which is then in `out` too.

    Raises:
        RecipeError: every mistake of the selection's settings at once.
        BudgetError: the pool has less than is asked for.
    """
    content = _recipe_of(folder)
    of, known = settings.get("of"), content["arms"]
    beside = _with_whom(of, known) if isinstance(of, str) and of in known else {}
    arms = {**beside, "main": {"select": dict(settings)}}
    return _execute({**content, "arms": arms}, folder, out, quiet=quiet)


def mix_once(folder: Path, *, arm: str, mix: Mapping[str, Any], out: Path, quiet: bool) -> Run:
    """Return one arm of a run mixed anew in the run folder `out`, with no arm that it needs not.

    Raises:
        RecipeError: no such arm, or every mistake of the mixture's settings at once.
        BudgetError: a source has less than is asked for.
    """
    content = _recipe_of(folder)
    arms = content["arms"]
    name = arm or (next(iter(arms)) if len(arms) == 1 else "")
    if name not in arms:
        raise RecipeError(f"--arm: no arm {name!r}{suggestion(name, arms)}", where=str(folder))
    mixed = _with_whom(name, arms) | {name: {**arms[name], "mix": dict(mix)}}
    return _execute({**content, "arms": mixed}, folder, out, quiet=quiet)


def _with_whom(name: str, arms: Mapping[str, Any]) -> dict[str, Any]:
    """Return an arm and, for a placebo, the arms without which it cannot be drawn."""
    of = placebos({each: arms[each]["select"] for each in arms})
    return {each: arms[each] for each in chain(name, of)}


def _recipe_of(folder: Path) -> dict[str, Any]:
    """Return the recipe of a run without training; what it is judged by still binds scorers."""
    content = dict(read_run(folder)["recipe_content"])
    return {**content, "baseline": None, "train": None}


def _execute(content: dict[str, Any], folder: Path, out: Path, *, quiet: bool) -> Run:
    recipe = checked(content, str(folder))
    store = Path(read_run(folder)["store"])
    with resumable(store), open_engine("inline", None, None) as engine:
        return execute(recipe, Store(store), engine, out, quiet=quiet)
