"""How a staged arm's preferences moved: its probes compared, its selections, what it took.

The correlation of two probes is bounded by how well each repeats itself, so it is told beside the
split-half reliability that a scorer reports (`reliability` in its fit's report): a correlation
clearly below that is drift, one near it is not.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.engine.driver import Driver
from curator.identity import id_matrix
from curator.ledger import Artifact, Store
from curator.schema import SELECTION, conform
from curator.score.heldout import spearman
from curator.select.manifest import manifest_hash, shared_tokens
from curator.shards import read_shard, write_shard
from pipelines.arms import Selected
from pipelines.learned import fit_of
from pipelines.mixing import Mixed, mix_arm
from pipelines.pool import folder_shard
from pipelines.staged import Course, Turn

REPORT = "stages.json"
VERSION = 1


def drift_of(courses: Sequence[Course], driver: Driver) -> Path:
    """Return the folder in which the account of an arm's stages is kept, made once.

    Args:
        courses: the finished runs of one arm.
        driver: what keeps it.
    """
    identity = {
        "version": VERSION,
        "runs": [
            [course.seed, [[turn.selected.shard.digest, _digest(turn)] for turn in course.turns]]
            for course in courses
        ],
        # A selection by no state may be the same for a shorter run; what is told of it is not.
        "before": [[piece.before for piece in course.scheduler.pieces] for course in courses],
    }

    def make(out: Path) -> None:
        lines = [line for course in courses for line in stage_lines(course, driver.store)]
        (out / REPORT).write_text(json.dumps({"stages": lines}, indent=1) + "\n")

    return driver.folder("staged", identity, make)


def stage_lines(course: Course, store: Store) -> list[dict[str, Any]]:
    """Return a line for each stage of one run.

    Keys: seed, stage (0: the warm-up), before (steps done), documents and tokens selected, sources
    (shares of tokens), kept (share of the tokens that the stage before had selected too), drift
    (Spearman with the first stage's probe on the documents that both probed), probed (how many
    those are), reliability (as the probe's scorer reports it). None where there is none.
    """
    lines: list[dict[str, Any]] = []
    last: pa.Table | None = None
    first: NDArray[np.float64] | None = None
    for turn, piece in zip(course.turns, course.scheduler.pieces, strict=True):
        taken = read_shard(turn.selected.shard, ("doc_id", "tokens"))
        summary = turn.selected.summary
        total = max(1, int(summary["tokens"]))
        lines.append(
            {
                "seed": course.seed,
                "stage": turn.stage,
                "before": piece.before,
                "documents": summary["documents"],
                "tokens": summary["tokens"],
                "sources": {n: each["tokens"] / total for n, each in summary["sources"].items()},
                "kept": None if last is None else shared_tokens(taken, last) / total,
            }
        )
        if turn.probe is not None:
            values = probed(turn.probe)
            report = fit_of(turn.probe, store)
            drift, common = (None, 0) if first is None else agreement(first, values)
            reliability = reliability_in(report.report) if report else None
            lines[-1] |= {"drift": drift, "probed": common, "reliability": reliability}
            first = values if first is None else first
        last = taken if turn.stage else None
    return lines


def reliability_in(report: Mapping[str, Any]) -> float | None:
    """Return what a scorer's report says two halves of its target agree on, None if nothing."""
    told = report.get("reliability")
    return _number(told.get("halves") if isinstance(told, Mapping) else told)


def probed(probe: Artifact) -> NDArray[np.float64]:
    """Return a probe's value for every row of the corpus, NaN where it has none: 8 bytes each."""
    parts = [read_shard(shard) for shard in probe.shards]
    columns = [table.column(0).cast(pa.float64()).to_numpy() for table in parts]
    return np.concatenate(columns) if columns else np.zeros(0)


def agreement(one: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[float | None, int]:
    """Return the rank correlation of two probes on the rows both have, and how many those are."""
    both = np.isfinite(one) & np.isfinite(other)
    found = spearman(one[both], other[both]) if both.sum() > 2 else math.nan
    return _number(found), int(both.sum())


def taken_by(course: Course, driver: Driver) -> Mixed:
    """Return what one run chose over all its stages, as one selection and its mixture.

    The warm-up's documents are not in it: chance took those. A document that several stages took
    is there once, as the first of them took it.
    """
    board, turns = course.board, [turn for turn in course.turns if turn.stage]

    def make(out: Path) -> None:
        tables = [read_shard(turn.selected.shard, tuple(SELECTION.names)) for turn in turns]
        table = pa.concat_tables(tables)
        first = np.unique(id_matrix(table["doc_id"]), axis=0, return_index=True)[1]
        chosen = conform(table.take(pa.array(np.sort(first))), SELECTION)
        write_shard(chosen, out / "selection.arrow", name="selection")
        content = _summed(chosen, [turn.selected.summary for turn in turns])
        content["manifest_hash"] = manifest_hash(chosen, board.tokens.digest)
        (out / "selection.json").write_text(json.dumps(content, indent=1))

    identity = {
        "version": VERSION,
        "stages": [turn.selected.shard.digest for turn in turns],
        "accounts": [turn.selected.manifest_hash for turn in turns],
        "tokenizer": board.tokens.digest,
    }
    folder = driver.folder("selection", identity, make)
    summary = json.loads((folder / "selection.json").read_text())
    shard = folder_shard(folder, "selection")
    chosen = Selected(course.arm, turns[0].selected.spec, shard, summary)
    arm, train = board.recipe.arms[course.arm], board.train
    recipe = board.recipe.model_copy(update={"train": train})
    return mix_arm(chosen, arm, recipe, board.pool, board.tokens, driver)


def _summed(chosen: pa.Table, summaries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the account of several selections taken together, as `Selection.summary`."""
    rows = chosen.group_by("source").aggregate([("tokens", "sum"), ("tokens", "count")])
    sources = {
        row["source"]: {"tokens": row["tokens_sum"], "documents": row["tokens_count"]}
        for row in sorted(rows.to_pylist(), key=lambda row: str(row["source"]))
    }
    return {
        "tokens": sum(each["tokens"] for each in sources.values()),
        "documents": chosen.num_rows,
        "documents_in": sum(each["documents_in"] for each in summaries),
        "sources": sources,
        "asked": {"*": sum(sum(each["asked"].values()) for each in summaries)},
        "shortfalls": [fault for each in summaries for fault in each["shortfalls"]],
        "cuts": {},
        "dropped": {},
    }


def _digest(turn: Turn) -> str:
    return "" if turn.probe is None else turn.probe.digest


def _number(found: object) -> float | None:
    """Return a finite number as it is; None for anything else."""
    known = isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)
    return float(found) if known else None  # type: ignore[arg-type]
