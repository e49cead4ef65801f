"""Commands of factorial studies: write the recipe of a design, and read the matrix of its run.

Parsing and printing only, as in `pipelines.cli`, which adds these to its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.printing import Json, finish


def design(
    file: Annotated[Path, typer.Argument(help="A recipe with `design` in place of its arms.")],
    out: Annotated[
        Path | None, typer.Option(help="The recipe to write; NAME.design.yaml makes NAME.yaml.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the recipe of a factorial study: an arm a cell, equal tokens, equal seeds."""
    from pipelines.designing import design_recipe

    finish(design_recipe(file, out), as_json=as_json)


def matrix(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    by: Annotated[str, typer.Option(help="source, or the name of a score `era`.")] = "source",
    baseline: Annotated[str, typer.Option(help="The arm to compare with; the run's own.")] = "",
    least: Annotated[int, typer.Option(min=1, help="Documents that a group must have.")] = 5,
    as_json: Json = False,
) -> None:
    """Print arms by groups of held-out text, in bits a byte with intervals, and write the page."""
    from pipelines.matrix import matrix_of

    finish(matrix_of(run, by=by, baseline=baseline, least=least), as_json=as_json)


def register(commands: typer.Typer) -> None:
    """Add the commands of this module to a command line."""
    for command in (design, matrix):
        commands.command()(command)
