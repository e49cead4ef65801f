"""Why one document is in or out: read back from every decision, score, selection and mixture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import RecipeError
from curator.identity import id_matrix
from curator.ledger import Artifact, Store
from curator.report.explain import (
    Choice,
    Copies,
    Descent,
    Explanation,
    Rewriting,
    Score,
    StageVerdict,
)
from curator.schema import field_note
from curator.select.spec import parse_select
from curator.shards import read_shard
from pipelines.descent import descent_of
from pipelines.looking import Found, View, open_view
from pipelines.running import read_run

_MATCHES_SHOWN = 20
_LEAST = 8  # digits of an id by which refined documents are looked for
_NOT_NUMBERS = ("keep", "reason", "kept_id", "role")


def explain_document(prefix: str, folder: Path) -> Found:
    """Return everything a run knows of the document whose id begins with `prefix` (hex).

    Raises:
        RecipeError: no document, or several, have such an id.
    """
    record = read_run(folder)
    view = open_view(str(folder), Path(record["store"]))
    descent = _descent(prefix, record)
    number, row = _find(descent[-1].parents[0] if descent else prefix, view)
    document = read_shard(view.corpus.shards[number]).slice(row, 1).to_pylist()[0]
    verdicts = tuple(_verdicts(view, number, row))
    tokens = _cell(view, "tokens", number, row).get("n_tokens")
    found = Explanation(
        doc_id=document["doc_id"].hex(),
        source=document["source"],
        origin=document["origin"],
        place=f"{view.corpus.shards[number].name}, row {row}",
        text=document["text"],
        tokens=tokens,
        verdicts=verdicts,
        rewritings=tuple(_rewritings(view, number, row)),
        copies=_copies(view, number, row),
        contamination=tuple(_contamination(view, number, row)),
        scores=tuple(_scores(view, number, row)),
        choices=tuple(
            _choice(arm, content, document["doc_id"], _sign(arm, record, view))
            for arm, content in record["arms"].items()
        ),
        descent=descent,
    )
    return Found(asdict(found), found)


def _descent(prefix: str, record: Mapping[str, Any]) -> tuple[Descent, ...]:
    """Return a refined document and its ancestors; empty where `prefix` names none."""
    if len(prefix) < _LEAST or not set(prefix.lower()) <= set("0123456789abcdef"):
        return ()
    return descent_of(prefix, record, Store(Path(record["store"])))


def _find(prefix: str, view: View) -> tuple[int, int]:
    """Return (shard number, row) of the document; of identical ones the one that is kept."""
    try:
        wanted = bytes.fromhex(prefix[: len(prefix) // 2 * 2])
    except ValueError:
        raise RecipeError(f"{prefix!r} is not hex; wanted the beginning of a doc_id") from None
    places: list[tuple[bytes, int, int]] = []
    head = np.frombuffer(wanted, np.uint8)
    for corpus in reversed(view.generations):  # a parent's id leads to what became of it
        for number, shard in enumerate(corpus.shards):
            ids = id_matrix(read_shard(shard, ("doc_id",))["doc_id"])
            rows = np.flatnonzero((ids[:, : len(head)] == head).all(axis=1))
            places += [(ids[row].tobytes(), number, int(row)) for row in rows]
    places = [place for place in places if place[0].hex().startswith(prefix.lower())]
    distinct = {place[0] for place in places}
    if len(distinct) != 1:
        some = ", ".join(sorted(one.hex()[:16] for one in distinct)[:5]) or "none"
        raise RecipeError(
            f"{len(distinct)} documents have an id like {prefix!r} ({some}); give more of it"
        )
    alive = [place for place in places if _alive(view, place[1], place[2])]
    _, number, row = (alive or places)[0]
    return number, row


def _alive(view: View, number: int, row: int) -> bool:
    if not view.decisions:
        return True
    keep = read_shard(view.decisions[-1].shards[number], ("keep",))["keep"][row].as_py()
    return bool(keep)


def _verdicts(view: View, number: int, row: int) -> list[StageVerdict]:
    """Return what every decision said until the document was dropped."""
    verdicts = []
    for decision in view.decisions:
        said = read_shard(decision.shards[number]).slice(row, 1).to_pylist()[0]
        if said["keep"] is None:
            break
        seen = _cell(view, f"{decision.name}.statistics", number, row)  # what it looked at
        numbers = {
            name: value
            for name, value in {**said, **seen}.items()
            if name not in _NOT_NUMBERS and isinstance(value, int | float | str)
        }
        verdicts.append(StageVerdict(decision.name, said["keep"], said["reason"] or "", numbers))
    return verdicts


def _copies(view: View, number: int, row: int) -> Copies | None:
    """Return the cluster of a document: what it copies, or what copies it."""
    for made_before, decision in enumerate(view.decisions):
        if not decision.name.startswith("dedup."):
            continue
        said = read_shard(decision.shards[number]).slice(row, 1).to_pylist()[0]
        if "kept_id" not in said:
            continue
        kept = said["kept_id"] or _id_after(view, made_before, number, row)
        members = sum(
            pc.sum(
                pc.equal(read_shard(shard, ("kept_id",))["kept_id"], pa.scalar(kept, pa.binary(16)))
            ).as_py()
            or 0
            for shard in decision.shards
        )
        if members:
            kind = decision.name.removeprefix("dedup.")
            origin = _origin(view, kept)
            if said["kept_id"] is None:  # under the id that it has now
                kept = _id_after(view, len(view.decisions), number, row)
            return Copies(
                kind,
                kept.hex(),
                origin,
                members + 1,
                *(said.get(name) for name in ("jaccard", "containment", "similarity")),
            )
    return None


def _id_after(view: View, decisions: int, number: int, row: int) -> bytes:
    """Return the document's id as it was after so many decisions."""
    earlier = (parent for parent, made in view.parents if made >= decisions)
    shard = next(earlier, view.corpus).shards[number]
    found: bytes = read_shard(shard, ("doc_id",))["doc_id"][row].as_py()
    return found


