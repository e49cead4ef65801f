"""Losses as columns: what each of several language models needs for each document.

One pass a model, each document by itself from its first-token marker (`curator.score.likelihood`),
so whatever compares models needs no text any more. Scorers that do place `Losses` beside them.
"""

# Shapes: N documents, K models.
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.evaluate.language_models import load_language_model, model_digest
from curator.identity import id_matrix, uniform
from curator.schema import score_field
from curator.score.examples import draw_examples, draw_threshold
from curator.score.grid import declared, on_grid
from curator.score.likelihood import document_bits
from curator.stage import Corpus, FittedScorer, Site, Work, circumstance

if TYPE_CHECKING:
    from curator.score.likelihood import LanguageModel

COLUMNS = ("loss_bits", "loss_tokens", "loss_bytes")  # what readers of losses list in `reads`
_GRID = 1e-4  # bits per byte
# Bits of a document, kept as float64: far above the last bits of a matrix product, which depend on
# the machine, and far below any difference between models that means something. Ours.
_BITS_GRID = 2.0**-10
_SAMPLE = "sample.json"


class Losses(NamedTuple):
    """What K models need for N documents.

    Attributes:
        bits: (N, K) float64, on a grid of 1/1024 bit; NaN where a document was not scored.
        tokens: (N, K) how many tokens they were spent on; 0 where it was not.
        size: (N,) bytes of the text that was scored.
    """

    bits: NDArray[np.float64]
    tokens: NDArray[np.int64]
    size: NDArray[np.int64]


