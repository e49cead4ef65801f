"""Documents that carry the distribution of target examples, in whitened gradients: TAROT.

Feng et al. 2025, "TAROT: Targeted Data Selection via Optimal Transport" (ICML 2025), as its release
has it (vita-epfl/TAROT; the paper itself was not read). Features of documents and targets are
whitened together and brought to length one; every target ranks all documents by cosine; a set of
fixed size takes rank after rank and cuts the last by potentials of transport, or how many
neighbors a target should propose is estimated on targets held out. Costs the features, and
2 * documents * targets * dimensions operations for the ranks.
"""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.embed.costs import Distances, median_cost
from curator.embed.directions import directions
from curator.embed.gathered import Gathered, gather, known_vectors, mean_vectors
from curator.embed.neighbors import Found, Neighbors
from curator.embed.proposals import Clouds, Fold, Placed, estimated, layers_of, placed
from curator.embed.transport import SHARE
from curator.embed.whitening import ROWS, Metric, gram
from curator.errors import RecipeError
from curator.identity import id_array, id_matrix, uniform
from curator.schema import score_field
from curator.score.examples import draw_examples
from curator.stage import Corpus, FittedScorer, Site, Stage, circumstance, write_report

Mode = Literal["fixed_size", "ratio"]
Features = Literal["gradients", "vectors"]
_PLACES: Final = "places.npz"
_RELEASE_NEIGHBORS: Final = 2000  # multi_process_sort(score, k=2000) in the release
_RELEASE_RIDGE: Final = 1e-5  # wfd_estimator.py, get_wfd


class Targets(NamedTuple):
    """Target examples that have features.

    Attributes:
        ids: (T, 16) uint8, sorted.
        features: (T, D) float32, not whitened.
    """

    ids: NDArray[np.uint8]
    features: NDArray[np.float32]


