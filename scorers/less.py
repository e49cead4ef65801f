"""LESS: documents whose step of Adam points where a target's gradients do (Xia et al. 2024).

"LESS: Selecting Influential Data for Targeted Instruction Tuning", arXiv:2402.04333; code:
princeton-nlp/LESS, collect_grad_reps.py and matching.py. To first order, training on a document
lowers the loss of a target example by the inner product of Adam's step with that example's
gradient; both at length one, or short documents with large gradients would win (section 4.1).
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

from curator.embed.directions import directions
from curator.errors import RecipeError
from curator.influence.by_gradients import ByGradients, Rows
from curator.influence.sketch import Sketch
from curator.schema import score_field
from curator.score.grid import declared
from curator.stage import Corpus, FittedScorer, Site

_MATRIX = "blocks.0.mlp.up.weight"  # whose rate is that of all matrices
_GRID = 1e-6  # of a cosine: those of plain gradients scatter by some hundredths


@dataclass(frozen=True)
class Less(ByGradients, FittedScorer):
    """The largest over subtasks of the mean cosine with target examples, in [-1, 1].

    Models are weighed by their learning rates. Null for a text without tokens.

    Attributes:
        rates: of the models, in their order; none: what each ended with. Only their ratios count.
        precondition: of documents' gradients: "adam", the step that Adam would take, or "none".
        compat: "paper_repo": Adam's step as the released code takes it, as in
            `curator.influence.sketch`.
    """

    rates: tuple[float, ...] = ()
    precondition: Literal["adam", "none"] = "adam"
    compat: Literal["", "paper_repo"] = ""

    name: ClassVar[str] = "less"
    learns_from: ClassVar[tuple[str, ...]] = ("target",)
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(
                score_field("less", unit="cosine", about="of its step with a target's gradients"),
                _GRID,
            )
        ]
    )

    def __post_init__(self) -> None:
        """Refuse rates that are no weights of the models."""
        super().__post_init__()
        weights = all(0 < rate < np.inf for rate in self.rates)
        if self.rates and (len(self.rates) != len(self.models) or not weights):
            raise RecipeError(
                f"rates {list(self.rates)!r} for {len(self.models)} models; wanted a finite "
                "number above 0 for each, or none"
            )

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        """The sketches of every model."""
        return tuple(each.column for each in self.beside)

    def sketch(self, number: int) -> Sketch:
        """Return the stage that sketches documents' steps by one of the models."""
        plain = super().sketch(number)
        return replace(plain, precondition=self.precondition, compat=self.compat)

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write what each subtask pulls at in each model, weighed by the models' rates."""
        examples = self.examples(corpora["target"])
        pulls, rates = [], []
        for number, stage in enumerate(self.beside):
            reader = stage.load(site)
            rows = self.gradients(examples, reader, number)
            pulls.append(examples.means(directions(rows, where=self.name)))
            rates.append(reader.state.rate(_MATRIX) if reader.state else 1.0)
        told = list(self.rates or rates)
        shares = np.array(told) / np.sum(told)
        self.keep(np.array(pulls) * shares[:, None, None], examples, out, rates=told)

    def features(self, rows_NK: NDArray[np.float32], table: pa.Table, number: int) -> Rows:
        """Return the sketched steps at length one."""
        return directions(rows_NK, where=self.name)

    def score(self, model: NDArray[np.float64], table: pa.Table) -> pa.Table:
        """Return `less`, one row a document."""
        return pa.table({"less": self.scored(model, table, _GRID)})
