"""TRAK: documents credited with a target by a linear model of the network (Park et al. 2023).

"TRAK: Attributing Model Behavior at Scale", arXiv:2303.14186; code: MadryLab/trak. Around trained
weights the margin log p / (1 - p) is nearly linear in them, so that what a document adds is that of
a regression on gradients: phi(z)^T (Phi^T Phi + ridge)^-1 phi(x) (1 - p(x)), averaged over models.
What all documents pull at alike is divided out.
"""

# Shapes: N documents, M models, S subtasks, K dimensions.
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.embed.whitening import gram
from curator.errors import RecipeError
from curator.influence.by_gradients import ByGradients, Rows, gradients_of
from curator.influence.sketch import Sketch
from curator.schema import score_field
from curator.score.grid import declared
from curator.stage import Corpus, FittedScorer, Site

_GRID = 1e-4  # of the unit below


@dataclass(frozen=True)
class Trak(ByGradients, FittedScorer):
    """Influence on the margin of target examples, in root mean squares over the pool and subtasks.

    Null for a text without tokens.

    Attributes:
        ridge: added to the diagonal of Phi^T Phi, as a multiple of its mean eigenvalue (of those
            that are not 0 where there are fewer documents than dimensions); 0: none. The default
            was chosen from 0.1, 1, 10 and 100 by seed 0 of bench/datamodel.py.
    """

    aggregate: Literal["max", "mean"] = "mean"
    ridge: float = 10.0

    name: ClassVar[str] = "trak"
    learns_from: ClassVar[tuple[str, ...]] = ("target", "raw")
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(
                score_field("trak", unit="root mean squares", about="influence on a target"), _GRID
            )
        ]
    )

    def __post_init__(self) -> None:
        """Refuse a ridge below zero."""
        super().__post_init__()
        if not 0 <= self.ridge < np.inf:
            raise RecipeError(f"ridge is {self.ridge!r}; wanted a finite number, 0 or more")

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        """The sketches of every model and the probabilities beside them."""
        names = (each.column for each in self.beside)
        return tuple(column for name in names for column in (name, f"{name}_probability"))

    def sketch(self, number: int) -> Sketch:
        """Return the stage that sketches gradients of the margin by one of the models."""
        return replace(super().sketch(number), output="margin")

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write, for each model and subtask, (Phi^T Phi + ridge)^-1 times the mean example."""
        examples = self.examples(corpora["target"])
        pulls, squares, documents = [], [], 0
        for number, stage in enumerate(self.beside):
            moments = gram(
                (
                    gradients_of(table, stage.column, stage.projection, where=self.name)[0]
                    for table in corpora["raw"].tables((stage.column,))
                ),
                where=self.name,
            )
            means_SK = examples.means(self.gradients(examples, stage.load(site), number))
            found_SK = solved(moments.second, means_SK, self.ridge, moments.n)
            squares.append(np.einsum("sk,kl,sl->s", found_SK, moments.second, found_SK))
            pulls.append(found_SK)
            documents = moments.n
        scale = len(pulls) * np.sqrt(np.mean(squares))
        self.keep(np.array(pulls) / scale, examples, out, documents=documents, ridge=self.ridge)

    def features(self, rows_NK: NDArray[np.float32], table: pa.Table, number: int) -> Rows:
        """Return the gradients of the margin times 1 - p."""
        probability_N = table[f"gradient{number}_probability"].to_numpy()
        weighed: Rows = rows_NK * (1 - probability_N)[:, None]
        return weighed

    def score(self, model: NDArray[np.float64], table: pa.Table) -> pa.Table:
        """Return `trak`, one row a document."""
        return pa.table({"trak": self.scored(model, table, _GRID)})


def solved(
    second_KK: NDArray[np.float64], means_SK: NDArray[np.float64], ridge: float, documents: int
) -> NDArray[np.float64]:
    """Return (Phi^T Phi / n + ridge x mean variance)^-1 times each subtask's mean, (S, K).

    Raises:
        RecipeError: fewer documents than dimensions and no ridge, or an ill-conditioned matrix.
    """
    from scipy.linalg import cho_solve  # only fitting needs it

    size = len(second_KK)
    mean = np.trace(second_KK) / min(size, documents)  # of the eigenvalues that can be above 0
    whole = second_KK + ridge * mean * np.eye(size)
    try:
        factor = np.linalg.cholesky(whole)
    except np.linalg.LinAlgError:
        raise RecipeError(
            f"gradients of {documents} documents in {size} dimensions with ridge {ridge!r} have a "
            "singular Gram matrix; give more documents, fewer dimensions, or a ridge",
            where="trak",
        ) from None
    found: NDArray[np.float64] = cho_solve((factor, True), means_SK.T).T
    return found