@dataclass(frozen=True)
class Tarot(FittedScorer):
    """1 - place / documents among those that TAROT takes, in the order in which it takes them.

    `mode: fixed_size`: 0 for documents that no target reaches; `mode: ratio`: null for documents
    outside the set, so that a selection with share 1 is the set.

    Attributes:
        features: "gradients" of `models`, sketched; or "vectors" of `encoder`.
        models: whose gradients; of several the mean is taken. A recipe's names become folders.
        dimensions: of the sketch.
        max_tokens: of a document that gradients are of.
        seed: of the sketch, the choice of targets and the folds.
        encoder: for "vectors", as `curator.embed.encoder.open_encoder` takes it.
        max_characters: only the beginning of a document is encoded.
        mode: "fixed_size", a set of any size; "ratio", the size is estimated.
        share: "fixed_size": of the documents that get a place; more than a selection takes.
        folds: "ratio": parts of the targets, each of which proposes for the others.
        neighbors: "ratio": of a target at most.
        targets: examples kept at most, chosen by their ids.
        whiten: False: features as they are, brought to length one; a document whose feature is
            zero, such as one whose gradient half precision cannot hold, gets no place.
        ridge: of the covariance, as a multiple of its mean variance.
        compat: "paper_repo": the release's mistakes. Features of the last model where the mean was
            meant; products rounded to half precision; 2,000 neighbors, after which it ends without
            a word; of the last rank the highest potentials; the first set that is worse.
    """

    features: Features = "gradients"
    models: tuple[str, ...] = circumstance(())
    dimensions: int = 512
    max_tokens: int = 256
    seed: int = 0
    encoder: str = circumstance("wordllama")
    max_characters: int = 8192
    mode: Mode = "fixed_size"
    share: float = 0.25
    folds: int = 10
    neighbors: int = 2000
    targets: int = 500
    whiten: bool = True
    ridge: float = 1e-6
    compat: Literal["", "paper_repo"] = ""

    name: ClassVar[str] = "tarot"
    reads: ClassVar[tuple[str, ...]] = ("doc_id",)
    learns_from: ClassVar[tuple[str, ...]] = ("target", "raw")
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scipy")
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field(
                "tarot",
                unit="1 - place / documents",
                about="The order in which TAROT takes documents.",
            ),
            score_field(
                "layer",
                unit="rank",
                better="lower",
                about="Best rank among some target's nearest, from 1.",
                kind=pa.int32(),
            ),
            score_field(
                "potential",
                unit="distance",
                better="lower",
                about="Of the plan that moves the set to the targets.",
            ),
        ]
    )

    def __post_init__(self) -> None:
        """Refuse gradients of no model, shares and counts that are none."""
        for name, kinds in (("features", Features), ("mode", Mode)):
            if getattr(self, name) not in get_args(kinds):
                raise RecipeError(
                    f"{name} is {getattr(self, name)!r}; wanted one of {list(get_args(kinds))}"
                )
        if self.features == "gradients" and not self.models:
            raise RecipeError(
                "features are gradients of no model; name some of the recipe's `models`, as in "
                "models: [warm], or give features: vectors"
            )
        if not 0 < self.share <= 1:
            raise RecipeError(f"share is {self.share!r}; wanted a share above 0, at most 1")
        if self.folds < 2 or min(self.neighbors, self.targets, self.max_characters) < 1:
            raise RecipeError(
                f"folds is {self.folds}, neighbors {self.neighbors}, targets {self.targets}, "
                f"max_characters {self.max_characters}; wanted two folds, and counts above 0"
            )
        if self.ridge < 0:
            raise RecipeError(f"ridge is {self.ridge!r}; wanted 0 or more")

    @property
    def beside(self) -> tuple[Stage, ...]:
        """The vectors, or a sketch of each model's gradients."""
        if self.features == "vectors":
            from curator.embed.vectors import Embed  # loads torch

            return (Embed(self.encoder, self.max_characters),)
        from curator.influence.sketch import Sketch

        return tuple(
            Sketch(
                model,
                dimensions=self.dimensions,
                seed=self.seed,
                max_tokens=self.max_tokens,
                column=column,
            )
            for model, column in zip(self.models, self._columns, strict=True)
        )

    @property
    def _columns(self) -> tuple[str, ...]:
        if self.features == "vectors":
            return ("vector",)
        return tuple(f"gradient_{number}" for number in range(len(self.models)))

    @property
    def _read(self) -> tuple[str, ...]:
        """Columns whose mean is the feature; the release reads the last model's alone."""
        return self._columns[-1:] if self.compat else self._columns

    def identity(self) -> dict[str, Any]:
        """Return what names the score: the settings and what features are made by."""
        made_by = [stage.identity() for stage in self.beside]
        return {**super().identity(), "features": made_by}

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the documents that get a place, and a report of how, into `out`.

        Raises:
            RecipeError: too few targets or documents, features without a metric, or a plan whose
                marginals are off.
        """
        targets = self._targets(corpora["target"], site)
        with tempfile.TemporaryDirectory(dir=out) as scratch:
            pool = gather(
                corpora["raw"],
                self._read,
                Path(scratch) / "features.npy",
                where=self.name,
                directed=not self.whiten,
            )
            clouds, metric = self._clouds(pool, targets, Path(scratch) / "white.npy")
            search = Neighbors(clouds.candidates, device=site.device, threads=site.threads)
            take = self._fixed_size if self.mode == "fixed_size" else self._ratio
            taken, told = take(clouds, targets, search, site.threads)
        np.savez(
            out / _PLACES,
            ids=pool.ids[taken.rows],
            score=(1 - np.arange(len(taken.rows)) / len(pool.ids)).astype(np.float32),
            layer=taken.layer.astype(np.int32),
            potential=taken.potential,
        )
        report = {
            "documents": len(pool.ids),
            "targets": len(targets.ids),
            "dimensions": int(targets.features.shape[1]),
            "shrinkage": metric.shrinkage if metric else None,
            "placed": len(taken.rows),
            "layers": int(taken.layer.max(initial=0)),
            "marginal_error": taken.error,
            **told,
        }
        write_report(out, report)

    def load(self, site: Site) -> dict[str, pa.Array]:
        """Return the ids that have a place, and their columns."""
        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted; give it a target by `learns_from`")
        with np.load(site.fitted / _PLACES, allow_pickle=False) as kept:
            columns = ("score", "layer", "potential")
            return {"ids": id_array(kept["ids"])} | {name: pa.array(kept[name]) for name in columns}

    def score(self, model: dict[str, pa.Array], table: pa.Table) -> pa.Table:
        """Return the columns of `writes`, one row a document."""
        places = pc.index_in(table["doc_id"], value_set=model["ids"]).combine_chunks()
        key = model["score"].take(places)
        if self.mode == "fixed_size":
            key = pc.fill_null(key, 0.0)
        columns = {name: model[name].take(places) for name in ("layer", "potential")}
        return pa.table({"tarot": key, **columns})

    def _targets(self, corpus: Corpus, site: Site) -> Targets:
        where = f"{self.name}, role 'target'"
        drawn = draw_examples(
            corpus, self.targets, purpose="tarot.targets", seed=self.seed, where=where
        )
        for stage, column in zip(self.beside, self._columns, strict=True):
            made = stage.process(stage.load(site), drawn)[column]
            drawn = drawn.append_column(column, made)
        drawn = known_vectors(drawn, self._read, directed=not self.whiten)
        least = self.folds if self.mode == "ratio" else 1
        if drawn.num_rows < least:
            raise RecipeError(
                f"{drawn.num_rows} targets have features; wanted {least} or more"
                + (", one for every fold" if self.mode == "ratio" else ""),
                where=where,
            )
        return Targets(id_matrix(drawn["doc_id"]), mean_vectors(drawn, self._read))

    def _clouds(self, pool: Gathered, targets: Targets, path: Path) -> tuple[Clouds, Metric | None]:
        """Return both clouds in the metric of both together, documents in a file."""
        metric = None
        if self.whiten:
            moments = gram(itertools.chain(_blocks(pool), [targets.features]), where=self.name)
            mean_variance = float(np.trace(moments.covariance)) / len(moments.mean)
            ridge = _RELEASE_RIDGE / mean_variance if self.compat else self.ridge
            metric = Metric.fit(moments, ridge=ridge, where=self.name)
        white = np.lib.format.open_memmap(path, "w+", np.dtype(np.float32), pool.vectors.shape)
        for start, block in zip(range(0, len(white), ROWS), _blocks(pool), strict=True):
            white[start : start + ROWS] = self._units(block, metric)
        return Clouds(white, self._units(targets.features, metric)), metric

    def _units(
        self, features: NDArray[np.floating[Any]], metric: Metric | None
    ) -> NDArray[np.float32]:
        if metric is None:
            return directions(features, where=self.name)
        if not self.compat:
            return metric.units(features, where=self.name)
        centered = (features - metric.mean).astype(np.float16).astype(np.float32)
        root = metric.root().astype(np.float16).astype(np.float32)
        return directions((centered @ root).astype(np.float16), where=self.name)

    def _fixed_size(
        self, clouds: Clouds, targets: Targets, search: Neighbors, threads: int
    ) -> tuple[Placed, dict[str, Any]]:
        """Return enough layers for `share` of the documents."""
        wanted = math.ceil(self.share * len(search))
        keep = max(1, 2 * wanted // len(targets.ids))
        most = _RELEASE_NEIGHBORS if self.compat else len(search)
        while True:
            nearest = search.top_k(clouds.targets, min(keep, most))[1]
            layer = layers_of(nearest, len(search))
            if np.count_nonzero(layer) >= wanted or nearest.shape[1] >= min(most, len(search)):
                break
            keep *= 2
        layer[layer > np.sort(layer[layer > 0])[:wanted][-1]] = 0
        taken = placed(clouds, layer, release=bool(self.compat), threads=threads)
        return taken, {"mode": self.mode}

    def _ratio(
        self, clouds: Clouds, targets: Targets, search: Neighbors, threads: int
    ) -> tuple[Placed, dict[str, Any]]:
        """Return the documents that the folds' targets propose."""
        nearest = search.top_k(clouds.targets, self.neighbors)
        layer = layers_of(nearest[1], len(search))
        rows = np.flatnonzero(layer)
        eps = SHARE * median_cost(Distances(*clouds, rows_N=rows, where=self.name))
        fold = self._fold(targets)
        release = bool(self.compat)
        found = estimated(clouds, nearest, fold, eps=eps, release=release, threads=threads)
        self._refuse_short_lists(found, nearest, len(search))
        inside = np.zeros(len(search), bool)
        for part in found:
            inside[part.rows] = True
        if not inside.any():
            raise RecipeError(
                "no document has a cosine above 0 with any target; wanted some that are like the "
                "target",
                where=self.name,
            )
        taken = placed(
            clouds, np.where(inside, layer, 0), eps=eps, release=release, threads=threads
        )
        told = {
            "mode": self.mode,
            "ratio": float(inside.mean()),
            "folds": [
                {"k": part.k, "documents": len(part.rows), "cost": part.cost} for part in found
            ],
            "ended": sum(part.ended for part in found),
        }
        return taken, told

    def _fold(self, targets: Targets) -> NDArray[np.int64]:
        """Return each target's fold; they are dealt out by chance of its id."""
        fold = np.empty(len(targets.ids), np.int64)
        order = np.argsort(uniform(targets.ids, "tarot.folds", self.seed), kind="stable")
        fold[order] = np.arange(len(order)) % self.folds
        return fold

    def _refuse_short_lists(self, found: list[Fold], nearest: Found, documents: int) -> None:
        """Refuse lists that ended while costs still fell; the release goes on without a word."""
        ended = [number for number, part in enumerate(found) if part.ended]
        kept = nearest[1].shape[1]
        if ended and kept < documents and not self.compat:
            raise RecipeError(
                f"folds {ended} still gain by the last of {kept} neighbors; wanted lists that end "
                "after the cost has risen: give more `neighbors`",
                where=self.name,
            )


def _blocks(pool: Gathered) -> Iterator[NDArray[np.floating[Any]]]:
    for start in range(0, len(pool.vectors), ROWS):
        yield pool.vectors[start : start + ROWS]
