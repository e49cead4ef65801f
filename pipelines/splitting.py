"""Documents that leave the pool for another use, kept as small tables of their own.

Benchmarks, held-out text and the documents of reference models are written once as folders with
the columns of a document, so learning, decontamination and evaluation read them all alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.clean.setaside import SetAside
from curator.corpus_spec import BenchmarkSpec, ChoicesSpec, HeldoutSpec
from curator.dedup.benchmarks import VERSION as ITEMS_VERSION
from curator.dedup.benchmarks import read_benchmark
from curator.dedup.target_overlap import overlapping
from curator.engine.driver import Driver
from curator.errors import BudgetError, RecipeError
from curator.evaluate.questions import VERSION as QUESTIONS_VERSION
from curator.evaluate.questions import Length, length_of, read_choices, read_pairs, text_fields
from curator.identity import document_ids, file_digest
from curator.ledger import Artifact
from curator.recipe import suggestion
from curator.schema import DOCUMENT, conform
from curator.shards import Shard, read_shard, write_atomically, write_shard
from pipelines.pool import Pool, folder_shard, source_counts, with_role

VERSION = 1  # raise it when the same documents and roles start giving other folders
SPLITS = ("train", "test")
LEFT_OUT = "left_out.json"  # items that no one could answer


@dataclass(frozen=True)
class Asked:
    """What proxies are asked: `questions.OPTIONS` or `PAIRS`, as `form` says."""

    form: Literal["choices", "pairs"]
    shard: Shard
    per: Length = "option"  # what log-likelihoods of options are divided by


@dataclass(frozen=True)
class Benchmark:
    """Items of one split as documents: `doc_id`, `source` (the benchmark's name), `text`."""

    name: str
    split: str
    items: Shard
    asked: Asked | None = None


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
    for name, spec in specs.items():
        if spec.apart and all(f"{name}/{split}" in found for split in SPLITS):
            found[f"{name}/train"] = _apart(name, found, spec.apart, driver)
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

    fields = [spec.text] if isinstance(spec.text, str) else spec.text
    asked = spec.choices or spec.pairs
    if not fields:
        fields = text_fields(asked) if asked else ["text"]

    prompt = [spec.prompt] if isinstance(spec.prompt, str) else spec.prompt
    if prompt is None and spec.choices and spec.choices.context in fields:
        prompt = [spec.choices.context]

    def make(out: Path) -> None:
        items = read_benchmark(name, path, fields, id_field=spec.id or "id", prompt=prompt or ())
        table = pa.table(
            {
                "doc_id": document_ids(f"{name}/{split}", items["text"]),
                "source": pa.repeat(name, items.num_rows),
                "origin": pc.binary_join_element_wise(f"{Path(path).name}#", items["item_id"], ""),
                "text": items["text"],
                "source_id": items["item_id"],
            }
        )
        table = conform(table, DOCUMENT).append_column("parts", items["parts"])
        write_shard(table, out / "documents.arrow", name="documents")

    identity = {
        "version": [VERSION, ITEMS_VERSION],
        "file": [Path(path).name, file_digest(path)],
        "text": fields if asked and not spec.text else spec.text,
        "prompt": prompt,
        "id": spec.id,
    }
    folder = driver.folder(f"benchmark.{name}.{split}", identity, make)
    documents = folder_shard(folder, "documents")
    return Benchmark(name, split, documents, _asked(name, split, path, spec, driver))


def _apart(name: str, found: Mapping[str, Benchmark], ngram: int, driver: Driver) -> Benchmark:
    """Return the train split without items that share a run of words with the test split."""
    train, test = (found[f"{name}/{split}"] for split in SPLITS)

    def make(out: Path) -> None:
        items = read_shard(train.items)
        pairs = overlapping(items, read_shard(test.items), ngram=ngram)
        mask = np.ones(items.num_rows, bool)
        mask[pairs["example"].to_numpy()] = False
        write_shard(items.filter(pa.array(mask)), out / "documents.arrow", name="documents")
        told = {"items": items.num_rows, "left_out": int((~mask).sum()), "ngram": ngram}
        write_atomically(out / LEFT_OUT, json.dumps(told, indent=1).encode())

    identity = {"train": train.items.digest, "test": test.items.digest, "ngram": ngram}
    folder = driver.folder(f"benchmark.{name}.train.apart", identity, make)
    return replace(train, items=folder_shard(folder, "documents"))


def _asked(name: str, split: str, path: str, spec: BenchmarkSpec, driver: Driver) -> Asked | None:
    """Return what a split asks, read from its file; None if it has nothing but text."""
    declared = spec.choices or spec.pairs
    if declared is None:
        return None
    form: Literal["choices", "pairs"] = "pairs" if spec.choices is None else "choices"
    called, field = f"{name}/{split}", spec.id or "id"

    def make(out: Path) -> None:
        if isinstance(declared, ChoicesSpec):
            found = read_choices(called, path, declared, id_field=field)
        else:
            found = read_pairs(called, path, declared, id_field=field)
        write_shard(found.table, out / f"{form}.arrow", name=form)
        write_atomically(out / LEFT_OUT, json.dumps(found.left_out, indent=1).encode())

    identity = {
        "version": QUESTIONS_VERSION,
        "file": [Path(path).name, file_digest(path)],
        form: declared.model_dump(mode="json", exclude={"per"}),
        "id": spec.id,
    }
    folder = driver.folder(f"benchmark.{name}.{split}.{form}", identity, make)
    per = length_of(declared) if isinstance(declared, ChoicesSpec) else "option"
    return Asked(form, folder_shard(folder, form), per)
