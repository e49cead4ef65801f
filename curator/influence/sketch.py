"""The sidecar of gradients: what each document pulls a model's weights toward, in k numbers.

One pass forward and back a document, at most `max_tokens` of it (9 ms for 256 tokens of a proxy of
0.1M parameters); what remains of the gradient is its sketch (`curator.influence.projection`), so
that inner products of documents with each other and with target examples cost k operations. The
gradient of a weight is whole when Adam's step is made of it, number by number, and only then is it
projected. Projecting inputs and output gradients from both sides (LoGra, Choe et al. 2024,
arXiv:2405.13954) never makes it whole and was measured against that, over blocks of 98,000
parameters and texts of eight sources at k = 512: inner products of plain gradients are off by 0.135
of |u| |v|, as gradients of a matrix have few directions, here by 0.044 = 1 / sqrt(k), and Adam's
step with second moments factored into rows and columns has a cosine of 0.95 with the step itself.
"""

# Shapes: N documents, D of a batch, L positions, K dimensions.
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, get_args

import numpy as np
import polars as pl
import pyarrow as pa
import torch
from numpy.typing import NDArray

from curator import weights
from curator.batches import fixed_batches
from curator.errors import RecipeError
from curator.evaluate.language_models import model_digest
from curator.influence.adam_step import adam_step
from curator.influence.captured import Layers, Output, document_gradients
from curator.influence.projection import Projection, Signs
from curator.influence.state import State, open_state, state_digest
from curator.stage import Site, Stage, circumstance
from curator.train.checkpoint import load_model
from curator.train.tokenizer import encode, load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from curator.train.model import Gpt

Precondition = Literal["none", "adam"]
_BATCH_TOKENS = 2048
_CHARACTERS_A_TOKEN = 16  # a text is cut to so many before it is tokenized
_LARGEST = 65_504.0  # of float16


class Reader(NamedTuple):
    """A model ready to be asked for gradients.

    Attributes:
        model: float32, in evaluation.
        tokenizer: its own.
        state: Adam's moments; None where gradients stay as they are.
        signs: of each weight, filled as they are met.
    """

    model: Gpt
    tokenizer: Tokenizer
    state: State | None
    signs: dict[str, Signs]


class Sketched(NamedTuple):
    """What a batch gives: sketches (D, K), and each document's norm and mean probability, (D,)."""

    sketches: NDArray[np.float32]
    norms: NDArray[np.float32]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True)
