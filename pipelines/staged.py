"""Arms that choose while they train: before each stage anew, from the state that a run has reached.

Top to bottom: all runs of all staged arms go forward together, a piece at a time; before a piece
the scores that ask the run's own model are made again with its last checkpoint in the model's
place, the selection is drawn anew, and the mixture is encoded. What is finished is served, so a
killed run goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from curator.arm_spec import ArmSpec, StagedSpec
from curator.engine.driver import Driver
from curator.errors import BudgetError
from curator.identity import fingerprint
from curator.ledger import Artifact, Store
from curator.recipe import Recipe, TrainSpec
from curator.select.spec import SelectSpec, parse_select
from curator.train.piece import pieces_of
from curator.train.proxy import find_proxy
from curator.train.stages import Checkpoint, StageScheduler
from pipelines.arms import Selected, select_arm
from pipelines.live import live, ranked_by, staged_specs
from pipelines.mixing import Mixed, mix_arm
from pipelines.placebos import made_in_turn, placebos
from pipelines.pool import Pool
from pipelines.scoring import Teachers, entry_name, score_one
from pipelines.selecting import view
from pipelines.slicing import Slices
from pipelines.tokenizing import Tokens
from pipelines.training import TrainJob, train_jobs

_WARMUP = ArmSpec(select={"method": "random", "share": 1.0})
_SEEDS = 2**31  # of chance: derived ones are below


@dataclass(frozen=True)
class Board:
    """What staged arms of one recipe stand on: its pool and scores, and how all are trained.

    `pool` has the scores that are made once beside it; `wanted` are the arms that are asked for.
    """

    recipe: Recipe
    wanted: tuple[str, ...]
    pool: Pool
    tokens: Tokens
    teachers: Teachers
    train: TrainSpec
    device: str = "cpu"


@dataclass(frozen=True)
class Turn:
    """What one run chose before a stage, and what it asked for that.

    Attributes:
        stage: 0: the warm-up.
        asked: the state that scores were made from; None: no score asks one.
        selected: the documents.
        mixture: what the piece is trained on.
        probe: the first score that asked the state.
        artifacts: records of all that scoring took.
        folders: likewise.
    """

    stage: int
    asked: Checkpoint | None
    selected: Selected
    mixture: Mixed
    probe: Artifact | None = None
    artifacts: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()


@dataclass
class Course:
    """One run of a staged arm on its way."""

    board: Board
    arm: str
    seed: int
    spec: StagedSpec
    scheduler: StageScheduler
    of: Course | None = None  # of a placebo: the run whose choices it shuffles
    turns: list[Turn] = field(default_factory=list)
    jobs: list[TrainJob] = field(default_factory=list)
    reused: bool = False

    @property
    def stage(self) -> int:
        """The stage to come; 0: the warm-up."""
        return len(self.turns) + (self.spec.warmup == 0)

    @property
    def folder(self) -> Path:
        """The last piece that is trained."""
        return self.scheduler.checkpoints[-1].folder

    def next_job(self, driver: Driver) -> TrainJob:
        """Choose what the next piece is trained on, and return how it is trained."""
        turn = choose_turn(self, driver)
        self.turns.append(turn)
        train, piece = self.board.train, self.scheduler.piece
        last = piece == self.scheduler.pieces[-1]
        job = TrainJob(
            turn.mixture.folder,
            train.proxy,
            self.scheduler.steps * find_proxy(train.proxy).batch_tokens,
            self.seed,
            driver.store,
            self.arm,
            self.board.device,
            trunk=self.jobs[-1] if self.jobs else None,
            as_trunk=not last,
            piece=piece,
        )
        self.jobs.append(job)
        self.reused = Store.whole(job.folder)
        return job


def train_staged(boards: Sequence[Board], driver: Driver) -> list[dict[str, list[Course]]]:
    """Return for each board the finished runs of the arms asked for, in the order of the seeds.

    Raises:
        BudgetError: a stage has too few candidates, or too few steps.
        RecipeError: as scorers and selections refuse.
    """
    courses = [_courses(board) for board in boards]
    all_of_them = [course for each in courses for course in each]
    while todo := [course for course in all_of_them if not course.scheduler.over]:
        jobs = [course.next_job(driver) for course in todo]
        for course, folder in zip(todo, train_jobs(jobs, driver), strict=True):
            course.scheduler.finish(folder)
    return [
        {arm: [course for course in each if course.arm == arm] for arm in board.wanted}
        for board, each in zip(boards, courses, strict=True)
    ]


def _courses(board: Board) -> list[Course]:
    """Return the runs of a board's staged arms, each after the one whose placebo it is."""
    arms, train = board.recipe.arms, board.train
    specs = staged_specs(arms)
    of = placebos({name: arm.select for name, arm in arms.items()})
    steps = train.tokens // find_proxy(train.proxy).batch_tokens
    made: dict[tuple[str, int], Course] = {}
    for arm in made_in_turn(board.wanted, of):
        spec = specs[arm]
        for seed in train.seeds:
            pieces = StageScheduler(pieces_of(steps, spec.stages, spec.warmup))
            beside = made[of[arm], seed] if arm in of else None
            made[arm, seed] = Course(board, arm, seed, spec, pieces, beside)
    return list(made.values())


