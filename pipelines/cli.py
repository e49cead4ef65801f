"""The command line: parsing and printing only. Everything heavy is imported inside a command.

Results go to stdout (with --json: one JSON object and nothing else), logs and progress to stderr.
Exit codes: 0 done; 1 an error made on purpose; 2 usage; 130 stopped by Ctrl-C, to be resumed.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from pipelines import cli_designs, cli_rights, cli_steps
from pipelines.printing import (
    STORE,
    Address,
    Engine,
    Json,
    StoreFolder,
    Workers,
    finish,
    print_json,
)

_AGAIN_SECONDS = 0.02  # after a Ctrl-C that got lost

commands = typer.Typer(
    help="Raw corpora in, a trained and tested pretraining mixture out, with evidence.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@commands.command()
def run(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file.")],
    corpus: Annotated[Path | None, typer.Option(help="A corpus file to apply it to.")] = None,
    store: StoreFolder = STORE,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder; runs/NAME unless given.")
    ] = None,
    engine: Engine = "inline",
    address: Address = None,
    workers: Workers = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override: train.tokens=100000")
    ] = None,
    as_json: Json = False,
) -> None:
    """Do everything the recipe says, resuming what exists, and print the summary."""
    from pipelines.running import run_recipe

    done = run_recipe(
        recipe, corpus=corpus, store=store, out=out, engine=engine, address=address,
        workers=workers, assignments=set_ or [], quiet=as_json,
    )  # fmt: skip
    finish(done, as_json=as_json)


@commands.command()
def plan(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file.")],
    corpus: Annotated[Path | None, typer.Option(help="A corpus file to apply it to.")] = None,
    store: StoreFolder = STORE,
    sample: Annotated[str, typer.Option(help="Run on such a share and extrapolate: 1%.")] = "",
    set_: Annotated[list[str] | None, typer.Option("--set")] = None,
    as_json: Json = False,
) -> None:
    """Check the recipe and say what it needs, what exists and what the rest will cost."""
    from pipelines.planning import plan_recipe

    planned = plan_recipe(recipe, corpus=corpus, store=store, sample=sample, assignments=set_ or [])
    finish(planned, as_json=as_json)


@commands.command()
def ingest(
    files: Annotated[list[str], typer.Argument(help="Files, globs, folders or fsspec URLs.")],
    source: Annotated[str, typer.Option(help="The name that mixtures will weigh.")],
    store: StoreFolder = STORE,
    reader: Annotated[str, typer.Option(help="jsonl, parquet, plain, hub, warc, html.")] = "jsonl",
    out: Annotated[
        Path | None, typer.Option(help="Its folder; runs/ingest-SOURCE unless given.")
    ] = None,
    max_bad_records: Annotated[float, typer.Option(help="Share that may be unreadable.")] = 0.001,
    workers: Annotated[int | None, typer.Option(min=1)] = None,
    as_json: Json = False,
) -> None:
    """Only ingest: read files into shards, with every unreadable record accounted for."""
    from pipelines.running import run_ingest_only

    done = run_ingest_only(
        files, source, reader, store, out, max_bad_records, workers, quiet=as_json
    )
    finish(done, as_json=as_json)


@commands.command()
def stats(
    path: Annotated[str, typer.Argument(help="A run's folder, or an artifact.")],
    by: Annotated[str, typer.Option(help="Split by a column, such as source.")] = "",
    store: StoreFolder = STORE,
    as_json: Json = False,
) -> None:
    """Rows, bytes, quantiles and histograms of every column, and drops by reason."""
    from pipelines.looking import statistics_of

    found = statistics_of(path, store, by or None)
    finish(found, as_json=as_json)


@commands.command()
def copies(
    path: Annotated[str, typer.Argument(help="A run's folder.")],
    store: StoreFolder = STORE,
    as_json: Json = False,
) -> None:
    """What each source lost as copies, and the largest clusters of them."""
    from pipelines.copying import copies_of

    finish(copies_of(path, store), as_json=as_json)


@commands.command()
def show(
    path: Annotated[str, typer.Argument(help="A run's folder, or an artifact.")],
    n: Annotated[int, typer.Option("-n", min=1, help="How many documents.")] = 5,
    sort: Annotated[str, typer.Option(help="Column to sort by; -COLUMN for descending.")] = "",
    where: Annotated[str, typer.Option(help="Polars SQL condition: sim > 0.4")] = "",
    rejected: Annotated[str, typer.Option(help="Only documents dropped for this reason.")] = "",
    store: StoreFolder = STORE,
    as_json: Json = False,
) -> None:
    """Documents, readable."""
    from pipelines.looking import documents_of

    found = documents_of(path, store, n=n, sort=sort, where=where, rejected=rejected)
    finish(found, as_json=as_json)


@commands.command()
def explain(
    doc_id: Annotated[str, typer.Argument(help="A doc_id, or the beginning of one, in hex.")],
    run_folder: Annotated[Path, typer.Option("--run", help="The run's folder.")],
    as_json: Json = False,
) -> None:
    """Why one document is in or out: every verdict with its numbers."""
    from pipelines.explaining import explain_document

    found = explain_document(doc_id, run_folder)
    finish(found, as_json=as_json)


@commands.command()
def whatif(
    path: Annotated[Path, typer.Argument(help="A run's folder.")],
    where: Annotated[str, typer.Option(help="Polars SQL condition: sim > 0.4")],
    as_json: Json = False,
) -> None:
    """What another cut would keep, answered from sidecars."""
    from pipelines.looking import what_if

    found = what_if(path, where)
    finish(found, as_json=as_json)


@commands.command()
def lineage(
    path: Annotated[str, typer.Argument(help="A run's folder, or an artifact.")],
    store: StoreFolder = STORE,
    as_json: Json = False,
) -> None:
    """Where an artifact came from, back to the sources."""
    from pipelines.looking import lineage_of

    found = lineage_of(path, store)
    finish(found, as_json=as_json)


@commands.command()
def verify(
    path: Annotated[str, typer.Argument(help="A run's folder, or an artifact.")],
    store: StoreFolder = STORE,
    as_json: Json = False,
) -> None:
    """Whether every byte is as recorded."""
    from pipelines.looking import verification_of

    found = verification_of(path, store)
    finish(found, as_json=as_json)
    if found.summary["faults"]:
        raise typer.Exit(1)


@commands.command()
def report(path: Annotated[Path, typer.Argument(help="A run's folder.")]) -> None:
    """Write the run's report again from what the store holds, and say where it is."""
    from pipelines.rereading import rewrite_report

    print(rewrite_report(path))