@dataclass(frozen=True)
class ByModels(Work):
    """Settings that scorers of losses share, so that they share the losses too.

    Attributes:
        models: two or more, each as for the scorer `perplexity`; in a recipe names of `models`,
            that of a swarm for all of its. Where they lie is a circumstance; their content is part
            of the identity.
        documents: how many are scored, chosen by their ids; null: all.
        seed: of that choice.
        max_characters: only the beginning of a document is scored.
        context: tokens in a window; no model may read fewer, so that all see the same windows.
        stride: tokens by which windows advance in longer documents; half a window if not given.
        precision: "float32", or "bfloat16" where the processor has it: 1.5 times as fast, and
            what compares models hardly changes (bits by 0.1 %).
    """

    models: tuple[str, ...] = circumstance(())
    documents: int | None = None
    seed: int = 0
    max_characters: int = 2000
    context: int = 256
    stride: int | None = None
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        """Refuse windows that cannot advance, and a set of no models."""
        if not self.models:
            raise RecipeError("models are missing; name some of the recipe's `models`, or paths")
        step = 1 if self.stride is None else self.stride
        if not 1 <= step <= self.context:
            raise RecipeError(
                f"stride={self.stride!r}, context={self.context!r}; wanted 1 <= stride <= context"
            )
        for name in ("documents", "max_characters"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RecipeError(f"{name}={value!r}; wanted 1 or more")

    def identity(self) -> dict[str, Any]:
        """Return what names the work: the settings and the models' content, not their places."""
        return {**super().identity(), "models": [model_digest(name) for name in self.models]}

    @property
    def losses(self) -> LossColumns:
        """The stage that makes the losses."""
        return LossColumns(
            self.models, self.documents, self.seed, self.max_characters, self.context,
            self.stride, self.precision,
        )  # fmt: skip

    def open_models(self, site: Site) -> list[LanguageModel]:
        """Return the models.

        Raises:
            RecipeError: one is not here, or reads fewer tokens at a time than `context`.
        """
        opened = [load_language_model(name, site, self.precision) for name in self.models]
        for name, model in zip(self.models, opened, strict=True):
            if model.context < self.context:
                raise RecipeError(
                    f"model {name!r} reads {model.context} tokens at a time, context is "
                    f"{self.context}; losses from different windows do not compare: set context "
                    f"to {model.context} or less"
                )
        return opened

    def measured(self, models: Sequence[LanguageModel], texts: pa.ChunkedArray) -> Losses:
        """Return what the models need for some texts, cut to `max_characters`."""
        cut = pl.Series(texts).str.slice(0, self.max_characters)
        listed = cut.to_list()
        found = [
            document_bits(model, listed, context=self.context, stride=self.stride)
            for model in models
        ]
        bits = np.array([bits for bits, _ in found]).reshape(len(models), len(listed)).T
        tokens = np.array([tokens for _, tokens in found]).reshape(len(models), len(listed)).T
        bits = np.where(tokens > 0, np.rint(bits / _BITS_GRID) * _BITS_GRID, np.nan)
        return Losses(bits, tokens, cut.str.len_bytes().to_numpy().astype(np.int64))

    def target_bits(self, target: Corpus, limit: int, site: Site) -> NDArray[np.float64]:
        """Return each model's bits per byte over target documents: all bits over all bytes, (K,).

        Args:
            target: what the models are to be good at.
            limit: documents measured at most, chosen by their ids.
            site: where the models run.

        Raises:
            RecipeError: there is nothing to measure on.
        """
        where = f"{self.name}: role target"
        chosen = draw_examples(target, limit, purpose="target", seed=self.seed, where=where)
        bits, tokens, size = self.measured(self.open_models(site), chosen["text"])
        read = (tokens > 0).all(axis=1)
        if not read.any():
            raise RecipeError(
                f"none of {len(bits)} documents has text; wanted text to measure models on",
                where=where,
            )
        found: NDArray[np.float64] = bits[read].sum(axis=0) / size[read].sum()
        return found


@dataclass(frozen=True)
class LossColumns(ByModels, FittedScorer):
    """The mean over models of bits per byte, and what each model needs; null outside the sample.

    `loss_bits` and `loss_tokens` list one value a model, in the order of `models`; a model that
    finds no token in a text has null bits.
    """

    name: ClassVar[str] = "losses"
    libraries: ClassVar[tuple[str, ...]] = ("tokenizers", "torch", "transformers")
    reads: ClassVar[tuple[str, ...]] = ("doc_id", "text")
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(
                score_field(
                    "mean_bits_per_byte",
                    unit="bits/byte",
                    better="lower",
                    about="mean over several language models",
                ),
                _GRID,
            ),
            score_field("loss_bits", unit="bits", better="neither", kind=pa.list_(pa.float64())),
            score_field("loss_tokens", unit="tokens", better="neither", kind=pa.list_(pa.uint32())),
            score_field("loss_bytes", unit="bytes", better="neither", kind=pa.uint32()),
        ]
    )

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the chance up to which documents are scored."""
        last = 1.0
        if self.documents is not None:
            raw = corpora["raw"]
            last = draw_threshold(
                raw, self.documents, purpose=self.name, seed=self.seed, where=self.name
            )
        (out / _SAMPLE).write_text(json.dumps({"chance": last}))

    def load(self, site: Site) -> tuple[list[LanguageModel], float]:
        """Return the models, and the chance up to which documents are scored."""
        assert site.fitted is not None
        chance = json.loads((site.fitted / _SAMPLE).read_text())["chance"]
        return self.open_models(site), float(chance)

    def score(self, model: tuple[list[LanguageModel], float], table: pa.Table) -> pa.Table:
        """Return the columns of `writes`, one row a document."""
        models, last = model
        chosen = uniform(id_matrix(table["doc_id"]), self.name, self.seed) <= last
        texts = table["text"].filter(pa.array(chosen))
        bits, tokens, size = self.measured(models, texts)
        whole = ~np.isnan(bits).any(axis=1) & (size > 0)
        means = on_grid(np.where(whole, bits.sum(1), 0) / np.maximum(size, 1) / len(models), _GRID)
        rows = np.full(table.num_rows, -1, np.int64)
        rows[chosen] = np.arange(len(size))
        home = pa.array(rows, mask=~chosen)
        ends = np.arange(len(size) + 1, dtype=np.int32) * len(models)
        listed = {
            "loss_bits": pa.array(bits.ravel(), mask=np.isnan(bits.ravel())),
            "loss_tokens": pa.array(tokens.astype(np.uint32).ravel()),
        }
        columns = {
            "mean_bits_per_byte": pa.array(means, mask=~whole),
            **{name: pa.ListArray.from_arrays(ends, each) for name, each in listed.items()},
            "loss_bytes": pa.array(size.astype(np.uint32)),
        }
        return pa.table({name: column.take(home) for name, column in columns.items()})


def read_losses(table: pa.Table, models: int) -> Losses:
    """Return the losses in a table's `COLUMNS`; not scored documents have NaN and 0.

    Args:
        table: one row a document.
        models: K, how many models the columns must be of.

    Raises:
        RecipeError: they are of another number of models.
    """
    scored = table["loss_bytes"].is_valid().to_numpy()
    bits = np.full((table.num_rows, models), np.nan)
    tokens = np.zeros((table.num_rows, models), np.int64)
    for name, matrix in (("loss_bits", bits), ("loss_tokens", tokens)):
        lists = table[name].combine_chunks()
        lengths = set(pc.unique(lists.value_lengths()).to_pylist()) - {None}
        if lengths - {models}:
            raise RecipeError(
                f"{name} are of {sorted(lengths)} models, {models} are named; wanted the losses "
                "of these models"
            )
        values = pc.list_flatten(lists)
        absent = np.nan if name == "loss_bits" else 0
        flat = pc.fill_null(values, absent).to_numpy(zero_copy_only=False)
        matrix[scored] = flat.reshape(-1, models)
    size = pc.fill_null(table["loss_bytes"], 0).to_numpy().astype(np.int64)
    return Losses(bits, tokens, cast("NDArray[np.int64]", size))


def corpus_losses(
    corpus: Corpus, models: Sequence[str], columns: Sequence[str] = ()
) -> Iterator[tuple[pa.Table, Losses]]:
    """Yield, shard by shard, further columns and the losses of the documents that were scored.

    Args:
        corpus: of the pool, with the losses beside it.
        models: that the losses are of.
        columns: wanted besides.

    Raises:
        RecipeError: some models found tokens in a document and others did not.
    """
    for table in corpus.tables((*columns, *COLUMNS)):
        found = read_losses(table, len(models))
        blank = np.isnan(found.bits)
        uneven = blank & ~blank.all(axis=1, keepdims=True)
        if uneven.any():
            missing = {name: int(n) for name, n in zip(models, uneven.sum(0), strict=True) if n}
            raise RecipeError(
                f"{missing} documents have no loss under these models and one under others; "
                "wanted models that cover the same documents: leave those models out"
            )
        whole = ~blank.any(axis=1)
        yield (
            table.filter(pa.array(whole)),
            Losses(found.bits[whole], found.tokens[whole], found.size[whole]),
        )
