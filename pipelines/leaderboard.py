"""Several recipes on one pool, one training budget, one table: which way to select is best.

Top to bottom: recipes enter one contest, its cost is printed, what they share is prepared once,
each arm is chosen, all proxies train in one pool of workers, and what was measured becomes places.
Every step returns at once what it made before, so a killed leaderboard goes on where it was, and
a recipe that is added trains its own arms only.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from curator.engine.driver import Driver
from curator.engine.run import Engine
from curator.errors import RecipeError
from curator.ledger import Store
from curator.recipe import TrainSpec, suggestion
from curator.shards import write_atomically
from curator.train.proxy import find_proxy
from pipelines.budgeting import Plan, drawn, plan_of
from pipelines.comparing import Evidence, compare_arms
from pipelines.curate import Curated, choose, prepare
from pipelines.entering import Contest, enter
from pipelines.evaluating import HELDOUT
from pipelines.looking import Found
from pipelines.printing import show
from pipelines.registering import register_begin, register_end
from pipelines.running import ENGINES, RUN, open_engine, resumable
from pipelines.staged_arms import StagedArm, staged_arms
from pipelines.training import require_device, train_jobs

NAME = "leaderboard"
PAGE, RECORD = f"{NAME}.html", f"{NAME}.json"


@dataclass(frozen=True)
class Settings:
    """How a leaderboard is run: nothing of this changes a number."""

    store: Path
    out: Path
    engine: str = "inline"
    address: str | None = None
    workers: int | None = None
    quiet: bool = False


@dataclass(frozen=True)
class Raced:
    """All that a contest made.

    `made` has the arms, proxies and evidence of every entry under its name on the board; `rungs`
    is budget -> the baseline's values of the metric called `rung_metric`; `reused` is the runs
    that were finished before, by folder.
    """

    contest: Contest
    plan: Plan
    made: Curated
    rung_metric: str
    rungs: Mapping[int, list[float]]
    reused: frozenset[Path]
    seconds: float


def run_leaderboard(
    paths: Sequence[Path],
    *,
    proxy: str,
    tokens: int,
    seeds: int,
    settings: Settings,
    corpus: Path | None = None,
    assignments: Sequence[str] = (),
    baseline: str = "",
    reach: int = 0,
    plan_only: bool = False,
    device: str = "cpu",
) -> Any:
    """Compare every arm of some recipes with one baseline; print the cost before anything runs.

    Args:
        paths: of the recipes.
        proxy: what to train.
        tokens: a run.
        seeds: how many: 1, 2, ... this.
        settings: where and how to run.
        corpus: a corpus file that stands in for each recipe's own.
        assignments: overrides of every recipe.
        baseline: the arm to compare with; "": the one that the recipes name.
        reach: for the compute multiplier, train the baseline at more budgets too, the largest so
            many times `tokens`; 0: no multiplier.
        plan_only: stop once the cost is printed.
        device: what to train on, "cpu" or "cuda".

    Raises:
        RecipeError: recipes that are wrong or cannot be compared; nothing ran.
    """
    if settings.engine not in ENGINES:
        raise RecipeError(f"--engine {settings.engine!r}{suggestion(settings.engine, ENGINES)}")
    if seeds < 2:
        raise RecipeError(f"--seeds {seeds}; a verdict needs at least 2, better 5")
    find_proxy(proxy)
    if settings.engine == "inline":  # a cluster's machines have what the driver's may lack
        require_device(device)
    train = TrainSpec(proxy=proxy, tokens=tokens, seeds=list(range(1, seeds + 1)))
    contest = enter(
        paths, train, corpus=corpus, assignments=assignments, baseline=baseline, device=device
    )
    store = Store(settings.store.absolute())
    with (
        resumable(store.root),
        open_engine(settings.engine, settings.address, settings.workers) as workplace,
    ):
        plan = plan_of(contest, store, workplace.workers, reach=reach)
        if plan_only:
            return Found({"plan": plan.summary}, drawn(plan))
        if not settings.quiet:
            show(drawn(plan))
        return _race(contest, plan, store, workplace, settings)


def _race(contest: Contest, plan: Plan, store: Store, engine: Engine, settings: Settings) -> Any:
    """Run the contest and write its page and its records to the folder `out`."""
    from pipelines.standing import board_of, ranked, run_of

    begun = time.monotonic()
    out = settings.out
    with store.writing():
        register_begin(store, out)
        driver = Driver(store, engine, quiet=settings.quiet)
        raced = race(contest, plan, driver)
        raced = replace(raced, seconds=round(time.monotonic() - begun, 3))
        board = board_of(raced, store)
        summary = ranked(raced, board, out)
        _write(out, board, summary, run_of(raced, driver, out))
        register_end(store, out)
    return Board(summary, board)


def race(contest: Contest, plan: Plan, driver: Driver) -> Raced:
    """Return what the contest made: mixtures, proxies, measurements, and the baseline's budgets."""
    shared = contest.shared
    made = prepare(shared, driver)
    tokens = made.tokens
    assert tokens is not None  # every entry has an arm, so tokens are counted
    chosen = {entry.name: choose(entry.recipe, made, driver) for entry in contest.entries}
    plain = [entry for entry in contest.entries if not entry.staged]
    arms = {entry.name: chosen[entry.name].arms[entry.arm] for entry in plain}
    mixtures = {name: mixed.folder for name, mixed in arms.items()}

    spec, base = contest.train, contest.baseline.name
    jobs = contest.jobs(mixtures, spec.tokens, driver.store, made.models)
    for budget in plan.rungs:
        jobs += contest.jobs({base: mixtures[base]}, budget, driver.store, made.models)
    reused = frozenset(folder for job in jobs if Store.whole(folder := job.folder))
    folders = train_jobs(jobs, driver)
    runs: dict[tuple[str, int], list[Path]] = {}
    for job, folder in zip(jobs, folders, strict=True):
        runs.setdefault((job.arm, job.tokens), []).append(folder)
    proxies = {name: runs[name, spec.tokens] for name in mixtures}
    staged = _staged(contest, chosen, driver)
    reused |= {c.folder for one in staged.values() for c in one.courses if c.reused}
    arms |= {name: one.mixed for name, one in staged.items()}
    proxies |= {name: one.proxies for name, one in staged.items()}
    names = [entry.name for entry in contest.entries]
    asked = {entry.name: entry.spec for entry in contest.entries}

    def measured(of: Mapping[str, list[Path]]) -> Evidence:
        recipe = shared.model_copy(update={"baseline": base})
        found = compare_arms(recipe, of, made.benchmarks, made.heldout, tokens, driver, asked)
        if found is None:
            raise RecipeError(
                "nothing was measured: no held-out source and no benchmark of `evaluate` has text"
            )
        return found

    evidence = measured({name: proxies[name] for name in names})
    metric = rung_metric_of(evidence)
    values = {budget: measured({base: runs[base, budget]}) for budget in plan.rungs}
    steps = {step.artifact.id: step for step in driver.steps}  # a score of two arms is one step
    merged = replace(
        made,
        viewed=chosen[base].viewed,
        arms={name: arms[name] for name in names},
        proxies={name: proxies[name] for name in names},
        staged=staged,
        evidence=evidence,
        steps=tuple(steps.values()),
    )
    known = {budget: list(found.bits[base][metric]) for budget, found in values.items()}
    if known:
        known[spec.tokens] = list(evidence.bits[base][metric])
    return Raced(contest, plan, merged, metric, dict(sorted(known.items())), reused, 0.0)


