"""What a recipe's comparison will be able to find, said before its proxies are trained."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from functools import reduce
from typing import TYPE_CHECKING, Any

from curator.arm_spec import ArmSpec
from curator.evaluate.overlap import APART, Sharing, sharing, wider
from curator.ledger import Store
from curator.recipe import Recipe, TrainSpec
from curator.report.visible import one_line
from curator.train.packing import CIRCLE, GOLDEN

if TYPE_CHECKING:
    from curator.evaluate.noise import Detectable, Noise


def expectations(recipe: Recipe, store: Store) -> list[dict[str, Any]]:
    """Return, a row a metric, what can be found and in which words; none if nothing is compared."""
    from curator.evaluate.noise import expected_mde, sentence

    train = recipe.train
    if train is None or recipe.evaluate is None or len(recipe.arms) < 2 or len(train.seeds) < 2:
        return []
    tokens = train.tokens + _before(recipe, train)
    budget = train.proxy, tokens, len(train.seeds)
    known = [text_of(train, arm) for arm in recipe.arms.values()]
    text = reduce(wider, [each for each in known if each is not None], APART)
    found: list[Detectable] = expected_mde(
        *budget, _metrics(recipe), observed=observed(store), text=text
    )
    return [{**asdict(row), "says": one_line(sentence(row, *budget), 300)} for row in found]


def text_of(train: TrainSpec, arm: ArmSpec, held: int | None = None) -> Sharing | None:
    """Return what the runs of an arm will share of their text, None where nothing is known.

    Args:
        train: the budget and the seeds.
        arm: how it selects; a mixture by weights is drawn to the budget, so runs share all of it.
        held: the tokens in its mixture, where it is made.
    """
    from curator.mix.spec import parse_mix

    if arm.staged:
        return None  # each run chooses for itself
    asked = train.tokens if parse_mix(arm.mix).weighted else arm.select.get("tokens")
    tokens = held or asked
    if not isinstance(tokens, int):
        return None
    # A run that picks reads at most so much more: what scoring takes of its budget is not counted.
    read = train.tokens / (arm.pick.keep if arm.pick else arm.prune.epochs if arm.prune else 1)
    share = min(1.0, read / tokens)
    return sharing([(seed * GOLDEN % CIRCLE / CIRCLE, share) for seed in train.seeds])


def _before(recipe: Recipe, train: TrainSpec) -> int:
    """Return the tokens that all runs have behind them when arms begin to differ, if known."""
    if train.trunk:
        return train.trunk.tokens
    model = recipe.models.get(train.start or "")
    if model and model.pruned:
        model = recipe.models.get(model.pruned.of)
    return model.train.tokens if model and model.train else 0


def announce(recipe: Recipe, store: Store, *, quiet: bool) -> None:
    """Print on stderr what the leading metric will be able to show."""
    rows = [] if quiet else expectations(recipe, store)
    if rows:
        print(rows[0]["says"], file=sys.stderr, flush=True)


def observed(store: Store) -> list[Noise]:
    """Return what comparisons of the store's finished runs showed."""
    from curator.evaluate.noise import noise_of_run
    from pipelines.registering import registered
    from pipelines.running import RUN

    found = []
    for folder in registered(store).runs:
        path = folder / RUN
        if path.exists():
            try:
                found += noise_of_run(json.loads(path.read_bytes()))
            except ValueError:
                continue  # it is told where the run is used
    return found


def _metrics(recipe: Recipe) -> list[str]:
    """Return the names of what will be measured, the leading one first."""
    from pipelines.comparing import headline_of

    assert recipe.evaluate is not None
    final = recipe.evaluate.final_target
    held = [f"heldout/{source}" for source in recipe.evaluate.heldout]
    names = [*held, *recipe.evaluate.benchmarks, *([final] if final else [])]
    names += ["heldout"] if len(held) > 1 else []
    if not names:
        return []
    leading = headline_of(final, names)
    return [leading, *(name for name in dict.fromkeys(names) if name != leading)]
