"""How much of each source a target is made of: a Lasso of mean gradients, to divide a budget by.

After L1-A-MTRL (Wang, Chen, Jamieson and Du 2023, arXiv:2306.02556), for text: a source's vector is
the mean gradient of a model's loss on a sample of its documents, the target's that of its examples,
and the target is put together from as few sources as explain it. All documents of a source get its
weight: `select: {quota_by: source, quotas: NAME}`. Costs the gradients of the samples alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.embed.lasso import Relevance, relevance
from curator.errors import LedgerError, RecipeError
from curator.schema import score_field, vector_matrix
from curator.score.examples import draw_examples
from curator.score.grid import declared, on_grid
from curator.stage import Corpus, FittedScorer, Site, Stage, circumstance, write_report

_WEIGHTS: Final = "weights.json"
_GRID: Final = 1e-4  # of a weight


@dataclass(frozen=True)
class LassoRelevance(FittedScorer):
    """The source's weight in the target, one number for all its documents, summing to 1 over them.

    Attributes:
        kind: "lasso": nonnegative, as few sources as say as much; "ridge": squared coefficients of
            a nonnegative ridge, what the paper compares with; "uniform": all the same.
        features: "gradients" of the loss of `model`, sketched; or "vectors" of `encoder`.
        documents: of each source that are looked at.
        targets: examples of the target that are looked at, at most.
        least_targets: fewer are refused: of few the mean is mostly chance.
        folds: parts of the target's examples that a penalty is chosen by.
        model: of gradients: a recipe's name of one of its models, or a run's folder.
        dimensions: of sketched gradients.
        max_tokens: of gradients: only the beginning of a document is read.
        encoder: of vectors, as `curator.embed.encoder.open_encoder` takes it.
        max_characters: of vectors: only the beginning of a document is encoded.
        seed: of the samples, the folds and the sketch.
    """

    kind: Literal["lasso", "ridge", "uniform"] = "lasso"
    features: Literal["gradients", "vectors"] = "gradients"
    documents: int = 500
    targets: int = 2000
    least_targets: int = 200  # the project's specification, M13
    folds: int = 5
    model: str = circumstance("")
    dimensions: int = 512
    max_tokens: int = 256
    encoder: str = circumstance("wordllama")
    max_characters: int = 8192
    seed: int = 0

    name: ClassVar[str] = "lasso_relevance"
    learns_from: ClassVar[tuple[str, ...]] = ("target", "raw")
    reads: ClassVar[tuple[str, ...]] = ("source",)
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(
                score_field(
                    "relevance",
                    unit="share of the target",
                    about="How much of its source the target is made of.",
                ),
                _GRID,
            )
        ]
    )

    def __post_init__(self) -> None:
        """Refuse kinds and features that there are not, and counts below what means anything."""
        if self.kind not in ("lasso", "ridge", "uniform"):
            raise RecipeError(f"kind is {self.kind!r}; wanted 'lasso', 'ridge' or 'uniform'")
        if self.features not in ("gradients", "vectors"):
            raise RecipeError(f"features is {self.features!r}; wanted 'gradients' or 'vectors'")
        if self.features == "gradients" and not self.model and self.kind != "uniform":
            raise RecipeError(
                "model is missing; name one of the recipe's `models` whose gradients are meant, or "
                "set `features: vectors`"
            )
        if min(self.documents, self.targets, self.least_targets) < 1 or self.folds < 2:
            raise RecipeError(
                f"documents is {self.documents}, targets {self.targets}, least_targets "
                f"{self.least_targets}, folds {self.folds}; wanted two folds, and counts above 0"
            )

    def identity(self) -> dict[str, Any]:
        """Return what names the score: the settings and what the features are made by."""
        made = None if self.kind == "uniform" else self._stage.identity()
        return {**super().identity(), "features": made}

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the weight of each source, and `report.json`, into `out`."""
        names = _sources(corpora["raw"])
        report: dict[str, Any] = {"kind": self.kind, "features": self.features}
        if self.kind == "uniform":
            weights = np.full(len(names), 1 / len(names))
        else:
            weights, told = self._relevance(corpora, names, site)
            report |= told
            if not weights.any():
                weights = _prior(corpora["raw"], names)
                report["fallback"] = "no source helps: all by their bytes"
        # Rounded here, so that what is read back sums to what it is divided by.
        kept = dict(zip(names, on_grid(weights, _GRID).tolist(), strict=True))
        (out / _WEIGHTS).write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")
        report["weights"] = {name: float(f"{each:.4f}") for name, each in kept.items()}
        write_report(out, report)

    def load(self, site: Site) -> dict[str, float]:
        """Return what `fit` wrote."""
        if site.fitted is None:
            raise LedgerError(f"{self.name} has not been fitted", where=self.name)
        kept: dict[str, float] = json.loads((site.fitted / _WEIGHTS).read_text())
        return kept

    def score(self, model: dict[str, float], table: pa.Table) -> pa.Table:
        """Return the weights, one row a document; null for a source that was not there."""
        known = pa.array(sorted(model), pa.string())
        place = pc.index_in(table["source"].cast(pa.string()), known)
        weights = pa.array([model[name] for name in known.to_pylist()], pa.float32())
        return pa.table({"relevance": weights.take(place.combine_chunks())})

    @property
    def _stage(self) -> Stage:
        if self.features == "vectors":
            from curator.embed.vectors import Embed  # loads torch

            return Embed(self.encoder, self.max_characters)
        from curator.influence.sketch import Sketch  # loads torch

        return Sketch(self.model, self.dimensions, seed=self.seed, max_tokens=self.max_tokens)

    def _relevance(
        self, corpora: Mapping[str, Corpus], names: list[str], site: Site
    ) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Return each source's weight and what the report says of them.

        A source of fewer documents than folds has no mean to speak of, and weight 0.

        Raises:
            RecipeError: too few examples of the target, or no source with enough documents.
        """
        stage = self._stage
        model = stage.load(site)
        target = self._rows(stage, model, corpora["target"], self.targets, "target")
        if len(target) < self.least_targets:
            raise RecipeError(
                f"the target has {len(target)} examples; wanted {self.least_targets} or more: add "
                "some, or lower `least_targets` and read the weights as a guess",
                where=self.name,
            )
        rows: dict[str, NDArray[np.float64]] = {}
        for name in names:
            corpus = replace(corpora["raw"], sources=(name,))
            found = self._rows(stage, model, corpus, self.documents, f"source {name!r}")
            rows |= {name: found} if len(found) >= self.folds else {}
        if not rows:
            raise RecipeError(
                f"no source of {names} has {self.folds} documents with features; wanted some: "
                "documents without tokens have none",
                where=self.name,
            )
        even = target[: len(target) // self.folds * self.folds]
        folds = even.reshape(self.folds, -1, target.shape[1]).mean(axis=1)
        made = relevance(
            np.stack([each.mean(axis=0) for each in rows.values()]),
            folds,
            kind="ridge" if self.kind == "ridge" else "lasso",
            where=self.name,
        )
        weight = dict(zip(rows, made.weights.tolist(), strict=True))
        told = _told(made) | {
            "targets": len(even),
            "documents": {name: len(each) for name, each in rows.items()},
            "left_out": sorted(set(names) - set(rows)),
        }
        return np.array([weight.get(name, 0.0) for name in names]), told

    def _rows(
        self, stage: Stage, model: Any, corpus: Corpus, limit: int, what: str
    ) -> NDArray[np.float64]:
        """Return the features of documents drawn by their ids, in the order of ids, (n, D)."""
        drawn = draw_examples(
            corpus, limit, purpose=f"{self.name}.{what}", seed=self.seed, where=what
        )
        return vector_matrix(stage.process(model, drawn).column(0).drop_null()).astype(np.float64)


def _sources(corpus: Corpus) -> list[str]:
    names: set[str] = set()
    for table in corpus.tables(("source",)):
        names |= set(table["source"].unique().to_pylist())
    if not names:
        raise RecipeError("the pool is empty; wanted documents of some sources")
    return sorted(names)


def _prior(corpus: Corpus, names: list[str]) -> NDArray[np.float64]:
    """Return each source's share of the text, in bytes."""
    size = dict.fromkeys(names, 0)
    for table in corpus.tables(("source", "text")):
        counted = pa.table(
            {"source": table["source"], "size": pc.binary_length(table["text"]).cast(pa.int64())}
        )
        for row in counted.group_by("source").aggregate([("size", "sum")]).to_pylist():
            size[row["source"]] += row["size_sum"]
    sizes = np.array([size[name] for name in names], np.float64)
    shares: NDArray[np.float64] = sizes / max(1.0, sizes.sum())
    return shares


def _told(found: Relevance) -> dict[str, Any]:
    return {
        "penalty": float(f"{found.penalty:.3g}"),
        "held_out_error": float(f"{found.error:.4g}"),
        "closest_sources_cosine": float(f"{found.closest:.4f}"),
    }
