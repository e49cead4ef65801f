"""What training and scoring cost: before a leaderboard runs, and after it has."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curator.arm_spec import ArmSpec
from curator.identity import document_ids, fingerprint, id_matrix, settings_of
from curator.ledger import Artifact, Store, folder_seconds
from curator.recipe import ModelSpec, Recipe, TrainSpec
from curator.registry import make_scorer
from curator.schema import SELECTION
from curator.train.proxy import Proxy
from pipelines.curate import Curated
from pipelines.evaluating import EVALUATION, job_of, sets_of
from pipelines.live import live, made_before, staged_specs
from pipelines.pool import Pool
from pipelines.reporting import flops_of
from pipelines.rereading import Nothing, NotMade, Reading
from pipelines.scoring import (
    Teachers,
    entry_name,
    folders_of,
    made_scorer,
    models_asked,
    score_one,
    teachers_of,
)
from pipelines.staged_arms import StagedArm
from pipelines.training import PROXY

_LATEST = 20  # runs whose median speed is taken: a machine's load changes
_TRIAL_BATCHES = 4  # steps that say how many more are worth timing
_TRIAL_SECONDS = 3.0


@dataclass(frozen=True)
class Speed:
    """Training tokens that one worker reads in a second, and how that is known."""

    tokens_per_second: float
    source: str


@dataclass(frozen=True)
class ScoreCost:
    """What one score took over the whole pool, or will.

    `seconds` is of worker time, None where nothing is known; `flops` is of a reference model's
    training, the only arithmetic of scoring that is counted.
    """

    name: str
    key: str  # names the score: entry and all
    made: bool
    seconds: float | None
    flops: int = 0


@dataclass(frozen=True)
class Scoring:
    """What the scores of one arm took."""

    scores: tuple[ScoreCost, ...] = field(default=())

    @property
    def seconds(self) -> float:
        """Seconds of worker time of all that is known."""
        return sum(score.seconds or 0.0 for score in self.scores)

    @property
    def flops(self) -> int:
        """Arithmetic of reference models."""
        return sum(score.flops for score in self.scores)


def speed_of(proxy: Proxy, vocab_size: int, store: Store, device: str = "cpu") -> Speed:
    """Return how fast a worker trains a proxy: by runs in the store, or by some real steps."""
    known = sorted(_speeds(proxy, vocab_size, store, device))
    if known:
        latest = [speed for _, speed in known[-_LATEST:]]
        what = "finished run" if len(latest) == 1 else f"{len(latest)} finished runs"
        return Speed(statistics.median(latest), f"median of {what}")
    return Speed(_timed(proxy, vocab_size, device), "a few seconds of steps, one worker alone")


def _speeds(
    proxy: Proxy, vocab_size: int, store: Store, device: str
) -> Iterator[tuple[float, float]]:
    """Yield (when it ended, tokens a second) of every finished run of a proxy in the store."""
    wanted = settings_of(proxy)
    for path in store.root.glob(f"folders/{PROXY}-*/run.json"):
        try:
            run = json.loads(path.read_bytes())
        except ValueError:
            continue  # it is told where the run is used
        circumstances = run.get("circumstances", {})
        told = circumstances.get("tokens_per_second", 0)
        if circumstances.get("device") != device or run.get("picking"):
            continue  # a run that picks its rows trains on fewer tokens in the same time
        if run.get("proxy") == wanted and run.get("vocab_size") == vocab_size and told > 0:
            yield path.stat().st_mtime, float(told)


def _timed(proxy: Proxy, vocab_size: int, device: str) -> float:
    """Return the tokens a second of real steps on made-up text."""
    from curator.train.loop import train

    with tempfile.TemporaryDirectory() as folder:
        mixture = Path(folder) / "mixture"
        _made_up(mixture, vocab_size, 4 * proxy.batch_tokens)
        speed, tokens = 0.0, _TRIAL_BATCHES * proxy.batch_tokens
        for number in range(2):  # the first steps load and warm up, and say how many to time
            out = Path(folder) / f"run-{number}"
            run = train(mixture, proxy, tokens=tokens, seed=1, order_seed=1, out=out, device=device)
            speed = float(run.circumstances["tokens_per_second"])
            tokens = max(tokens, int(_TRIAL_SECONDS * speed))
    return speed


def _made_up(folder: Path, vocab_size: int, tokens: int) -> None:
    """Write a mixture of one document of chance tokens: their values do not change the speed."""
    from curator.mix.draw import draw
    from curator.mix.spec import MixSpec
    from curator.mix.tokens import Encoded, write_tokens

    ids = document_ids("made-up", pa.array([str(vocab_size)]))
    rows = {"doc_id": ids, "source": ["made-up"], "tokens": [tokens], "copies": [1], "key": [0.0]}
    arrays = [pa.array(rows[f.name], f.type) if f.name != "doc_id" else ids for f in SELECTION]
    drawn = draw(pa.table(arrays, schema=SELECTION), MixSpec())
    content = np.random.default_rng(0).integers(1, vocab_size, tokens)
    content[0] = 0
    document = Encoded(id_matrix(ids), np.array([0, tokens]), content.astype(np.uint32))
    write_tokens(
        drawn, [document], folder, tokenizer_digest="0" * 32, vocab_size=vocab_size, bos_id=0
    )


def evaluations_of(
    recipe: Recipe,
    made: Curated,
    runs: Sequence[Path],
    store: Store,
    arm: ArmSpec | None = None,
) -> list[Path]:
    """Return where the measurements of finished runs lie, or will, asked as `arm` says."""
    assert made.tokens is not None  # runs have mixtures, so tokens are counted
    sets, tokenizer = sets_of(recipe, made.benchmarks, made.heldout), made.tokens.path
    return [job_of(run, arm, sets, recipe, tokenizer, store).folder for run in runs]


def measuring_speed(store: Store) -> float | None:
    """Return the seconds that measuring one proxy took, by the median of all in the store."""
    found = [
        folder_seconds(f) for f in store.root.glob(f"folders/{EVALUATION}-*") if store.whole(f)
    ]
    known = [seconds for seconds in found if seconds]
    return statistics.median(known) if known else None


def scoring_of(
    recipe: Recipe,
    made: Curated,
    store: Store,
    train: TrainSpec | None = None,
    staged: StagedArm | None = None,
) -> Scoring:
    """Return what the scores of one arm took, or will; nothing is computed.

    Each is charged whole, over the whole pool, to every arm that ranks by it: that is what the
    arm would cost alone. What no record tells is estimated from the same scorer's other work.

    Args:
        recipe: of the arm.
        made: what it has made.
        store: where records lie.
        train: how it is trained: a staged arm is scored by every run at every stage.
        staged: the arm, where it is staged and finished.
    """
    teachers = teachers_of(recipe, made.benchmarks, made.models)
    pool, told = made.pool, set[str]()
    costs = []
    for entry in made_before(recipe):
        driver = Reading(store, Nothing(), quiet=True)
        name, key = entry_name(entry), fingerprint([entry])
        try:
            _require(made_scorer(entry, teachers).scores, pool)
            pool = pool.beside(score_one(entry, pool, teachers, driver))
        except NotMade:
            seconds = _estimated(entry, made, store)
            costs.append(ScoreCost(name, key, made=False, seconds=seconds))
            continue
        trained = _trained(entry, teachers, recipe.models)
        spent = {what: store.artifact(path).seconds for what, path in driver.artifacts.items()}
        spent |= {str(folder): folder_seconds(folder) or 0.0 for folder in driver.folders}
        spent |= {str(f): _run(f)["circumstances"]["seconds"] for f in trained}
        flops = sum(flops_of(_run(folder)) for folder in trained if str(folder) not in told)
        seconds = sum(spent[what] for what in spent.keys() - told)  # what two scores read, once
        told |= spent.keys()
        costs.append(ScoreCost(name, key, made=True, seconds=seconds, flops=flops))
    costs += _at_stages(recipe, made, store, train, staged)
    return Scoring((*costs, *_references(recipe, made, told)))


def _at_stages(
    recipe: Recipe, made: Curated, store: Store, train: TrainSpec | None, staged: StagedArm | None
) -> Iterator[ScoreCost]:
    """Yield what it took that runs were scored by their own states; a placebo pays for its arm's.

    Models of `models` are none of it: the state stands in their place.
    """
    for spec in dict.fromkeys(staged_specs(recipe.arms).values()):
        entries = live(recipe.score, spec.model)
        if not entries:
            continue
        name = f"{entry_name(entries[-1])} at {spec.stages} stages"
        key = fingerprint([entries, spec.model_dump(), train and train.model_dump()])
        if staged is not None:
            yield ScoreCost(name, key, made=True, seconds=_spent(staged, store))
            continue
        each = [_estimated(entry, made, store) for entry in entries]
        read = 1.0 if spec.candidates == "all" else spec.probed + (1 - spec.warmup) / spec.stages
        times = spec.stages * (len(train.seeds) if train else 1) * min(1.0, read)
        known = [seconds for seconds in each if seconds is not None]
        seconds = sum(known) * times if len(known) == len(each) else None
        yield ScoreCost(name, key, made=False, seconds=seconds)


def _spent(staged: StagedArm, store: Store) -> float:
    """Return the seconds of worker time that scoring all stages of all runs took."""
    turns = [turn for course in staged.courses for turn in (course.of or course).turns]
    artifacts = {path for turn in turns for path in turn.artifacts}
    folders = {folder for turn in turns for folder in turn.folders}
    spent = sum(store.artifact(path).seconds for path in sorted(artifacts))
    return spent + sum(folder_seconds(folder) for folder in sorted(folders))


def _require(scores: Sequence[str], pool: Pool) -> None:
    """Raise where what a score reads is not made yet: then it is not made either."""
    for name in scores:
        if pool.sidecar(f"score.{name}") is None:
            raise NotMade(f"score {name!r} is not in the store")


def _references(recipe: Recipe, made: Curated, told: set[str]) -> Iterator[ScoreCost]:
    """Yield what training the references took that rows are picked by; `told` are charged already.

    What they are asked is part of each run's own arithmetic.
    """
    for name in dict.fromkeys(arm.pick.reference for arm in recipe.arms.values() if arm.pick):
        if name is None or recipe.models[name].train is None or str(made.models[name]) in told:
            continue
        run = _run(made.models[name])
        seconds = float(run["circumstances"]["seconds"])
        yield ScoreCost(name, fingerprint([name]), made=True, seconds=seconds, flops=flops_of(run))


def _trained(
    entry: Mapping[str, Any], teachers: Teachers, models: Mapping[str, ModelSpec]
) -> list[Path]:
    """Return the folders of the models that an entry asks and that the recipe trained."""
    trained = [name for name in models_asked(entry) if name in models]
    folders = [
        f for name in trained if models[name].train for f in folders_of(name, teachers.models)
    ]
    return [Path(folder) for folder in folders]


def _run(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return found


def _estimated(entry: Mapping[str, Any], made: Curated, store: Store) -> float | None:
    """Return the seconds that a score would take at the rate of the same scorer's other work."""
    made_of = [store.artifact(p) for p in sorted((store.root / "artifacts").glob("score.*.json"))]
    by_id = {artifact.id: artifact for artifact in made_of}
    called, rates = make_scorer(entry).name, []
    for artifact in made_of:
        whole = artifact.name.count(".") == 1  # others are parts of a scorer's that shuffles
        if whole and artifact.identity.get("name") == called and artifact.rows_in:
            rates.append(_seconds(artifact, by_id) / artifact.rows_in)
    known = [rate for rate in rates if rate]
    return statistics.median(known) * made.pool.rows if known else None


def _seconds(artifact: Artifact, by_id: Mapping[str, Artifact]) -> float:
    """Return what a score took with the steps of its shuffle, which are its ancestors."""
    parts = [by_id[parent] for parent in artifact.parents if parent in by_id]
    score = artifact.name.split(".")[1]
    return artifact.seconds + sum(
        _seconds(part, by_id) for part in parts if part.name.startswith(f"score.{score}.")
    )
