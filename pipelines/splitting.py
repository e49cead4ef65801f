"""Documents that leave the pool for another use, kept as small tables of their own.

Benchmarks, held-out text and the documents of reference models are written once as folders with
the columns of a document, so learning, decontamination and evaluation read them all alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from curator.clean.setaside import SetAside, SetAsideReference
from curator.dedup.benchmarks import VERSION as ITEMS_VERSION
from curator.dedup.benchmarks import read_benchmark
from curator.engine.driver import Driver
from curator.errors import BudgetError, RecipeError
from curator.identity import document_ids, file_digest
from curator.ledger import Artifact
from curator.recipe import BenchmarkSpec, HeldoutSpec, suggestion
from curator.schema import DOCUMENT, conform
from curator.shards import Shard, read_shard, write_shard
from pipelines.pool import Pool, folder_shard, source_counts, with_role

VERSION = 1  # raise it when the same documents and roles start giving other folders
SPLITS = ("train", "test")


@dataclass(frozen=True)
class Benchmark:
    """Items of one split as documents: `doc_id`, `source` (the benchmark's name), `text`."""

    name: str
    split: str
    items: Shard


def benchmarks_of(
    specs: Mapping[str, BenchmarkSpec], pool: Pool, driver: Driver
) -> tuple[Pool, dict[str, Benchmark]]:
    """Return the pool without documents that became benchmark items; the items by NAME/SPLIT."""
    found: dict[str, Benchmark] = {}
    for name, spec in specs.items():
        for split, path in ((split, getattr(spec, split)) for split in SPLITS):
            if path is not None:
                found[f"{name}/{split}"] = _from_file(name, split, path, spec, driver)
    from_pool = {name: spec for name, spec in specs.items() if spec.source}
    if from_pool:
        _require([str(spec.source) for spec in from_pool.values()], "corpus.benchmarks", pool)
        shares = tuple(
            (
                str(spec.source),
                ((f"{name}/test", spec.test_share), (f"{name}/train", 1 - spec.test_share)),
            )
            for name, spec in sorted(from_pool.items())
        )
        pool, decision = _set_aside(SetAside("benchmark", shares), "benchmarks", pool, driver)
        for name in from_pool:
            for split in SPLITS:
                items = _roles_folder(
                    f"benchmark.{name}.{split}", {f"{name}/{split}"}, pool, decision, driver
                )
                found[f"{name}/{split}"] = Benchmark(name, split, items)
    empty = [name for name, benchmark in found.items() if not benchmark.items.rows]
    if empty:
        raise BudgetError(f"benchmark splits {empty} have no items; give their source more text")
    return pool, found


def hold_out(
    specs: Mapping[str, HeldoutSpec], pool: Pool, driver: Driver
) -> tuple[Pool, Shard | None]:
    """Return the pool without its held-out documents, and those documents."""
    if not specs:
        return pool, None
    _require(specs, "corpus.heldout", pool)
    shares = tuple((source, (("heldout", spec.share),)) for source, spec in sorted(specs.items()))
    pool, decision = _set_aside(SetAside("heldout", shares), "heldout", pool, driver)
    heldout = _roles_folder("heldout", {"heldout"}, pool, decision, driver)
    found = set(read_shard(heldout, ("source",))["source"].to_pylist())
    empty = [source for source in specs if source not in found]
    if empty:
        raise BudgetError(
            f"sources {empty} have too few documents for anything to be held out of them; raise "
            "their share, or take them out of corpus.heldout and evaluate.heldout"
        )
    return pool, heldout


def reference_documents(
    model: str, share: float, pool: Pool, driver: Driver
) -> tuple[Pool, Artifact]:
    """Return the pool without what a reference model is trained on, and the decision."""
    stage = SetAsideReference(model, share)
    decision = driver.map_stage(stage, pool.corpus, step=f"reference.{model}", alive=pool.alive)
    return pool.decided(decision), decision


def _require(sources: Iterable[str], where: str, pool: Pool) -> None:
    """Raise where a recipe names a source that has no documents in the pool."""
    known = source_counts(pool)
    missing = [source for source in sources if source not in known]
    if missing:
        told = "; ".join(f"no source {name!r}{suggestion(name, known)}" for name in missing)
        raise RecipeError(f"{told}; a source may also have lost all documents before", where=where)


def _set_aside(stage: SetAside, step: str, pool: Pool, driver: Driver) -> tuple[Pool, Artifact]:
    decision = driver.map_stage(stage, pool.corpus, step=step, alive=pool.alive)
    return pool.decided(decision), decision


def _roles_folder(
    name: str, roles: set[str], pool: Pool, decision: Artifact, driver: Driver
) -> Shard:
    """Return the documents of some roles, written once, sorted by doc_id."""

    def make(out: Path) -> None:
        table = with_role(pool, decision, roles).drop_columns(["role"]).sort_by("doc_id")
        write_shard(conform(table, DOCUMENT), out / "documents.arrow", name="documents")

    identity = {
        "version": VERSION,
        "decision": decision.digest,
        "corpus": pool.corpus.digest,
        "roles": sorted(roles),
    }
    return folder_shard(driver.folder(name, identity, make), "documents")


def _from_file(name: str, split: str, path: str, spec: BenchmarkSpec, driver: Driver) -> Benchmark:
    """Return one split of a benchmark read from its file."""

    def make(out: Path) -> None:
        fields = [spec.text] if isinstance(spec.text, str) else spec.text or ["text"]
        items = read_benchmark(name, path, fields, id_field=spec.id or "id")
        table = pa.table(
            {
                "doc_id": document_ids(f"{name}/{split}", items["text"]),
                "source": pa.repeat(name, items.num_rows),
                "origin": pc.binary_join_element_wise(f"{Path(path).name}#", items["item_id"], ""),
                "text": items["text"],
                "source_id": items["item_id"],
            }
        )
        write_shard(conform(table, DOCUMENT), out / "documents.arrow", name="documents")

    identity = {
        "version": [VERSION, ITEMS_VERSION],
        "file": [Path(path).name, file_digest(path)],
        "text": spec.text,
        "id": spec.id,
    }
    folder = driver.folder(f"benchmark.{name}.{split}", identity, make)
    return Benchmark(name, split, folder_shard(folder, "documents"))
