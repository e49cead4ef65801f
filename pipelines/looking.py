"""Commands that look: statistics, documents, lineage, verification, what another cut would keep.

A PATH is a run's folder or an artifact (the path of its record, or the beginning of its name in
the store). Nothing is computed that a run has not recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from rich.text import Text

from curator.errors import RecipeError
from curator.ledger import RECORD, Artifact, Store, damage, folder_damage
from curator.recipe import suggestion
from curator.report.visible import one_line
from curator.shards import read_shard
from pipelines.pool import Parent, Pool
from pipelines.printing import show
from pipelines.running import RUN, read_run

if TYPE_CHECKING:
    from curator.report.judged import JudgedStatistic

_LINE = 400  # characters; longer is no name


@dataclass(frozen=True)
class Found:
    """What a command found: `summary` for --json, `shown` for people."""

    summary: dict[str, Any]
    shown: Any

    def print(self) -> None:
        """Print it for people."""
        show(self.shown)


@dataclass(frozen=True)
class View:
    """A corpus beside whatever is known of it: row-aligned artifacts, read shard by shard."""

    store: Store
    corpus: Artifact
    decisions: tuple[Artifact, ...] = ()
    sidecars: tuple[Artifact, ...] = ()
    parents: tuple[tuple[Artifact, int], ...] = ()  # as `pipelines.pool.Parent`

    @property
    def generations(self) -> tuple[Artifact, ...]:
        """The documents as they were, oldest first, and as they are: row-aligned."""
        return (*(parent for parent, _ in self.parents), self.corpus)

    @property
    def pool(self) -> Pool:
        """The same as a run had it."""
        parents = tuple(Parent(corpus, decisions) for corpus, decisions in self.parents)
        return Pool(self.corpus, self.decisions, self.sidecars, parents)

    def tables(self, columns: tuple[str, ...] | None = None) -> Iterator[pa.Table]:
        """Yield all rows with every column, `step` and `reason` of the drop included, by shard."""
        for number, shard in enumerate(self.corpus.shards):
            table = read_shard(shard)
            for sidecar in self.sidecars:
                beside = read_shard(sidecar.shards[number])
                for name in beside.column_names:
                    if name not in ("keep", "reason"):
                        table = _joined(table, beside.schema.field(name), beside[name])
            if self.decisions:
                table = self._judged(table, number)
            yield table.select(list(columns)) if columns else table

    def _judged(self, table: pa.Table, number: int) -> pa.Table:
        steps = pa.nulls(table.num_rows, pa.string())
        reasons = pa.nulls(table.num_rows, pa.string())
        for decision in self.decisions:
            reason = read_shard(decision.shards[number], ("reason",))["reason"].combine_chunks()
            here = pc.is_valid(reason)
            steps = pc.if_else(here, pa.scalar(decision.name), steps)
            reasons = pc.if_else(here, reason, reasons)
        table = table.append_column("keep", pc.is_null(reasons))
        return table.append_column("dropped_by", steps).append_column("reason", reasons)


def _joined(table: pa.Table, field: pa.Field, column: pa.ChunkedArray) -> pa.Table:
    """Return a table with one more column; steps that share a name fill each other's gaps.

    A copy has its `jaccard` from the deduplication that dropped it, whichever it was.
    """
    if field.name not in table.column_names:
        return table.append_column(field, column)
    at = table.column_names.index(field.name)
    if table.field(at).type != field.type or not table[at].null_count:
        return table
    return table.set_column(at, table.field(at), pc.coalesce(table[at], column))


def open_view(path: str, store: Path) -> View:
    """Return the documents that a run's folder or an artifact's name leads to."""
    folder = Path(path)
    if (folder / RUN).exists():
        record = read_run(folder)
        at = Store(Path(record["store"]))
        names = record["artifacts"]
        decisions = tuple(at.artifact(name) for name in names["decisions"])
        sidecars = tuple(at.artifact(name) for name in names["sidecars"])
        parents = tuple(
            (at.artifact(each["corpus"]), int(each["decisions"]))
            for each in names.get("parents", ())
        )
        corpus = at.artifact(names["corpus"])
        return View(at, corpus, decisions, (*decisions, *sidecars), parents)
    at = Store(store if not folder.is_file() else folder.parent.parent)
    return View(at, at.artifact(path))


def statistics_of(path: str, store: Path, by: str | None) -> Found:
    """Return statistics of every column, drops by reason, and what rules look at."""
    from rich.console import Group

    from curator.report.judged import judged_text
    from curator.report.stats import table_statistics

    view = open_view(path, store)
    found = table_statistics(view.tables(), by=by)
    judged = _judged(path, view)
    told = {**found.to_json(), "judged": [each.to_json() for each in judged]}
    return Found(told, Group(found, judged_text(judged)))


def _judged(path: str, view: View) -> tuple[JudgedStatistic, ...]:
    """Return the statistics that a run's rules look at; () of anything else."""
    from curator.corpus_spec import CleanSpec
    from pipelines.judging import judged_of

    if not (Path(path) / RUN).exists():
        return ()
    spec = read_run(Path(path))["recipe_content"]["corpus"]["clean"]
    return judged_of(spec and CleanSpec.model_validate(spec), view.sidecars)


