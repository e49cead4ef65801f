"""The corpus of a run as it is narrowed: shards, the latest decision, and the sidecars beside."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from curator.engine.rewriting import Rewritten
from curator.ledger import RECORD, Artifact
from curator.shards import Shard, read_shard
from curator.stage import Corpus


@dataclass(frozen=True)
class Parent:
    """A corpus that was rewritten, and how many decisions had been made by then."""

    corpus: Artifact
    decisions: int


@dataclass(frozen=True)
class Pool:
    """Documents that are still candidates, and what is known of them. Nothing in it is text."""

    corpus: Artifact
    decisions: tuple[Artifact, ...] = ()  # in the order in which they were made
    sidecars: tuple[Artifact, ...] = ()
    parents: tuple[Parent, ...] = ()  # the corpus before each rewriting, row-aligned with it

    @property
    def ingested(self) -> Artifact:
        """The documents as they were read."""
        return self.parents[0].corpus if self.parents else self.corpus

    def corpus_after(self, decisions: int) -> Artifact:
        """Return the documents as they were after so many of the decisions."""
        earlier = (parent.corpus for parent in self.parents if parent.decisions >= decisions)
        return next(earlier, self.corpus)

    @property
    def alive(self) -> Artifact | None:
        """The latest decision: its `keep` says which rows are still in the pool."""
        return self.decisions[-1] if self.decisions else None

    @property
    def rows(self) -> int:
        """How many documents are alive."""
        return self.alive.rows_out if self.alive else self.corpus.rows_out

    def decided(self, decision: Artifact) -> Pool:
        """Return the pool after one more decision."""
        return replace(self, decisions=(*self.decisions, decision))

    def rewritten(self, made: Rewritten) -> Pool:
        """Return the pool with new texts in place, without the documents that had none left."""
        parents = (*self.parents, Parent(self.corpus, len(self.decisions)))
        return replace(self.decided(made.decision), corpus=made.corpus, parents=parents)

    def beside(self, *sidecars: Artifact) -> Pool:
        """Return the pool with more known about its documents."""
        return replace(self, sidecars=(*self.sidecars, *sidecars))

    def sidecar(self, name: str) -> Artifact | None:
        """Return the sidecar called `name`, None if there is none."""
        return next((sidecar for sidecar in self.sidecars if sidecar.name == name), None)

    def learning(
        self, sources: tuple[str, ...] | None = None, beside: Sequence[Artifact] = ()
    ) -> Corpus:
        """Return the living documents (of some sources) as a corpus to learn from."""
        alive = self.alive.shards if self.alive else ()
        return Corpus(
            self.corpus.shards, alive, sources, tuple(sidecar.shards for sidecar in beside)
        )


def with_role(pool: Pool, decision: Artifact, roles: set[str]) -> pa.Table:
    """Return the documents that a decision gave one of `roles`, with the column `role`.

    They are few by design (held-out text, benchmark items), so they are held in memory.
    """
    pieces = []
    for shard, decided in zip(pool.corpus.shards, decision.shards, strict=True):
        role = read_shard(decided, ("role",))["role"]
        mask = pc.fill_null(pc.is_in(role, pa.array(sorted(roles), pa.string())), False)  # noqa: FBT003
        table = read_shard(shard).filter(mask)
        pieces.append(table.append_column("role", role.filter(mask)))
    return pa.concat_tables(pieces)


def source_counts(pool: Pool) -> dict[str, int]:
    """Return how many living documents each source has."""
    return counted(table["source"] for table in pool.learning().tables(("source",)))


def text_lengths(pool: Pool) -> Iterator[pa.ChunkedArray]:
    """Yield the bytes of each living document's text, by shard, without copying the text."""
    decisions = pool.alive.shards if pool.alive else (None,) * len(pool.corpus.shards)
    for shard, decision in zip(pool.corpus.shards, decisions, strict=True):
        lengths = pc.binary_length(read_shard(shard, ("text",))["text"])
        if decision is not None:
            keep = read_shard(decision, ("keep",))["keep"]
            lengths = lengths.filter(pc.fill_null(keep, fill_value=False))
        yield lengths


def counted(columns: Iterable[pa.ChunkedArray]) -> dict[str, int]:
    """Return how often each value stands in some columns, sorted by value."""
    totals: Counter[str] = Counter()
    for column in columns:
        for pair in column.value_counts().to_pylist():
            totals[pair["values"]] += pair["counts"]
    return dict(sorted(totals.items()))


def folder_shard(folder: Path, name: str) -> Shard:
    """Return the Arrow table called `name` in a folder artifact, as its record describes it."""
    path = folder / f"{name}.arrow"
    digest = json.loads((folder / RECORD).read_text())["files"][path.name]
    return Shard(name, str(path), read_shard(path).num_rows, path.stat().st_size, digest)
