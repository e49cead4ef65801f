"""An arm's selection is refined: documents come of documents, block by block, each kept once.

The entries of an arm's `refine` run in order, each over what the one before it left. What comes of
the last one is counted anew and mixed in place of the selection.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.arm_spec import ArmSpec
from curator.engine.driver import Driver, sights
from curator.errors import BudgetError, LedgerError
from curator.generate.client import Cost
from curator.identity import document_ids, fingerprint, id_matrix
from curator.ledger import Artifact, folder_digest
from curator.mix.spec import MixEntry, MixSpec
from curator.refine.finding import make_refiner, refiner_name, stands_beside
from curator.refine.refiner import Refiner
from curator.schema import SELECTION, conform
from curator.select.manifest import id_keys, manifest_hash
from curator.shards import Shard, read_shard, write_shard
from curator.stage import Site
from pipelines.arms import Selected
from pipelines.blocks import BLOCK, BlockTask, Rows, Whole, run_block, run_cost
from pipelines.pool import Pool, folder_shard
from pipelines.scoring import ANSWERS, Teachers, corpora_of, with_models
from pipelines.selecting import score_columns
from pipelines.tokenizing import Tokens

VERSION = 3  # raise it when the same documents and settings start giving another account
_EXAMPLES = 3  # of texts before and after, in an account
DEFAULT_MAX_EPOCHS = 1.0  # of new documents beside the originals: repeats are asked for by name


@dataclass(frozen=True)
class RefinedArm:
    """What an arm's mixture is drawn from instead of its selection.

    Attributes:
        selection: the table `selection` of a folder: SELECTION rows of all documents.
        shards: the documents.
        account: documents, tokens by source, and what each entry did.
        made: source -> the entry that made it, of sources that were not selected from.
    """

    selection: Shard
    shards: tuple[Shard, ...]
    account: Mapping[str, Any]
    made: Mapping[str, str]


def refine_arm(
    selected: Selected,
    arm: ArmSpec,
    pool: Pool,
    tokens: Tokens,
    teachers: Teachers,
    driver: Driver,
    repeats: Callable[[Artifact], Sequence[Artifact]] = lambda _: (),
) -> RefinedArm | None:
    """Return what an arm's selection becomes; None where it is mixed as it is.

    `repeats` returns decisions beside documents: new ones that any of them drops are left out.

    Raises:
        BudgetError: asking a language model would cost more than an entry allows; nothing was
            asked. Or nothing is left of the selection.
    """
    if not arm.refine:
        return None
    named = _new_sources(selected, arm, teachers)
    made: Artifact | None = None
    steps = []
    for entry in arm.refine:
        made = _refined(entry, selected, made, pool, teachers, driver)
        steps.append(_told(entry, made))
    assert made is not None
    from curator.train.tokenizer import TokenCount

    stage = TokenCount(digest=tokens.digest, path=str(tokens.path))
    counted = driver.map_stage(stage, made, step="refine.tokens")
    decisions = repeats(made)
    identity = {
        "version": VERSION,
        "documents": made.digest,
        "tokens": counted.digest,
        "decisions": [each.digest for each in decisions],
    }
    folder = driver.folder(
        "refined", identity, lambda out: _write_account(made, counted, decisions, tokens, out)
    )
    content = json.loads((folder / "refined.json").read_text())
    if content["left_out"] and not driver.quiet:
        told = _counted(content["left_out"])
        print(f"refine: new documents of {selected.name} left out: {told}", file=sys.stderr)
    if content["alike"] and not driver.quiet:
        told = f"{content['alike']:,} new documents of {selected.name} say what another one says"
        print(f"refine: {told}, word for word", file=sys.stderr)
    if not content["documents"]:
        gone = [
            _counted(counts) for counts in (*(s["dropped"] for s in steps), content["left_out"])
        ]
        raise BudgetError(
            f"arms.{selected.name}.refine: no document is left of {steps[0]['documents_in']:,} "
            f"({', '.join(filter(None, gone))}); select more, or let its refiners keep what they "
            "cannot change"
        )
    account = {**content, "steps": steps}
    return RefinedArm(folder_shard(folder, "selection"), made.shards, account, named)


def _write_account(
    made: Artifact, counted: Artifact, decisions: Sequence[Artifact], tokens: Tokens, out: Path
) -> None:
    """Write the selection that refined documents are, and what it holds."""
    kinds = pa.concat_tables([read_shard(shard, ("kind",)) for shard in made.shards])["kind"]
    stays, left_out = _apart(kinds, decisions)
    table = _selection(made, counted).filter(stays)
    write_shard(table, out / "selection.arrow", name="selection")
    content = {
        "documents": table.num_rows,
        "tokens": int(np.sum(table["tokens"].to_numpy(), dtype=np.int64)),
        "sources": _tokens_by(table, "source"),
        "kinds": _tokens_by(table.append_column("kind", kinds.filter(stays)), "kind"),
        "manifest_hash": manifest_hash(table, tokens.digest),
        "left_out": left_out,
        "alike": _alike(made),
    }
    (out / "refined.json").write_text(json.dumps(content, indent=1))


def _alike(made: Artifact) -> int:
    """Return how many new documents there are beyond those of different text."""
    told = [np.zeros((0, 16), np.uint8)]
    for shard in made.shards:
        table = read_shard(shard, ("kind", "text"))
        new = table["text"].filter(pc.not_equal(table["kind"], "original"))
        told.append(id_matrix(document_ids("", new)))
    every = np.concatenate(told)
    return len(every) - len(np.unique(every.view(np.uint64), axis=0))


def _apart(kinds: pa.ChunkedArray, decisions: Sequence[Artifact]) -> tuple[Any, dict[str, int]]:
    """Return which documents stay, (n,), and how many new ones go by which reason."""
    new = pc.not_equal(kinds, "original")
    stays = pa.chunked_array([np.ones(len(kinds), np.bool_)])
    counts: dict[str, int] = {}
    for decision in decisions:
        said = pa.concat_tables(
            [read_shard(shard, ("keep", "reason")) for shard in decision.shards]
        )
        gone = pc.and_(stays, pc.and_(new, pc.invert(said["keep"])))
        told = pc.value_counts(said["reason"].filter(gone)).to_pylist()
        counts |= {each["values"]: each["counts"] for each in told}
        stays = pc.and_(stays, pc.invert(gone))
    return stays, counts


def _new_sources(selected: Selected, arm: ArmSpec, teachers: Teachers) -> dict[str, str]:
    """Return the sources that refining a selection may make, each with the entry that makes it.

    Raises:
        BudgetError: nothing was selected, or a source has such a name already.
    """
    sources = dict.fromkeys(read_shard(selected.shard, ("source",))["source"].unique().to_pylist())
    if not sources:
        raise BudgetError(
            f"arms.{selected.name}.refine: no document was selected, so there is nothing to "
            "refine; select more"
        )
    made: dict[str, str] = {}
    for entry in arm.refine:
        name = refiner_name(entry)
        if not stands_beside(entry, made_refiner(entry, teachers)):
            continue
        for source in (*sources, *made):
            new = f"{source}.{name}"
            if new in sources or new in made:
                raise BudgetError(
                    f"arms.{selected.name}.refine: what {name!r} makes of {source!r} would be of "
                    f"source {new!r}, which is there already; call the entry otherwise with `as:`"
                )
            made[new] = name
    return made


def mix_of(arm: ArmSpec, spec: MixSpec, refined: RefinedArm, wanted: int | None) -> MixSpec:
    """Return how a refined selection is mixed: what stands beside originals gets its share.

    Originals, and what was made of them by one entry, each keep among themselves the shares that
    their tokens give them.
    """
    shares = {
        refiner_name(entry): float(entry["share"])
        for entry in arm.refine
        if entry.get("share") is not None
    }
    if not shares:
        return spec
    caps = {refiner_name(e): float(e.get("max_epochs") or DEFAULT_MAX_EPOCHS) for e in arm.refine}
    sizes: Mapping[str, int] = refined.account["sources"]
    groups: dict[str, dict[str, int]] = {}
    for source, size in sizes.items():
        name = refined.made.get(source, "")
        name = name if name in shares else ""
        groups.setdefault(name, {})[source] = size
    lacking = [name for name in (*shares, "") if not groups.get(name)]
    if lacking:
        what = ", ".join(name or "the originals" for name in lacking)
        raise BudgetError(
            f"refine: no document is left of {what}, and they should be "
            f"{[shares.get(name, 1 - sum(shares.values())) for name in lacking]} of the mixture; "
            "see the reasons in the account, select more, or leave `share` out"
        )
    weights = {**shares, "": 1 - sum(shares.values())}
    entries = []
    for name, members in groups.items():
        cap = caps[name] if name else spec.max_epochs
        total = sum(members.values())
        entries += [MixEntry(s, weights[name] * n / total, cap) for s, n in members.items()]
    # Without a budget: as many tokens as give each group its share with nothing repeated.
    once = min(sum(groups[name].values()) / weight for name, weight in weights.items())
    return replace(spec, entries=tuple(entries), tokens=spec.tokens or wanted or int(once))


def _refined(
    entry: Mapping[str, Any],
    selected: Selected,
    before: Artifact | None,
    pool: Pool,
    teachers: Teachers,
    driver: Driver,
) -> Artifact:
    """Return the documents, old and new, that one entry leaves."""
    name = refiner_name(entry)
    refiner = made_refiner(entry, teachers)
    site = Site(cache=driver.store.root / ANSWERS)
    if refiner.learns_from:
        corpora = corpora_of(refiner, entry, pool, teachers)
        fitted = driver.fit(refiner, corpora, step=f"refine.{name}", site=site)
        site = replace(site, fitted=fitted)
    fitted_digest = folder_digest(site.fitted) if site.fitted else None
    identity = {**refiner.identity(), "fitted": fitted_digest}
    beside = stands_beside(entry, refiner)
    told = {"identity": identity, "name": name, "beside": beside, "block": BLOCK}
    step = f"refine.{name}"
    operation = fingerprint(identity)
    scores = [one for one in pool.sidecars if score_columns(one)]
    blocks: list[tuple[Any, Rows | Whole]]
    if before is None:
        read = _sidecars_of(refiner, scores)
        blocks = list(_rows(selected, pool, driver, read))
        parents: tuple[Artifact, ...] = (pool.corpus, *read)
    else:
        blocks = [(shard.digest, Whole(shard)) for shard in before.shards]
        parents = (before,)
    jobs = [
        BlockTask(
            refiner, fingerprint([step, told, what]), step, name, beside, number, block, operation,
            site, driver.store,
        )
        for number, (what, block) in enumerate(blocks)
    ]  # fmt: skip
    todo = [job for job in jobs if driver.store.task(step, job.key) is None]
    if todo:
        refiner.afford(_total(driver.run(run_cost, todo)))
    return driver.publish(step, told, parents, driver.run_tasks(run_block, jobs))


def made_refiner(entry: Mapping[str, Any], teachers: Teachers) -> Refiner:
    """Return the refiner of an entry, with the recipe's models in place of their names."""
    return make_refiner(with_models(entry, teachers.models))