def documents_of(path: str, store: Path, *, n: int, sort: str, where: str, rejected: str) -> Found:
    """Return the first `n` documents that fit, sorted if asked."""
    from curator.report.show import documents
    from curator.select.where import condition, explained

    view = open_view(path, store)
    best: pl.DataFrame | None = None
    for table in view.tables():
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        if "reason" in frame.columns:
            wanted = pl.col("reason").is_null() if not rejected else _for_reason(rejected)
            frame = frame.filter(wanted)
        if where:
            with explained(where, frame.lazy()):
                frame = frame.filter(condition(where, frame.lazy()))
        best = _first(frame if best is None else pl.concat([best, frame]), n, sort)
        if not sort and best.height >= n:
            break
    if best is None or not best.height:
        raise RecipeError(
            f"no document fits; reasons there are: {', '.join(_reasons(view)) or 'none'}",
            where=path,
        )
    rows = [{k: _plain(v) for k, v in row.items() if v is not None} for row in best.to_dicts()]
    asked = [sort.lstrip("-"), *_words(where)]
    reasons = set(best["reason"].to_list()) if rejected and "reason" in best.columns else set()
    named = _worth_showing(view, best.columns, asked, reasons)
    return Found({"documents": rows}, documents(best.to_arrow(), columns=named))


def what_if(path: Path, where: str) -> Found:
    """Return what a condition over the pool's scores would keep, by source."""
    from rich.table import Table

    from curator.select.where import whatif
    from pipelines.selecting import lazy

    record = read_run(path)
    name = record["artifacts"]["pool"]
    if name is None:
        raise RecipeError("this run has no scores and no arms, so no pool to cut", where=str(path))
    found = whatif(lazy(Store(Path(record["store"])).artifact(name)), where)
    table = Table(title=_line(f"where {where}"))
    for heading in ("source", "documents", "of", "tokens", "of", "share of tokens"):
        table.add_column(heading, justify="left" if heading == "source" else "right")
    for row in [
        *({"source": s, **c} for s, c in found["sources"].items()),
        {"source": "all", **found},
    ]:
        share = row["tokens"] / row["tokens_in"] if row["tokens_in"] else 0.0
        table.add_row(
            _line(row["source"]), f"{row['documents']:,}", f"{row['documents_in']:,}",
            f"{row['tokens']:,}", f"{row['tokens_in']:,}", f"{share:.1%}",
        )  # fmt: skip
    return Found(found, table)


def lineage_of(path: str, store: Path) -> Found:
    """Return the tree of what an artifact was made from."""
    from rich.tree import Tree

    view = open_view(path, store)
    known = {artifact.id: artifact for _, artifact in view.store.artifacts()}
    last = view.decisions[-1] if view.decisions else view.corpus
    tips = [last, *(s for s in view.sidecars if s not in view.decisions)]

    def entry(artifact: Artifact) -> dict[str, Any]:
        return {
            "name": artifact.name,
            "id": artifact.id,
            "rows_in": artifact.rows_in,
            "rows_out": artifact.rows_out,
            "settings": artifact.identity.get("settings", {}),
            "parents": [
                known[p].name + "-" + p[:12] if p in known else p for p in artifact.parents
            ],
        }

    reached: dict[str, Artifact] = {}
    queue = list(tips)
    while queue:
        artifact = queue.pop(0)
        if artifact.id not in reached:
            reached[artifact.id] = artifact
            queue += [known[p] for p in artifact.parents if p in known]
    tree = Tree(_line(path, "bold"))
    for artifact in _parents_first(reached):
        parents = ", ".join(known[p].name for p in artifact.parents if p in known) or "sources"
        line = _line(artifact.name).append(f" {artifact.id[:12]}", "dim")
        counts = f" {artifact.rows_out:,} of {artifact.rows_in:,} rows ← "
        tree.add(line.append(counts).append_text(_line(parents)))
    return Found({"artifacts": [entry(one) for one in reached.values()]}, tree)