class Sketch(Stage):
    """Writes each document's sketched gradient of its mean loss a token; null without tokens.

    Attributes:
        model: folder of one of our runs; a recipe's name of one becomes its folder. Where it lies
            is a circumstance; its content is part of the identity.
        dimensions: k. An inner product of two gradients is off by about |u| |v| / sqrt(k).
        precondition: "none"; or "adam", the step that Adam would take after this document alone,
            from the moments that the model was left with.
        seed: of the projection.
        max_tokens: only the beginning of a document is read.
        layers: whose weights: "blocks" (their matrices), "head", "embedding", "values".
        output: what is differentiated, "loss" or TRAK's "margin".
        compat: "paper_repo": Adam's step as the code of LESS takes it, without bias correction and
            with 1e-8 under the root.
        column: what the columns are called: COLUMN and COLUMN_norm, with "margin" also
            COLUMN_probability, so that a scorer can read several models' sketches side by side.
    """

    name: ClassVar[str] = "sketch"
    version: ClassVar[int] = 1
    libraries: ClassVar[tuple[str, ...]] = ("tokenizers", "torch")

    model: str = circumstance("")
    dimensions: int = 512
    precondition: Precondition = "none"
    seed: int = 0
    max_tokens: int = 256
    layers: tuple[Layers, ...] = ("blocks",)
    output: Output = "loss"
    compat: Literal["", "paper_repo"] = ""
    column: str = "gradient"

    def __post_init__(self) -> None:
        """Refuse a sketch of nothing, and settings that there are not."""
        if not self.model:
            raise RecipeError("model is missing; name one of the recipe's `models`, or a folder")
        if min(self.dimensions, self.max_tokens) < 1:
            raise RecipeError(
                f"dimensions={self.dimensions!r}, max_tokens={self.max_tokens!r}; wanted 1 or more"
            )
        unknown = sorted(set(self.layers) - set(get_args(Layers)))
        if unknown or not self.layers:
            raise RecipeError(
                f"layers {list(self.layers)!r}; wanted one or more of {list(get_args(Layers))}"
            )
        for name, kinds in (("precondition", Precondition), ("output", Output)):
            if getattr(self, name) not in get_args(kinds):
                raise RecipeError(
                    f"{name} is {getattr(self, name)!r}; wanted one of {list(get_args(kinds))}"
                )

    @property
    def projection(self) -> Projection:
        """Which random projection: what sketches must share to be compared."""
        return Projection(self.dimensions, self.seed, tuple(sorted(set(self.layers))))

    @property
    def writes(self) -> pa.Schema:
        """The sketch with its projection in the field's notes, and what it was before it."""
        columns = [
            pa.field(
                self.column,
                pa.list_(pa.float16()),
                metadata={"sketch": self.projection.to_json()},
            ),
            pa.field(f"{self.column}_norm", pa.float32()),
        ]
        if self.output == "margin":
            columns.append(pa.field(f"{self.column}_probability", pa.float32()))
        return pa.schema(columns)

    def identity(self) -> dict[str, Any]:
        """Return what names the sketch: the settings, the model's content and its moments'."""
        named = {**super().identity(), "model": model_digest(self.model)}
        if self.precondition == "adam":
            named["state"] = state_digest(weights.find(self.model))
        return named

    def load(self, site: Site) -> Reader:
        """Return the model with its tokenizer and, for Adam's step, its state.

        Raises:
            RecipeError: there is no such model, or it was not kept with its state.
        """
        folder = weights.find(self.model)
        torch.set_num_threads(site.threads)
        tokenizer = load_tokenizer(folder / "tokenizer.json")
        if self.precondition == "adam":
            state = open_state(folder, site.device)
            return Reader(state.model.eval(), tokenizer, state, {})
        return Reader(load_model(folder, device=site.device), tokenizer, None, {})

    def process(self, model: Reader, table: pa.Table) -> pa.Table:
        """Return the columns of `writes`, one row a document."""
        limit = self.max_tokens * _CHARACTERS_A_TOKEN
        texts = pl.Series(table["text"]).str.slice(0, limit).to_arrow()
        offsets, ids = encode(model.tokenizer, texts)
        counts = np.minimum(np.diff(offsets) - 1, self.max_tokens)
        rows = np.full(table.num_rows, -1, np.int64)
        parts: list[Sketched] = []
        done = 0
        context = model.model.shape.context
        for batch in fixed_batches(counts, longest=self.max_tokens, tokens=_BATCH_TOKENS):
            length = batch.length
            if length > context:  # whole windows
                length = -(-length // context) * context
            spans = np.zeros((2, batch.size), np.int64)  # rows that are missing have no tokens
            spans[:, : len(batch.rows)] = offsets[batch.rows], counts[batch.rows]
            found = self._sketched(model, _laid_out(ids, spans, length), spans[1])
            parts.append(Sketched(*(column[: len(batch.rows)] for column in found)))
            rows[batch.rows] = done + np.arange(len(batch.rows))
            done += len(batch.rows)
        return self._table(parts, rows)

    def _sketched(
        self, reader: Reader, both_2DL: NDArray[np.int64], counts_D: NDArray[np.int64]
    ) -> Sketched:
        """Return what one batch of documents gives."""
        model, device = reader.model, reader.model.head.weight.device
        tokens_DL, targets_DL, counts = (
            torch.from_numpy(part).to(device) for part in (*both_2DL, counts_D)
        )
        spoken = document_gradients(
            model, tokens_DL, targets_DL, counts, layers=self.layers, output=self.output
        )
        sketch_DK = torch.zeros(len(counts), self.dimensions, device=device)
        squares_D = torch.zeros(len(counts), dtype=torch.float64, device=device)
        for name, gradient in spoken.gradients:
            if reader.state is not None:
                gradient = adam_step(gradient, reader.state, name, compat=self.compat)
            flat = gradient.flatten(1)
            if name not in reader.signs:
                reader.signs[name] = Signs(self.projection, name, flat.shape[1], str(device))
            sketch_DK += reader.signs[name](flat)
            squares_D += flat.square().sum(1, dtype=torch.float64)
        norms = squares_D.sqrt().float()
        return Sketched(*(x.cpu().numpy() for x in (sketch_DK, norms, spoken.probabilities)))

    def _table(self, parts: list[Sketched], rows: NDArray[np.int64]) -> pa.Table:
        """Return the columns, rows in the order of documents; -1 has null.

        Raises:
            RecipeError: a sketch that float16 cannot hold, or a gradient of zero.
        """
        empty = Sketched(np.zeros((0, self.dimensions), np.float32), *np.zeros((2, 0), np.float32))
        sketch, norms, probabilities = (
            np.concatenate(columns) for columns in zip(empty, *parts, strict=True)
        )
        _check(sketch, norms, self.model)
        home = pa.array(rows, mask=rows < 0)
        ends = np.arange(len(sketch) + 1, dtype=np.int32) * self.dimensions
        values = pa.array(sketch.astype(np.float16).ravel())
        columns = [pa.ListArray.from_arrays(ends, values), pa.array(norms)]
        if self.output == "margin":
            columns.append(pa.array(probabilities))
        return pa.table([column.take(home) for column in columns], schema=self.writes)


def _laid_out(
    ids: NDArray[np.uint16 | np.uint32], spans_2D: NDArray[np.int64], length: int
) -> NDArray[np.int64]:
    """Return inputs and targets, (2, D, L) int64, zero where a document has ended.

    Args:
        ids: tokens of all documents.
        spans_2D: where each document begins in `ids`, and how many targets of it are read.
        length: L.
    """
    begins, counts = spans_2D
    at = np.arange(length)
    place = np.where(at < counts[:, None], begins[:, None] + at, 0)
    there = np.where(at < counts[:, None], 1, 0)
    return np.stack([ids[place] * there, ids[np.minimum(place + 1, len(ids) - 1)] * there])


def _check(sketch: NDArray[np.float32], norms: NDArray[np.float32], model: str) -> None:
    """Return only if float16 can hold every sketch and no gradient is zero.

    Raises:
        RecipeError: with how many are not so.
    """
    largest = np.abs(sketch).max(axis=1, initial=0)
    over = ~(largest <= _LARGEST)  # NaN is not below it either
    if over.any():
        worst = float(largest[over].max())
        raise RecipeError(
            f"{over.sum()} of {len(sketch)} sketched gradients hold numbers up to {worst!r}, "
            f"float16 ends at {_LARGEST}; use a model that has not diverged, or more dimensions",
            where=f"sketch of {model!r}",
        )
    nothing = (norms == 0) | (largest < 2.0**-25)  # which float16 rounds to zero
    if nothing.any():
        raise RecipeError(
            f"{nothing.sum()} of {len(sketch)} documents have a gradient of zero; wanted some in "
            "every document: use a model that was trained, and layers that it uses",
            where=f"sketch of {model!r}",
        )
