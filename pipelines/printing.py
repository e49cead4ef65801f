"""What all commands share: their common options, and one JSON object or something for people."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
StoreFolder = Annotated[Path, typer.Option(help="Where artifacts lie, shared by all runs.")]
Engine = Annotated[str, typer.Option(help="inline or ray.")]
Address = Annotated[str | None, typer.Option(help="Of a running Ray cluster.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; all cores unless given.")]
STORE = Path(".curator")


class Answer(Protocol):
    """What a command found out."""

    @property
    def summary(self) -> dict[str, Any]:
        """For --json."""

    def print(self) -> None:
        """Print it for people."""


def show(shown: Any) -> None:
    """Print something of `rich`: as wide as the terminal, and 120 columns into a pipe."""
    from rich.console import Console
    from rich.text import Text

    # A pipe has no width: 80 columns would cut what no terminal asked to be cut.
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120
    Console(width=wide).print(Text(shown) if isinstance(shown, str) else shown)


def finish(answer: Answer, *, as_json: bool) -> None:
    """Print an answer in the form that was asked for."""
    print_json(answer.summary) if as_json else answer.print()


def print_json(content: Any) -> None:
    """Print one JSON object on one line."""
    print(json.dumps(content, ensure_ascii=False))
