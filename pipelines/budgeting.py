"""The cost of a leaderboard before it runs: what is there, what is to be trained, how long.

Whatever the store has already is looked up as a run would look it up, by a driver that computes
nothing, so that what the plan calls finished is what the run will not do again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curator.corpus_spec import CorpusSpec
from curator.errors import RecipeError
from curator.ledger import Store
from curator.recipe import Recipe, TrainSpec
from curator.train.proxy import find_proxy
from pipelines.curate import Curated, choose, prepare
from pipelines.entering import Contest, Entry
from pipelines.expecting import expectations, text_of
from pipelines.mixing import Mixed
from pipelines.plan_notes import not_counted, notes_on
from pipelines.pricing import (
    ScoreCost,
    Speed,
    evaluations_of,
    measuring_speed,
    scoring_of,
    speed_of,
)
from pipelines.rereading import Nothing, NotMade, Reading
from pipelines.staged_arms import StagedArm, staged_arms

# Budgets of the baseline beside its own, as shares of it, for the compute multiplier: with the
# doublings above, four points or more of a curve with three unknowns, on both sides of the arms.
RUNGS = (0.25, 0.5)
_HEADINGS = ("arm", "recipe", "selects", "text shared by runs", "runs", "finished", "scoring")


@dataclass(frozen=True)
class ArmPlan:
    """What one arm takes. `finished` is None while its mixture is not made: then nobody knows."""

    name: str
    recipe: str
    asked: int | None  # tokens it is to select
    overlap: float | None  # share of text that two runs will have in common
    runs: int
    finished: int | None
    scores: tuple[ScoreCost, ...] | None  # None: the pool is not there to say


@dataclass(frozen=True)
class Plan:
    """What a leaderboard takes; equal runs count once."""

    arms: tuple[ArmPlan, ...]
    rungs: tuple[int, ...]  # tokens of the baseline's other budgets
    train: TrainSpec
    runs: int
    finished: int
    tokens: int  # still to be trained on
    flops: int  # of that
    speed: Speed
    unmeasured: int  # runs that are still to be measured
    measuring: float | None  # seconds for one of them, None where none was measured yet
    workers: int
    prepared: bool  # whether the pool is in the store
    detectable: tuple[Mapping[str, Any], ...]  # a row a metric, the leading one first
    notes: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Wall clock of what is to be trained, all workers at work."""
        busy = max(1, min(self.workers, self.runs - self.finished))
        return self.tokens / (self.speed.tokens_per_second * busy)

    @property
    def measuring_seconds(self) -> float | None:
        """Wall clock of what is to be measured, all workers at work."""
        if self.measuring is None:
            return None
        return self.measuring * self.unmeasured / max(1, min(self.workers, self.unmeasured))

    @property
    def scores(self) -> tuple[ScoreCost, ...]:
        """Every score once."""
        found = {score.key: score for arm in self.arms for score in arm.scores or ()}
        return tuple(found.values())

    @property
    def summary(self) -> dict[str, Any]:
        """Return the plan as plain JSON types."""
        return {
            "proxy": self.train.proxy,
            "tokens_a_run": self.train.tokens,
            "seeds": list(self.train.seeds),
            "runs": self.runs,
            "finished": self.finished,
            "rungs": list(self.rungs),
            "tokens": self.tokens,
            "flops": self.flops,
            "tokens_per_second": round(self.speed.tokens_per_second),
            "speed_known_from": self.speed.source,
            "workers": self.workers,
            "seconds": round(self.seconds, 1),
            "unmeasured": self.unmeasured,
            "measuring_seconds": self.measuring_seconds,
            "arms": [_arm_summary(arm) for arm in self.arms],
            "scores": [_score_summary(score) for score in self.scores],
            "detectable": [dict(row) for row in self.detectable],
            "notes": list(self.notes),
        }


