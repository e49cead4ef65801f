"""One tokenizer for the whole pool, and what every document costs under it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from curator.corpus_spec import TokenizerSpec
from curator.engine.driver import Driver
from curator.identity import file_digest, id_matrix, uniform
from curator.stage import Corpus, library_versions
from pipelines.pool import Pool, text_lengths

TOKENIZER_BYTES = 64 << 20  # a BPE of tens of thousands of entries has settled long before this


@dataclass(frozen=True)
class Tokens:
    """The tokenizer of a run: where it lies, and its digest."""

    path: Path
    digest: str


def count_tokens(spec: TokenizerSpec, pool: Pool, driver: Driver) -> tuple[Pool, Tokens]:
    """Return the pool with `n_tokens` beside it, and the tokenizer that every count is of."""
    from curator.train.tokenizer import VERSION, TokenCount, train_bpe

    if spec.path is not None:
        path = Path(spec.path)
    else:
        size = int(spec.bpe or 4096)
        identity = {
            "version": VERSION,
            "libraries": library_versions(("tokenizers",)),
            "pool": pool.learning().digest,
            "bpe": size,
            "bytes": TOKENIZER_BYTES,
        }
        folder = driver.folder(
            "tokenizer", identity, lambda out: train_bpe(_tokenizer_texts(pool), size, out)
        )
        path = folder / "tokenizer.json"
    tokens = Tokens(path, file_digest(path))
    stage = TokenCount(digest=tokens.digest, path=str(path))
    counted = driver.map_stage(stage, pool.corpus, step="tokens", alive=pool.alive)
    return pool.beside(counted), tokens


def total_tokens(pool: Pool, sources: tuple[str, ...] = ()) -> int:
    """Return the tokens of all living documents, or of those of some sources."""
    counted = pool.sidecar("tokens")
    assert counted is not None  # `count_tokens` comes first
    corpus = Corpus(counted.shards, pool.alive.shards if pool.alive else ())
    if sources:
        corpus = pool.learning(sources, (counted,))
    return sum(pc.sum(t["n_tokens"]).as_py() or 0 for t in corpus.tables(("n_tokens",)))


def _tokenizer_texts(pool: Pool) -> Iterator[pa.Array]:
    """Yield living texts, all or a share chosen by hash that holds about `TOKENIZER_BYTES`."""
    size = sum(pc.sum(lengths).as_py() or 0 for lengths in text_lengths(pool))
    share = min(1.0, TOKENIZER_BYTES / max(1, size))
    for table in pool.learning().tables(("doc_id", "text")):
        chance = uniform(id_matrix(table["doc_id"]), "tokenizer", 0)
        yield table.filter(pa.array(chance < share))["text"].combine_chunks()
