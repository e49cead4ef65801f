"""Documents that leave the pool for another use: held-out text, items of a benchmark, references.

The choice is a hash of the normalized text, never of position: equal texts of a source go together,
and every recipe over a corpus sets the same aside. Copies elsewhere are found by `dedup` and by
`pipelines.guarding.drop_copies`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import RecipeError
from curator.identity import id_matrix, uniform
from curator.schema import DECISION
from curator.stage import Stage
from curator.text.normalized import normalized_hash

ROLE = pa.field("role", pa.string())
_SPLIT_SEED = 0  # splits belong to the corpus: recipes with other seeds share them


@dataclass(frozen=True)
class SetAside(Stage):
    """Gives documents of some sources a role outside the pool.

    Attributes:
        reason: the reason of the drop, which is also the purpose of the chance: "heldout".
        shares: for each source, the roles and the share of its documents in [0, 1] each gets.
    """

    name: ClassVar[str] = "setaside"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text", "source")
    writes: ClassVar[pa.Schema] = pa.schema([*DECISION, ROLE])

    reason: str
    shares: tuple[tuple[str, tuple[tuple[str, float], ...]], ...]

    def __post_init__(self) -> None:
        for source, roles in self.shares:
            if sum(share for _, share in roles) > 1 + 1e-9:
                raise RecipeError(f"{self.reason}: shares of source {source!r} pass 1: {roles}")

    def process(self, model: None, table: pa.Table) -> pa.Table:
        """Return keep, reason and role of each document."""
        roles = np.full(table.num_rows, None, dtype=object)
        chance = uniform(_text_ids(table["text"]), self.reason, _SPLIT_SEED)
        sources = np.asarray(table["source"].to_pylist(), dtype=object)
        for source, parts in self.shares:
            low = 0.0
            for role, share in parts:
                roles[(sources == source) & (chance >= low) & (chance < low + share)] = role
                low += share
        return _decided(pa.array(roles, pa.string()), self.reason)


@dataclass(frozen=True)
class SetAsideReference(Stage):
    """Takes a random share of all documents out of the pool to train a reference model on.

    Attributes:
        model: name of the model; other models take other documents.
        share: share of the pool's documents in [0, 1].
    """

    name: ClassVar[str] = "setaside.reference"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("doc_id",)
    writes: ClassVar[pa.Schema] = pa.schema([*DECISION, ROLE])

    model: str
    share: float

    def process(self, model: None, table: pa.Table) -> pa.Table:
        """Return keep, reason and role of each document."""
        chance = reference_chance(self.model, table["doc_id"])
        roles = pc.if_else(pa.array(chance < self.share), self.model, None)
        return _decided(roles, "reference")


@dataclass(frozen=True)
class SetAsideSwarm(Stage):
    """Takes disjoint lots of documents out of the pool, one for each reference model of a swarm.

    Attributes:
        swarm: name of the swarm; its models are called NAME-1, NAME-2, and so on.
        cuts: for each source, the rising chances that end the lots of its documents.
    """

    name: ClassVar[str] = "setaside.swarm"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("doc_id", "source")
    writes: ClassVar[pa.Schema] = pa.schema([*DECISION, ROLE])

    swarm: str
    cuts: tuple[tuple[str, tuple[float, ...]], ...]

    def process(self, model: None, table: pa.Table) -> pa.Table:
        """Return keep, reason and role of each document."""
        chance = reference_chance(self.swarm, table["doc_id"])
        lots = np.zeros(table.num_rows, np.int64)
        for source, cuts in self.cuts:
            lot = np.searchsorted(np.array(cuts), chance, side="right") + 1
            mine = pc.equal(table["source"], source).to_numpy()
            lots = np.where(mine & (lot <= len(cuts)), lot, lots)
        most = max((len(cuts) for _, cuts in self.cuts), default=0)
        names = pa.array([None, *(f"{self.swarm}-{lot}" for lot in range(1, most + 1))], ROLE.type)
        return _decided(names.take(pa.array(lots)), "reference")


def reference_chance(model: str, doc_ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return the chance by which documents are chosen for a reference model, (n,) in (0, 1)."""
    return uniform(id_matrix(doc_ids), f"reference:{model}", _SPLIT_SEED)


def _text_ids(texts: pa.ChunkedArray) -> np.ndarray:
    """Return the 128-bit hash of each normalized text as (n, 16) bytes."""
    hashes = np.ascontiguousarray(normalized_hash(texts))
    return hashes.view(np.uint8).reshape(-1, 16)


def _decided(roles: pa.Array, reason: str) -> pa.Table:
    away = roles.is_valid()
    reasons = pc.if_else(away, reason, None)
    return pa.table([pc.invert(away), reasons, roles], schema=pa.schema([*DECISION, ROLE]))
