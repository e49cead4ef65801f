"""How near a document comes to being some target example's nearest: BETR's labels.

Mizrahi et al. 2025, "Language Models Improve When Pretraining Data Matches Target Tasks"
(arXiv:2507.12466), sections 3.3 to 3.5: a sample of documents and the training examples of
benchmarks are embedded, every example ranks all documents of the sample, and a document counts as
good as its best rank over the examples. Only the sample is judged: a classifier learns from it what
to make of the rest (`distill`). Costs 2 x examples x sample x dimensions operations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.clean.covered import covered
from curator.embed.encoder import open_encoder, unit
from curator.embed.mean_ranks import mean_rank_values
from curator.embed.ranks import TargetRanks
from curator.embed.units import units
from curator.embed.vectors import OfVectors
from curator.errors import RecipeError
from curator.identity import id_array, id_matrix, random_bits, uniform
from curator.schema import score_field
from curator.score.examples import draw_threshold
from curator.stage import Corpus, FittedScorer, Site, circumstance, write_report

_SAMPLE: Final = "best_rank.sample"
_TARGETS: Final = "best_rank.targets"
_SCORES: Final = "scores.npz"


class Targets(NamedTuple):
    """Target vectors and the examples that they stand for.

    Attributes:
        vectors: (T, D) unit.
        examples: by benchmark, those used.
        languages: that examples say they are in.
    """

    vectors: NDArray[np.float32]
    examples: dict[str, int]
    languages: tuple[str, ...]


class Sample(NamedTuple):
    """The documents that are judged.

    Attributes:
        ids: (n, 16) uint8, distinct, sorted.
        vectors: (n, D) float32 unit; of documents in a language that no target has too.
        ranked: (n,) bool, False for these: they are judged the worst.
        others: how many of these there are, by language.
    """

    ids: NDArray[np.uint8]
    vectors: NDArray[np.float32]
    ranked: NDArray[np.bool_]
    others: dict[str, int]


@dataclass(frozen=True)
class BestRank(OfVectors, FittedScorer):
    """1 - place / n of the n documents of a sample; null outside it, 0 for those without a rank.

    Places go by best rank over targets; of equal ranks the larger margin comes first, the cosine
    minus that of the target's next document, then chance. So `above 1 - r` is the best share r of
    the sample, whatever the values of ranks were.

    Attributes:
        documents: judged at most, drawn from the pool by their ids.
        share: of the pool that is judged at most: a selection finds its threshold on documents that
            no model learned from (appendix A of the paper), so some must be left.
        aggregate: "max", the best rank; "mean_log" and "mean_reciprocal", the mean over targets of
            log2(1/r) and 1/r, which costs a sort a target.
        granularity: what is a target: every example; the mean of a "benchmark"'s; of "all".
        balance: take equally many examples of every benchmark (evaluation-aware, section 3.3);
            False takes all (evaluation-blind).
        targets: examples at most.
        ranked: share of the sample that must get a rank; each target's list is made longer until
            enough documents are in some list.
        languages: of the targets, as the pool's `language` names them. Documents known to be in
            others are judged the worst, and the fit is refused where these are more than half.
            Empty: those that the targets' own `language` names.
        encoder: as `curator.embed.encoder.open_encoder` takes it.
        max_characters: only the beginning of a document or an example is encoded.
        seed: of the sample, the examples and ties.
    """

    documents: int = 10_000
    share: float = 0.5
    aggregate: Literal["max", "mean_log", "mean_reciprocal"] = "max"
    granularity: Literal["example", "benchmark", "all"] = "example"
    balance: bool = True
    targets: int = 20_000
    ranked: float = 0.1
    languages: tuple[str, ...] = ()
    encoder: str = circumstance("wordllama")
    max_characters: int = 8192
    seed: int = 0

    name: ClassVar[str] = "best_rank"
    learns_from: ClassVar[tuple[str, ...]] = ("target", "raw")
    reads: ClassVar[tuple[str, ...]] = ("doc_id",)
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field(
                "best_rank",
                unit="1 - place / documents",
                about="Place by best rank over target examples; null: not in the sample.",
            )
        ]
    )

    def __post_init__(self) -> None:
        """Refuse counts below one and shares that are none."""
        if min(self.targets, self.max_characters) < 1 or self.documents < 2:
            raise RecipeError(
                f"documents is {self.documents}, targets {self.targets}, max_characters "
                f"{self.max_characters}; wanted two documents, and counts above 0"
            )
        for name, share in (("ranked", self.ranked), ("share", self.share)):
            if not 0 < share <= 1:
                raise RecipeError(f"{name} is {share!r}; wanted a share above 0, at most 1")

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the sample's scores, and a report of what they come from, into `out`."""
        targets = self._targets(corpora["target"], site)
        sample = self._sample(corpora["raw"], targets)
        order, kept = self._order(targets.vectors, sample)
        scores = np.zeros(len(sample.ids), np.float32)
        scores[order] = 1 - np.arange(len(order)) / len(sample.ids)
        np.savez(out / _SCORES, ids=sample.ids, scores=scores)
        report = {
            "documents": len(sample.ids),
            "examples": targets.examples,
            "targets": len(targets.vectors),
            "ranks_kept": kept,
            "ranked_share": len(order) / len(sample.ids),
            "other_languages": sample.others,
            "seed": self.seed,
        }
        write_report(out, report)

    def load(self, site: Site) -> tuple[pa.Array, pa.Array]:
        """Return the sample's ids and their scores."""
        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted; give it a target by `learns_from`")
        with np.load(site.fitted / _SCORES, allow_pickle=False) as kept:
            return id_array(kept["ids"]), pa.array(kept["scores"])

    def score(self, model: tuple[pa.Array, pa.Array], table: pa.Table) -> pa.Table:
        """Return `best_rank`, one row a document."""
        ids, scores = model
        places = pc.index_in(table["doc_id"], value_set=ids)
        return pa.table({"best_rank": scores.take(places.combine_chunks())})

    def _targets(self, corpus: Corpus, site: Site) -> Targets:
        """Return the vectors of examples, or of their means."""
        columns = ("doc_id", "source", "text", "language")
        drawn = pa.concat_tables(list(corpus.tables(columns)))  # benchmarks are small
        drawn = drawn.take(self._chosen(drawn))
        texts = pl.Series(drawn["text"]).str.slice(0, self.max_characters).to_list()
        encoder = open_encoder(self.encoder, device=site.device, threads=site.threads)
        vectors = encoder.encode(texts)
        said = np.any(vectors != 0, axis=1)
        if not said.any():
            raise RecipeError(
                f"role 'target' has {drawn.num_rows} documents, none with tokens; wanted at least "
                "one",
                where=self.name,
            )
        drawn = drawn.filter(pa.array(said))
        sources = np.array(drawn["source"].to_pylist())
        names, group = np.unique(sources, return_inverse=True)
        examples = dict(zip(names.tolist(), np.bincount(group).tolist(), strict=True))
        languages = drawn["language"].drop_null().unique().to_pylist()
        return Targets(self._means(vectors[said], group), examples, tuple(sorted(languages)))

    def _chosen(self, examples: pa.Table) -> NDArray[np.int64]:
        """Return rows of distinct examples by benchmark and chance, as many of each if asked."""
        frame = pl.DataFrame(
            {
                "row": np.arange(examples.num_rows),
                "id": pl.Series(examples["doc_id"].cast(pa.binary()), dtype=pl.Binary),
                "source": pl.Series(examples["source"].to_pylist(), dtype=pl.String),
                "chance": uniform(id_matrix(examples["doc_id"]), _TARGETS, self.seed),
            }
        ).unique("id", keep="first", maintain_order=True)
        counts = frame["source"].value_counts()["count"].to_list() or [0]
        most = min(counts) if self.balance else max(counts)
        most = max(1, min(most, self.targets // len(counts)))
        ordered = frame.sort("source", "chance", "id")
        rows = ordered.group_by("source", maintain_order=True).head(most)["row"]
        return rows.to_numpy().astype(np.int64)

    def _means(self, vectors: NDArray[np.float32], group: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return what stands for the examples: themselves, or means of groups of them."""
        if self.granularity == "example":
            return vectors
        groups = np.zeros_like(group) if self.granularity == "all" else group
        return unit(np.stack([vectors[groups == one].mean(axis=0) for one in np.unique(groups)]))

    def _sample(self, corpus: Corpus, targets: Targets) -> Sample:
        """Return the distinct documents of the sample that have vectors, in the order of ids."""
        dimensions = targets.vectors.shape[1]
        ids, vectors, languages = [], [], []
        for table in self._drawn(corpus):
            ids.append(id_matrix(table["doc_id"]))
            vectors.append(units(table["vector"], dimensions=dimensions, where=self.name))
            languages += table["language"].chunks
        distinct, first = np.unique(np.concatenate(ids), axis=0, return_index=True)
        if len(distinct) < 2:
            raise RecipeError(
                f"{len(distinct)} documents of the pool have vectors; wanted two or more to rank",
                where=self.name,
            )
        known = pa.chunked_array(languages, pa.string()).take(pa.array(first))
        told = self.languages or targets.languages
        ranked, others = covered(known, told, where=self.name)
        return Sample(distinct, np.concatenate(vectors)[first], ranked, others)

    def _drawn(self, corpus: Corpus) -> Iterator[pa.Table]:
        limit = min(self.documents, math.ceil(self.share * corpus.rows))
        last = draw_threshold(corpus, limit, purpose=_SAMPLE, seed=self.seed, where=self.name)
        for table in corpus.tables(("doc_id", "vector", "language")):
            drawn = uniform(id_matrix(table["doc_id"]), _SAMPLE, self.seed) <= last
            yield table.filter(pc.and_(pa.array(drawn), pc.is_valid(table["vector"])))

    def _order(self, targets: NDArray[np.float32], sample: Sample) -> tuple[NDArray[np.int64], int]:
        """Return the ranked documents, the best first, and the ranks kept a target."""
        among = np.flatnonzero(sample.ranked)
        ids, vectors = sample.ids[among], sample.vectors[among]
        chance = random_bits(ids, "best_rank.places", self.seed)
        if self.aggregate != "max":
            value: Literal["log", "reciprocal"] = (
                "log" if self.aggregate == "mean_log" else "reciprocal"
            )
            means = mean_rank_values(targets, ids, vectors, value, seed=self.seed)
            return among[np.lexsort((chance, -means))], len(ids)
        wanted = self.ranked * len(sample.ids)
        keep = max(1, int(2 * wanted / len(targets)))
        while True:
            rank, margin = best_ranks(targets, ids, vectors, keep, seed=self.seed)
            found = np.flatnonzero(rank)
            if len(found) >= min(wanted, len(ids)):
                order = np.lexsort((chance[found], -margin[found], rank[found]))
                return among[found[order]], keep
            keep *= 2


def best_ranks(
    targets_TD: NDArray[np.float32],
    ids: NDArray[np.uint8],
    vectors_ND: NDArray[np.float32],
    keep: int,
    *,
    seed: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return each document's best rank over targets, 0 if above `keep`, and its margin there.

    Args:
        targets_TD: (T, D).
        ids: (N, 16) uint8, distinct.
        vectors_ND: (N, D).
        keep: ranks of a target that count.
        seed: of the chance that decides between equal cosines.

    Returns:
        (N,) int64, and (N,) float32: the largest cosine minus the next document's, over the targets
        that give the document this rank; 2 where a target has no next one.
    """
    lists = TargetRanks(targets_TD, keep + 1, seed=seed)
    lists.add(ids, vectors_ND)
    best = lists.best(keep)
    at = pc.index_in(id_array(best.ids), value_set=id_array(ids)).to_numpy()
    rank, margin = np.zeros(len(ids), np.int64), np.zeros(len(ids), np.float32)
    rank[at], margin[at] = best.rank, best.margin
    return rank, margin