def _sidecars_of(refiner: Refiner, scores: Sequence[Artifact]) -> list[Artifact]:
    """Return the scores that a refiner reads."""
    wanted = {name.partition(".")[0] for name in refiner.reads}
    return [one for one in scores if one.name.removeprefix("score.") in wanted]


def _rows(
    selected: Selected, pool: Pool, driver: Driver, beside: Sequence[Artifact]
) -> Iterator[tuple[Any, Rows]]:
    """Yield what names each block of a selection, and where its documents lie."""
    identity = {"selection": selected.shard.digest, "corpus": pool.corpus.digest}
    folder = driver.folder(
        "refine.places", identity, lambda out: _write_places(selected, pool, out)
    )
    places = folder_shard(folder, "places")
    table = read_shard(places)
    files = sights(pool.corpus, beside, None)
    for start in range(0, table.num_rows, BLOCK):
        part = table.slice(start, BLOCK)
        used = [int(number) for number in np.unique(part["sight"].to_numpy())]
        held = tuple((number, files[number]) for number in used)
        rows = [part[name].to_pylist() for name in ("row", "key", "copies")]
        what = [[files[number].digests() for number in used], part["sight"].to_pylist(), rows]
        yield what, Rows(held, places, start, start + part.num_rows)


def _write_places(selected: Selected, pool: Pool, out: Path) -> None:
    """Write where the selected documents lie, in the order of their ids."""
    chosen = read_shard(selected.shard)
    keys = id_keys(chosen)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    sight_of = np.full(len(keys), -1, np.int32)
    row_of = np.zeros(len(keys), np.int64)
    for number, sight in enumerate(sights(pool.corpus, (), pool.alive)):
        own, mask = id_keys(sight.columns(("doc_id",))), sight.mask()
        there = np.ones(len(own), np.bool_) if mask is None else np.array(mask.to_numpy())
        places = np.searchsorted(ordered, own)
        there &= places < len(ordered)
        there[there] = ordered[places[there]] == own[there]
        sight_of[places[there]], row_of[places[there]] = number, np.flatnonzero(there)
    missing = int((sight_of < 0).sum())
    if missing:
        raise LedgerError(
            f"{missing} of {len(keys)} selected documents are not in the corpus; the store was "
            "changed beneath the run: see `curator verify`"
        )
    columns = {"sight": pa.array(sight_of), "row": pa.array(row_of)}
    columns |= {name: chosen[name].take(pa.array(order)) for name in ("key", "copies")}
    write_shard(pa.table(columns), out / "places.arrow", name="places")


