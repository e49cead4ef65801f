"""`curator matrix`: arms by groups of held-out text, in bits a byte, with intervals and a pattern.

What proxies got on every held-out document is in the store already; here the documents are put in
groups anew (by source, by era, or by ranges of nothing but what they themselves say), so a study's
tests cost no further measuring. Groups with too little text are refused, not averaged over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.errors import BudgetError, LedgerError, RecipeError
from curator.identity import fingerprint
from curator.ledger import RECORD, Store, folder_digest
from curator.recipe import suggestion
from curator.report.visible import one_line
from curator.shards import read_shard, write_atomically
from pipelines.comparing import window_of
from pipelines.evaluating import EVALUATION
from pipelines.looking import Found
from pipelines.matrix_page import page_of, pattern_lines
from pipelines.running import read_run
from pipelines.scoring import entry_name
from pipelines.selecting import lazy
from pipelines.training import TOKENIZER, WEIGHTS

if TYPE_CHECKING:
    from curator.evaluate.cells import Pattern
    from curator.evaluate.statistics import Effect

SOURCE: Final = "source"
PAGE: Final = "matrix-{by}.html"
TABLE: Final = "matrix-{by}.json"
Key = tuple[str, str, int]  # arm, group, seed


@dataclass(frozen=True)
class Cells:
    """What every arm got on every group, one number a seed.

    `sizes` has the documents and bytes of each group; `own` says of arms that were trained on one
    group, or without one, on which.
    """

    bits: Mapping[Key, float]
    sizes: Mapping[str, tuple[int, int]]
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    own: Mapping[str, str]

    @property
    def groups(self) -> list[str]:
        """The groups, in order."""
        return list(self.sizes)

    def of(self, arms: Sequence[str], groups: Sequence[str]) -> NDArray[np.float64]:
        """Return bits per byte, (arms, groups, seeds)."""
        return np.array(
            [[[self.bits[arm, group, seed] for seed in self.seeds] for group in groups]
             for arm in arms]
        )  # fmt: skip


def matrix_of(run: Path, *, by: str, baseline: str, least: int) -> Found:
    """Return the matrix of a run's arms by groups of its held-out text, and write its page.

    Args:
        run: the folder of a finished run.
        by: "source", or the name of a score `era`.
        baseline: the arm that the others are compared with; the run's own unless given.
        least: documents of a group below which it is refused.

    Raises:
        RecipeError: no such grouping or arm, or the run measured nothing held out.
        BudgetError: a group has too few documents, or there are too few seeds.
    """
    record = read_run(run)
    chosen = baseline or record["baseline"]
    trained = {name: arm for name, arm in record["arms"].items() if arm["evaluation"]}
    if chosen not in trained:
        raise RecipeError(f"--baseline: no trained arm {chosen!r}{suggestion(chosen, trained)}")
    cells = _cells(record, trained, by, least)
    effects = {group: _effects(record, trained, cells, group, chosen) for group in cells.groups}
    summary = {
        "by": by,
        "baseline": chosen,
        "groups": [
            {"group": name, "documents": n, "bytes": size}
            for name, (n, size) in cells.sizes.items()
        ],
        "bits": {
            group: float(np.mean([cells.bits[chosen, group, seed] for seed in cells.seeds]))
            for group in cells.groups
        },
        "cells": [
            {"arm": arm, "group": group, "effect": e.effect, "low": e.low, "high": e.high,
             "seeds": e.n, "verdict": e.verdict}
            for group, row in effects.items() for arm, e in row.items()
        ],
        "natural": _natural(record),
        "patterns": {
            name: vars(found) for name, found in _patterns(record, cells, by, chosen).items()
        },
    }  # fmt: skip
    write_atomically(run / TABLE.format(by=by), (json.dumps(summary, indent=1) + "\n").encode())
    write_atomically(run / PAGE.format(by=by), page_of(summary, run.name).encode())
    return Found(summary, _drawn(summary, run))


def _cells(record: Mapping[str, Any], trained: Mapping[str, Any], by: str, least: int) -> Cells:
    from curator.evaluate.cells import cell_bits

    group_of = _grouping(record, by)
    folders = [Path(name) for name in record["stands_on"]["folders"]]
    documents = _heldout(folders)
    groups = dict(zip(documents["doc_id"].to_pylist(), group_of(documents), strict=True))
    evaluations = _evaluations(folders)
    asked = {name: _asked_with(arm) for name, arm in record["recipe_content"]["arms"].items()}
    bits: dict[Key, float] = {}
    sizes: dict[str, tuple[int, int]] = {}
    seeds: set[int] = set()
    for arm, told in trained.items():
        for proxy in told["proxies"]:
            table = _bits_of(Path(proxy["folder"]), asked[arm], evaluations, groups)
            named = [groups[one] for one in table["doc_id"].to_pylist()]
            found = cell_bits(table["bits"].to_numpy(), table["bytes"].to_numpy(), named)
            seeds.add(int(proxy["seed"]))
            for group, (value, n, size) in found.items():
                bits[arm, group, int(proxy["seed"])] = value
                sizes[group] = (n, size)
    wanted = _wanted_groups(record, by)
    _refuse_thin({name: sizes.get(name, (0, 0)) for name in wanted or sizes}, least, by)
    ordered = {name: sizes[name] for name in wanted or sorted(sizes)}
    own = _own_groups(record, by, ordered)
    return Cells(bits, ordered, tuple(trained), tuple(sorted(seeds)), own)


def _grouping(record: Mapping[str, Any], by: str) -> Callable[[pa.Table], Sequence[str | None]]:
    """Return what says of documents which group they are in."""
    if by == SOURCE:
        return lambda table: list(table[SOURCE].to_pylist())
    from scorers.era import Era

    era = _era(record, by)
    assert isinstance(era, Era)
    return lambda table: list(era.score(None, table)["era"].to_pylist())


def _era(record: Mapping[str, Any], by: str) -> Any:
    from curator.registry import make_scorer

    entries = {entry_name(one): one for one in record["recipe_content"]["score"]}
    eras = [name for name, one in entries.items() if one["use"] == "era"]
    if by not in eras:
        raise RecipeError(f"--by: no grouping {by!r}{suggestion(by, [SOURCE, *eras])}")
    return make_scorer(entries[by])


def _wanted_groups(record: Mapping[str, Any], by: str) -> list[str]:
    """Return the groups that there must be: every bin of an era; of sources, those there are."""
    return [] if by == SOURCE else list(_era(record, by).bins)


def _heldout(folders: Sequence[Path]) -> pa.Table:
    found = [folder for folder in folders if folder.name.partition("-")[0] == "heldout"]
    if not found:
        raise RecipeError("the run held no text out; give `corpus.heldout` and `evaluate.heldout`")
    return read_shard(found[0] / "documents.arrow")


def _evaluations(folders: Sequence[Path]) -> dict[tuple[str, str], Path]:
    """Return the digest of a proxy's weights and what it was asked with -> its evaluation."""
    found = {}
    for folder in folders:
        if folder.name.startswith(f"{EVALUATION}-"):
            identity = json.loads((folder / RECORD).read_text())["identity"]
            found[str(identity["run"]), _asked_with(identity)] = folder
    return found


