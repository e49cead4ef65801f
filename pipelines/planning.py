"""Before anything runs: is the recipe sound, what would be made, what exists, what will it cost."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curator.errors import RecipeError
from curator.identity import fingerprint
from curator.ingest.files import Digests
from curator.ingest.pack import unit_identity
from curator.ingest.reader import Unit, make_reader
from curator.ledger import Store
from curator.recipe import Recipe
from curator.refine.finding import refiner_name
from pipelines.check import load_recipe
from pipelines.expecting import expectations
from pipelines.looking import Found
from pipelines.running import free_bytes

# Space for text: Arrow shards take about the size of the text, sidecars a tenth of it on the
# corpora of docs/performance.md, and the input may be compressed about fourfold.
_DISK_PER_BYTE = 1.2
_UNPACKED = {".gz": 4.0, ".zst": 4.0}


@dataclass(frozen=True)
class Planned:
    """What a recipe needs: units of input, steps, disk; and, if sampled, time and tokens."""

    units: int
    cached: int
    input_bytes: int
    disk_bytes: int
    steps: list[str]
    notes: list[str]


def plan_recipe(
    path: Path,
    *,
    corpus: Path | None,
    store: Path,
    sample: str,
    assignments: Sequence[str],
) -> Found:
    """Return what a recipe needs and what of it exists.

    Raises:
        RecipeError: every mistake of the recipe at once.
    """
    recipe = load_recipe(path, corpus=corpus, assignments=assignments)
    planned = _plan(recipe, Store(store))
    summary: dict[str, Any] = {
        "recipe": {"name": recipe.name, "digest": recipe.digest},
        **vars(planned),
        "disk_free_bytes": free_bytes(store),
        "finds": expectations(recipe, Store(store)),
    }
    if sample:
        summary["sample"] = _sampled(recipe, _share(sample), planned)
    return Found(summary, _drawn(summary))


def _plan(recipe: Recipe, store: Store) -> Planned:
    units: list[Unit] = []
    cached = unpacked = 0
    for number, entry in enumerate(recipe.corpus.ingest):
        reader = make_reader(entry, where=f"corpus.ingest.{number}")
        for unit in reader.plan(Digests(store.root / "digests.json")):
            units.append(unit)
            identity = unit_identity(reader, unit, target_bytes=recipe.corpus.shard_bytes)
            cached += store.task("ingest", fingerprint(identity)) is not None
            unpacked += sum(
                int(piece.size_bytes * _UNPACKED.get(Path(piece.path).suffix, 1.0))
                for piece in unit.pieces
            )
    return Planned(
        len(units),
        cached,
        sum(unit.size_bytes for unit in units),
        int(unpacked * _DISK_PER_BYTE),
        steps_of(recipe),
        sorted({unit.note for unit in units if unit.note}),
    )


def steps_of(recipe: Recipe) -> list[str]:
    """Return the names of the steps that a recipe runs, in order."""
    from pipelines.scoring import entry_name

    spec = recipe.corpus
    clean, dedup = spec.clean, spec.dedup
    policies = clean.pii.policies().values() if clean and clean.pii else ()
    chosen = {
        "optout": spec.optout,
        "clean.encoding": clean and clean.encoding,
        "clean.urls": clean and clean.urls,
        "clean.statistics": clean,
        "clean": clean,
        "clean.words": clean and clean.words,
        "clean.licenses": clean and clean.licenses,
        "clean.lines": clean and clean.lines,
        "clean.pii.drop": "drop" in policies,
        "clean.pii": "mask" in policies,
        "dedup.exact": dedup and dedup.exact,
        "dedup.paragraphs": dedup and dedup.paragraphs,
        "dedup.minhash": dedup and dedup.minhash,
        "dedup.substring": dedup and dedup.substring,
        "dedup.semantic": dedup and dedup.semantic,
        "benchmarks": any(benchmark.source for benchmark in spec.benchmarks.values()),
        "decontaminate.runs": spec.decontaminate and spec.decontaminate.max_frequency,
        "decontaminate": spec.decontaminate,
        "clean.pii.spans": "annotate" in policies,
        "heldout": spec.heldout,
        "heldout.copies": spec.heldout,
        "tokens": recipe.arms or recipe.score,
    }
    steps = ["ingest", *(name for name, wanted in chosen.items() if wanted)]
    steps += [f"reference.{name}" for name, model in recipe.models.items() if model.train]
    steps += [f"score.{entry_name(entry)}" for entry in recipe.score]
    for arm in recipe.arms:
        refined = [f"refine.{refiner_name(entry)}" for entry in recipe.arms[arm].refine]
        steps += [f"select.{arm}", *refined, f"mix.{arm}"]
        steps += [f"train.{arm}"] * bool(recipe.train)
    if recipe.train and recipe.train.trunk:
        steps.insert(steps.index(f"train.{next(iter(recipe.arms))}"), "train.trunk")
    return [*steps, "report"]


def _share(sample: str) -> float:
    text = sample.strip()
    try:
        share = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise RecipeError(f"--sample {sample!r}; wanted a share such as 1% or 0.01")
    return share


def _sampled(recipe: Recipe, share: float, planned: Planned) -> dict[str, Any]:
    """Run ingest and cleaning for real on whole units of input, and extrapolate.

    The interval of what is kept is a binomial one (95 %, normal approximation) on documents; it
    knows nothing of how units differ, so take a share of several units.
    """
    from curator.engine.driver import Driver
    from curator.engine.run import Inline
    from pipelines.ingesting import ingest
    from pipelines.preparing import clean

    with tempfile.TemporaryDirectory() as folder:
        driver = Driver(Store(Path(folder)), Inline(1), quiet=True)
        begun = time.monotonic()
        pool = ingest(recipe.corpus, driver, share=share)
        pool = clean(recipe.corpus.clean, pool, driver)
        seconds = time.monotonic() - begun
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    read = sum(task.notes["read"] for task in pool.ingested.tasks)
    # Some readers know sizes only once they have read: then units stand for bytes.
    taken = read / planned.input_bytes if planned.input_bytes else 0.0
    scale = 1 / (taken or len(pool.ingested.tasks) / max(1, planned.units))
    documents = pool.ingested.rows_out
    kept = pool.rows / max(1, documents)
    error = 1.96 * (kept * (1 - kept) / max(1, documents)) ** 0.5
    return {
        "input_bytes": read,
        "documents": documents,
        "kept": pool.rows,
        "estimated_documents": round(documents * scale),
        "estimated_kept": round(pool.rows * scale),
        "estimated_kept_low": round(max(0.0, kept - error) * documents * scale),
        "estimated_kept_high": round(min(1.0, kept + error) * documents * scale),
        "estimated_seconds_one_worker": round(seconds * scale, 1),
        "estimated_disk_bytes": round(size * scale),
    }


def _drawn(summary: dict[str, Any]) -> Any:
    from rich.table import Table
    from rich.text import Text

    from curator.report.visible import one_line

    table = Table(title=f"plan of {summary['recipe']['name']}", show_header=False)
    size = f"{summary['input_bytes'] / 1e6:,.1f} MB" if summary["input_bytes"] else "size unknown"
    table.add_row("input", f"{summary['units']} units, {size}")
    table.add_row("already ingested", f"{summary['cached']} units")
    if summary["input_bytes"]:
        _disk_row(table, summary)
    table.add_row("steps", Text(" → ".join(summary["steps"])))
    if summary["finds"]:
        table.add_row("will find", Text("\n".join(row["says"] for row in summary["finds"])))
    for note in summary["notes"]:
        table.add_row("note", Text(one_line(note, 400)))
    if "sample" in summary:
        _sample_rows(table, summary["sample"])
    return table


def _sample_rows(table: Any, found: dict[str, Any]) -> None:
    table.add_row("sample", f"{found['documents']:,} documents, {found['kept']:,} kept by cleaning")
    table.add_row(
        "so in all",
        f"about {found['estimated_documents']:,} documents, {found['estimated_kept_low']:,} to "
        f"{found['estimated_kept_high']:,} kept if the units read are like the rest; ingesting and "
        f"cleaning take {found['estimated_seconds_one_worker']:,} s of one worker and "
        f"{found['estimated_disk_bytes'] / 1e9:,.2f} GB",
    )


def _disk_row(table: Any, summary: dict[str, Any]) -> None:
    need, free = summary["disk_bytes"], summary["disk_free_bytes"]
    color = "red" if need > free else "green"
    table.add_row("disk", f"about {need / 1e9:,.2f} GB of [{color}]{free / 1e9:,.1f} GB free[/]")
