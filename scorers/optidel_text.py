"""Hard and learnable text by pointwise V-information: our text analogue of OptiDEL.

OptiDEL (arXiv:2408.07107) builds small pretraining sets of images by V-information. It has no
version for text; this is our reading of its idea and no result of the paper speaks for it. A
text's V-information is what a full context tells a model of it: bits under a model of short
contexts less bits under a model of full ones, alike in tokenizer and budget. Hard is what has
little of it; what no model learns, between an early model and a late one, is noise and not hard.
Costs nothing but three `perplexity` entries, whose columns it reads.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
import pyarrow as pa

from curator import weights
from curator.errors import RecipeError
from curator.evaluate.language_models import model_digest
from curator.identity import file_digest
from curator.schema import score_field
from curator.score.grid import declared, on_grid
from curator.score.numbers import numbers_of
from curator.stage import Scorer, Site, circumstance

_GRID: Final = 1e-4  # bits per byte
_NEAR: Final = 0.01  # budgets are whole batches, so that equal ones may differ by one


class _Run(NamedTuple):
    """What the record of a model says."""

    name: str
    tokens: int
    context: int
    tokenizer: str


@dataclass(frozen=True)
class OptidelText(Scorer):
    """Minus V-information where it can be learned: little of it is hard; null where it cannot be.

    Attributes:
        models: in this order: full contexts, short contexts, early. In a recipe names of `models`.
            What they were trained on has left the pool.
        full: column of an earlier `perplexity` entry: bits per byte under the first model.
        short: under the second.
        early: under the third, which has read less of the same.
        least_learned: bits per byte that must lie between the early and the full model.
    """

    models: tuple[str, ...] = circumstance(())
    full: str = "full"
    short: str = "short"
    early: str = "early"
    least_learned: float = 0.0

    name: ClassVar[str] = "optidel_text"
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(
                score_field(
                    "hard_and_learnable",
                    unit="bits/byte",
                    about="Minus V-information (our text analogue of OptiDEL); null: not learned.",
                ),
                _GRID,
            ),
            declared(
                score_field("hardness", unit="bits/byte", about="Minus V-information, of all."),
                _GRID,
            ),
            declared(
                score_field(
                    "learned", unit="bits/byte", about="What a late model saves over an early one."
                ),
                _GRID,
            ),
        ]
    )

    def __post_init__(self) -> None:
        """Refuse anything but three models and three different columns."""
        if len(self.models) != 3:
            raise RecipeError(
                f"models are {list(self.models)}; wanted three: of full contexts, of short ones, "
                "and early"
            )
        if len({self.full, self.short, self.early}) < 3:
            raise RecipeError(
                f"full, short and early are {self.full!r}, {self.short!r}, {self.early!r}; wanted "
                "three columns"
            )

    @property
    def scores(self) -> tuple[str, ...]:
        """The entries whose columns are compared."""
        return tuple(name.split(".")[0] for name in self._columns)

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # which, settings say
        """Their columns."""
        return self._columns

    def identity(self) -> dict[str, Any]:
        """Return what names the score: the settings and the models' content."""
        return {**super().identity(), "models": [model_digest(name) for name in self.models]}

    def load(self, site: Site) -> None:
        """Return nothing; only if the models can be compared.

        Raises:
            RecipeError: other tokenizers, budgets that differ between full and short, contexts
                that are not shorter, or an early model that read no less.
        """
        full, short, early = (_run(name) for name in self.models)
        for other in (short, early):
            if other.tokenizer != full.tokenizer:
                raise RecipeError(
                    f"models {full.name!r} and {other.name!r} have different tokenizers; their "
                    "bits are of different tokens: train both by one recipe",
                    where=self.name,
                )
        if abs(short.tokens - full.tokens) > _NEAR * full.tokens:
            raise RecipeError(
                f"model {full.name!r} read {full.tokens:,} tokens and {short.name!r} "
                f"{short.tokens:,}; wanted equal budgets, or the difference is that of training",
                where=self.name,
            )
        if short.context >= full.context or early.tokens >= full.tokens:
            raise RecipeError(
                f"{short.name!r} reads {short.context} tokens at a time and {full.name!r} "
                f"{full.context}; {early.name!r} read {early.tokens:,} tokens and {full.name!r} "
                f"{full.tokens:,}; wanted a shorter context and an earlier model: models are in "
                "the order full, short, early",
                where=self.name,
            )

    def score(self, model: None, table: pa.Table) -> pa.Table:
        """Return hardness where it can be learned, hardness, and what is learned."""
        full, short, early = (
            numbers_of(table, column, where=self.name) for column in self._columns
        )
        hardness, learned = on_grid(full - short, _GRID), on_grid(early - full, _GRID)
        known = ~np.isnan(hardness) & ~np.isnan(learned)
        learnable = known & (learned > self.least_learned)
        columns = [
            pa.array(hardness, mask=~learnable),
            pa.array(hardness, mask=~known),
            pa.array(learned, mask=~known),
        ]
        return pa.table(columns, names=self.writes.names)

    @property
    def _columns(self) -> tuple[str, str, str]:
        return self.full, self.short, self.early


def _run(name: str) -> _Run:
    """Return what the record of one of our runs says.

    Raises:
        RecipeError: there is none, so that nobody can tell its budget.
    """
    folder = weights.find(name)
    record = folder / "run.json"
    if not record.is_file():
        raise RecipeError(
            f"model {name!r} has no run.json, so its budget is not known; name models that this "
            "recipe trains (`models: {NAME: {train: ...}}`)",
            where=OptidelText.name,
        )
    told = json.loads(record.read_text())
    tokenizer = file_digest(folder / "tokenizer.json")
    return _Run(name, int(told["tokens"]), int(told["proxy"]["context"]), tokenizer)