@commands.command()
def scorers(
    name: Annotated[str | None, typer.Argument(help="One of them, for its settings.")] = None,
    as_json: Json = False,
) -> None:
    """The scorers that are installed."""
    from pipelines.plugins import describe_scorers

    found = describe_scorers(name)
    finish(found, as_json=as_json)


@commands.command()
def refiners(
    name: Annotated[str | None, typer.Argument(help="One of them, for its settings.")] = None,
    as_json: Json = False,
) -> None:
    """The refiners that are installed."""
    from pipelines.plugins import describe_refiners

    found = describe_refiners(name)
    finish(found, as_json=as_json)


@commands.command()
def schema() -> None:
    """Print the JSON schema of recipes, for editors."""
    from curator.recipe import Recipe

    print_json(Recipe.model_json_schema())


@commands.command()
def doctor(as_json: Json = False) -> None:
    """Check what this machine has: versions, weights, cores, memory, disk."""
    from pipelines.plugins import examine

    found = examine()
    finish(found, as_json=as_json)


cli_steps.register(commands)
cli_rights.register(commands)
cli_designs.register(commands)


@contextmanager
def _heeding_ctrl_c() -> Iterator[None]:
    """Stop for Ctrl-C also where a callback of a weak reference or a finalizer swallowed it.

    Python runs signal handlers wherever it happens to be, and drops what is raised in such places.
    An alarm then raises it again a moment later; one that goes off in the very hook is set anew.
    """
    told, alarm = sys.unraisablehook, signal.getsignal(signal.SIGALRM)

    def pass_on(unraisable: sys.UnraisableHookArgs) -> None:
        if unraisable.exc_type is KeyboardInterrupt:
            signal.signal(signal.SIGALRM, again)
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
        else:
            told(unraisable)

    def again(_: int, frame: FrameType | None) -> None:
        while frame is not None and frame.f_code is not pass_on.__code__:
            frame = frame.f_back
        if frame is None:
            raise KeyboardInterrupt
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)

    sys.unraisablehook = pass_on
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGALRM) is again:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, alarm)
        sys.unraisablehook = told


def app() -> None:
    """Run the command line; errors made on purpose print their message and exit with 1."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # bars of libraries would run through ours
    from curator.errors import CuratorError
    from curator.report.visible import visible

    trace = "--traceback" in sys.argv
    if trace:
        sys.argv.remove("--traceback")
    try:
        with _heeding_ctrl_c():
            commands()
    except CuratorError as error:
        if trace:
            raise
        if "--json" in sys.argv:
            fault = {"class": type(error).__name__, "message": error.message, "where": error.where}
            print_json({"error": fault})
        print(visible(f"{type(error).__name__}: {error}", lines=True), file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("stopped; run the same command again to go on from here", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `| head` is no error
    except Exception as error:  # a fault of ours: whoever reads JSON gets JSON all the same
        if "--json" not in sys.argv:
            raise
        traceback.print_exc()
        last = traceback.extract_tb(error.__traceback__)[-1]
        fault = {
            "class": type(error).__name__,
            "message": str(error),
            "where": f"{last.filename}:{last.lineno}",
        }
        print_json({"error": fault})
        raise SystemExit(1) from None


if __name__ == "__main__":
    app()
