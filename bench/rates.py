"""Which share of a pool to keep at which budget: one selection at several rates, argmin by budget.

    python -m bench.rates RECIPE [--corpus FILE] --arm betr [--rates 0.03 0.1 0.3 1]
        [--tokens 100000 200000 400000] [--seeds 1 2 3] [--metric heldout] [--epochs 1]
        --folder /tmp/rates [--plan]

Every budget is one `curator run` of the recipe with an arm a rate: the arm's selection with its
share or rate replaced, and for 1 a random draw of everything. They have one store, so the pool and
its scores are made once and a run that was cut goes on. Printed for every budget: the mean loss of
each rate, the best one, and the share of resamples of the seeds in which each is best. A rate whose
selection is shorter than the budget by --epochs is left out and named: its text would be seen
again, and repetition, not the rate, would decide. With five budgets or more, also the best rate as
a power of the budget. `--plan` prints the runs and stops.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.trial import ROOT, environment
from curator.laws.rates import LEAST_DISTINCT, BestRate, best_rate, rate_law
from curator.recipe import arrange, find_recipe, read_yaml


def main() -> None:
    asked = arguments()
    path = find_recipe(asked.recipe)
    content = arrange(read_yaml(path), path.parent, asked.corpus and Path(asked.corpus).resolve())
    found = []
    for tokens in sorted(asked.tokens):
        recipe = at_rates(content, asked.arm, asked.rates, tokens, asked.seeds)
        if asked.plan:
            print(f"{tokens:,} tokens x {len(asked.seeds)} seeds: {', '.join(recipe['arms'])}")
            continue
        told = run(recipe, asked.folder, f"{content['name']}-{tokens}", asked.workers)
        losses, short = losses_of(told, asked.metric, tokens / asked.epochs)
        for name, size in short.items():
            print(f"{tokens:,} tokens: {name} left out, its selection has {size:,}")
        found.append(best_rate(tokens, losses))
        report(found[-1], asked.metric)
    if len(found) >= LEAST_DISTINCT:
        law = rate_law(found)
        print(f"best rate = {law.scale:.3g} x tokens^{law.exponent:.2f} "
              f"({law.low:.2f} to {law.high:.2f})")  # fmt: skip
    elif found:
        print(f"{len(found)} budgets: no law of the best rate, which wants {LEAST_DISTINCT}")


def at_rates(
    content: Mapping[str, Any],
    arm: str,
    rates: Sequence[float],
    tokens: int,
    seeds: Sequence[int],
) -> dict[str, Any]:
    """The recipe with an arm for every rate, trained for so many tokens, in a common seed order."""
    select = dict(content["arms"][arm]["select"])
    key = "rate" if "rate" in select else "share"
    arms = {}
    for rate in sorted(rates):
        chosen = {"method": "random", "share": 1.0} if rate == 1 else {**select, key: rate}
        arms[called(rate)] = {**content["arms"][arm], "select": chosen}
    train = {**content["train"], "tokens": tokens, "seeds": list(seeds)}
    first = called(max(rates))
    return {**content, "arms": arms, "baseline": first, "train": train}


def called(rate: float) -> str:
    """The name of a rate's arm, in thousandths, for names have no dots: `rate-100` of 0.1."""
    return f"rate-{round(1000 * rate)}"


def run(recipe: dict[str, Any], folder: Path, name: str, workers: int) -> dict[str, Any]:
    """What `curator run` prints of the recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps(recipe))  # JSON is YAML
    command = [
        sys.executable, "-m", "pipelines.cli", "run", str(file), "--json",
        "--store", str(folder / "store"), "--out", str(folder / name), "--workers", str(workers),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=environment(), text=True, capture_output=True)
    if done.returncode:
        raise SystemExit(f"{name}: exit code {done.returncode}\n{done.stderr[-3000:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def losses_of(
    told: Mapping[str, Any], metric: str, least: float
) -> tuple[dict[float, list[float]], dict[str, int]]:
    """Loss a seed by rate, and the arms of fewer than `least` selected tokens with what they have.

    Raises:
        SystemExit: there is no such metric.
    """
    losses, short = {}, {}
    for name, arm in told["arms"].items():
        if metric not in arm["evaluation"]:
            raise SystemExit(f"no metric {metric!r}; there are {sorted(arm['evaluation'])}")
        if arm["selection"]["tokens"] < least:
            short[name] = int(arm["selection"]["tokens"])
        else:
            losses[int(name.removeprefix("rate-")) / 1000] = list(arm["evaluation"][metric])
    return losses, short


def report(best: BestRate, metric: str) -> None:
    print(f"{best.budget:,} tokens, {metric}: best at {best.rate:.1%}")
    for rate, loss, chance in zip(best.rates, best.losses, best.chances, strict=True):
        print(f"  {rate:>6.1%}  {loss:.4f}  best in {chance:.0%} of resamples")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--corpus")
    parser.add_argument("--arm", required=True)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.03, 0.1, 0.3, 1.0])
    parser.add_argument("--tokens", type=int, nargs="+", default=[100_000, 200_000, 400_000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--metric", default="heldout")
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--plan", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