def choose_turn(course: Course, driver: Driver) -> Turn:
    """Return what a run trains on next: scored with its own state, drawn anew, encoded.

    Raises:
        BudgetError: a fresh slice holds less than the piece trains on.
    """
    board, stage = course.board, course.stage
    slices = Slices(course.spec, board.recipe.seed)
    if stage == 0:
        pool = replace(slices.candidates(0, board.pool, driver), sidecars=_counts(board.pool))
        spec = parse_select(_WARMUP.select, seed=board.recipe.seed)
        selected = _select(course, spec, None, pool, driver)
        return Turn(0, None, selected, _mix(course, selected, _WARMUP, pool, driver))
    arm = board.recipe.arms[course.arm]
    if course.of is not None:
        theirs = course.of.turns[-1]
        spec = _drawn_anew(course, arm, asked=theirs.asked is not None)
        pool = slices.candidates(stage, board.pool, driver)
        selected = _select(course, spec, theirs.selected, pool, driver)
        return Turn(stage, theirs.asked, selected, _mix(course, selected, arm, pool, driver))
    entries = live(ranked_by([arm], board.recipe.score), course.spec.model)
    pool = slices.candidates(stage, board.pool, driver)
    asked, probe, made, spent = None, None, pool.sidecars, _Spent()
    if entries:
        asked = course.scheduler.current()
        with _recorded(driver) as spent:
            made = score_anew(entries, asked, course, driver)
        probe = next(one for one in made if one.name == f"score.{entry_name(entries[0])}")
        course.scheduler.require_current(asked)
    pool = replace(pool, sidecars=made)
    spec = _drawn_anew(course, arm, asked=asked is not None)
    selected = _select(course, spec, None, pool, driver)
    mixture = _mix(course, selected, arm, pool, driver)
    return Turn(stage, asked, selected, mixture, probe, spent.artifacts, spent.folders)


@dataclass
class _Spent:
    """The records of all that was made or served meanwhile."""

    artifacts: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()


@contextmanager
def _recorded(driver: Driver) -> Iterator[_Spent]:
    """Yield what fills, at the end, with all that the driver made or served in between.

    Two arms that ask one state share the work, and each is charged for it: that is what it would
    cost alone.
    """
    spent, before = _Spent(), (driver.artifacts, driver.folders)
    driver.artifacts, driver.folders = {}, {}
    try:
        yield spent
    finally:
        spent.artifacts = tuple(sorted(driver.artifacts.values()))
        spent.folders = tuple(sorted(driver.folders))
        driver.artifacts = before[0] | driver.artifacts
        driver.folders = before[1] | driver.folders


def score_anew(
    entries: Sequence[Mapping[str, object]], asked: Checkpoint, course: Course, driver: Driver
) -> tuple[Artifact, ...]:
    """Return all sidecars of a stage: those made once, and those that ask the run's state."""
    board, spec = course.board, course.spec
    assert spec.model is not None  # else no entry is live
    slices, names = Slices(spec, board.recipe.seed), {f"score.{entry_name(e)}" for e in entries}
    kept = tuple(one for one in board.pool.sidecars if one.name not in names)
    known = replace(board.pool, sidecars=kept)
    teachers = replace(
        board.teachers,
        models={**board.teachers.models, spec.model: asked.folder},
        pool=slices.learning(known, driver),
    )
    pool = slices.scored(course.stage, known, driver)
    for entry in entries:
        pool = pool.beside(score_one(entry, pool, teachers, driver))
    return pool.sidecars


def _drawn_anew(course: Course, arm: ArmSpec, *, asked: bool) -> SelectSpec:
    """Return an arm's selection with the stage in its chance, and the run where it was asked."""
    spec = parse_select(arm.select, seed=course.board.recipe.seed)
    named = [spec.seed, "stage", course.stage, *([course.seed] if asked else [])]
    return replace(spec, seed=int(fingerprint(named), 16) % _SEEDS)


def _select(
    course: Course, spec: SelectSpec, of: Selected | None, pool: Pool, driver: Driver
) -> Selected:
    """Return what a stage takes of its candidates."""
    return select_arm(course.arm, spec, of, view(pool, driver), course.board.tokens, driver)


def _mix(course: Course, selected: Selected, arm: ArmSpec, pool: Pool, driver: Driver) -> Mixed:
    """Return the mixture of a stage: as many tokens as its piece trains on, or all it selected.

    Raises:
        BudgetError: fresh candidates are fewer than that: a document would be read twice.
    """
    board = course.board
    wanted = course.scheduler.steps * find_proxy(board.train.proxy).batch_tokens
    held = int(selected.summary["tokens"])
    if held <= wanted and course.spec.candidates == "fresh":
        what = f"stage {course.stage}" if course.stage else "the warm-up"
        raise BudgetError(
            f"{what} of arm {course.arm!r} trains on {wanted:,} tokens and selects {held:,} of its "
            "slice of the pool, so documents would be read twice; select a larger share, train on "
            "fewer tokens, probe fewer documents, or let all be `candidates` at every stage",
            where=f"arms.{course.arm}.staged",
        )
    train = board.train.model_copy(update={"tokens": wanted})
    recipe = board.recipe.model_copy(update={"train": train})
    return mix_arm(selected, arm, recipe, pool, board.tokens, driver)


def _counts(pool: Pool) -> tuple[Artifact, ...]:
    """Return the sidecar of tokens alone: chance looks at no score."""
    return tuple(one for one in pool.sidecars if one.name == "tokens")
