"""What moves a trained model's distribution towards a target fastest: GOT-D.

Kang et al. 2024, "Get more for less: Principled Data Selection for Warming Up Fine-Tuning in LLMs"
(ICLR 2024, arXiv:2405.02774): a model that goes on training holds a mixture of what it was trained
on and of what it is given now, so documents are worth what mass moved to them takes off the cost
of transport between that mixture and the target: the calibrated gradient of its dual potentials
(Just et al. 2023, arXiv:2305.00054). The plan is made for a sample; every other document's
potential follows from those of the targets. Only valid for continued training and small shares.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.dedup.target_overlap import refuse_overlap
from curator.embed.costs import Distances, block_rows, median_cost
from curator.embed.directions import directions
from curator.embed.gathered import Gathered, gather
from curator.embed.growth import Chunk, Plan, grown, plan_of
from curator.embed.transport import SHARE, TOLERANCE, Calibrated, Solved, extended
from curator.embed.units import units
from curator.embed.vectors import OfVectors
from curator.errors import RecipeError
from curator.generate.targets import ROLE as FINAL_TARGET
from curator.identity import id_array, id_matrix, uniform
from curator.schema import score_field, vector_matrix
from curator.score.examples import draw_examples, draw_threshold
from curator.score.grid import declared, on_grid
from curator.stage import Corpus, FittedScorer, Site, circumstance, write_report

Mode = Literal["towards", "contrast"]
_SAMPLE: Final = "got_d.sample"
_PLAN: Final = "plan.npz"
_GRID: Final = 1e-4  # of a distance
# A chunk's documents are so much above the next one's: distances of unit vectors are at most 2, so
# calibrated gradients differ by less than 2 (1 + 1 / (n - 1)) <= 4.
_CHUNK: Final = 8.0
# The project's specification (selection.md, B14 6): beyond, the gradient at the beginning says too
# little.
LARGEST_SHARE: Final = 0.1
LEAST_EPS: Final = 1e-4  # of the median cost; distances in single precision are off by 0.0005


class Model(NamedTuple):
    """What scoring needs.

    Attributes:
        targets: (M, D) unit vectors.
        solved: the plan, of which g counts.
        scale: what calibrates potentials.
        ids: documents that an earlier chunk took.
        lift: (len(ids),) float32, their scores.
    """

    targets: NDArray[np.float32]
    solved: Solved
    scale: Calibrated
    ids: pa.Array
    lift: NDArray[np.float32]


@dataclass(frozen=True)
class GotD(OfVectors, FittedScorer):
    """How fast the cost of transport falls as mass moves to the document; null without tokens.

    Minus the calibrated gradient of the distance to the target, rounded to 0.0001: the paper takes
    the most negative gradients, here the highest scores. With `iterate`, documents of earlier
    chunks are 8 higher than those of the next.

    Attributes:
        mode: "towards" the target; "contrast": away from it, where the target is what to avoid.
        documents: of the sample that stands for what the model was trained on.
        targets: examples kept at most, or pieces of examples.
        piece_characters: examples are cut into pieces so long, each a point of the target: a few
            long examples are a cloud too. None: each is one point.
        least_targets: fewer with vectors are refused (the project's specification, B14 6).
        eps: of the entropy, as a share of the median cost. Too large, and all potentials are alike.
        tolerance: of the plan's marginals; a plan beyond it is refused.
        share: of the pool's documents that a selection takes; above 0.1 only with `iterate`.
        iterate: take the share in `chunks` and make the plan anew after each, with what was taken
            in the sample: a gradient alone would take all from the densest mode that is lacking.
        chunks: of `iterate`.
        encoder: as `curator.embed.encoder.open_encoder` takes it.
        max_characters: only the beginning of a document is encoded.
        seed: of the samples.
    """

    mode: Mode = "towards"
    documents: int = 10_000
    targets: int = 500
    piece_characters: int | None = None
    least_targets: int = 50
    eps: float = SHARE
    tolerance: float = TOLERANCE
    share: float = 0.1
    iterate: bool = False
    chunks: int = 5
    encoder: str = circumstance("wordllama")
    max_characters: int = 8192
    seed: int = 0

    name: ClassVar[str] = "got_d"
    reads: ClassVar[tuple[str, ...]] = ("doc_id", "vector")
    learns_from: ClassVar[tuple[str, ...]] = ("target", "raw")
    shuns_final_target: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scipy")
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(
                score_field(
                    "transport_gain",
                    unit="distance",
                    about="Minus the calibrated gradient; earlier chunks 8 higher than the next.",
                ),
                _GRID,
            )
        ]
    )

    def __post_init__(self) -> None:
        """Refuse counts and shares that are none, and more than a first order can say."""
        if self.mode not in get_args(Mode):
            raise RecipeError(f"mode is {self.mode!r}; wanted one of {list(get_args(Mode))}")
        pieces = 1 if self.piece_characters is None else self.piece_characters
        if self.documents < 2 or min(self.chunks, self.max_characters, pieces) < 1:
            raise RecipeError(
                f"documents is {self.documents}, chunks {self.chunks}, max_characters "
                f"{self.max_characters}, piece_characters {self.piece_characters}; wanted two "
                "documents, and counts above 0"
            )
        if not 1 <= self.least_targets <= self.targets:
            raise RecipeError(
                f"targets is {self.targets}; wanted {self.least_targets} (least_targets) or more"
            )
        if not 0 < self.share <= 1 or not 0 < self.tolerance < 1:
            raise RecipeError(
                f"share is {self.share!r}, tolerance {self.tolerance!r}; wanted a share above 0, "
                "at most 1, and a tolerance between 0 and 1"
            )
        if not LEAST_EPS <= self.eps <= 1:
            raise RecipeError(
                f"eps is {self.eps!r}, as a share of the median cost; wanted {LEAST_EPS:g} to 1: "
                "below, costs are not known so well, and above, all potentials are alike"
            )
        if self.share > LARGEST_SHARE and not self.iterate:
            raise RecipeError(
                f"share is {self.share!r}: a gradient holds for small shares; wanted at most "
                f"{LARGEST_SHARE}, or iterate: true, which makes the plan anew after every chunk"
            )

    @property
    def most_share(self) -> float:
        """Of the pool, what a selection by this score may take."""
        return max(self.share, LARGEST_SHARE)

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the targets with their potentials, and what chunks took, into `out`.

        Raises:
            RecipeError: fewer than 50 targets, targets that repeat the final target, no documents
                with vectors, or a plan whose marginals are off.
        """
        targets = self._targets(corpora, site)
        sample = self._sample(corpora["raw"], targets.shape[1])
        eps = self.eps * median_cost(Distances(sample, targets, where=self.name))
        plan = plan_of(
            sample,
            targets,
            eps=eps,
            tolerance=self.tolerance,
            where=self.name,
            threads=site.threads,
        )
        plans = [plan]
        ids, lift = np.zeros((0, 16), np.uint8), np.zeros(0, np.float32)
        if self.iterate:
            with tempfile.TemporaryDirectory(dir=out) as scratch:
                path = Path(scratch) / "vectors.npy"
                pool = gather(corpora["raw"], ("vector",), path, where=self.name)
                chunks = self._chunks(plan, sample, targets, pool, site.threads)
            taken = np.concatenate([chunk.rows for chunk in chunks])
            above = _CHUNK * np.arange(len(chunks), 0, -1)
            lifts = [chunk.gain + high for chunk, high in zip(chunks, above, strict=True)]
            ids, lift = pool.ids[taken], np.concatenate(lifts)
            plans += [chunk.plan for chunk in chunks]
        solved, scale = plans[-1]
        np.savez(
            out / _PLAN,
            targets=targets,
            g=solved.g,
            eps=solved.eps,
            scale=np.array(scale),
            ids=ids,
            lift=on_grid(lift, _GRID),
        )
        told = [
            {
                "cost": one.solved.value,
                "marginal_error": one.solved.marginal_error,
                "passes": one.solved.iterations,
            }
            for one in plans
        ]
        report = {
            "documents": len(sample),
            "targets": len(targets),
            "eps": solved.eps,
            "taken": len(ids),
            "plans": told,
        }
        write_report(out, report)

    def load(self, site: Site) -> Model:
        """Return what `fit` wrote."""
        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted; give it a target by `learns_from`")
        with np.load(site.fitted / _PLAN, allow_pickle=False) as kept:
            targets, g = kept["targets"], kept["g"]
            masses = np.full(len(g), 1 / len(g))
            solved = Solved(np.zeros(0, np.float32), g, 0.0, 0.0, 0, float(kept["eps"]), masses)
            scale = Calibrated(*map(float, kept["scale"]))
            return Model(targets, solved, scale, id_array(kept["ids"]), kept["lift"])

    def score(self, model: Model, table: pa.Table) -> pa.Table:
        """Return `transport_gain`, one row a document."""
        gain = np.zeros(table.num_rows)
        known = pc.is_valid(table["vector"]).to_numpy()
        if known.any():
            vectors = vector_matrix(table["vector"].drop_null())
            gain[known] = self._gain(model.scale.of(_potentials(model, vectors, self.name)))
        places = pc.index_in(table["doc_id"], value_set=model.ids).to_numpy(zero_copy_only=False)
        found = on_grid(gain, _GRID)
        early = np.isfinite(places)
        found[early] = model.lift[places[early].astype(np.int64)]
        return pa.table({"transport_gain": pa.array(found, mask=~known)})

    def _gain(self, gradient: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return calibrated gradients as scores: here, and nowhere else, their sign is turned."""
        return -gradient if self.mode == "towards" else gradient

    def _targets(self, corpora: Mapping[str, Corpus], site: Site) -> NDArray[np.float32]:
        where = f"{self.name}, role 'target'"
        drawn = draw_examples(
            corpora["target"], self.targets, purpose="got_d.targets", seed=self.seed, where=where
        )
        final = corpora.get(FINAL_TARGET)
        if final is not None:
            names = pa.array(["target"] * drawn.num_rows)
            kept = pa.concat_tables(list(final.tables(("source", "text"))))
            refuse_overlap(drawn.append_column("source", names), kept, where=where)
        embed = self.beside[0]  # as documents are, half precision included
        points = drawn if self.piece_characters is None else self._pieces(drawn["text"])
        column = embed.process(embed.load(site), points)["vector"].drop_null()
        if len(column) < self.least_targets:
            raise RecipeError(
                f"{len(column)} targets have vectors; wanted {self.least_targets} or more: a "
                "plan to fewer follows single examples",
                where=where,
            )
        return directions(vector_matrix(column), where=where)

    def _pieces(self, texts: pa.ChunkedArray) -> pa.Table:
        """Return pieces of examples, of more than `targets` evenly many from all places."""
        size = self.piece_characters or 1
        pieces = [
            text[start : start + size]  # examples are few
            for text in texts.to_pylist()
            for start in range(0, max(1, len(text)), size)
        ]
        kept = np.linspace(0, len(pieces) - 1, min(len(pieces), self.targets)).round().astype(int)
        return pa.table({"text": pa.array([pieces[one] for one in kept], pa.large_string())})

    def _sample(self, corpus: Corpus, dimensions: int) -> NDArray[np.float32]:
        """Return vectors of distinct documents in the order of ids, (n, D)."""
        last = draw_threshold(
            corpus, self.documents, purpose=_SAMPLE, seed=self.seed, where=self.name
        )
        ids, vectors = [], []
        for table in corpus.tables(("doc_id", "vector")):
            drawn = uniform(id_matrix(table["doc_id"]), _SAMPLE, self.seed) <= last
            known = table.filter(pc.and_(pa.array(drawn), pc.is_valid(table["vector"])))
            ids.append(id_matrix(known["doc_id"]))
            vectors.append(units(known["vector"], dimensions=dimensions, where=self.name))
        _, first = np.unique(np.concatenate(ids), axis=0, return_index=True)
        if len(first) < 2:
            raise RecipeError(
                f"{len(first)} documents of the sample have vectors; wanted two or more",
                where=self.name,
            )
        return directions(np.concatenate(vectors)[first], where=self.name)

    def _chunks(
        self,
        plan: Plan,
        sample: NDArray[np.float32],
        targets: NDArray[np.float32],
        pool: Gathered,
        threads: int,
    ) -> list[Chunk]:
        """Return the share of the pool in chunks of equal size, the last the smaller."""
        wanted = math.ceil(self.share * len(pool.ids))
        size = math.ceil(wanted / self.chunks)
        sizes = [min(size, wanted - begin) for begin in range(0, wanted, size)]
        return grown(
            plan,
            sample,
            targets,
            pool.vectors,
            sizes,
            self._gain,
            tolerance=self.tolerance,
            where=self.name,
            threads=threads,
        )


def _potentials(model: Model, vectors: NDArray[np.float32], where: str) -> NDArray[np.float32]:
    """Return f of documents; whole blocks are multiplied, so that neighbors change no bit."""
    size = block_rows(len(model.targets))
    filled = np.resize(
        directions(vectors, where=where), (-(-len(vectors) // size) * size, vectors.shape[1])
    )
    costs = Distances(filled, model.targets, where=where)
    return extended(costs, model.solved)[: len(vectors)]