def _staged(
    contest: Contest, chosen: Mapping[str, Curated], driver: Driver
) -> dict[str, StagedArm]:
    """Return the entries that choose while they train, all trained side by side."""
    entries = [entry for entry in contest.entries if entry.staged]
    asked = [(entry.recipe, chosen[entry.name], (entry.arm,)) for entry in entries]
    found = staged_arms(asked, contest.train, driver, contest.device)
    return {entry.name: each[entry.arm] for entry, each in zip(entries, found, strict=True)}


def rung_metric_of(evidence: Evidence) -> str:
    """Return the metric that multipliers are read from: the headline, if it falls with training.

    Else the bits of the right answers or of the text of the same benchmark, else of held-out text.
    """
    from curator.evaluate.metrics import kind_of

    known = evidence.bits[evidence.baseline]
    split = evidence.headline.partition("#")[0]
    wanted = (evidence.headline, f"{split}#gold_bits", split, HELDOUT, *known)
    return next(name for name in wanted if name in known and kind_of(name).better == "lower")


def _write(out: Path, board: Any, summary: dict[str, Any], run: dict[str, Any]) -> None:
    from curator.report.leaderboard import render

    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / PAGE, render(board).encode())
    write_atomically(out / RECORD, (json.dumps(summary, indent=1) + "\n").encode())
    write_atomically(out / RUN, (json.dumps(run, indent=1) + "\n").encode())


@dataclass(frozen=True)
class Board:
    """A finished leaderboard: the `--json` object, and what the page shows."""

    summary: dict[str, Any]
    content: Any

    def print(self) -> None:
        """Print the table, and where the page is."""
        from curator.report.leaderboard_table import table_of

        show(table_of(self.content, self.summary["page"]))
