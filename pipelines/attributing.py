"""`curator attribute`: which documents of a store a text repeats, with license, source and address.

Every document of the store is read once. Versions of one document that share as much are told
once, the original first. Where the store has vectors of the same encoder, the nearest documents are
told too: near in meaning, which is no evidence of copying.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from curator.clean.license_tiers import tier_of
from curator.dedup.attribution import Asked, asked, covered, shared_runs
from curator.errors import LedgerError, RecipeError
from curator.ledger import Artifact, Store
from curator.optout.holding import document_files
from curator.report.visible import one_line
from curator.shards import read_shard
from pipelines.looking import Found

_TOLD: Final = ("doc_id", "parent_id", "source", "origin", "url", "date", "license")
_SHOWN_CHARACTERS: Final = 300
_MOST_BYTES: Final = 16 << 20


def attribute_text(text: str, store: Path, *, least: int, n: int, encoder: str) -> Found:
    """Return the documents of a store that a text, or the text in a file, shares most with.

    Args:
        text: itself, or the path of a file.
        store: with documents.
        least: words of the shortest run that counts.
        n: how many documents.
        encoder: of the vectors that are looked among.

    Raises:
        RecipeError: the text is too short, or a file that cannot be read.
        LedgerError: there is no store, or it has no documents.
    """
    query = asked(_read(text).encode(errors="replace").decode(), least)
    place = Store(store.absolute())
    if not store.is_dir():
        raise LedgerError(f"there is no store {store}; wanted the --store of a run")
    artifacts = [artifact for _, artifact in place.artifacts()]
    rows: dict[str, dict[str, Any]] = {}
    every = np.zeros(len(query.starts), np.bool_)
    files = 0
    for path in document_files(place, artifacts):
        files += 1
        for row, mask in _matches(query, path):
            every |= mask
            rows.setdefault(row["doc_id"], row)
    if not files:
        raise LedgerError(f"store {store} has no documents; wanted the --store of a run")
    best = sorted(rows.values(), key=lambda row: (-row["words"], -row["share"], row["doc_id"]))
    told = _without_versions(best, rows)[:n]
    summary = {
        "words": len(query.starts),
        "least": least,
        "share": float(every.mean()),
        "documents": told,
        "nearest": _nearest(query.text.decode(), artifacts, encoder, n),
    }
    return Found(summary, _drawn(summary))


def _read(text: str) -> str:
    """Return the text of a file where there is one by that name, else the words themselves."""
    try:
        path = Path(text)
        if not path.is_file():
            return text
    except (OSError, ValueError):  # too long, or with characters that no path has
        return text
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise RecipeError(f"{path} has more than {_MOST_BYTES} bytes; give a part of it")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} cannot be read as UTF-8 ({error})") from None


def _matches(query: Asked, path: Path) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield each document of a file that shares a run, and which words of the text it covers."""
    table = read_shard(path)
    runs = shared_runs(query, table["text"])
    known = [name for name in _TOLD if name in table.column_names]
    for document in np.unique(runs.document).tolist():  # few documents of a shard share a run
        own = np.flatnonzero(runs.document == document)
        longest = own[np.argmax(runs.words[own])]
        mask = covered(runs, document, len(query.starts))
        row = table.slice(document, 1).select(known).to_pylist()[0]
        first, words = int(runs.first[longest]), int(runs.words[longest])
        yield (
            {
                **{name: _plain(row.get(name)) for name in _TOLD},
                "tier": tier_of(row.get("license")).name,
                "words": words,
                "share": float(mask.mean()),
                "span": one_line(query.span(first, words), _SHOWN_CHARACTERS),
            },
            mask,
        )


def _without_versions(
    best: list[dict[str, Any]], rows: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return documents without those made of one that shares as much."""
    return [
        row
        for row in best
        if not (row["parent_id"] in rows and rows[row["parent_id"]]["words"] >= row["words"])
    ]


def _nearest(text: str, artifacts: list[Artifact], encoder: str, n: int) -> list[dict[str, Any]]:
    """Return the documents nearest in meaning, of those whose vectors the store has."""
    embedded = [one for one in artifacts if one.name == "embed" and one.parents]
    if not embedded:
        return []
    from curator.embed.encoder import encoder_digest, open_encoder
    from curator.embed.neighbors import Neighbors
    from curator.schema import vector_matrix

    digest = encoder_digest(encoder)
    by_id = {artifact.id: artifact for artifact in artifacts}
    best: dict[str, dict[str, Any]] = {}
    vector = open_encoder(encoder).encode([text])
    for one in embedded:
        corpus = by_id.get(one.parents[0])
        same = one.identity.get("encoder") == digest
        if not same or corpus is None or len(corpus.shards) != len(one.shards):
            continue
        for shard, beside in zip(corpus.shards, one.shards, strict=True):
            vectors = read_shard(beside, ("vector",))
            there = vectors["vector"].is_valid()
            if not vectors.num_rows or not there.to_numpy().any():
                continue
            stored = vector_matrix(vectors["vector"].filter(there))
            cosines, rows = Neighbors(stored).top_k(vector, min(n, len(stored)))
            table = read_shard(shard, _TOLD).filter(there).take(pa.array(rows[0]))
            for row, cosine in zip(table.to_pylist(), cosines[0].tolist(), strict=True):
                plain = {name: _plain(value) for name, value in row.items()}
                told = {**plain, "tier": tier_of(row["license"]).name, "cosine": round(cosine, 3)}
                best.setdefault(plain["doc_id"], told)
    return sorted(best.values(), key=lambda row: (-row["cosine"], row["doc_id"]))[:n]


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def _drawn(summary: Mapping[str, Any]) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    def cell(value: Any) -> Text:
        return Text(one_line(str(value if value is not None else ""), _SHOWN_CHARACTERS))

    title = (
        f"{summary['share']:.0%} of {summary['words']} words stand in these documents, in runs of "
        f"{summary['least']} or more"
    )
    runs = Table(title=title)
    for heading in ("words", "share", "document", "source", "license", "tier", "address", "span"):
        runs.add_column(heading, overflow="fold")
    for row in summary["documents"]:
        address = row["url"] or row["origin"]
        runs.add_row(
            str(row["words"]), f"{row['share']:.0%}", *map(cell, (row["doc_id"][:12], row["source"],
            row["license"], row["tier"], address, row["span"])),
        )  # fmt: skip
    parts: list[Any] = [runs]
    if not summary["documents"]:
        parts = [Text(f"no document shares {summary['least']} words in a row with the text")]
    if summary["nearest"]:
        near = Table(title="nearest in meaning, which is no evidence of copying")
        for heading in ("cosine", "document", "source", "license", "tier", "address"):
            near.add_column(heading, overflow="fold")
        for row in summary["nearest"]:
            address = row["url"] or row["origin"]
            near.add_row(*map(cell, (row["cosine"], row["doc_id"][:12], row["source"],
                                     row["license"], row["tier"], address)))  # fmt: skip
        parts.append(near)
    return Group(*parts)
