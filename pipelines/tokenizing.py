"""One tokenizer for the whole pool, and what every document costs under it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from curator.corpus_spec import TokenizerSpec
from curator.engine.driver import Driver
from curator.errors import RecipeError
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
            **({"tags": spec.tags} if spec.tags else {}),
        }

        def make(out: Path) -> None:
            refuse_spelled(pool, spec.tags)
            train_bpe(_tokenizer_texts(pool), size, out, spec.tags)

        folder = driver.folder("tokenizer", identity, make)
        path = folder / "tokenizer.json"
    tokens = Tokens(path, file_digest(path))
    stage = TokenCount(digest=tokens.digest, path=str(path))
    counted = driver.map_stage(stage, pool.corpus, step="tokens", alive=pool.alive)
    return pool.beside(counted), tokens


def refuse_spelled(pool: Pool, tags: Sequence[str]) -> None:
    """Return only if no text of the pool spells a tag: it would be read as one.

    Raises:
        RecipeError: naming the tag and a document.
    """
    from curator.train.tokenizer import tag_text

    for table in pool.learning().tables(("doc_id", "text")) if tags else ():
        for name in tags:
            found = table.filter(pc.match_substring(table["text"], tag_text(name)))
            if found.num_rows:
                raise RecipeError(
                    f"corpus.tokenizer.tags: document {found['doc_id'][0].as_py().hex()} and "
                    f"{found.num_rows - 1} more of a shard spell {tag_text(name)!r}; call the tag "
                    "something else"
                )


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
