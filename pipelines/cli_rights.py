"""Commands about whose text it is: licenses by tier, opting out, where a passage comes from.

Parsing and printing only, as in `pipelines.cli`, which adds these to its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.printing import STORE, Json, StoreFolder, finish


def optout(
    requests: Annotated[
        Path | None, typer.Argument(help="The list: id, url, domain, sha256 or text, one a line.")
    ] = None,
    store: StoreFolder = STORE,
    delete: Annotated[bool, typer.Option("--delete", help="Take it out.")] = False,
    key: Annotated[
        Path | None, typer.Option(help="To sign with: PEM (Ed25519) or 32 random bytes (HMAC).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the receipt goes.")] = None,
    verify: Annotated[Path | None, typer.Option(help="Check this receipt instead.")] = None,
    as_json: Json = False,
) -> None:
    """Find what somebody wants out and all that came of it; with --delete take it out."""
    from pipelines.withdrawing import opt_out_of_store, verify_receipt

    if verify is not None:
        finish(verify_receipt(verify, store, key), as_json=as_json)
    elif requests is None:
        raise typer.BadParameter("give a list of requests, or --verify RECEIPT")
    else:
        found = opt_out_of_store(requests, store, out=out, key=key, delete=delete)
        finish(found, as_json=as_json)


def register(commands: typer.Typer) -> None:
    """Add the commands of this module to a command line."""
    for command in (optout,):
        commands.command()(command)