def _rewritings(view: View, number: int, row: int) -> Iterator[Rewriting]:
    """Yield every change of the document's text, in order."""
    following = view.generations[1:]
    for (parent, decisions), child in zip(view.parents, following, strict=True):
        before = read_shard(parent.shards[number], ("doc_id", "text")).slice(row, 1).to_pylist()[0]
        after = read_shard(child.shards[number], ("doc_id", "text")).slice(row, 1).to_pylist()[0]
        if before["doc_id"] != after["doc_id"]:
            yield Rewriting(
                view.decisions[decisions].name,
                before["doc_id"].hex(),
                len(before["text"].encode()),
                len(after["text"].encode()),
            )


def _origin(view: View, doc_id: bytes) -> str:
    shards = (shard for corpus in reversed(view.generations) for shard in corpus.shards)
    for shard in shards:
        table = read_shard(shard, ("doc_id", "origin"))
        rows = table.filter(pc.equal(table["doc_id"], pa.scalar(doc_id, pa.binary(16))))
        if rows.num_rows:
            return str(rows["origin"][0].as_py())
    return ""


def _contamination(view: View, number: int, row: int) -> list[str]:
    """Return each stretch that the document shares with an item, some of many, with its text."""
    from pipelines.matching import matches_of_document

    matches = matches_of_document(view, number, row)
    told = [
        f"{match['benchmark']} item {match['item_id']}, {match['words']} words at byte "
        f"{match['start']}: {match['text']}"
        for match in matches[:_MATCHES_SHOWN]
    ]
    more = len(matches) - len(told)
    return [*told, f"and {more:,} more stretches"] if more else told


def _scores(view: View, number: int, row: int) -> list[Score]:
    """Return each score with the document's rank among all that have one."""
    scores = []
    for sidecar in view.sidecars:
        if not sidecar.name.startswith("score."):
            continue
        schema = read_shard(sidecar.shards[0]).schema
        for field in schema:
            value = read_shard(sidecar.shards[number])[field.name][row].as_py()
            better = field_note(field, "better", "higher")
            scores.append(_score(sidecar, field, value, better))
    return scores


def _score(sidecar: Artifact, field: pa.Field, value: Any, better: str) -> Score:
    column = [read_shard(shard, (field.name,))[field.name] for shard in sidecar.shards]
    of = sum(len(part) - part.null_count for part in column)
    rank = None
    if value is not None and better in ("higher", "lower"):
        ahead = pc.greater if better == "higher" else pc.less
        rank = 1 + sum(pc.sum(ahead(part, value)).as_py() or 0 for part in column)
    direction: Any = better if better in ("higher", "lower") else "neither"
    return Score(field.name, value, rank, of, field_note(field, "unit"), direction)


def _sign(arm: str, record: Mapping[str, Any], view: View) -> int:
    """Return -1 where an arm's keys are scores turned around because low ones are better, else 1.

    Keys with chance in them (`gumbel`, `random`, `band`) are in no score's unit and stay.
    """
    spec = parse_select(record["recipe_content"]["arms"][arm]["select"])
    if spec.method not in ("topk", "threshold"):
        return 1
    scores = [sidecar for sidecar in view.sidecars if sidecar.name.startswith("score.")]
    fields = (field for one in scores for field in read_shard(one.shards[0]).schema)
    return spec.direction({field.name: field_note(field, "better", "higher") for field in fields})


def _choice(arm: str, content: Mapping[str, Any], doc_id: bytes, sign: int) -> Choice:
    """Return whether an arm took a document, and where its draws stand.

    Args:
        arm: its name.
        content: what the run recorded of it.
        doc_id: the document.
        sign: of its keys, to show them in the score's own unit.
    """
    chosen = read_shard(content["selection"]["path"])
    wanted = pa.scalar(doc_id, pa.binary(16))
    rows = pc.indices_nonzero(pc.equal(chosen["doc_id"], wanted)).to_pylist()
    cut = sign * float(chosen["key"][-1].as_py()) if chosen.num_rows else None
    if not rows:
        return Choice(arm, taken=False, cut=cut)
    index = read_shard(Path(content["mixture"]["path"]) / "index.arrow")
    draws = pc.indices_nonzero(pc.equal(index["doc_id"], wanted)).to_pylist()
    packed = tuple(
        f"tokens {start:,} to {start + length - 1:,} of the mixture"
        for start, length in (
            (index["offset"][d].as_py(), index["length"][d].as_py()) for d in draws
        )
    )
    key = sign * float(chosen["key"][rows[0]].as_py())
    epochs = float(len(draws))
    return Choice(
        arm, taken=True, key=key, cut=cut, rank=rows[0] + 1, epochs=epochs,
        positions=tuple(draws), packed=packed,
    )  # fmt: skip


def _cell(view: View, name: str, number: int, row: int) -> dict[str, Any]:
    """Return one document's row of the sidecar called `name`, {} if there is none."""
    for sidecar in (*view.decisions, *view.sidecars):
        if sidecar.name == name:
            return dict(read_shard(sidecar.shards[number]).slice(row, 1).to_pylist()[0])
    return {}
