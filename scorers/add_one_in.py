"""Documents that a language model added to a set one by one, each the best of a few candidates.

Add-One-In (Li et al. 2025, arXiv:2503.02359). A document is judged against what has been chosen
already, not by itself, so the set is to be both good and varied. Costs one question, of about
twenty documents, for every document chosen; `distill` learns the choice and scores the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from curator.errors import BudgetError, RecipeError
from curator.generate.adding import Grown, Growth, grow
from curator.generate.judging import Judging
from curator.generate.prompts import cut
from curator.generate.targets import Target
from curator.identity import id_matrix
from curator.schema import score_field
from curator.stage import Corpus, Site, circumstance


@dataclass(frozen=True)
class AddOneIn(Judging):
    """1 - place / chosen of the documents chosen, the first has 1; null for all others.

    Attributes:
        take: documents to choose of the `documents` of the sample, seeds among them.
        parts: of the sample that grow independently.
        seeds: of each part, by chance.
        context: documents of what has been chosen that a question shows.
        options: candidates that it shows; only what is shown can be chosen.
        windows: questions of a part that are asked at once; 1 is the published loop, more need
            fewer rounds, in which choices do not see each other.
    """

    prompt: str = circumstance("add_one")
    max_characters: int = 1000
    take: int = 100
    parts: int = 4
    seeds: int = 10
    context: int = 10
    options: int = 10
    windows: int = 4

    name: ClassVar[str] = "add_one_in"
    kind: ClassVar[str] = "choice"
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field(
                "addition", unit="1 - place / chosen", about="Earlier: added to the set earlier."
            ),
            score_field(
                "chosen",
                unit="0 or 1",
                about="1: added; 0: shown and not added; null: never shown.",
                kind=pa.uint8(),
            ),
            score_field(
                "shown",
                unit="questions",
                better="neither",
                about="in which it was a candidate",
                kind=pa.uint32(),
            ),
        ]
    )

    def __post_init__(self) -> None:
        """Refuse a growth that leaves nothing to choose."""
        super().__post_init__()
        self._growth()

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Let the judge choose; write choices, `transcript.jsonl` and `report.json` into `out`.

        Raises:
            BudgetError: fewer questions are allowed than choices are to be made.
            RecipeError: fewer documents than are to be chosen, or an endpoint whose answers are
                kept nowhere.
        """
        if self.url and site.cache is None:
            raise RecipeError(
                "an endpoint may answer otherwise when asked again, and every choice depends on "
                "those before: wanted a folder to keep answers in (`Site.cache`), or `transcript`",
                where=self.name,
            )
        self._refuse_dear()
        client, target = self.client(site), Target(corpora)
        tables = list(self.sample(corpora["raw"]))
        for table in tables:
            target.refuse(table, where=self.name)
        sample = pa.concat_tables(tables).combine_chunks()
        order = np.lexsort(id_matrix(sample["doc_id"]).T[::-1])
        sample = sample.take(pa.array(order))
        texts = [cut(text, self.max_characters)[0] for text in sample["text"].to_pylist()]
        grown = grow(
            client,
            self.wording,
            id_matrix(sample["doc_id"]),
            texts,
            self._growth(),
            least_mass=self.least_mass,
        )
        self.refuse_unread(grown.verdicts)
        report = self.described(grown.entries, grown.verdicts) | self._told(grown, len(texts))
        self.write(out, _laid(sample["doc_id"], grown), grown.entries, report)

    def _growth(self) -> Growth:
        return Growth(
            self.take, self.parts, self.seeds, self.context, self.options, self.windows, self.seed
        )

    def _refuse_dear(self) -> None:
        """Refuse more choices than questions allowed; what the answers cost is not known before."""
        questions = self.take - self.parts * self.seeds
        if self.max_requests is not None and questions > self.max_requests:
            raise BudgetError(
                f"choosing {self.take:,} documents takes {questions:,} requests or more; "
                f"max_requests is {self.max_requests:,}; take fewer, or raise max_requests",
                where=self.name,
            )

    def _told(self, grown: Grown, documents: int) -> dict[str, Any]:
        """Return what the report says of the choices, and whether places were liked for places."""
        chosen, positions = len(grown.chosen), grown.positions
        total = max(1, int(positions.sum()))
        return {
            "documents": documents,
            "chosen": chosen,
            "short_of_take": self.take - chosen,
            "never_shown": int((grown.shown == 0).sum()) - self.parts * self.seeds,
            "positions": positions.tolist(),
            "largest_position_share": round(float(positions.max()) / total, 4),
            "fair_position_share": round(1 / self.options, 4),
            "expected_quantile_of_a_choice": round(self.options / (self.options + 1), 4),
            "conflicts": grown.conflicts,
            "abstained": grown.abstained,
        }


def _laid(ids: pa.ChunkedArray, grown: Grown) -> pa.Table:
    """Return a row a document of the sample with the columns of the score."""
    place = np.full(len(ids), np.nan, np.float32)
    place[grown.chosen] = 1 - np.arange(len(grown.chosen)) / max(1, len(grown.chosen))
    added = ~np.isnan(place)
    known = added | (grown.shown > 0)
    return pa.table(
        {
            "doc_id": ids,
            "addition": pa.array(place, mask=~added),
            "chosen": pa.array(added.astype(np.uint8), mask=~known),
            "shown": pa.array(grown.shown.astype(np.uint32)),
        }
    )
