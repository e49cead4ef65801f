"""`curator tiers`: what was selected, by the tier of its license, as manifests with the evidence.

A manifest has no text: ids, sources, tokens, addresses, what the license is and where that is said.
One that would hold a tier that is not allowed is not written, UNKNOWN above all.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from curator.clean.license_tiers import BY, PD, SILO_TIERS, SW, UNKNOWN
from curator.errors import BudgetError, RecipeError
from curator.ledger import Store
from curator.recipe import suggestion
from curator.shards import FOLDER_MODE, read_shard
from pipelines.looking import Found, open_view
from pipelines.running import read_run
from pipelines.selecting import lazy

FREE: Final = (PD, SW, BY)
_SUMMARY: Final = "tiers.json"
_SHOWN: Final = 5


def write_tiers(run: Path, out: Path, *, arm: str, by: str, allowed: Sequence[str]) -> Found:
    """Return how much text each tier has, having written a manifest of each into a new folder.

    Args:
        run: a finished run with a score `license_tier`.
        out: the folder; must not exist.
        arm: what it selected; "" is the whole pool.
        by: what the score is called.
        allowed: tiers that may be in it; PD, SW and BY if empty.

    Raises:
        RecipeError: no such arm, score or tier, or the folder is there.
        BudgetError: documents of a tier that is not allowed are in it; nothing was written.
    """
    wanted = tuple(allowed) or FREE
    strange = sorted(set(wanted) - set(SILO_TIERS))
    if strange:
        raise RecipeError(f"--allow {strange}; tiers are {', '.join(SILO_TIERS)}")
    if out.exists():
        raise RecipeError(f"--out {out} is there already; name a folder that is not")
    record = read_run(run)
    rows = _rows(record, run, arm, by)
    totals = _totals(rows)
    blocked = [tier for tier in totals if tier not in wanted]
    if blocked:
        raise BudgetError(_refusal(rows, blocked, totals, arm), where=str(run))
    _write(rows, totals, out, record, arm)
    return Found({"out": str(out), "arm": arm, "tiers": totals}, _drawn(totals, out))


def _rows(record: Mapping[str, Any], run: Path, arm: str, by: str) -> pl.DataFrame:
    """Return doc_id, source, tokens, tier, license, evidence and address of each document."""
    pool = record["artifacts"]["pool"]
    if pool is None:
        raise RecipeError("this run has no scores and no arms, so no pool", where=str(run))
    viewed = lazy(Store(Path(record["store"])).artifact(pool))
    names = viewed.collect_schema().names()
    if f"{by}.tier" not in names:
        known = [name.removesuffix(".tier") for name in names if name.endswith(".tier")]
        raise RecipeError(
            f"--by: no score {by!r} with tiers{suggestion(by, known)}; add "
            "`{use: license_tier}` to the recipe's scores and run it"
        )
    columns = ("tier", "license", "evidence", "share_alike")
    told = [pl.col(f"{by}.{name}").alias(name) for name in columns]
    frame = viewed.select("doc_id", "source", "tokens", *told).collect().unique("doc_id")
    if arm:
        arms = record["arms"]
        if arm not in arms:
            raise RecipeError(f"--arm: no arm {arm!r}{suggestion(arm, arms)}")
        chosen = pl.from_arrow(read_shard(Path(arms[arm]["selection"]["path"]), ("doc_id",)))
        assert isinstance(chosen, pl.DataFrame)
        frame = frame.join(chosen.with_columns(pl.col("doc_id").cast(pl.Binary)), on="doc_id",
                           how="semi")  # fmt: skip
    addresses = [
        pl.from_arrow(table).with_columns(pl.col("doc_id").cast(pl.Binary))  # type: ignore[union-attr]
        for table in open_view(str(run), run).tables(("doc_id", "url", "origin"))
    ]
    whole = pl.concat([one for one in addresses if isinstance(one, pl.DataFrame)])
    whole = whole.unique("doc_id", maintain_order=True)
    return frame.join(whole, on="doc_id", how="left").sort("doc_id")


def _totals(rows: pl.DataFrame) -> dict[str, dict[str, int]]:
    counted = rows.group_by("tier").agg(pl.len(), pl.col("tokens").cast(pl.Int64).sum())
    found = {tier: {"documents": n, "tokens": t} for tier, n, t in counted.iter_rows()}
    return {tier: found[tier] for tier in SILO_TIERS if tier in found}


def _refusal(
    rows: pl.DataFrame, blocked: list[str], totals: Mapping[str, Mapping[str, int]], arm: str
) -> str:
    first = rows.filter(pl.col("tier").is_in(blocked)).head(_SHOWN)
    shown = ", ".join(
        f"{doc.hex()} ({tier}, {evidence})"
        for doc, tier, evidence in first.select("doc_id", "tier", "evidence").iter_rows()
    )
    counts = ", ".join(f"{totals[tier]['documents']} {tier}" for tier in blocked)
    what = f"arm {arm!r}" if arm else "the pool"
    cure = "select by the score, which never takes UNKNOWN" if UNKNOWN in blocked else "select less"
    return (
        f"{what} has documents of tiers that are not allowed: {counts}; the first: {shown}. No "
        f"manifest was written: {cure}, or allow them by name: --allow {' --allow '.join(blocked)}"
    )


def _write(
    rows: pl.DataFrame,
    totals: Mapping[str, Mapping[str, int]],
    out: Path,
    record: Mapping[str, Any],
    arm: str,
) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=".tmp-"))
    try:
        plain = rows.with_columns(pl.col("doc_id").bin.encode("hex"))
        for tier in totals:
            plain.filter(pl.col("tier") == tier).write_ndjson(temporary / f"{tier}.jsonl")
        selection = record["arms"][arm]["selection"]["manifest_hash"] if arm else None
        told = {"run": record["run"], "arm": arm, "manifest_hash": selection, "tiers": totals}
        (temporary / _SUMMARY).write_text(json.dumps(told, indent=1) + "\n")
        temporary.chmod(FOLDER_MODE)
        temporary.rename(out)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _drawn(totals: Mapping[str, Mapping[str, int]], out: Path) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(f"manifests in {out}"))
    for heading in ("tier", "documents", "tokens"):
        table.add_column(heading, justify="left" if heading == "tier" else "right")
    for tier, told in totals.items():
        table.add_row(tier, f"{told['documents']:,}", f"{told['tokens']:,}")
    return table
