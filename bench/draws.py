"""A pool of real text cut into random draws that share no document, and draws with some junk.

The pool is the mixture of a finished run that trained nothing (bench/recipes/pool.yaml) with the
text held out of it. Draws are whole documents in the order of a hash; they and their mixtures on
disk are made by the product's own functions. A dose of junk replaces a draw's first tokens in the
order of another hash, so a larger dose replaces what a smaller one does and more.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import zstandard
from numpy.typing import NDArray

from curator.errors import BudgetError, LedgerError
from curator.identity import document_ids, id_matrix, random_bits
from curator.mix.draw import draw
from curator.mix.spec import MixSpec
from curator.mix.tokens import Encoded, write_tokens
from curator.schema import SELECTION
from curator.shards import read_shard, write_shard
from curator.train.loader import Mixture, open_mixture
from curator.train.tokenizer import bos_id, digest, encode, load_tokenizer

LONGEST = 8_000  # characters of a held-out document
PIECE = 256  # tokens of a piece of junk: small, so that small doses are met


@dataclass(frozen=True)
class Documents:
    """Some documents as tokens; document i is tokens[offsets[i]:offsets[i] + lengths[i]]."""

    doc_ids: NDArray[np.uint8]  # (n, 16)
    sources: NDArray[np.object_]  # (n,) names
    offsets: NDArray[np.int64]  # (n,)
    lengths: NDArray[np.int64]  # (n,)
    tokens: NDArray[Any]

    @property
    def n_tokens(self) -> int:
        """All tokens of them."""
        return int(self.lengths.sum())

    def take(self, rows: NDArray[Any]) -> Documents:
        """Return some of them."""
        return replace(
            self, doc_ids=self.doc_ids[rows], sources=self.sources[rows],
            offsets=self.offsets[rows], lengths=self.lengths[rows],
        )  # fmt: skip

    def whole(self) -> Documents:
        """Return them with no other tokens in between."""
        parts = [
            self.tokens[start : start + length]
            for start, length in zip(self.offsets, self.lengths, strict=True)
        ]
        return replace(
            self,
            offsets=np.cumsum(self.lengths) - self.lengths,
            tokens=np.concatenate([np.zeros(0, self.tokens.dtype), *parts]),
        )


@dataclass(frozen=True)
class Pool:
    """What a finished run without training left: its mixture and the text it held out."""

    run: Path
    longest: int = 0  # documents of more tokens are left out; 0: none is

    @cached_property
    def record(self) -> dict[str, Any]:
        """What the run wrote about itself."""
        found: dict[str, Any] = json.loads((self.run / "run.json").read_text())
        return found

    @cached_property
    def mixture(self) -> Mixture:
        """The mixture of its only arm."""
        (arm,) = self.record["arms"].values()
        return open_mixture(arm["mixture"]["path"])

    @property
    def tokenizer(self) -> Path:
        """The tokenizer of the mixture."""
        return self.mixture.folder / "tokenizer.json"

    @cached_property
    def heldout(self) -> Path:
        """The Arrow file of the documents that were held out."""
        folders = (Path(folder) for folder in self.record["stands_on"]["folders"])
        found = [folder for folder in folders if folder.name.startswith("heldout-")]
        if len(found) != 1:
            raise LedgerError("held out no text; the pool needs `heldout`", where=str(self.run))
        return found[0] / "documents.arrow"

    @cached_property
    def documents(self) -> Documents:
        """Every document once, as tokens on disk, without those that are too long."""
        mixture = self.mixture
        names = np.array(mixture.source_names, dtype=object)
        first = mixture.epochs == 0
        if self.longest:
            first &= mixture.lengths <= self.longest
        return Documents(
            mixture.doc_ids, names[mixture.sources], mixture.offsets, mixture.lengths,
            mixture.tokens,
        ).take(first)  # fmt: skip

    def texts(self, size: int, out: Path) -> Path:
        """Return an Arrow file of about `size` characters of held-out text a source.

        Documents in the order of a hash, none with more than `LONGEST` characters: many
        documents say more than a few long ones.
        """
        table = read_shard(self.heldout, ("doc_id", "source", "text"))
        order = np.argsort(random_bits(id_matrix(table["doc_id"]), "bench.heldout", 0))
        table = table.take(pa.array(order))
        table = table.set_column(2, "text", pc.utf8_slice_codeunits(table["text"], 0, LONGEST))
        kept = []
        for source in sorted(pc.unique(table["source"]).to_pylist()):
            of_it = table.filter(pc.equal(table["source"], source))
            reached = pc.cumulative_sum(pc.utf8_length(of_it["text"])).to_numpy()
            kept.append(of_it.slice(0, int(np.searchsorted(reached, size)) + 1))
        write_shard(pa.concat_tables(kept), out, name=out.stem)
        return out

    def cut(
        self, sizes: Sequence[int], seed: int = 0, *, stratified: bool = False
    ) -> list[Documents]:
        """Return disjoint random draws of at least so many tokens each.

        Args:
            sizes: in tokens.
            seed: of the order.
            stratified: whether every draw has the pool's share of each source, as nearly as whole
                documents allow.

        Raises:
            BudgetError: the pool does not hold them all.
        """
        documents = self.documents
        order = np.argsort(random_bits(documents.doc_ids, "bench.draws", seed), kind="stable")
        if stratified:
            order = order[np.argsort(_places(documents.take(order)), kind="stable")]
        reached = np.cumsum(documents.lengths[order])
        found: list[Documents] = []
        begin = spent = 0
        for size in sizes:
            end = int(np.searchsorted(reached, spent + size)) + 1
            if end > len(order):
                raise BudgetError(
                    f"the pool holds {documents.n_tokens:,} tokens: {len(found)} of "
                    f"{len(sizes)} draws; ask for fewer or smaller ones"
                )
            found.append(documents.take(order[begin:end]).whole())
            begin, spent = end, int(reached[end - 1])
        return found

    def write(self, documents: Documents, out: Path) -> Path:
        """Return the folder of a mixture of these documents, written once."""
        return write_draw(documents, self.tokenizer, out)


def write_draw(documents: Documents, tokenizer: Path, out: Path) -> Path:
    """Return the folder of a mixture of documents in the tokens of `tokenizer`, written once."""
    if (out / "mixture.json").exists():
        return out
    packed = pa.py_buffer(np.ascontiguousarray(documents.doc_ids))
    count = len(documents.lengths)
    columns = {
        "doc_id": pa.Array.from_buffers(pa.binary(16), count, [None, packed]),
        "source": pa.array(documents.sources.tolist(), pa.string()),
        "tokens": pa.array(documents.lengths.astype(np.uint32)),
        "copies": pa.array(np.ones(count, np.uint32)),
        "key": pa.array(np.zeros(count)),
    }
    drawn = draw(pa.table(columns, schema=SELECTION), MixSpec())
    encoded = Encoded(
        documents.doc_ids, np.r_[documents.offsets, documents.n_tokens], documents.tokens
    )
    model = load_tokenizer(tokenizer)
    out.mkdir(parents=True, exist_ok=True)
    (out / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    write_tokens(
        drawn,
        [encoded],
        out,
        tokenizer_digest=digest(tokenizer),
        vocab_size=model.get_vocab_size(),
        bos_id=bos_id(model),
    )
    return out


def _places(documents: Documents) -> NDArray[np.float64]:
    """Return where in its source each document stands, in (0, 1), by tokens."""
    place = np.empty(len(documents.lengths))
    for source in np.unique(documents.sources.astype(str)):
        rows = documents.sources == source
        lengths = documents.lengths[rows]
        place[rows] = (np.cumsum(lengths) - lengths / 2) / lengths.sum()
    return place


def pieces(texts: Sequence[str], tokenizer: Path, source: str) -> Documents:
    """Return texts cut into pieces of at most `PIECE` tokens, in the order of a hash, each once."""
    model = load_tokenizer(tokenizer)
    found: dict[bytes, NDArray[Any]] = {}
    array = pa.array(dict.fromkeys(texts), pa.large_string())
    offsets, ids = encode(model, array)
    first = np.asarray([bos_id(model)], dtype=ids.dtype)
    for begin, end in zip(offsets[:-1] + 1, offsets[1:], strict=True):
        for start in range(int(begin), int(end), PIECE - 1):
            piece = np.r_[first, ids[start : min(start + PIECE - 1, int(end))]]
            found.setdefault(piece.tobytes(), piece)
    names = pa.array([key.hex() for key in found], pa.large_string())
    made = Documents(
        id_matrix(document_ids(source, names)),
        np.full(len(found), source, dtype=object),
        np.cumsum([0, *(len(piece) for piece in found.values())])[:-1],
        np.array([len(piece) for piece in found.values()], dtype=np.int64),
        np.concatenate(list(found.values())),
    )
    order = np.argsort(random_bits(made.doc_ids, "bench.junk", 0), kind="stable")
    return made.take(order).whole()


def shuffled(documents: Documents, tokenizer: Path, seed: int) -> Documents:
    """Return the words of documents in random order, as pieces: right words, no sense."""
    model = load_tokenizer(tokenizer)
    chance = random.Random(seed)
    texts = []
    for start, length in zip(documents.offsets, documents.lengths, strict=True):
        words = model.decode(documents.tokens[start + 1 : start + length].tolist()).split()
        chance.shuffle(words)
        texts.append(" ".join(words))
    return pieces(texts, tokenizer, "shuffled")


def dose(clean: Documents, tokens: int, seed: int) -> tuple[Documents, Documents]:
    """Return what is left of a draw without `tokens` of its tokens, and what was taken out.

    Documents go in the order of a hash; of the last one the end is taken, to the token.
    """
    order = np.argsort(random_bits(clean.doc_ids, "bench.dose", seed), kind="stable")
    lengths = clean.lengths[order]
    before = np.cumsum(lengths) - lengths
    gone = np.clip(tokens - before, 0, lengths)
    taken, kept = clean.take(order), clean.take(order)
    taken = replace(taken, lengths=gone, offsets=taken.offsets + lengths - gone).take(gone > 0)
    kept = replace(kept, lengths=lengths - gone).take(lengths > gone)
    return kept.whole(), taken.whole()


def joined(parts: Sequence[Documents]) -> Documents:
    """Return documents one after another."""
    starts = np.cumsum([0, *(len(part.tokens) for part in parts)])
    return Documents(
        np.concatenate([part.doc_ids for part in parts]),
        np.concatenate([part.sources for part in parts]),
        np.concatenate([part.offsets + at for part, at in zip(parts, starts, strict=False)]),
        np.concatenate([part.lengths for part in parts]),
        np.concatenate([part.tokens for part in parts]),
    )


def portion(junk: Documents, tokens: int, turn: int, of: int) -> Documents:
    """Return `tokens` tokens of junk or a little more, from the `turn`-th of `of` equal parts on.

    Raises:
        BudgetError: there is not so much in all.
    """
    if junk.n_tokens < tokens:
        raise BudgetError(f"{junk.n_tokens:,} tokens of junk, wanted {tokens:,}; give more")
    order = np.roll(np.arange(len(junk.lengths)), -(turn * len(junk.lengths)) // of)
    enough = int(np.searchsorted(np.cumsum(junk.lengths[order]), tokens)) + 1
    return junk.take(order[:enough]).whole()


def read_texts(folder: Path) -> Iterator[str]:
    """Yield `text` of every line of a folder's .jsonl.zst files, in the order of their names."""
    for path in sorted(folder.glob("*.jsonl.zst")):
        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            for line in io.TextIOWrapper(stream, encoding="utf-8"):
                yield json.loads(line)["text"]
