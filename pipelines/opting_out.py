"""What somebody wants out leaves the pool: named by a list that the corpus gives, copies included.

Once over what was ingested, and once more over texts that cleaning changed: a list may name a
document by the id or the digest that it has afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from curator.engine.driver import Driver
from curator.ledger import Artifact, folder_digest
from curator.optout.requests import Requests, read_requests
from curator.optout.stages import (
    NAMED,
    REASON,
    Named,
    OptOut,
    named_texts,
    write_asked,
    write_copies,
)
from curator.shards import read_shard
from pipelines.pool import Pool


def opt_out(path: str | None, pool: Pool, driver: Driver, *, step: str = REASON) -> Pool:
    """Return the pool without what a list of opt-outs means.

    Raises:
        RecipeError: the list cannot be read, or a line of it is no request.
    """
    if path is None:
        return pool
    requests = read_requests(Path(path))
    asked = {"requests": requests.digest}
    folder = driver.folder("optout.requests", asked, lambda out: write_asked(requests, out))
    stage = Named(requests.digest, str(folder))
    named = driver.map_stage(stage, pool.corpus, step=f"{step}.named", alive=pool.alive)
    identity = {**asked, "corpus": pool.corpus.digest, "named": named.digest}
    copies = driver.folder(
        "optout.copies", identity, lambda out: write_copies(_texts(requests, pool, named), out)
    )
    decide = OptOut(folder_digest(copies), str(copies))
    decision = driver.map_stage(decide, pool.corpus, step=step, sidecars=(named,), alive=pool.alive)
    return pool.decided(decision).beside(decision)


def opt_out_again(path: str | None, pool: Pool, driver: Driver) -> Pool:
    """Return the pool without what a list means by texts as cleaning left them."""
    return opt_out(path, pool, driver, step=f"{REASON}.cleaned") if pool.parents else pool


def _texts(requests: Requests, pool: Pool, named: Artifact) -> Iterator[pa.ChunkedArray | pa.Array]:
    """Yield the texts that copies are looked for of: those given, and those of named documents."""
    yield pa.array([text for _, text in requests.texts], pa.large_string())
    for shard, told in zip(pool.corpus.shards, named.shards, strict=True):
        yield named_texts(read_shard(shard, ("text",)), read_shard(told)[NAMED])
