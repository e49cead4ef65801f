"""Commands that run things: put store, engine and recipe together, and leave a run folder."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curator.engine.driver import Driver
from curator.engine.run import Engine, Inline
from curator.engine.tasks import NO_ROOM, full_disk
from curator.errors import LedgerError, RecipeError
from curator.ledger import Store
from curator.recipe import Recipe, suggestion
from curator.shards import write_atomically
from pipelines.check import checked, load_recipe
from pipelines.printing import show

RUN = "run.json"
WITHDRAWN = "withdrawn.json"  # left where documents that a run stood on were opted out of
ENGINES = ("inline", "ray")
_PARTS = {
    "store": str, "recipe_content": dict, "stages": list, "arms": dict, "comparison": list,
    "artifacts": dict, "stands_on": dict, "texts": dict,
}  # fmt: skip
_INNER = {
    "artifacts": ("corpus", "decisions", "sidecars", "pool"),
    "stands_on": ("artifacts", "folders"),
}


@dataclass(frozen=True)
class Run:
    """A finished run: its summary (the `--json` object) and its report."""

    summary: dict[str, Any]
    report: Any

    def print(self) -> None:
        """Print the stage, arm and comparison tables, and where the report is."""
        from curator.report.summary import summary

        show(summary(self.report, self.summary["report"]))


def run_recipe(
    path: Path,
    *,
    corpus: Path | None,
    store: Path,
    out: Path | None,
    engine: str,
    address: str | None,
    workers: int | None,
    assignments: Sequence[str],
    quiet: bool,
) -> Run:
    """Do what a recipe says and return the run; finished steps are served from the store."""
    if engine not in ENGINES:
        raise RecipeError(f"--engine {engine!r}{suggestion(engine, ENGINES)}")
    recipe = load_recipe(path, corpus=corpus, assignments=assignments)
    folder = out or Path("runs") / recipe.name
    with resumable(store), open_engine(engine, address, workers) as workplace:
        return execute(recipe, Store(store), workplace, folder, quiet=quiet)


def execute(recipe: Recipe, store: Store, engine: Engine, out: Path, *, quiet: bool) -> Run:
    """Run a recipe on an engine; write run.json and report.html to `out`.

    Paths in run.json are absolute: a run is read from wherever its reader is.
    """
    from pipelines.curate import curate
    from pipelines.references import refuse_itself
    from pipelines.registering import register_begin, register_end
    from pipelines.reporting import report_of, write_report
    from pipelines.summarizing import summary_of

    if recipe.corpus.dedup:
        refuse_itself(recipe.corpus.dedup.against, out)
    begun = time.monotonic()
    store = Store(store.root.absolute())
    with store.writing():
        register_begin(store, out)
        driver = Driver(store, engine, quiet=quiet)
        curated = curate(recipe, driver)
        seconds = round(time.monotonic() - begun, 3)
        content = report_of(recipe, curated, store, seconds=seconds)
        summary = summary_of(recipe, curated, out)
        out.mkdir(parents=True, exist_ok=True)
        write_report(content, out / "report.html")
        record = {
            **summary,
            "store": str(store.root),
            "seconds": seconds,
            "recipe_content": recipe.model_dump(mode="json"),
            "stands_on": {
                "artifacts": [path.stem for path in driver.artifacts.values()],
                "folders": [str(folder) for folder in driver.folders],
            },
        }
        write_atomically(out / RUN, (json.dumps(record, indent=1) + "\n").encode())
        (out / WITHDRAWN).unlink(missing_ok=True)
        register_end(store, out)
    return Run(summary, content)


def run_ingest_only(
    files: list[str],
    source: str,
    reader: str,
    store: Path,
    out: Path | None,
    max_bad_records: float,
    workers: int | None,
    *,
    quiet: bool,
) -> Run:
    """Ingest files without a recipe."""
    entry: dict[str, Any] = {"reader": reader, "source": source, "files": files}
    corpus = {"ingest": [entry], "max_bad_records": max_bad_records}
    recipe = checked({"name": f"ingest-{source}", "corpus": corpus}, "ingest")
    folder = out or Path("runs") / recipe.name
    with resumable(store), open_engine("inline", None, workers) as workplace:
        return execute(recipe, Store(store), workplace, folder, quiet=quiet)


def read_run(folder: Path) -> dict[str, Any]:
    """Return a run's record.

    Raises:
        LedgerError: the folder holds no finished run, its record is broken, or it was withdrawn.
    """
    if (folder / WITHDRAWN).exists():
        raise LedgerError(
            f"the run in {folder} is withdrawn: documents that it stood on were opted out, and all "
            "that it made of them went with them; run its recipe again"
        )
    try:
        content = json.loads((folder / RUN).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise LedgerError(
            f"{folder} holds no {RUN}; wanted the --out folder of a finished run"
        ) from None
    except ValueError as error:
        raise LedgerError(f"{folder / RUN} is not JSON ({error}); run the recipe again") from error
    lacking = _lacking(content)
    if lacking:
        raise LedgerError(f"{folder / RUN} lacks {', '.join(lacking)}; run the recipe again")
    return dict(content)


def _lacking(record: Any) -> list[str]:
    """Return the parts that a run's record must have and lacks."""
    if not isinstance(record, dict):
        return [f"everything (it is {type(record).__name__}, not an object)"]
    lacking = [
        repr(name) for name, kind in _PARTS.items() if not isinstance(record.get(name), kind)
    ]
    inner = {name: record.get(name) for name in _INNER}
    return lacking + [
        repr(f"{name}.{key}")
        for name, part in inner.items()
        if isinstance(part, dict)
        for key in _INNER[name]
        if key not in part
    ]


@contextmanager
def open_engine(name: str, address: str | None, workers: int | None) -> Iterator[Engine]:
    """Yield the engine that a command asks for, and end it."""
    engine: Engine
    if name == "ray":
        from curator.engine.on_ray import OnRay

        engine = OnRay(workers, address)
    else:
        engine = Inline(workers)
    try:
        yield engine
    finally:
        engine.close()


@contextmanager
def resumable(store: Path | None = None) -> Iterator[None]:
    """Turn Ctrl-C into exit code 130 and a full disk into a ShardError, both with what to do next.

    The store is whole at any moment. Workers that write shards name them in an error of their own.
    """
    try:
        yield
    except KeyboardInterrupt:
        print("stopped; run the same command again to go on from here", file=sys.stderr)
        raise SystemExit(130) from None
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise full_disk(error, str(error.filename or store or "")) from error


def free_bytes(path: Path) -> int:
    """Return the free space of the file system that `path` is or will be on."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free
