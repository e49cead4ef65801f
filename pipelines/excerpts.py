"""What a report shows of documents: examples of each drop, bad records, copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curator.clean.rules import RULES, Rule
from curator.clean.statistic import EDITED
from curator.ledger import Artifact
from curator.report import content as made
from curator.shards import read_shard
from pipelines.ingesting import quarantine_of
from pipelines.pool import Pool, counted

EXAMPLES = 3
TEXT_CHARACTERS = 4_000  # the page shortens further and says by how much
CLUSTERS = 5
_SHOWN_RECORDS = 12


def drops_of(pool: Pool, hide: Callable[[str], str] = str) -> tuple[made.Drop, ...]:
    """Return every reason of every decision with its count and a few of its documents.

    Args:
        pool: what is left, and all decisions.
        hide: takes from a text what is not to be shown.
    """
    drops = []
    for decision in pool.decisions:
        places = _first_places(decision)
        for reason, count in sorted(decision.dropped.items(), key=lambda pair: -pair[1]):
            excerpts = tuple(excerpt(pool, decision, *at, hide) for at in places.get(reason, []))
            drops.append(
                made.Drop(decision.name, reason, count, rule_text(decision, reason), excerpts)
            )
    return tuple(drops)


def rule_text(decision: Artifact, reason: str) -> str:
    """Return a cleaning rule as what fails it, with its source; "" for any other reason."""
    rule = rule_called(reason)
    if rule is None:
        return ""
    in_force = {
        f"{each['name']}.{name}": threshold
        for each in decision.identity["settings"].get("rules", [])
        for name, threshold in each["thresholds"]
    }
    sign = ">" if rule.fails == "above" else "<"
    at = in_force.get(reason, rule.threshold)
    shown = "what its language has" if at is None else f"{at:g}"
    return f"{rule.statistic} {sign} {shown} ({rule.source})"


def rule_called(reason: str) -> Rule | None:
    """Return the published rule that a reason names, if it names one."""
    name, _, rule = reason.partition(".")
    return next((each for each in RULES.get(name, ()) if each.name == rule), None)


def quarantined_of(corpus: Artifact) -> tuple[made.Quarantined, ...]:
    """Return the first unreadable records of each reason."""
    table = quarantine_of(corpus)
    if not table.num_rows:
        return ()
    frame = pl.DataFrame(pl.from_arrow(table.drop_columns(["raw"])))
    found = (
        frame.group_by("source", "reason", maintain_order=True)
        .agg(pl.len().alias("records"), pl.col("origin").first(), pl.col("error").first())
        .sort("records", descending=True)
        .head(_SHOWN_RECORDS)
    )
    return tuple(
        made.Quarantined(row["source"], row["origin"], row["reason"], row["records"], row["error"])
        for row in found.to_dicts()
    )


def duplicates_of(
    pool: Pool, hide: Callable[[str], str] = str
) -> tuple[tuple[made.Cluster, ...], tuple[made.SourceLoss, ...]]:
    """Return the largest groups of copies, and what each source lost to deduplication.

    Args:
        pool: what is left, and all decisions.
        hide: takes from a text what is not to be shown.
    """
    decisions = [one for one in pool.decisions if _names_kept(one)]
    if not decisions:
        return (), ()
    removed = pl.concat([_removed(pool, decision) for decision in decisions])
    largest = (
        removed.group_by("kept_id", "kind")
        .agg(pl.len().alias("copies"), pl.col("source"))
        .sort(["copies", "kept_id"], descending=[True, False])
        .head(CLUSTERS)
    )
    kept = _documents(pool, largest["kept_id"].to_list(), hide)
    clusters = tuple(
        made.Cluster(
            kept[row["kept_id"]],
            row["copies"] + 1,
            dict(sorted(Counter([*row["source"], kept[row["kept_id"]].source]).items())),
            row["kind"].removeprefix("dedup."),
        )
        for row in largest.to_dicts()
        if row["kept_id"] in kept
    )
    lost = Counter(removed["source"].to_list())
    before = _before(pool, decisions[0])
    losses = tuple(
        made.SourceLoss(source, before[source], lost.get(source, 0)) for source in sorted(before)
    )
    return clusters, losses


def excerpt(
    pool: Pool, decision: Artifact, number: int, row: int, hide: Callable[[str], str] = str
) -> made.Excerpt:
    """Return one document as a report shows it, with the numbers that a decision wrote for it."""
    verdict = read_shard(decision.shards[number]).slice(row, 1).to_pylist()[0]
    beside = pool.sidecar(f"{decision.name}.statistics")  # what it looked at
    seen = read_shard(beside.shards[number]).slice(row, 1).to_pylist()[0] if beside else {}
    numbers = {
        name: value
        for name, value in {**verdict, **seen}.items()
        if isinstance(value, int | float | str) and name not in ("keep", "reason")
    }
    corpus = pool.corpus_after(pool.decisions.index(decision))  # as the decision found it
    document = read_shard(corpus.shards[number]).slice(row, 1).to_pylist()[0]
    return _excerpt(document, _deciding(numbers, verdict["reason"]), hide)


def _deciding(numbers: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """Return the statistics that a cleaning rule looked at; all of a short verdict."""
    rule = rule_called(reason)
    wanted = {rule.statistic, EDITED + rule.statistic} if rule else {reason, "language"}
    wanted |= {rule.letters} if rule else set()
    chosen = {name: value for name, value in numbers.items() if name in wanted}
    return chosen or dict(list(numbers.items())[:4])


def _excerpt(
    document: Mapping[str, Any], numbers: Mapping[str, Any], hide: Callable[[str], str]
) -> made.Excerpt:
    return made.Excerpt(
        document["doc_id"].hex(),
        document["source"],
        document["origin"],
        hide(document["text"])[:TEXT_CHARACTERS],
        dict(numbers),
    )


def _first_places(decision: Artifact) -> dict[str, list[tuple[int, int]]]:
    """Return the first few (shard, row) of each reason."""
    places: dict[str, list[tuple[int, int]]] = {}
    for number, shard in enumerate(decision.shards):
        frame = pl.DataFrame(pl.from_arrow(read_shard(shard, ("reason",)))).with_row_index("row")
        first = frame.drop_nulls().group_by("reason", maintain_order=True).head(EXAMPLES)
        for row in first.to_dicts():
            known = places.setdefault(row["reason"], [])
            if len(known) < EXAMPLES:
                known.append((number, row["row"]))
    return places


def _names_kept(decision: Artifact) -> bool:
    """Return whether a deduplication dropped whole documents, each for the sake of another."""
    shards = decision.shards if decision.name.startswith("dedup.") else ()
    return any("kept_id" in read_shard(shard).column_names for shard in shards)


def _removed(pool: Pool, decision: Artifact) -> pl.DataFrame:
    """Return kept_id, kind and source of every document that a deduplication dropped."""
    tables = []
    for shard, decided in zip(pool.corpus.shards, decision.shards, strict=True):
        kept = read_shard(decided, ("kept_id",))["kept_id"]
        mask = pc.is_valid(kept)
        source = read_shard(shard, ("source",))["source"].filter(mask)
        tables.append(pa.table({"kept_id": kept.filter(mask).cast(pa.binary()), "source": source}))
    frame = pl.DataFrame(pl.from_arrow(pa.concat_tables(tables)))
    return frame.with_columns(pl.lit(decision.name).alias("kind"))


def _documents(
    pool: Pool, ids: list[bytes], hide: Callable[[str], str]
) -> dict[bytes, made.Excerpt]:
    """Return the documents with some ids as excerpts, before and after they were rewritten."""
    wanted = pa.array(ids, pa.binary(16))
    found = {}
    generations = (*(parent.corpus for parent in pool.parents), pool.corpus)
    for shard in (shard for corpus in generations for shard in corpus.shards):
        rows = pc.indices_nonzero(pc.is_in(read_shard(shard, ("doc_id",))["doc_id"], wanted))
        for row in rows.to_pylist():
            document = read_shard(shard).slice(row, 1).to_pylist()[0]
            found[document["doc_id"]] = _excerpt(document, {}, hide)
    return found


def _before(pool: Pool, decision: Artifact) -> dict[str, int]:
    """Return documents by source as a decision found them."""
    pairs = zip(pool.corpus.shards, decision.shards, strict=True)
    return counted(
        read_shard(shard, ("source",))["source"].filter(
            pc.is_valid(read_shard(decided, ("keep",))["keep"])
        )
        for shard, decided in pairs
    )