def _asked_with(told: Mapping[str, Any]) -> str:
    """Return what names the tags before texts, of an arm or an evaluation: arms share proxies."""
    return fingerprint([told.get("prefix") or [], told.get("prefix_by", "document")])


def _bits_of(
    proxy: Path,
    asked: str,
    evaluations: Mapping[tuple[str, str], Path],
    groups: Mapping[bytes, str | None],
) -> pa.Table:
    """Return what one proxy got on each held-out document, each once."""
    digest = folder_digest(proxy, (WEIGHTS, TOKENIZER))
    if (digest, asked) not in evaluations:
        raise LedgerError(f"the evaluation of {proxy} is not in the store; run the recipe again")
    known = pa.array(list(groups), pa.binary(16))
    tables = [
        table.filter(pc.is_in(table["doc_id"], known))
        for path in sorted(evaluations[digest, asked].glob("bits-*.arrow"))
        for table in [read_shard(path, ("doc_id", "bits", "bytes"))]
    ]
    whole = pl.from_arrow(pa.concat_tables(tables))
    assert isinstance(whole, pl.DataFrame)
    return whole.unique("doc_id", maintain_order=True).to_arrow()


def _refuse_thin(sizes: Mapping[str, tuple[int, int]], least: int, by: str) -> None:
    thin = {name: n for name, (n, size) in sizes.items() if n < least or not size}
    if thin or len(sizes) < 2:
        found = {name: n for name, (n, _) in sizes.items()}
        raise BudgetError(
            f"held-out documents by {by}: {found}; wanted "
            f"{least} or more in each of two groups: hold more text out, or widen the bins"
        )


