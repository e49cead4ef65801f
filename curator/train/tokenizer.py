"""Byte-level BPE: train one, load one, count and encode documents.

Every document starts with the token `<|bos|>`, so it costs its tokens + 1. That rule is here and
nowhere else: `count_tokens`, `encode`, the column `n_tokens`, budgets and token shards all
include the first token. Text that spells `<|bos|>` is encoded as ordinary characters.

A tokenizer may keep tags, such as `<|tag:good|>`: one id each, the last of the vocabulary, wherever
a text spells it. A pool that spells one is refused, so a tag stands only where a refiner put it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.errors import LedgerError, RecipeError
from curator.identity import file_digest
from curator.shards import write_atomically
from curator.stage import Site, Stage, circumstance

# Workers are processes with one thread each; the library's own threads would fight over cores.
# Read when the library first goes parallel, so it must be set before.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

VERSION = 1  # raise it when the same texts and size start giving another tokenizer
BOS = "<|bos|>"
FILE = "tokenizer.json"
# What other vocabularies call the token that starts a document, in the order we look.
BOS_NAMES = (BOS, "<|begin_of_text|>", "<bos>", "<s>", "<|endoftext|>", "<|im_start|>")
BATCH_TEXTS = 1000
# The library's encodings take some hundred bytes a token: a batch is bounded by its text.
BATCH_BYTES = 1 << 20
MIN_VOCAB = 257  # every byte and the first token
TAG_START = "<|tag:"
_TAG = re.compile(rf"{re.escape(TAG_START)}(.+)\|>")


def train_bpe(
    texts: Iterable[pa.Array], vocab_size: int, out: Path, tags: Sequence[str] = ()
) -> Path:
    """Return the path of a byte-level BPE trained on `texts`: `tokenizer.json` in folder `out`.

    Digits stand alone. Counts of words decide and ties fall to the smaller pair of ids, so
    neither the order of documents nor how they are cut into arrays changes the file.

    Args:
        texts: arrays of strings.
        vocab_size: of all entries, tags included.
        out: a folder.
        tags: names of tags, which become the last entries.

    Raises:
        RecipeError: the vocabulary has no room for all bytes, or there is no text.
    """
    if vocab_size - len(tags) < MIN_VOCAB:
        least = MIN_VOCAB + len(tags)
        raise RecipeError(f"vocab_size is {vocab_size!r}; wanted at least {least}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(tags),
        special_tokens=[BOS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    counted = _Counted(texts)
    tokenizer.train_from_iterator(counted, trainer)
    if counted.documents == 0:
        raise RecipeError(
            "no documents to train a tokenizer on; add sources or loosen the cleaning"
        )
    if tags:
        tokenizer.add_tokens([AddedToken(tag_text(name), normalized=False) for name in tags])
    path = Path(out) / FILE
    write_atomically(path, tokenizer.to_str(pretty=False).encode())
    return path


class _Counted:
    """Yields batches of strings and remembers how many documents went by."""

    def __init__(self, texts: Iterable[pa.Array]) -> None:
        self.texts = texts
        self.documents = 0

    def __iter__(self) -> Iterator[list[str]]:
        for array in self.texts:
            for start in range(0, len(array), BATCH_TEXTS):
                batch = [text for text in array[start : start + BATCH_TEXTS].to_pylist() if text]
                self.documents += len(batch)
                yield batch


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Return the tokenizer in a tokenizer.json, ours or a pretrained model's.

    Raises:
        RecipeError: the file is not a tokenizer, or has no token that starts a document.
    """
    try:
        content = Path(path).read_text("utf-8")
        model = json.loads(content)["model"]
    except FileNotFoundError:
        raise RecipeError(
            f"no tokenizer at {str(path)!r}; give the path of a tokenizer.json"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise RecipeError(
            f"not a tokenizer.json ({type(error).__name__}: {error}); wanted the file that the "
            "tokenizers library saves",
            where=str(path),
        ) from error
    if not isinstance(model, dict) or "vocab" not in model:
        raise RecipeError("the tokenizer's model has no vocabulary", where=str(path))
    tokenizer = Tokenizer.from_str(content)
    tokenizer.encode_special_tokens = True
    tokenizer.no_padding()
    tokenizer.no_truncation()
    bos_id(tokenizer)
    return tokenizer


def bos_id(tokenizer: Tokenizer) -> int:
    """Return the id of the token that starts a document."""
    for name in BOS_NAMES:
        found: int | None = tokenizer.token_to_id(name)
        if found is not None:
            return found
    raise RecipeError(f"the tokenizer has none of {BOS_NAMES}; add one as a special token")


def tag_text(name: str) -> str:
    """Return how a tag is spelled in a text."""
    return f"{TAG_START}{name}|>"


def tag_ids(tokenizer: Tokenizer) -> dict[str, int]:
    """Return the id of each tag that a tokenizer keeps, by name: the last ids there are.

    Raises:
        RecipeError: they are not the last.
    """
    added = tokenizer.get_added_tokens_decoder()
    named = {id_: _TAG.fullmatch(token.content) for id_, token in added.items()}
    found = {name[1]: id_ for id_, name in sorted(named.items()) if name is not None}
    size = tokenizer.get_vocab_size()
    if list(found.values()) != list(range(size - len(found), size)):
        raise RecipeError(
            f"tags have the ids {[*found.values()]} of a vocabulary of {size}; wanted the last ones"
        )
    return found


def digest(path: str | Path) -> str:
    """Return the digest of a tokenizer file: every token count and mixture carries it."""
    return file_digest(path)


def token_dtype(vocab_size: int) -> type[np.uint16] | type[np.uint32]:
    """Return the narrowest unsigned type that holds every id."""
    return np.uint16 if vocab_size <= 1 << 16 else np.uint32


def count_tokens(tokenizer: Tokenizer, texts: pa.Array | pa.ChunkedArray) -> NDArray[np.uint32]:
    """Return what each document costs, (n,) uint32: its tokens + 1; null costs 1."""
    counts = [len(part) for batch in _batches(tokenizer, texts) for part in batch]
    return np.asarray(counts, dtype=np.uint32) + np.uint32(1)


def encode(
    tokenizer: Tokenizer, texts: pa.Array | pa.ChunkedArray
) -> tuple[NDArray[np.int64], NDArray[np.uint16 | np.uint32]]:
    """Return documents as ids, each led by the first token, and where each begins.

    Returns:
        offsets: (n + 1,) int64 into ids; document i is ids[offsets[i]:offsets[i + 1]].
        ids: uint16 if the vocabulary fits, else uint32.
    """
    dtype = token_dtype(tokenizer.get_vocab_size())
    first = [bos_id(tokenizer)]
    # The library hands out Python lists and nothing else, hence the loop.
    parts = [
        np.asarray(first + part.ids, dtype=dtype)
        for batch in _batches(tokenizer, texts)
        for part in batch
    ]
    offsets = np.zeros(len(parts) + 1, dtype=np.int64)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return offsets, np.concatenate(parts) if parts else np.zeros(0, dtype=dtype)


def _batches(tokenizer: Tokenizer, texts: pa.Array | pa.ChunkedArray) -> Iterator[list[Any]]:
    sizes = pc.fill_null(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False)
    turn = np.cumsum(sizes, dtype=np.int64) // BATCH_BYTES
    borders = np.flatnonzero(np.diff(turn, prepend=-1))
    for start, stop in pairwise([*borders.tolist(), len(texts)]):
        batch = [text or "" for text in texts[start:stop].to_pylist()]
        yield tokenizer.encode_batch_fast(batch, add_special_tokens=False)


@dataclass(frozen=True)
class TokenCount(Stage):
    """The column `n_tokens`: what a document costs under one tokenizer, first token included."""

    name: ClassVar[str] = "tokens"
    reads: ClassVar[tuple[str, ...]] = ("text",)
    writes: ClassVar[pa.Schema] = pa.schema([pa.field("n_tokens", pa.uint32(), nullable=False)])
    libraries: ClassVar[tuple[str, ...]] = ("tokenizers",)

    digest: str = ""  # of the tokenizer file: identity
    path: str = circumstance("")  # where it lies now

    def load(self, site: Site) -> Any:
        """Return the tokenizer.

        Raises:
            LedgerError: the file at `path` is another tokenizer than the one in the recipe.
        """
        found = digest(self.path)
        if found != self.digest:
            raise LedgerError(
                f"the tokenizer at {self.path!r} has digest {found}, wanted {self.digest}; "
                "delete it and rerun"
            )
        return load_tokenizer(self.path)

    def process(self, model: Any, table: pa.Table) -> pa.Table:
        """Return one count a document, in order."""
        return pa.table({"n_tokens": count_tokens(model, table["text"])}, schema=self.writes)