def _selection(made: Artifact, counted: Artifact) -> pa.Table:
    """Return `SELECTION` rows of all documents of an artifact."""
    pieces = [
        read_shard(shard, ("doc_id", "source", "copies", "key")).append_column(
            "tokens", read_shard(count, ("n_tokens",))["n_tokens"].cast(pa.uint32())
        )
        for shard, count in zip(made.shards, counted.shards, strict=True)
    ]
    return conform(pa.concat_tables(pieces).select(SELECTION.names), SELECTION)


def _tokens_by(table: pa.Table, column: str) -> dict[str, int]:
    sums = table.group_by(column).aggregate([("tokens", "sum")]).to_pylist()
    return dict(sorted((each[column], each["tokens_sum"]) for each in sums))


def _told(entry: Mapping[str, Any], made: Artifact) -> dict[str, Any]:
    """Return what one entry did, as the page shows it."""
    notes = [task.notes for task in made.tasks]
    reasons: dict[str, int] = {}
    for each in notes:
        for reason, n in each["reasons"].items():
            reasons[reason] = reasons.get(reason, 0) + n
    counts = ("children", "repeated", "refined", "characters_in", "characters_out")
    return {
        "name": refiner_name(entry),
        "use": str(entry["use"]),
        "artifact": f"{made.name}-{made.id[:12]}",
        "documents_in": made.rows_in,
        "dropped": made.dropped,
        "reasons": dict(sorted(reasons.items())),
        **{name: sum(each[name] for each in notes) for name in counts},
        "examples": [pair for each in notes for pair in each["examples"]][:_EXAMPLES],
    }


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {n:,}" for reason, n in counts.items())


def _total(costs: Sequence[Cost]) -> Cost:
    return Cost(sum(each.requests for each in costs), sum(each.tokens for each in costs))
