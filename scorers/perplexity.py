"""Bits per byte of a document under a causal language model: one of our proxies, or one on disk.

Bits per byte compare across tokenizers; perplexity does not. Low may mean clean prose or endless
repetition, so run after deduplication. Costs 2 operations a parameter and token: a 0.1M proxy
reads about 0.13 MB/s on a core, SmolLM2-135M less than 1 kB/s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl
import pyarrow as pa

from curator.errors import RecipeError
from curator.evaluate.language_models import load_language_model, model_digest
from curator.schema import score_field
from curator.score.grid import declared, on_grid
from curator.score.likelihood import LanguageModel, document_bits
from curator.stage import Scorer, Site, circumstance

_GRID = 1e-4  # bits per byte


@dataclass(frozen=True)
class Perplexity(Scorer):
    """Bits per byte, rounded to 0.0001, and the tokens they were spent on; null without tokens.

    Attributes:
        model: a proxy's run folder, a transformers folder, a .gguf file, a hub id in the local
            cache, or a name of `curator.weights`. Where it lies is a circumstance; its content is
            part of the score's identity.
        context: tokens in a window; the model's own context if that is shorter.
        stride: tokens by which windows advance in longer documents; half a window if not given.
        max_characters: only the beginning of a document is scored.
        precision: "float32", or "bfloat16" where the processor has it: faster, less exact.
    """

    model: str = circumstance("")
    context: int = 1024
    stride: int | None = None
    max_characters: int = 16_384
    precision: Literal["float32", "bfloat16"] = "float32"

    name: ClassVar[str] = "perplexity"
    version: ClassVar[int] = 2
    libraries: ClassVar[tuple[str, ...]] = ("tokenizers", "torch", "transformers")
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(
                score_field(
                    "bits_per_byte",
                    unit="bits/byte",
                    better="lower",
                    about="under a causal language model",
                ),
                _GRID,
            ),
            score_field("scored_tokens", unit="tokens", better="neither", kind=pa.uint32()),
        ]
    )

    def __post_init__(self) -> None:
        """Refuse windows that cannot advance."""
        if not self.model:
            raise RecipeError("model is missing; name one of the recipe's `models`, or a path")
        step = 1 if self.stride is None else self.stride
        if not 1 <= step <= self.context:
            raise RecipeError(
                f"stride={self.stride!r}, context={self.context!r}; wanted 1 <= stride <= context"
            )
        if self.max_characters < 1:
            raise RecipeError(f"max_characters={self.max_characters!r}; wanted 1 or more")

    def identity(self) -> dict[str, Any]:
        """Return what names the score: the settings and the model's content, not its place."""
        return {**super().identity(), "model": model_digest(self.model)}

    def load(self, site: Site) -> LanguageModel:
        """Return the model with its tokenizer."""
        return load_language_model(self.model, site, self.precision)

    def score(self, model: LanguageModel, table: pa.Table) -> pa.Table:
        """Return `bits_per_byte` and `scored_tokens`, one row a document."""
        texts = pl.Series(table["text"]).str.slice(0, self.max_characters)
        size_bytes = texts.str.len_bytes().to_numpy().astype(np.float64)
        bits, tokens = document_bits(
            model, texts.to_list(), context=self.context, stride=self.stride
        )
        empty = (tokens == 0) | (size_bytes == 0)
        values = on_grid(bits / np.maximum(size_bytes, 1), _GRID)
        return pa.table(
            {
                "bits_per_byte": pa.array(values, mask=empty),
                "scored_tokens": pa.array(tokens.astype(np.uint32), mask=empty),
            }
        )