def _own_groups(record: Mapping[str, Any], by: str, groups: Mapping[str, Any]) -> dict[str, str]:
    """Return arm -> the one group that it was trained on, or (by source) without."""
    own = {}
    for name, arm in record["recipe_content"]["arms"].items():
        select = arm["select"]
        quotas = select.get("quotas") or {}
        if select.get("method") != "random" or not isinstance(quotas, dict):
            continue
        if by == SOURCE and select.get("quota_by", SOURCE) == SOURCE:
            left = [group for group, share in quotas.items() if share == 0]
        else:
            left = list(quotas) if select.get("quota_by") == by else []
        if len(left) == 1 and left[0] in groups:
            own[name] = left[0]
    return own


def _effects(
    record: Mapping[str, Any],
    trained: Mapping[str, Any],
    cells: Cells,
    group: str,
    baseline: str,
) -> dict[str, Effect]:
    """Return the effect of every arm in one group, paired by seed; Holm's within the group."""
    from curator.evaluate.statistics import Measurement, compare_all

    measured = {
        arm: [
            Measurement(
                seed=proxy["seed"],
                value=cells.bits[arm, group, int(proxy["seed"])],
                tokens=proxy.get("budget", proxy["tokens"]),
                tokenizer=str(record["tokenizer_digest"]),
                evaluation=fingerprint([group, cells.sizes[group]]),
                precision=proxy["precision"],
                proxy=proxy["proxy"],
                status=proxy["status"],
                window=window_of(proxy),
            )
            for proxy in told["proxies"]
        ]
        for arm, told in trained.items()
    }
    return compare_all(measured, baseline)


def _patterns(
    record: Mapping[str, Any], cells: Cells, by: str, baseline: str
) -> dict[str, Pattern]:
    """Return the numbers for the whole table that its arms allow."""
    from curator.evaluate.cells import mismatch, own_loss, slope

    arm_of = {group: arm for arm, group in cells.own.items() if arm in cells.arms}
    groups = [group for group in cells.groups if group in arm_of]
    if len(groups) < 2 or len(cells.seeds) < 2:
        return {}
    arms = [arm_of[group] for group in groups]
    bits = cells.of(arms, groups)
    if by == SOURCE:
        base = cells.of([baseline], groups)[0]
        return {"own_loss": own_loss(bits - base[None])}
    bins = _era(record, by).bins
    years = [sum(bins[group]) / 2 for group in groups]
    return {"mismatch": mismatch(bits), "slope": slope(bits, years)}


def _natural(record: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return how much text each arm could have had: filters differ in that, arms do not."""
    pool = record["artifacts"]["pool"]
    if pool is None:
        return {}
    frame = lazy(Store(Path(record["store"])).artifact(pool)).select("source", "tokens")
    totals = frame.group_by("source").agg(pl.col("tokens").cast(pl.Int64).sum()).collect()
    sources = dict(totals.iter_rows())
    whole = sum(sources.values())
    found = {}
    for name, arm in record["recipe_content"]["arms"].items():
        select, told = arm["select"], record["arms"].get(name)
        band, quotas = select.get("band") or [0.0, 1.0], select.get("quotas") or {}
        share = band[1] - band[0]
        if quotas and select.get("quota_by", SOURCE) != SOURCE:
            continue  # how many tokens an era has stands in the page of the run
        if isinstance(quotas, dict):
            gone = sum(sources.get(source, 0) for source, part in quotas.items() if part == 0)
            share *= (whole - gone) / whole
        if told is not None and select.get("method") in ("random", "band"):
            used = told["selection"]["tokens"]
            found[name] = {"tokens": used, "natural_tokens": round(share * whole), "share": share}
    return found


def _drawn(summary: Mapping[str, Any], run: Path) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    title = f"bits a byte less {summary['baseline']}'s, by {summary['by']}; lower is better"
    table = Table(
        title=Text(one_line(title, 200)),
        caption=Text(f"page: {run / PAGE.format(by=summary['by'])}"),
    )
    table.add_column("arm")
    for group in summary["groups"]:
        heading = one_line(f"{group['group']} ({group['documents']})", 100)
        table.add_column(Text(heading), justify="right")
    cells = {(one["arm"], one["group"]): one for one in summary["cells"]}
    groups = [group["group"] for group in summary["groups"]]
    own = (f"{summary['bits'][group]:.3f} itself" for group in groups)
    table.add_row(Text(one_line(summary["baseline"], 100)), *own)
    for arm in dict.fromkeys(one["arm"] for one in summary["cells"]):
        row = (cells[arm, group] for group in groups)
        texts = (f"{c['effect']:+.3f} [{c['low']:+.3f}, {c['high']:+.3f}]" for c in row)
        table.add_row(Text(one_line(arm, 100)), *texts)
    return Group(table, *(Text(line) for line in pattern_lines(summary)))