def rungs_of(train: TrainSpec, batch_tokens: int, reach: int) -> tuple[int, ...]:
    """Return the baseline's other budgets in whole batches, those that differ from its own.

    The largest is the last doubling of its own that is no more than `reach` times it.

    Raises:
        RecipeError: they are too few for the baseline's curve.
    """
    from curator.laws.multiplier import LEAST_BUDGETS

    shares = [*RUNGS, *(2.0**n for n in range(1, reach.bit_length()))]
    budgets = [int(share * train.tokens) // batch_tokens * batch_tokens for share in shares]
    found = tuple(budget for budget in budgets if budget and budget != train.tokens)
    if len(found) + 1 < LEAST_BUDGETS:
        raise RecipeError(
            f"--multiplier: {train.tokens:,} tokens are too few to divide into budgets of whole "
            f"batches of {batch_tokens:,}; train on {int(batch_tokens / min(RUNGS)):,} or more"
        )
    return found


def plan_of(contest: Contest, store: Store, workers: int, *, reach: int = 0) -> Plan:
    """Return what a contest takes, given what is in the store."""
    made = _prepared(contest, store)
    plain = [entry for entry in contest.entries if not entry.staged]
    mixtures = {entry.name: _mixture(entry, made, store) for entry in plain}
    staged = {e.name: _staged(e, made, contest, store) for e in contest.entries if e.staged}
    proxy = find_proxy(contest.train.proxy)
    rungs = rungs_of(contest.train, proxy.batch_tokens, reach) if reach else ()
    models = made.models if made else {}
    wanted, unknown = _runs(contest, mixtures, rungs, store, models)
    for one in staged.values():
        wanted |= dict.fromkeys(one.proxies, contest.train.tokens) if one else {}
        unknown += [] if one else [contest.train.tokens] * len(contest.train.seeds)
    todo = {folder: budget for folder, budget in wanted.items() if not Store.whole(folder)}
    tokens, runs = sum(todo.values()) + sum(unknown), len(wanted) + len(unknown)
    finished = [folder for folder in wanted if folder not in todo]
    measured = evaluations_of(contest.shared, made, finished, store) if made else []
    vocabulary = _vocabulary(contest.shared.corpus)
    arms = tuple(
        _staged_arm(e, staged[e.name], made, contest.train, store)
        if e.staged
        else _arm(e, mixtures[e.name], made, contest, store)
        for e in contest.entries
    )
    return Plan(
        arms,
        rungs,
        contest.train,
        runs,
        len(finished),
        tokens,
        tokens * proxy.shape(vocabulary).flops_per_token,
        speed_of(proxy, vocabulary, store, contest.device),
        runs - sum(Store.whole(folder) for folder in measured),
        measuring_speed(store),
        workers,
        made is not None,
        tuple(expectations(_whole(contest), store)),
        (*contest.notes, *not_counted(contest, made), *notes_on(arms, contest.train, rungs)),
    )


def _whole(contest: Contest) -> Recipe:
    """Return the contest as one recipe with every arm."""
    arms = {entry.name: entry.spec for entry in contest.entries}
    return contest.shared.model_copy(update={"arms": arms})


def _prepared(contest: Contest, store: Store) -> Curated | None:
    """Return what the entries share, None where a step of it is still to be done."""
    if not store.root.is_dir():
        return None
    try:
        return prepare(contest.shared, Reading(store, Nothing(), quiet=True))
    except NotMade:
        return None


def _mixture(entry: Entry, made: Curated | None, store: Store) -> Mixed | None:
    if made is None:
        return None
    try:
        return choose(entry.recipe, made, Reading(store, Nothing(), quiet=True)).arms[entry.arm]
    except NotMade:
        return None


def _staged(entry: Entry, made: Curated | None, contest: Contest, store: Store) -> StagedArm | None:
    """Return a staged arm that is finished; None where a part of it is still to be done."""
    if made is None:
        return None
    reading = Reading(store, Nothing(), quiet=True)
    try:
        chosen = choose(entry.recipe, made, reading)
        asked = [(entry.recipe, chosen, (entry.arm,))]
        return staged_arms(asked, contest.train, reading, contest.device)[0][entry.arm]
    except NotMade:
        return None


def _staged_arm(
    entry: Entry, done: StagedArm | None, made: Curated | None, train: TrainSpec, store: Store
) -> ArmPlan:
    scores = None if made is None else scoring_of(entry.recipe, made, store, train, done).scores
    finished = len(done.proxies) if done else None
    asked = None if done is None else int(done.mixed.selected.summary["tokens"])
    return ArmPlan(
        entry.name, entry.origin, asked, None, len(train.seeds), finished, scores
    )  # fmt: skip


def _runs(
    contest: Contest,
    mixtures: Mapping[str, Mixed | None],
    rungs: Sequence[int],
    store: Store,
    models: Mapping[str, Path],
) -> tuple[dict[Path, int], list[int]]:
    """Return the tokens of every run, by its folder, equal runs once; and of runs yet unnamed."""
    train = contest.train
    wanted: dict[Path, int] = {}
    unknown: list[int] = []
    for name, mixed in mixtures.items():
        budgets = (train.tokens, *(rungs if name == contest.baseline.name else ()))
        for budget in budgets:
            if mixed is None:
                unknown += [budget] * len(train.seeds)
                continue
            jobs = contest.jobs({name: mixed.folder}, budget, store, models)
            wanted |= {job.folder: budget for job in jobs}
    return wanted, unknown


def _arm(
    entry: Entry, mixed: Mixed | None, made: Curated | None, contest: Contest, store: Store
) -> ArmPlan:
    train, finished, scores = contest.train, None, None
    asked = entry.spec.select.get("tokens")
    if mixed is not None:
        models = made.models if made else {}
        jobs = contest.jobs({entry.name: mixed.folder}, train.tokens, store, models)
        finished = sum(Store.whole(job.folder) for job in jobs)
    if made is not None:
        recipe = entry.recipe
        scores = scoring_of(recipe, made, store, train).scores
    text = text_of(train, entry.spec, int(mixed.account["n_tokens"]) if mixed else None)
    overlap = None if text is None else text.overlap
    return ArmPlan(
        entry.name, entry.origin, asked, overlap, len(train.seeds), finished, scores
    )  # fmt: skip


def _vocabulary(corpus: CorpusSpec) -> int:
    if corpus.tokenizer.path is None:
        return int(corpus.tokenizer.bpe or 4096)
    from curator.train.tokenizer import load_tokenizer

    return int(load_tokenizer(corpus.tokenizer.path).get_vocab_size())


def _arm_summary(arm: ArmPlan) -> dict[str, Any]:
    scores = None if arm.scores is None else [score.name for score in arm.scores]
    return {
        "arm": arm.name,
        "recipe": arm.recipe,
        "selects": arm.asked,
        "overlap": arm.overlap,
        "runs": arm.runs,
        "finished": arm.finished,
        "scores": scores,
    }


def _score_summary(score: ScoreCost) -> dict[str, Any]:
    return {
        "score": score.name,
        "made": score.made,
        "seconds": None if score.seconds is None else round(score.seconds, 1),
    }


def drawn(plan: Plan) -> Any:
    """Return the plan as tables for the terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from curator.report import figures
    from curator.report.visible import one_line

    table = Table(box=None, pad_edge=False, header_style="dim", title="what it takes")
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading in ("arm", "recipe") else "right")
    for arm in plan.arms:
        table.add_row(
            Text(one_line(arm.name, 40)),
            Text(one_line(arm.recipe, 40)),
            figures.compact(arm.asked) if arm.asked else "?",
            "?" if arm.overlap is None else figures.share(arm.overlap),
            str(arm.runs),
            "?" if arm.finished is None else str(arm.finished),
            _scoring_words(arm),
        )
    lines = [Text(line) for line in _lines(plan)]
    notes = [Text(f"note: {one_line(note, 400)}", style="yellow") for note in plan.notes]
    return Group(table, Text(), *lines, *notes)


def _scoring_words(arm: ArmPlan) -> str:
    from curator.report import figures

    if arm.scores is None or any(score.seconds is None for score in arm.scores):
        return "?"
    if not arm.scores:
        return "none"
    spent = figures.duration(sum(score.seconds or 0.0 for score in arm.scores))
    return spent if all(score.made for score in arm.scores) else f"about {spent}"


def _lines(plan: Plan) -> Iterator[str]:
    from curator.report import figures

    todo = plan.runs - plan.finished
    yield (
        f"{len(plan.arms)} arms x {len(plan.train.seeds)} seeds of {plan.train.proxy} on "
        f"{plan.train.tokens:,} tokens: {plan.runs} runs, {plan.finished} finished, {todo} to train"
    )
    if plan.rungs:
        budgets = ", ".join(f"{rung:,}" for rung in plan.rungs)
        cost = sum(plan.rungs) / plan.train.tokens
        yield f"of them the baseline at {budgets} tokens too: the cost of {cost:.2f} more arms"
    rate = f"{plan.speed.tokens_per_second:,.0f} tokens/s a worker ({plan.speed.source})"
    yield (
        f"training: {figures.compact(plan.tokens)} tokens, {figures.flops(plan.flops)}, about "
        f"{figures.duration(plan.seconds)} on {figures.counted(plan.workers, 'worker')} at {rate}"
    )
    yield from (str(row["says"]) for row in plan.detectable[:1])
    known = plan.measuring_seconds
    words = (
        "not known before one was measured" if known is None else f"about {figures.duration(known)}"
    )
    yield f"measuring: {figures.counted(plan.unmeasured, 'run')}, {words}"
    new = [score for score in plan.scores if not score.made]
    if not plan.prepared:
        yield "scoring: not known before the corpus has been read once; `curator plan` samples it"
    elif any(score.seconds is None for score in new):
        yield "scoring: not known before each scorer has run once"
    else:
        left = sum(score.seconds or 0.0 for score in new)
        done = sum(score.seconds or 0.0 for score in plan.scores if score.made)
        yield (
            f"scoring: {figures.duration(left / plan.workers)} to do, "
            f"{figures.duration(done)} of work done before"
        )
