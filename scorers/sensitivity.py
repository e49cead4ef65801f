"""How much a document alone can say in some direction: its l_p sensitivity, to be drawn by.

A document drawn with a chance in proportion to it and weighted by 1/pi keeps ||A x||_p for all x
at once, A being the pool's gradients (Woodruff and Yasuda 2023, arXiv:2306.00732): `select:
{method: poisson}`. Without the weights it is a preference for what is unlike the rest. Costs the
gradients, and 4 * D * D operations a document (p = 2), some twenty times that for Lewis weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.embed.leverage import Leverage, leverage, lewis
from curator.errors import LedgerError, RecipeError
from curator.schema import score_field, vector_matrix
from curator.stage import Corpus, FittedScorer, Site, Stage, circumstance, write_report

_FORM: Final = "leverage.npz"
# The last bits of a product differ between machines; shares of a pool are far below any grid that
# is the same for all, so what is kept is fourteen bits of each.
_BITS: Final = 14


@dataclass(frozen=True)
class Sensitivity(FittedScorer):
    """Most of ||A x||_p**p that a document can be, over all x; null where it has no features.

    Attributes:
        features: what A's rows are: "gradients" of the loss of `model`, sketched; or "vectors" of
            `encoder`, whose length is one, so that only rare directions count and not how much.
        p: of the norm, from 1 to below 4. At 2 the sensitivity itself, which is the leverage
            score; at others Lewis weights, which bound it.
        root: leverage scores to the power p / 2 instead: for p below 2, and cheaper.
        ridge: added to the diagonal of A^T A, as a multiple of its mean: directions that hardly
            any document has count for less.
        model: of gradients: a recipe's name of one of its models, or a run's folder.
        dimensions: of sketched gradients.
        precondition: of gradients: "none", or "adam", as `curator.influence.sketch` has it.
        max_tokens: of gradients: only the beginning of a document is read.
        encoder: of vectors, as `curator.embed.encoder.open_encoder` takes it.
        max_characters: of vectors: only the beginning of a document is encoded.
        seed: of the sketch.
    """

    features: Literal["gradients", "vectors"] = "gradients"
    p: float = 2.0
    root: bool = False
    ridge: float = 0.0
    model: str = circumstance("")
    dimensions: int = 512
    precondition: Literal["none", "adam"] = "none"
    max_tokens: int = 256
    encoder: str = circumstance("wordllama")
    max_characters: int = 8192
    seed: int = 0

    name: ClassVar[str] = "sensitivity"
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scipy")
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field(
                "sensitivity",
                unit="share",
                about="Most that it can be of the pool in some direction: draw in proportion.",
            )
        ]
    )

    def __post_init__(self) -> None:
        """Refuse norms that are none or that have no Lewis weights, and features of nothing."""
        if not 1 <= self.p < 4:
            raise RecipeError(
                f"p is {self.p!r}; wanted 1 or more, below it is no norm, and below 4, from where "
                "the fixed point of Lewis weights is none"
            )
        if self.root and self.p >= 2:
            raise RecipeError(
                f"root: true with p {self.p!r}; root leverage is for p below 2: leave `root` out"
            )
        if self.features not in ("gradients", "vectors"):
            raise RecipeError(f"features is {self.features!r}; wanted 'gradients' or 'vectors'")
        if self.features == "gradients" and not self.model:
            raise RecipeError(
                "model is missing; name one of the recipe's `models` whose gradients are meant, or "
                "set `features: vectors`"
            )
        if not 0 <= self.ridge < np.inf:
            raise RecipeError(f"ridge is {self.ridge!r}; wanted 0 or more")

    @property
    def beside(self) -> tuple[Stage, ...]:
        """The gradients or the vectors."""
        if self.features == "vectors":
            from curator.embed.vectors import Embed  # loads torch

            return (Embed(self.encoder, self.max_characters),)
        from curator.influence.sketch import Sketch  # loads torch

        return (
            Sketch(
                self.model,
                self.dimensions,
                self.precondition,
                seed=self.seed,
                max_tokens=self.max_tokens,
            ),
        )

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on `features`
        """The column of the features."""
        return (self._column,)

    def identity(self) -> dict[str, Any]:
        """Return what names the score: the settings and what the features are made by."""
        return {**super().identity(), "features": [one.identity() for one in self.beside]}

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the form that judges rows, and `report.json`, into `out`."""

        def rows() -> Iterator[NDArray[np.float32]]:
            for table in corpora["raw"].tables((self._column,)):
                known = table[self._column].drop_null()
                if len(known):  # a shard may have no document with features
                    yield vector_matrix(known)

        learn = leverage if self.root else lewis
        form = learn(rows, p=self.p, ridge=self.ridge, where=self.name)
        form.save(out / _FORM)
        report = {
            "features": self.features,
            "p": self.p,
            "kind": self._kind,
            "documents": form.n,
            "dimensions": len(form.factor),
            "ridge": self.ridge,
            "condition": float(f"{form.condition:.3g}"),
            "total": float(f"{sum(form.scores(part).sum() for part in rows()):.5g}"),
        }
        if form.rounds:
            report |= {"rounds": form.rounds, "residual_below": 1e-6}
        write_report(out, report)

    def load(self, site: Site) -> Leverage:
        """Return what `fit` wrote."""
        if site.fitted is None:
            raise LedgerError(f"{self.name} has not been fitted", where=self.name)
        return Leverage.load(site.fitted / _FORM)

    def score(self, model: Leverage, table: pa.Table) -> pa.Table:
        """Return the sensitivities, one row a document; a row of zeros has none."""
        known = pc.is_valid(table[self._column]).to_numpy(zero_copy_only=False)
        found = np.zeros(table.num_rows)
        if known.any():
            found[known] = model.scores(vector_matrix(table[self._column].drop_null()))
        values = _rounded(found)
        return pa.table({"sensitivity": pa.array(values, mask=~(values > 0))})

    @property
    def _column(self) -> str:
        return "vector" if self.features == "vectors" else "gradient"

    @property
    def _kind(self) -> str:
        if self.root:
            return "root leverage"
        return "leverage" if self.p == 2 else "Lewis weights"


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return float32 with fourteen bits of each value."""
    mantissa, exponent = np.frexp(values)
    kept: NDArray[np.float32] = np.ldexp(
        np.rint(np.ldexp(mantissa, _BITS)), exponent - _BITS
    ).astype(np.float32)
    return kept
