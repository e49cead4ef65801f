"""A small corpus of made-up documents, as an artifact of any number of shards."""

from __future__ import annotations

import pyarrow as pa

from curator.identity import document_ids, fingerprint
from curator.ledger import Artifact, Store, TaskRecord
from curator.schema import DOCUMENT, conform
from curator.shards import write_shard

WORDS = "river stone carries water toward quiet fields where people plant wheat and sing".split()  # noqa: SIM905 - reads as text


def made_up_texts(n: int) -> list[str]:
    """Return n texts of 1 to 60 words; the same for the same n, all different."""
    return [
        " ".join(WORDS[(i * 7 + j * (1 + i % 5)) % len(WORDS)] for j in range(i % 60)) + f" {i}"
        for i in range(n)
    ]


def documents(texts: list[str], source: str = "toy") -> pa.Table:
    """Return texts as a table of documents."""
    column = pa.array(texts, pa.large_string())
    columns = {
        "doc_id": document_ids(source, column),
        "source": pa.array([source] * len(texts)),
        "origin": pa.array([f"toy#{i}" for i in range(len(texts))]),
        "text": column,
    }
    return conform(pa.table(columns), DOCUMENT)


def corpus_of(store: Store, texts: list[str], shards: int, source: str = "toy") -> Artifact:
    """Return the texts as an artifact of so many shards in a store."""
    tasks = []
    size = -(-len(texts) // shards)
    for number in range(shards):
        table = documents(texts[number * size : (number + 1) * size], source)
        key = fingerprint(["corpus", source, number, shards, texts[:1], len(texts)])
        path = store.task_path("ingest", key)
        shard = write_shard(table, path, name=f"{source}-{number:03d}")
        record = TaskRecord(key, (shard,), table.num_rows, table.num_rows)
        store.commit("ingest", record)
        tasks.append(record)
    artifact = Artifact("ingest", {"name": "made-up"}, tuple(tasks))
    store.publish(artifact)
    return artifact
