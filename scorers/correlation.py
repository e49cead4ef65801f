"""Perplexity correlations: text whose loss goes with models' errors on a target (2409.05816).

Thrush et al. 2025 correlate, over models, the bits per byte of a text with the error on a
benchmark, and fill a budget from the highest correlation down, each text at most once. What the
budget takes and what it leaves is then what `distill` learns to tell apart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.evaluate.losses import (
    COLUMNS,
    ByModels,
    LossColumns,
    Losses,
    corpus_losses,
    read_losses,
)
from curator.identity import id_matrix, uniform
from curator.schema import score_field
from curator.score.correlation import (
    Estimator,
    caps,
    check_errors,
    estimate,
    null_report,
    project_l2,
    project_linear,
)
from curator.score.grid import declared
from curator.stage import REPORT, Corpus, FittedScorer, Site

_GRID = 1e-6
_NULL_DOCUMENTS = 2000  # that permutations are tried on
_FITTED = "fitted.json"


class Known(NamedTuple):
    """What a projection needs of D documents or sources.

    Attributes:
        names: (D,) of sources; none for documents.
        estimates: (D,) on the grid.
        size: (D,) bytes of the text that was scored.
        ties: (D,) chances that order equal estimates.
        sample: (N, at most 2000) losses of some, for the permutation null.
    """

    names: tuple[str, ...]
    estimates: NDArray[np.float64]
    size: NDArray[np.int64]
    ties: NDArray[np.float64]
    sample: NDArray[np.float64]


@dataclass(frozen=True)
class Correlation(ByModels, FittedScorer):
    """The estimate, and the share of a document that a budget takes; null without losses.

    Attributes:
        estimator: "spearman", "sign", "sign_cdf", "sign_sign" or "product", as
            `curator.score.correlation.estimate` has them.
        projection: "linear" fills the budget by rank, "l2" takes the nearest weights.
        rate: share of all scored bytes that the budget is.
        group: what is estimated: every "document", or every "source", whose documents then share
            one estimate.
        least_group: documents that a source must have.
        errors: of the models, in their order, in [0, 1]; none: 1 - 2^-b, where b are the bits per
            byte that a model needs for the role `target`: 2^-b is the mean chance it gives a byte.
        least_tokens: documents that a model reads fewer tokens of have no score.
        target_documents: of the target, measured at most.
    """

    estimator: Estimator = "spearman"
    projection: Literal["linear", "l2"] = "linear"
    rate: float = 0.1
    group: Literal["document", "source"] = "document"
    least_group: int = 25
    errors: tuple[float, ...] = ()
    least_tokens: int = 32
    target_documents: int = 1000

    name: ClassVar[str] = "correlation"
    libraries: ClassVar[tuple[str, ...]] = ("tokenizers", "torch", "transformers")
    learns_from: ClassVar[tuple[str, ...]] = ("target", "raw")
    reads: ClassVar[tuple[str, ...]] = ("doc_id", "source", *COLUMNS)
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(
                score_field("correlation", unit="estimate", about="of loss with models' error"),
                _GRID,
            ),
            score_field("taken", unit="share", about="of the document, by a budget under caps"),
        ]
    )

    @property
    def beside(self) -> tuple[LossColumns, ...]:
        """The losses."""
        return (self.losses,)

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the models' errors and where the budget ends; report.json says what it takes.

        Raises:
            RecipeError: fewer than eight models; errors outside [0, 1] or all equal; nothing to
                estimate; a rate that is no share; models that cover other documents.
        """
        errors = self._errors(corpora["target"], site)
        check_errors(errors, where=self.name)
        by_source = self.group == "source"
        known = (self._sources if by_source else self._documents)(corpora["raw"], errors)
        if not len(known.estimates):
            raise RecipeError(
                f"no {self.group} has losses enough; wanted documents of {self.least_tokens} "
                f"tokens or more, {self.least_group} a source if those are estimated",
                where=self.name,
            )
        most = caps(known.size, self.rate, where=self.name)
        fitted: dict[str, Any] = {"errors": errors.tolist(), "bytes": int(known.size.sum())}
        if self.projection == "l2":
            weights, fitted["shift"] = project_l2(known.estimates, most)
        else:
            weights = project_linear(known.estimates, most, known.ties)
            fitted["last"] = _last(known, weights, most)
        shares = weights / most
        if by_source:
            pairs = zip(known.estimates.tolist(), shares.tolist(), strict=True)
            fitted["sources"] = dict(zip(known.names, pairs, strict=True))
        (out / _FITTED).write_text(json.dumps(fitted))
        report = {
            "estimator": self.estimator,
            "errors": errors.tolist(),
            f"{self.group}s": len(shares),
            "taken": int((shares == 1).sum()),
            "quantiles": np.quantile(known.estimates, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]).tolist(),
            "permuted": null_report(known.sample, errors, self.estimator),
        }
        (out / REPORT).write_text(json.dumps(report, indent=1))

    def load(self, site: Site) -> dict[str, Any]:
        """Return what `fit` wrote."""
        assert site.fitted is not None
        found: dict[str, Any] = json.loads((site.fitted / _FITTED).read_text())
        return found

    def score(self, model: dict[str, Any], table: pa.Table) -> pa.Table:
        """Return `correlation` and `taken`, one row a document."""
        losses = read_losses(table, len(self.models))
        known = self._enough(losses)
        estimates = np.full(table.num_rows, np.nan)
        shares = np.zeros(table.num_rows)
        if self.group == "source":
            of = model["sources"]
            pairs = [of.get(source, (np.nan, 0.0)) for source in table["source"].to_pylist()]
            estimates, shares = np.array(pairs).reshape(-1, 2).T
        else:
            estimates[known] = self._estimated(losses, known, np.array(model["errors"]))
            shares = self._shares(model, estimates, losses.size, self._ties(table["doc_id"]))
        without = ~known | np.isnan(estimates)
        return pa.table(
            {
                "correlation": pa.array(estimates.astype(np.float32), mask=without),
                "taken": pa.array(shares.astype(np.float32), mask=without),
            }
        )

    def _errors(self, target: Corpus, site: Site) -> NDArray[np.float64]:
        if not self.errors:
            # Refused before the models are asked, who would take their time.
            check_errors(np.linspace(0, 1, len(self.models)), where=self.name)
            return 1 - np.exp2(-self.target_bits(target, self.target_documents, site))
        if len(self.errors) != len(self.models):
            raise RecipeError(
                f"{len(self.errors)} errors for {len(self.models)} models; wanted one a model, "
                "in their order",
                where=self.name,
            )
        return np.array(self.errors)

    def _enough(self, losses: Losses) -> NDArray[np.bool_]:
        """Return which documents every model has read enough tokens of, (D,)."""
        read = (losses.tokens >= self.least_tokens) & ~np.isnan(losses.bits)
        return np.asarray(read.all(axis=1))

    def _estimated(
        self, losses: Losses, known: NDArray[np.bool_], errors: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the estimates of some documents, on the grid."""
        return self._on_grid(_bits_per_byte(losses, known), errors)

    def _on_grid(
        self, losses_ND: NDArray[np.float64], errors: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.rint(estimate(losses_ND, errors, self.estimator) / _GRID)
        return found * _GRID

    def _ties(self, doc_ids: pa.ChunkedArray) -> NDArray[np.float64]:
        return uniform(id_matrix(doc_ids), self.name, self.seed)

    def _documents(self, raw: Corpus, errors: NDArray[np.float64]) -> Known:
        """Return what is known of every document, whatever the order of shards."""
        rows, sample = [np.zeros((3, 0))], np.zeros((1 + len(errors), 0))
        for table, losses in corpus_losses(raw, self.models, ("doc_id",)):
            enough = self._enough(losses)
            estimates = self._estimated(losses, enough, errors)
            ties = self._ties(table["doc_id"])[enough]
            rows.append(np.stack([estimates, losses.size[enough], ties]))
            more = np.vstack([ties, _bits_per_byte(losses, enough)])
            sample = np.hstack([sample, more])
            sample = sample[:, np.argsort(sample[0], kind="stable")[:_NULL_DOCUMENTS]]
        estimates, size, ties = np.concatenate(rows, axis=1)
        ranked = ~np.isnan(estimates)
        return Known((), estimates[ranked], size[ranked].astype(np.int64), ties[ranked], sample[1:])

    def _sources(self, raw: Corpus, errors: NDArray[np.float64]) -> Known:
        """Return what is known of every source: all its bits over all its bytes."""
        sums: dict[str, NDArray[np.float64]] = {}  # bits of each model, bytes, documents
        for table, losses in corpus_losses(raw, self.models, ("source",)):
            enough = self._enough(losses)
            for source in pc.unique(table["source"]).to_pylist():
                mine = enough & pc.equal(table["source"], source).to_numpy()
                of = [losses.bits[mine].sum(axis=0), [losses.size[mine].sum()], [mine.sum()]]
                sums[source] = sums.get(source, np.zeros(len(errors) + 2)) + np.concatenate(of)
        names = tuple(sorted(s for s, of in sums.items() if of[-1] >= self.least_group))
        if not names:
            none = np.zeros(0)
            return Known((), none, none.astype(np.int64), none, none.reshape(len(errors), 0))
        table_DS = np.array([sums[name] for name in names])
        losses_ND = (table_DS[:, :-2] / table_DS[:, -2:-1]).T
        estimates = np.nan_to_num(self._on_grid(losses_ND, errors))
        size = table_DS[:, -2].astype(np.int64)
        return Known(names, estimates, size, np.arange(len(names)) / len(names), losses_ND)

    def _shares(
        self,
        model: Mapping[str, Any],
        estimates: NDArray[np.float64],
        size: NDArray[np.int64],
        ties: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the share of its cap that each document has, (D,)."""
        if self.projection == "l2":
            most = np.maximum(size, 1) / model["bytes"] / self.rate
            shares: NDArray[np.float64] = np.clip(estimates + model["shift"], 0, most) / most
            return shares
        last, tie, share = model["last"]
        before = (estimates > last) | ((estimates == last) & (ties < tie))
        return np.where(before, 1.0, np.where((estimates == last) & (ties == tie), share, 0.0))


def _bits_per_byte(losses: Losses, known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the losses of some documents, (N, D)."""
    found: NDArray[np.float64] = (losses.bits[known] / losses.size[known, None]).T
    return found


def _last(
    known: Known, weights: NDArray[np.float64], most: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Return the estimate and the chance of the last that the budget takes, and its share."""
    taken = np.flatnonzero(weights > 0)
    last = taken[np.lexsort((-known.ties[taken], known.estimates[taken]))[0]]
    return (
        float(known.estimates[last]), float(known.ties[last]), float(weights[last] / most[last])
    )  # fmt: skip
