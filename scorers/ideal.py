"""Which documents to label: those from which a cascade reaches most others.

IDEAL (Zhang et al. 2024, arXiv:2310.10873; skzhang1/IDEAL, core_method.py): each document leads to
its nearest others, with its cosine's share as probability, and documents are chosen greedily by
how many the cascade from all chosen is expected to reach. The release simulates ten cascades for
every candidate of every pick; here reverse-reachable sets are drawn once for all picks: 50,000
documents take seconds once they have vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.embed.drawn import drawn_vectors
from curator.embed.graph import Graph, knn_graph, shared_out, transposed
from curator.embed.vectors import OfVectors
from curator.errors import RecipeError
from curator.identity import id_array, random_bits
from curator.schema import score_field
from curator.score.grid import declared, on_grid
from curator.stage import Corpus, FittedScorer, Site, circumstance, write_report

_CHOSEN: Final = "chosen.arrow"
_GRID: Final = 1e-4  # documents reached


@dataclass(frozen=True)
class Ideal(OfVectors, FittedScorer):
    """1 - place / chosen of the documents to label, the first has 1; null for all others.

    Attributes:
        documents: to choose; fewer where no other reaches anything new.
        neighbors: that each document leads to; 10 in the paper's code.
        among: documents that are looked at, by chance of their ids; held in memory.
        sets: reverse-reachable sets that the choice is made by; as many again say what it reaches.
        encoder: as `curator.embed.encoder.open_encoder` takes it.
        max_characters: only the beginning of a document is encoded.
        compat: "paper_repo": as the release chooses (`curator.submodular.release_cascade`), from
            5,000 documents at most.
        seed: of the sample and the sets.
    """

    documents: int = 200
    neighbors: int = 10
    among: int = 50_000
    sets: int = 1_000_000
    encoder: str = circumstance("wordllama")
    max_characters: int = 8192
    compat: Literal["", "paper_repo"] = ""
    seed: int = 0

    name: ClassVar[str] = "ideal"
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    reads: ClassVar[tuple[str, ...]] = ("doc_id",)
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field(
                "influence_rank",
                unit="1 - place / chosen",
                about="Earlier: a cascade from it reaches more documents not yet reached.",
            ),
            declared(
                score_field(
                    "gain",
                    unit="documents",
                    about="How many more are reached with it, in expectation.",
                ),
                _GRID,
            ),
        ]
    )

    def __post_init__(self) -> None:
        """Refuse counts that choose nothing."""
        if min(self.documents, self.neighbors, self.among, self.sets) < 1:
            raise RecipeError(
                f"documents={self.documents!r}, neighbors={self.neighbors!r}, "
                f"among={self.among!r}, sets={self.sets!r}; wanted counts of 1 or more"
            )

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the documents chosen, by id, and `report.json` into `out`.

        Raises:
            RecipeError: no fewer neighbors, or documents to choose, than documents; or no cosine
                above 0.
        """
        from curator.shards import write_shard

        drawn = drawn_vectors(
            corpora["raw"], self.among, purpose="ideal.among", seed=self.seed, where=self.name
        )
        self._refuse_few(len(drawn.ids))
        graph = knn_graph(drawn.vectors, self.neighbors, device=site.device, threads=site.threads)
        choose = self._as_released if self.compat else self._by_sets
        chosen, gain, report = choose(graph, drawn.ids)
        order = np.argsort(chosen)  # rows of the sample are in the order of ids
        table = pa.table(
            {
                "doc_id": id_array(drawn.ids[chosen[order]]),
                "influence_rank": (1 - order / len(chosen)).astype(np.float32),
                "gain": on_grid(gain[order], _GRID),
            }
        )
        write_shard(table, out / _CHOSEN, name="chosen")
        alone = graph.nodes - len(np.unique(shared_out(graph).tails))
        write_report(
            out,
            {
                "among": graph.nodes,
                "chosen": len(chosen),
                "neighbors": self.neighbors,
                "without_edges": int(alone),
                **report,
            },
        )

    def load(self, site: Site) -> pa.Table:
        """Return the documents chosen: doc_id, rising, and the columns of `writes`."""
        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted: nothing has been chosen")
        return pa.ipc.open_file(pa.memory_map(str(site.fitted / _CHOSEN))).read_all()

    def score(self, model: pa.Table, table: pa.Table) -> pa.Table:
        """Return the columns of `writes`, one row a document."""
        place = pc.index_in(table["doc_id"], model["doc_id"].combine_chunks())
        return model.select(self.writes.names).take(place)

    def _by_sets(
        self, graph: Graph, ids: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], dict[str, Any]]:
        """Return rows chosen, their gains, and what sets that had no part in the choice say."""
        from curator.submodular.cascade import (  # loads numba
            InEdges,
            influence,
            most_influential,
            reverse_sets,
        )

        turned = transposed(shared_out(graph))
        keys = random_bits(ids, "ideal.coins", self.seed)
        edges = InEdges(turned.indptr, turned.indices, turned.weight, keys)
        sets = reverse_sets(edges, self.sets, seed=self.seed)
        found = most_influential(sets, graph.nodes, self.documents)
        fresh = reverse_sets(edges, self.sets, seed=self.seed, first=self.sets)
        report = {
            "sets": self.sets,
            "documents_in_a_set": round(len(sets.nodes) / sets.size, 3),
            "reached_by_the_sets": round(float(found.gain.sum()), 2),
            "reached": round(influence(fresh, graph.nodes, found.nodes), 2),
        }
        return found.nodes, found.gain, report

    def _as_released(
        self, graph: Graph, ids: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], dict[str, Any]]:
        """Return rows chosen, their gains, and nothing more to report: nothing is held out."""
        from curator.submodular.release_cascade import MOST, release_greedy  # loads numba

        if graph.nodes > MOST:
            raise RecipeError(
                f"compat: paper_repo would simulate cascades from each of {graph.nodes:,} "
                f"documents for every pick; wanted at most {MOST:,}: set `among`, or leave "
                "`compat` out",
                where=self.name,
            )
        total = np.bincount(graph.tails, graph.weight, minlength=graph.nodes)
        with np.errstate(divide="ignore", invalid="ignore"):
            chance = (graph.weight / total[graph.tails]).astype(np.float32)
        chosen, reached = release_greedy(
            graph.indptr, graph.indices, chance, self.documents, seed=self.seed
        )
        kept = chosen >= 0
        return chosen[kept], np.diff(reached[kept], prepend=0.0), {"compat": self.compat}

    def _refuse_few(self, count: int) -> None:
        if self.neighbors >= count or self.documents >= count:
            raise RecipeError(
                f"{count} documents have a vector; wanted more than neighbors={self.neighbors} "
                f"and more than documents={self.documents}: ask for fewer",
                where=self.name,
            )
