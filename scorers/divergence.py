"""How far a model has moved from another on each document: what damage has done, and where.

The Jensen-Shannon divergence of next-token distributions, mean per token (PASER: He et al. 2025,
arXiv:2502.12594, by which it spends most where a pruned model has changed most). The gap in loss
comes with it. Costs what `perplexity` costs, for two models.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, cast

import numpy as np
import polars as pl
import pyarrow as pa

from curator.errors import RecipeError
from curator.evaluate.language_models import load_language_model, model_digest
from curator.identity import id_matrix, uniform
from curator.schema import score_field
from curator.score.examples import draw_threshold
from curator.score.grid import declared, on_grid
from curator.stage import Corpus, FittedScorer, Site, circumstance

if TYPE_CHECKING:
    from curator.evaluate.divergence import Distributing

_GRID: Final = 1e-5  # nats
_SAMPLE: Final = "sample.json"


class Model(NamedTuple):
    """What scoring needs: both models, and the chance up to which documents are read."""

    changed: Distributing
    original: Distributing
    chance: float


@dataclass(frozen=True)
class Divergence(FittedScorer):
    """Mean divergence per token in [0, ln 2] nats, rounded to 0.00001; null where not read.

    Attributes:
        models: two, as `perplexity` takes one: the changed one and the original, of one tokenizer.
        documents: how many are read, chosen by their ids; null: all.
        seed: of that choice.
        context: tokens in a window; the shorter of the models' own contexts if that is less.
        stride: tokens by which windows advance in longer documents; half a window if not given.
        max_characters: only the beginning of a document is read.
    """

    models: tuple[str, ...] = circumstance(())
    documents: int | None = None
    seed: int = 0
    context: int = 256
    stride: int | None = None
    max_characters: int = 2000

    name: ClassVar[str] = "divergence"
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    reads: ClassVar[tuple[str, ...]] = ("doc_id", "text")
    libraries: ClassVar[tuple[str, ...]] = ("tokenizers", "torch", "transformers")
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(
                score_field(
                    "divergence",
                    unit="nats/token",
                    about="Jensen-Shannon, of two models' next tokens; higher: changed more.",
                ),
                _GRID,
            ),
            declared(
                score_field(
                    "gap", unit="nats/token", about="The first model's loss less the second's."
                ),
                _GRID,
            ),
            score_field("tokens", unit="tokens", better="neither", kind=pa.uint32()),
            score_field("characters", unit="characters", better="neither", kind=pa.uint32()),
        ]
    )

    def __post_init__(self) -> None:
        """Refuse what are not two models, and windows that cannot advance."""
        if len(self.models) != 2:
            raise RecipeError(
                f"models={list(self.models)}; wanted two: the changed one and the original"
            )
        if not 1 <= (1 if self.stride is None else self.stride) <= self.context:
            raise RecipeError(
                f"stride={self.stride!r}, context={self.context!r}; wanted 1 <= stride <= context"
            )
        for name in ("documents", "max_characters"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RecipeError(f"{name}={value!r}; wanted 1 or more")

    def identity(self) -> dict[str, Any]:
        """Return what names the score: the settings and the models' content, not their place."""
        return {**super().identity(), "models": [model_digest(each) for each in self.models]}

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the chance up to which documents are read."""
        last = 1.0
        if self.documents is not None:
            last = draw_threshold(
                corpora["raw"], self.documents, purpose=self.name, seed=self.seed, where=self.name
            )
        (out / _SAMPLE).write_text(json.dumps({"chance": last}))

    def load(self, site: Site) -> Model:
        """Return the two models, and who is read.

        Raises:
            RecipeError: their tokenizers differ, so their next tokens are not of one kind.
        """
        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted: wanted the folder of its fit")
        changed, original = (load_language_model(name, site) for name in self.models)
        ours, theirs = (each.tokenizer.get_vocab() for each in (changed, original))
        if ours != theirs or changed.first_token != original.first_token:
            raise RecipeError(
                f"models {self.models[0]!r} and {self.models[1]!r} have different tokenizers "
                f"({len(ours):,} and {len(theirs):,} entries); wanted two models of one "
                "tokenizer, such as a model and a pruned copy of it",
                where=self.name,
            )
        chance = json.loads((site.fitted / _SAMPLE).read_text())["chance"]
        return Model(cast("Distributing", changed), cast("Distributing", original), float(chance))

    def score(self, model: Model, table: pa.Table) -> pa.Table:
        """Return the columns of `writes`, one row a document.

        Raises:
            RecipeError: a model's distributions are no numbers.
        """
        from curator.evaluate.divergence import apart  # loads torch

        left_out = uniform(id_matrix(table["doc_id"]), self.name, self.seed) > model.chance
        # What is not read costs nothing: it is read as a text without tokens.
        shown = pl.Series(table["text"]).str.slice(0, self.max_characters)
        texts = pl.select(
            pl.when(pl.Series(left_out)).then(pl.lit("")).otherwise(shown)
        ).to_series()
        found = apart(
            model.changed, model.original, texts.to_list(), context=self.context, stride=self.stride
        )
        wrong = ~(np.isfinite(found.divergence) & np.isfinite(found.gap))
        if wrong.any():
            raise RecipeError(
                f"the divergence of {int(wrong.sum())} of {len(wrong)} documents is not finite; a "
                "model's weights or losses overflow: train it again, or take another",
                where=self.name,
            )
        empty = found.n_tokens == 0
        return pa.table(
            {
                "divergence": pa.array(on_grid(found.divergence, _GRID), mask=empty),
                "gap": pa.array(on_grid(found.gap, _GRID), mask=empty),
                "tokens": pa.array(found.n_tokens.astype(np.uint32), mask=empty),
                "characters": pa.array(
                    texts.str.len_chars().to_numpy().astype(np.uint32), mask=empty
                ),
            }
        )