def _parents_first(artifacts: dict[str, Artifact]) -> list[Artifact]:
    """Return artifacts in an order in which each comes after all it was made from."""
    placed: dict[str, Artifact] = {}

    def place(artifact: Artifact) -> None:
        for parent in artifact.parents:
            if parent in artifacts and parent not in placed:
                place(artifacts[parent])
        placed.setdefault(artifact.id, artifact)

    for artifact in reversed(list(artifacts.values())):
        place(artifact)
    return list(placed.values())


def verification_of(path: str, store: Path) -> Found:
    """Return whether every byte of a run's, or one artifact's, files is as recorded."""
    view = open_view(path, store)
    in_run = (Path(path) / RUN).exists()
    used = read_run(Path(path))["stands_on"] if in_run else {"artifacts": [], "folders": []}
    artifacts = {one.id: one for one in (view.corpus, *view.decisions, *view.sidecars)}
    artifacts |= {one.id: one for one in map(view.store.artifact, used["artifacts"])}
    faults = [fault for one in artifacts.values() for fault in damage(one)]
    folders = [Path(folder) for folder in used["folders"]]
    for folder in folders:
        faults += folder_damage(folder) if (folder / RECORD).exists() else [f"{folder} is missing"]
    shards = sum(len(one.shards) for one in artifacts.values())
    whole = f"every byte of {shards} shards and {len(folders)} folders is as recorded"
    lines = [_line(fault, "red") for fault in faults] or [_line(whole, "green")]
    found = {"shards": shards, "folders": len(folders), "faults": faults}
    return Found(found, Text("\n").join(lines))


def _line(text: str, style: str = "") -> Text:
    """Return words of documents, records or the user as one line that steers no terminal."""
    return Text(one_line(text, _LINE), style=style)


def _worth_showing(
    view: View, columns: list[str], asked: list[str], reasons: set[str]
) -> list[str] | None:
    """Return the columns to print beside a text: what was asked for, tokens, scores, the copy.

    The forty statistics of cleaning would bury them; all are in --json. None: not a run's folder.
    """
    from pipelines.excerpts import rule_called

    if not view.decisions:
        return None
    wanted = {*asked, "n_tokens"}
    if reasons:
        wanted |= {"jaccard", "containment", "benchmark", "item_id", "matched_text"}
        rules = [rule_called(reason) for reason in sorted(reasons)]
        wanted |= {rule.statistic for rule in rules if rule}
        wanted |= {reason for reason in reasons if reason in columns}
    for sidecar in view.sidecars:
        if sidecar.name.startswith("score."):
            wanted |= set(read_shard(sidecar.shards[0]).column_names)
    return [name for name in columns if name in wanted]


def _words(where: str) -> list[str]:
    return re.findall(r"[A-Za-z_][\w.]*", where)


def _for_reason(reason: str) -> pl.Expr:
    """A reason in full, or the part before its dot: a rule or a whole rule set."""
    return (pl.col("reason") == reason) | pl.col("reason").str.starts_with(f"{reason}.")


def _first(frame: pl.DataFrame, n: int, sort: str) -> pl.DataFrame:
    if not sort:
        return frame.head(n)
    column = sort.lstrip("-")
    if column not in frame.columns:
        raise RecipeError(f"--sort: no column {column!r}{suggestion(column, frame.columns)}")
    by = [column, "doc_id"] if "doc_id" in frame.columns else [column]
    down = [sort.startswith("-"), *([False] * (len(by) - 1))]
    return frame.sort(by, descending=down, nulls_last=True).head(n)


def _reasons(view: View) -> list[str]:
    return sorted({reason for decision in view.decisions for reason in decision.dropped})


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value
