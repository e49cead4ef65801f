"""PreSelect: text whose losses order models as their abilities do (arXiv:2503.00808).

Shum et al. 2025 count, for a document, the pairs of models of which the abler one predicts it
better, and learn from the extremes what such text looks like: `distill` does that here. Their
models differ mostly in size; then nearly all text is at the top. A swarm of one size does better.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.evaluate.losses import COLUMNS, ByModels, LossColumns, corpus_losses, read_losses
from curator.schema import score_field
from curator.score.concordance import check_abilities, concordance, report_of
from curator.stage import REPORT, Corpus, FittedScorer, Site

_ABILITIES = "abilities.json"

_COUNTABLE = 5.0  # documents expected by chance: a count of fewer says nothing


@dataclass(frozen=True)
class Concordance(ByModels, FittedScorer):
    """Pairs of models whose order by loss is that of their abilities; null without losses.

    Attributes:
        abilities: of the models, in their order, higher is better; none: minus the bits per byte
            that each needs for the role `target`.
        permuted: a seed: abilities are dealt out to the models anew by chance, as a placebo.
        normalized: whether the score is the share of pairs in [0, 1] instead of their number.
        least_tokens: documents that a model reads fewer tokens of have no score.
        target_documents: of the target, measured at most.
        least_enrichment: how many times as many documents as by chance must order all models as
            their abilities do. Where fewer than five would by chance, more than half of all pairs
            must be in order instead; 0 asks for neither.
        most_at_top: share of documents that may do so at most.
    """

    abilities: tuple[float, ...] = ()
    permuted: int | None = None
    normalized: bool = False
    least_tokens: int = 32
    target_documents: int = 1000
    least_enrichment: float = 1.0
    most_at_top: float = 0.5

    name: ClassVar[str] = "concordance"
    libraries: ClassVar[tuple[str, ...]] = ("tokenizers", "torch", "transformers")
    learns_from: ClassVar[tuple[str, ...]] = ("target", "raw")
    reads: ClassVar[tuple[str, ...]] = COLUMNS

    @property
    def writes(self) -> pa.Schema:
        """The score alone."""
        unit = "share of pairs" if self.normalized else "pairs of models"
        return pa.schema([score_field("concordance", unit=unit, about="in order of ability")])

    @property
    def beside(self) -> tuple[LossColumns, ...]:
        """The losses."""
        return (self.losses,)

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the models' abilities and, in report.json, how far they explain losses.

        Raises:
            RecipeError: fewer than four models; abilities with ties; losses that abilities do not
                explain, or that they explain altogether; models that cover other documents.
        """
        abilities = self._abilities(corpora["target"], site)
        check_abilities(abilities, where=self.name)
        if self.permuted is not None:
            abilities = np.random.default_rng(self.permuted).permutation(abilities)
        report = report_of(self._losses(corpora["raw"]), abilities)
        (out / REPORT).write_text(json.dumps(report, indent=1))
        self._require(report)
        (out / _ABILITIES).write_text(json.dumps(abilities.tolist()))

    def load(self, site: Site) -> NDArray[np.float64]:
        """Return the models' abilities."""
        assert site.fitted is not None
        return np.array(json.loads((site.fitted / _ABILITIES).read_text()))

    def score(self, model: NDArray[np.float64], table: pa.Table) -> pa.Table:
        """Return `concordance`, one row a document."""
        bits, tokens, _ = read_losses(table, len(self.models))
        short = (tokens < self.least_tokens).any(axis=1)
        found = concordance(bits, model).astype(np.float32)
        if self.normalized:
            found /= len(model) * (len(model) - 1) // 2
        return pa.table({"concordance": pa.array(found, mask=short | np.isnan(bits).any(axis=1))})

    def _abilities(self, target: Corpus, site: Site) -> NDArray[np.float64]:
        if not self.abilities:
            # Refused before the models are asked, who would take their time.
            check_abilities(np.arange(len(self.models), dtype=np.float64), where=self.name)
            return -self.target_bits(target, self.target_documents, site)
        if len(self.abilities) != len(self.models):
            raise RecipeError(
                f"{len(self.abilities)} abilities for {len(self.models)} models; wanted one a "
                "model, in their order",
                where=self.name,
            )
        return np.array(self.abilities)

    def _losses(self, raw: Corpus) -> NDArray[np.float64]:
        """Return the bits of all documents that are scored, (N, K)."""
        parts = [np.zeros((0, len(self.models)))]
        for _, found in corpus_losses(raw, self.models):
            parts.append(found.bits[(found.tokens >= self.least_tokens).all(axis=1)])
        bits = np.concatenate(parts)
        if not len(bits):
            raise RecipeError(
                f"no document has {self.least_tokens} tokens under every model; wanted losses to "
                "compare: score more documents, or lower least_tokens",
                where=self.name,
            )
        return bits

    def _require(self, report: Mapping[str, Any]) -> None:
        top, documents = report["at_top"], report["documents"]
        told = f"{top['documents']} of {documents} documents order all models as their abilities do"
        mean = report["mean"]
        countable = top["expected"] >= _COUNTABLE
        if self.least_enrichment and not countable and mean["share"] <= mean["expected"]:
            raise RecipeError(
                f"{mean['share']:.3f} of the pairs of models are in order of ability, "
                f"{mean['expected']:.3f} would be by chance; wanted more: train models whose "
                "mixtures differ more (lower concentration), or longer; or score more documents",
                where=self.name,
            )
        if countable and top["documents"] < self.least_enrichment * top["expected"]:
            raise RecipeError(
                f"{told}, {top['expected']:.1f} would by chance; wanted at least "
                f"{self.least_enrichment} times as many: train models whose mixtures differ more "
                "(lower concentration), or longer; or score more documents",
                where=self.name,
            )
        if top["documents"] > self.most_at_top * documents:
            raise RecipeError(
                f"{told}; wanted at most {self.most_at_top:.0%}: such models differ in how much "
                "they know, not in what, so the score only says what is ordinary text; compare "
                "models of one size",
                where=self.name,
            )
