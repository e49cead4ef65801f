"""A mixture on disk, and batches of it: a batch is a function of (mixture, order seed, step).

A mixture is a folder: `tokens.bin` (little-endian uint16 or uint32 ids, every document led by
the first token), `index.arrow` (doc_id, source, epoch, offset, length in draw order, and a weight
where documents were selected with one) and `mixture.json` (tokenizer digest, sizes, hash of the
draw); `difficulty.arrow` where documents are to be read in an order of their own. Tokens are
memory-mapped, so memory holds the index and one batch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.errors import BudgetError, LedgerError
from curator.identity import id_matrix
from curator.shards import read_shard
from curator.train.arranging import Arranged
from curator.train.curriculum import Curriculum
from curator.train.opening import Iterative, Opened
from curator.train.packing import Coverage, Stream

if TYPE_CHECKING:
    from curator.train.checkpoint import Evaluated

DIFFICULTY = "difficulty.arrow"  # one column, `difficulty`, float64, aligned with the index
WEIGHT = "weight"
INDEX_COLUMNS = ("doc_id", "source", "epoch", "offset", "length")
DESCRIPTION_KEYS = ("tokenizer_digest", "vocab_size", "bos_id", "dtype", "draw_hash")
DTYPES = {"uint16": "<u2", "uint32": "<u4"}


@dataclass(frozen=True)
class Mixture:
    """An opened mixture: memory-mapped tokens and the index, one row a drawn document."""

    folder: Path
    description: dict[str, Any]
    tokens: NDArray[np.unsignedinteger[Any]]
    doc_ids: NDArray[np.uint8]  # (n, 16)
    epochs: NDArray[np.uint16]  # (n,)
    offsets: NDArray[np.int64]  # (n,) in tokens
    lengths: NDArray[np.int64]  # (n,) in tokens
    sources: NDArray[np.int64]  # (n,) numbers into source_names
    source_names: tuple[str, ...]  # sorted
    weights: NDArray[np.float32] | None = None  # (n,) of each document in the loss; None: all 1

    @property
    def vocab_size(self) -> int:
        """How many ids the tokenizer has."""
        return int(self.description["vocab_size"])

    @property
    def bos_id(self) -> int:
        """The id that starts every document."""
        return int(self.description["bos_id"])

    @property
    def n_tokens(self) -> int:
        """Tokens in one pass, repeats and first tokens included."""
        return int(self.lengths.sum())

    def identity(self) -> dict[str, str]:
        """Return what names this mixture in a run's record."""
        return {key: str(self.description[key]) for key in ("draw_hash", "tokenizer_digest")}

    @cached_property
    def difficulties(self) -> NDArray[np.float64]:
        """How hard each document is, (n,) float64, nan where nobody knows.

        Raises:
            LedgerError: the mixture has no such column, or one of other documents.
        """
        path = self.folder / DIFFICULTY
        if not path.is_file():
            raise LedgerError(
                f"{path} is missing, so documents have no order but by chance; mix again with "
                "`order` in the recipe"
            )
        column = read_shard(path)["difficulty"].to_numpy()
        found: NDArray[np.float64] = column.astype(np.float64)
        if len(found) != len(self.lengths):
            raise LedgerError(
                f"has {len(found)} rows for {len(self.lengths)} documents; mix again",
                where=str(path),
            )
        return found

    @property
    def difficulty_digest(self) -> str:
        """What names the difficulties of all documents: 32 hex digits."""
        return hashlib.blake2b(self.difficulties.tobytes(), digest_size=16).hexdigest()

    def weights_at(self, places: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """Return the weights of the documents that some places of tokens.bin are of."""
        if self.weights is None:
            return None
        begins, row = self._by_place
        return self.weights[row[np.searchsorted(begins, places, side="right") - 1]]

    @cached_property
    def _by_place(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where documents begin in tokens.bin, rising, and which they are."""
        row = np.argsort(self.offsets, kind="stable")
        return self.offsets[row], row

    def only(self, source: int) -> Mixture:
        """Return the mixture's documents of one source, by its number: the index alone shrinks."""
        rows = self.sources == source
        return dataclasses.replace(
            self,
            doc_ids=self.doc_ids[rows],
            epochs=self.epochs[rows],
            offsets=self.offsets[rows],
            lengths=self.lengths[rows],
            sources=self.sources[rows],
            weights=None if self.weights is None else self.weights[rows],
        )

    def stream(self, order_seed: int, budget: int | None = None, *, after: float = 0.0) -> Stream:
        """Return the endless stream of this mixture's tokens in the order of `order_seed`.

        `budget` tokens are wanted of it: if that is less than all, it begins with a window,
        behind the share `after` of the circle that a trunk has read.
        """
        columns = (self.doc_ids, self.epochs, self.offsets, self.lengths)
        return Stream(*columns, order_seed, budget, after, self.sources)


def open_mixture(folder: str | Path) -> Mixture:
    """Return the mixture in `folder`, its parts checked against one another.

    Raises:
        LedgerError: a part is missing, or the index does not fit the tokens.
        BudgetError: the mixture is empty.
    """
    place = Path(folder)
    description = _description(place / "mixture.json")
    path = place / "index.arrow"
    weighed = WEIGHT in read_shard(path).column_names
    index = read_shard(path, (*INDEX_COLUMNS, *([WEIGHT] if weighed else []))).combine_chunks()
    if index.num_rows == 0:
        raise BudgetError("the mixture has no documents; select more", where=str(place))
    names = sorted(pc.unique(index["source"]).to_pylist())
    mixture = Mixture(
        folder=place,
        description=description,
        tokens=_tokens(place / "tokens.bin", description["dtype"]),
        doc_ids=id_matrix(index["doc_id"]),
        epochs=index["epoch"].to_numpy().astype(np.uint16),
        offsets=index["offset"].to_numpy().astype(np.int64),
        lengths=index["length"].to_numpy().astype(np.int64),
        sources=pc.index_in(index["source"], pa.array(names)).to_numpy().astype(np.int64),
        source_names=tuple(names),
        weights=index[WEIGHT].to_numpy().astype(np.float32) if weighed else None,
    )
    _check(mixture)
    return mixture


def _description(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise LedgerError(f"{path} is missing; is this the folder of a mixture?") from None
    except ValueError as error:
        raise LedgerError(
            f"not readable as JSON ({error}); write the mixture again", where=str(path)
        ) from error
    absent = [key for key in DESCRIPTION_KEYS if key not in found]
    if absent or found["dtype"] not in DTYPES:
        raise LedgerError(
            f"lacks {absent} or has dtype {found.get('dtype')!r} (wanted {sorted(DTYPES)}); "
            "write the mixture again",
            where=str(path),
        )
    return dict(found)


def _tokens(path: Path, dtype: str) -> NDArray[np.unsignedinteger[Any]]:
    if not path.is_file() or path.stat().st_size == 0:
        raise LedgerError(f"{path} is missing or empty; write the mixture again")
    return np.memmap(path, dtype=DTYPES[dtype], mode="r")


def _check(mixture: Mixture) -> None:
    """Refuse an index that points outside the tokens or between documents."""
    where = str(mixture.folder)
    ends = mixture.offsets + mixture.lengths
    if (
        mixture.lengths.min() < 1
        or mixture.offsets.min() < 0
        or int(ends.max()) > len(mixture.tokens)
    ):
        raise LedgerError(
            f"index.arrow reaches token {int(ends.max())} of {len(mixture.tokens)}; "
            "write the mixture again",
            where=where,
        )
    weights = mixture.weights
    if weights is not None and not (np.isfinite(weights) & (weights > 0)).all():
        raise LedgerError(
            f"weights of documents go from {float(weights.min())!r} to {float(weights.max())!r}; "
            "wanted numbers above 0: write the mixture again",
            where=where,
        )
    if (mixture.tokens[mixture.offsets] != mixture.bos_id).any():
        raise LedgerError(
            f"some documents do not start with token {mixture.bos_id}; write the mixture again",
            where=where,
        )


class Batches:
    """Batches of (rows, context) inputs and next tokens; stateless, so a run can resume.

    A run of `steps` steps that are less than a lap reads the window of its seed; None: a lap. With
    an `order` it reads the same documents in another order than by chance, or some of them again,
    by what it has `evaluated`.
    """

    def __init__(
        self,
        mixture: Mixture,
        *,
        rows: int,
        context: int,
        order_seed: int,
        steps: int | None = None,
        after: float = 0.0,
        order: Curriculum | Iterative | None = None,
        evaluated: Sequence[Evaluated] = (),
    ) -> None:
        self.mixture = mixture
        self.rows, self.context = rows, context
        tokens = None if steps is None else steps * self.batch_tokens
        stream = mixture.stream(order_seed, tokens, after=after)
        self.stream: Stream | Arranged | Opened = stream
        if order is not None:
            whole = stream.lap_tokens if tokens is None else tokens
            if isinstance(order, Iterative):
                self.stream = Opened(
                    stream, order, mixture.difficulties, whole,
                    batch_tokens=self.batch_tokens, evaluated=evaluated,
                )  # fmt: skip
            else:
                self.stream = Arranged(stream, order, mixture.difficulties, whole)

    @property
    def window(self) -> tuple[float, float]:
        """Where the window of this run begins on the circle of documents, and its length."""
        return self.stream.window.start, self.stream.window.share

    @property
    def batch_tokens(self) -> int:
        """Tokens a step trains on."""
        return self.rows * self.context

    def batch(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return inputs and targets of `step`, each (rows, context) int64."""
        start = step * self.batch_tokens
        places = self.stream.positions(start, start + self.batch_tokens + 1)
        ids = token_batch(self.mixture, places)
        shape = (self.rows, self.context)
        return ids[:-1].reshape(shape), ids[1:].reshape(shape)

    def weights(self, step: int) -> NDArray[np.float32] | None:
        """Return how much each target of `step` counts, (rows, context); None where all do alike.

        A target counts by the document it is of: the first token of one by that one's weight.
        """
        if self.mixture.weights is None:
            return None
        start = step * self.batch_tokens + 1
        found = self.mixture.weights_at(self.stream.positions(start, start + self.batch_tokens))
        return None if found is None else found.reshape(self.rows, self.context)

    def positions(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the places in tokens.bin of inputs `start` to `stop`."""
        return self.stream.positions(start, stop)

    def coverage(self, steps: int) -> dict[str, Coverage]:
        """Return per source what `steps` steps trained on."""
        names = self.mixture.source_names
        found = self.stream.coverage(steps * self.batch_tokens, self.mixture.sources, len(names))
        return dict(zip(names, found, strict=True))


def token_batch(mixture: Mixture, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the tokens at some places of tokens.bin, int64.

    Raises:
        LedgerError: a token is none of the vocabulary's.
    """
    ids = mixture.tokens[places].astype(np.int64)
    if int(ids.max()) >= mixture.vocab_size:
        raise LedgerError(
            f"tokens.bin holds id {int(ids.max())}, past the vocabulary of "
            f"{mixture.vocab_size}; write the mixture again",
            where=str(mixture.folder),
        )
    return ids
