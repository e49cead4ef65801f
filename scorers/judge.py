"""A language model grades a sample of documents, one question each.

Published judges (LLM-guided selection, FineWeb-Edu, Ask-LLM) differ in the prompt. A grade costs
one pass over the prompt; `distill` learns it from the sample and scores the rest. A model may be
too small to judge: look at the report and at both ends of the ranking before you select by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from curator.errors import RecipeError
from curator.generate.asking import Request, digest_of
from curator.generate.judging import Judging, quantiles
from curator.generate.prompts import CUT, cut
from curator.generate.targets import Target
from curator.generate.transcripts import Entry
from curator.generate.verdicts import Verdicts, read_answers
from curator.schema import score_field
from curator.score.grid import declared, on_grid
from curator.score.heldout import spearman
from curator.stage import Corpus, Site, circumstance

_GRID = 1e-4


class _Question(NamedTuple):
    """A request, the row of its document in the table, and how much of it is shown."""

    request: Request
    row: int
    characters: int


@dataclass(frozen=True)
class Judge(Judging):
    """The grade in the prompt's range; null for documents not judged, or not readably.

    Attributes:
        pieces: a document longer than `max_characters` is shown in up to so many pieces, each in a
            question of its own; its grade is their mean by length.
    """

    prompt: str = circumstance("informative")
    pieces: int = 1

    name: ClassVar[str] = "judge"
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(score_field("grade", unit="grade", about="a language model's"), _GRID),
            declared(
                score_field("p_yes", unit="probability", about="the judge's P(yes), if asked so"),
                _GRID,
            ),
            score_field(
                "parsed",
                unit="0 or 1",
                better="neither",
                about="whether an answer could be read",
                kind=pa.uint8(),
            ),
        ]
    )

    def __post_init__(self) -> None:
        """Refuse no pieces."""
        super().__post_init__()
        if self.pieces < 1:
            raise RecipeError(f"pieces={self.pieces!r}; wanted 1 or more")

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Ask about the sample; write grades, `transcript.jsonl` and `report.json` into `out`."""
        client, target = self.client(site), Target(corpora)
        client.afford(
            one.request for table in self.sample(corpora["raw"]) for one in self._questions(table)
        )
        entries: list[Entry] = []
        verdicts: list[Verdicts] = []
        tables: list[pa.Table] = []
        lengths: list[float] = []
        for table in self.sample(corpora["raw"]):
            target.refuse(table, where=self.name)
            questions = list(self._questions(table))
            answered = client.ask([one.request for one in questions])
            verdict = read_answers(
                self.wording, [one.answer for one in answered], least_mass=self.least_mass
            )
            entries += answered
            verdicts.append(verdict)
            tables.append(self._graded(table["doc_id"], questions, verdict))
            lengths += pl.Series(table["text"]).str.len_chars().to_list()
        self.refuse_unread(verdicts)
        graded = pa.concat_tables(tables)
        report = self.described(entries, verdicts) | _of_grades(graded, lengths)
        self.write(out, graded, entries, report)

    def _questions(self, table: pa.Table) -> Iterator[_Question]:
        """Yield the questions about every document. A loop: each is to cost a pass of a model."""
        wording = self.wording
        version, forms = wording.digest, wording.forms()
        opening = wording.text.index("{document}")
        for row, (doc_id, text) in enumerate(
            zip(table["doc_id"].to_pylist(), table["text"].to_pylist(), strict=True)
        ):
            for number, piece in enumerate(cut(text, self.max_characters, self.pieces)):
                request = Request(
                    wording.ask(piece),
                    version,
                    (doc_id.hex(),),
                    digest_of(piece),
                    piece=number,
                    forms=forms,
                    max_tokens=wording.max_tokens,
                    chat=wording.chat,
                    opening=opening,
                )
                yield _Question(request, row, len(piece.removesuffix(CUT)))

    def _graded(
        self, ids: pa.ChunkedArray, questions: Sequence[_Question], verdict: Verdicts
    ) -> pa.Table:
        """Return a row a document: the mean of its pieces' grades, weighed by their length."""
        rows = np.array([one.row for one in questions], np.int64)
        sizes = np.array([one.characters for one in questions], np.float64)
        weight = np.where(verdict.parsed, sizes, 0.0)
        total = np.bincount(rows, weight, minlength=len(ids))
        summed = np.bincount(rows, weight * np.nan_to_num(verdict.grades), minlength=len(ids))
        lacking = total == 0
        grades = on_grid(summed / np.where(lacking, 1, total), _GRID)
        no_odds = lacking if self.wording.is_yes_no else np.ones(len(ids), bool)
        return pa.table(
            {
                "doc_id": ids,
                "grade": pa.array(grades, mask=lacking),
                "p_yes": pa.array(grades, mask=no_odds),
                "parsed": pa.array(~lacking).cast(pa.uint8()),
            }
        )


def _of_grades(graded: pa.Table, lengths: Sequence[float]) -> dict[str, Any]:
    """Return what a report says of grades, and whether they only say how long a document is."""
    grades = graded["grade"].to_numpy().astype(np.float64)
    known = ~np.isnan(grades)
    levels, counts = np.unique(np.rint(grades[known]), return_counts=True)
    with_length = spearman(grades[known], np.array(lengths)[known])
    return {
        "documents": graded.num_rows,
        "grades": quantiles(grades),
        "rounded_grades": {f"{v:g}": int(n) for v, n in zip(levels, counts, strict=True)},
        "spearman_with_length": None if np.isnan(with_length) else round(with_length, 4),
    }
