"""What a piece of work is: settings that travel, a model that stays, one method to write.

A stage is a frozen dataclass; its fields are its settings and, with `name` and `version`, its
identity. `load` runs once a worker and returns whatever is heavy; `process` is pure. Stages see
only rows that are still alive and only the columns they declare in `reads`; the engine puts the
results back in place, so a sidecar always has the rows of its corpus in the same order.
"""

from __future__ import annotations

import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import PluginError
from curator.identity import fingerprint, settings_of
from curator.schema import conform
from curator.shards import Shard, read_columns, read_shard


@dataclass(frozen=True)
class Site:
    """Where work happens: the device and threads a worker may use, and what was fitted for it."""

    device: str = "cpu"
    threads: int = 1
    fitted: Path | None = None  # the folder a FittedScorer's `fit` wrote
    cache: Path | None = None  # a folder that outlives a killed run, for answers that cost much


def circumstance(default: Any) -> Any:
    """Mark a stage's field as saying how to run, not what to compute: it bears no identity."""
    return dataclasses.field(default=default, metadata={"circumstance": True})


class Work(ABC):
    """What names a piece of work, whatever it does with a shard: the base of the kinds below."""

    name: ClassVar[str]
    version: ClassVar[int] = 1  # raise it when the same settings start giving other numbers
    reads: ClassVar[tuple[str, ...]] = ("text",)  # nothing else leaves the disk
    libraries: ClassVar[tuple[str, ...]] = ()  # distributions whose version changes the numbers

    @property
    def beside(self) -> tuple[Stage, ...]:
        """Stages whose sidecars this one reads besides the corpus; each is made once for all."""
        return ()

    @property
    def scores(self) -> tuple[str, ...]:
        """Names of a recipe's earlier scores whose columns this one reads."""
        return ()

    def load(self, site: Site) -> Any:
        """Return the heavy part, if there is one; called once a worker, where the work is done."""
        return None

    def identity(self) -> dict[str, Any]:
        """Return what names this work: name, version, settings, versions of its libraries."""
        return {
            "name": self.name,
            "version": self.version,
            "settings": settings_of(self),
            "libraries": library_versions(self.libraries),
        }


class Stage(Work):
    """Maps a shard to a shard. Subclasses are frozen dataclasses; their fields are settings."""

    @property
    @abstractmethod
    def writes(self) -> pa.Schema:
        """The columns that `process` returns. A class variable does as well as a property."""

    @abstractmethod
    def process(self, model: Any, table: pa.Table) -> pa.Table:
        """Return one row per row of `table`, in order, with the columns of `writes`."""


class Scorer(Stage):
    """A stage that judges documents: exactly one row a document, in order.

    A scorer never drops a row. A score that cannot be given is null, and a null is never taken.
    """

    @abstractmethod
    def score(self, model: Any, table: pa.Table) -> pa.Table:
        """Return the columns of `writes`, one row per document of `table`, in order."""

    def process(self, model: Any, table: pa.Table) -> pa.Table:
        """Return `score` held to its contract: rows, columns, types, no NaN.

        Raises:
            PluginError: the scorer broke it; the message says how.
        """
        scored = self.score(model, table)
        if scored.num_rows != table.num_rows:
            raise PluginError(
                f"returned {scored.num_rows} rows for {table.num_rows} documents; "
                "return one row a document, null where there is no score",
                where=f"scorer {self.name}",
            )
        checked = conform(scored, self.writes, where=f"scorer {self.name}")
        for field in checked.schema:
            if pa.types.is_floating(field.type):
                nans = pc.sum(pc.is_nan(checked[field.name])).as_py() or 0
                if nans:
                    raise PluginError(
                        f"column {field.name!r} has {nans} NaN; "
                        "return null where there is no score",
                        where=f"scorer {self.name}",
                    )
        return checked


