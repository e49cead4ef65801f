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


def attribute(
    text: Annotated[str, typer.Argument(help="A text, or a file that holds one.")],
    store: StoreFolder = STORE,
    least: Annotated[int, typer.Option(min=1, help="Words of the shortest run that counts.")] = 8,
    n: Annotated[int, typer.Option("-n", min=1, help="How many documents.")] = 10,
    encoder: Annotated[str, typer.Option(help="Of the vectors looked among.")] = "wordllama",
    as_json: Json = False,
) -> None:
    """Which documents a text repeats word for word, with license, source and address."""
    from pipelines.attributing import attribute_text

    finish(attribute_text(text, store, least=least, n=n, encoder=encoder), as_json=as_json)


def tiers(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    out: Annotated[Path, typer.Option(help="The folder to make: a file for each tier.")],
    arm: Annotated[str, typer.Option(help="Only what this arm selected; else the pool.")] = "",
    by: Annotated[str, typer.Option(help="Name of the score `license_tier`.")] = "license_tier",
    allow: Annotated[
        list[str] | None, typer.Option(help="A tier that may be in it: PD, SW, BY unless given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write manifests of a run's documents by the tier of their license, with the evidence."""
    from pipelines.tiering import write_tiers

    finish(write_tiers(run, out, arm=arm, by=by, allowed=allow or []), as_json=as_json)


def register(commands: typer.Typer) -> None:
    """Add the commands of this module to a command line."""
    for command in (optout, attribute, tiers):
        commands.command()(command)