class FittedScorer(Scorer):
    """A scorer that first learns from named corpora; what it learned is an artifact of its own."""

    learns_from: ClassVar[tuple[str, ...]]  # roles a recipe must fill: ("target",), ("good", "bad")
    # Whether `fit` gets the final target's items too, as "final_target": to refuse what is in them.
    shuns_final_target: ClassVar[bool] = False

    @abstractmethod
    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write what was learned into the folder `out`; `load` finds it as `site.fitted`."""


class WideStage(Work):
    """Compares documents across shards through a disk shuffle of narrow rows.

    `emit` maps each shard to narrow rows with a uint64 column `key`; rows are partitioned by the
    range of that column; `reduce` sees one partition at a time, sorted by all columns. What
    `reduce` returns must not depend on where the partition borders lie.
    """

    key: ClassVar[str] = "key"  # the uint64 column that rows are brought together by

    @abstractmethod
    def emit(self, model: Any, table: pa.Table) -> pa.Table:
        """Return narrow rows for one shard. Besides `reads`, `table` has the column `row`, uint64:
        the row in the shard. `reduce` finds it as shard number << 40 | row in the shard."""

    @abstractmethod
    def reduce(self, partition: pa.Table) -> pa.Table:
        """Return what one key range says; rows with equal keys are always together."""


REPORT: Final = "report.json"  # in the folder of a fit: what the run's page shows of it


def write_report(out: Path, report: Mapping[str, Any]) -> None:
    """Write what a fit has to say of itself into its folder."""
    (out / REPORT).write_text(json.dumps(report, indent=2, sort_keys=True) + "\n")


class WideScorer(WideStage):
    """A scorer that compares documents with each other.

    `reduce` returns the column `row`, uint64, as it was given, and the columns of `writes`; a
    document of which it says nothing has null. One that learns from corpora first has `fit` and
    `learns_from` as a `FittedScorer` has, and finds what it wrote as `site.fitted`.
    """

    learns_from: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def writes(self) -> pa.Schema:
        """The columns of the scores, the score itself first. A class variable does as well."""

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write what was learned into the folder `out`; nothing unless a subclass does."""


class Learning(Protocol):
    """Whatever learns from corpora before it works: scorers of both kinds, refiners."""

    name: ClassVar[str]

    def identity(self) -> dict[str, Any]:
        """Return what names this work."""

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write what was learned into the folder `out`."""


@dataclass(frozen=True)
class Corpus:
    """Documents to learn from: shards, optionally with the rows that count among them.

    `tables` yields what is asked for shard by shard, so memory is bounded by a shard. Rows come
    in the order of the shards; a fit that depends on order sorts by doc_id first.
    """

    shards: tuple[Shard, ...]
    alive: tuple[Shard | None, ...] = ()  # decisions beside `shards`; empty: every row counts
    sources: tuple[str, ...] | None = None  # None: all sources
    beside: tuple[tuple[Shard, ...], ...] = ()  # sidecars, each with a shard beside every shard

    @property
    def digest(self) -> str:
        """What names this corpus in a fingerprint: the digests of all it reads."""
        read: dict[str, Any] = {
            "shards": [shard.digest for shard in self.shards],
            "alive": [decision and decision.digest for decision in self.alive],
            "sources": self.sources,
        }
        if self.beside:
            read["beside"] = [[shard.digest for shard in sidecar] for sidecar in self.beside]
        return fingerprint(read)

    @property
    def rows(self) -> int:
        """How many documents `tables` will yield."""
        return sum(table.num_rows for table in self.tables(("doc_id",)))

    def tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the counted rows' `columns`, one table a shard; sidecars have theirs too.

        Raises:
            PluginError: no file has a column.
        """
        wanted = tuple(dict.fromkeys(columns if self.sources is None else (*columns, "source")))
        for number, shard in enumerate(self.shards):
            files = (shard, *(sidecar[number] for sidecar in self.beside))
            table = read_columns(files, wanted)
            decision = self.alive[number] if self.alive else None
            if decision is not None:
                kept = read_shard(decision, ("keep",))["keep"]
                table = table.filter(pc.fill_null(kept, fill_value=False))
            if self.sources is not None:
                table = table.filter(pc.is_in(table["source"], pa.array(self.sources)))
            yield table.select(list(columns))


def library_versions(distributions: Sequence[str]) -> dict[str, str]:
    """Return the installed version of each named distribution, "absent" if there is none."""
    from importlib import metadata

    found = {}
    for name in distributions:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found
