"""A language model compares documents in pairs; how strong each is follows from its comparisons.

QuRating (Wettig et al. 2024, arXiv:2402.09739): which of two texts has more of one quality is
easier to say than how much one has. Each pair is asked in both orders, because models favor a
place; `distill` then learns the strengths and scores the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.generate.asking import Request, digest_of
from curator.generate.bradley_terry import PRIOR, fit_strengths
from curator.generate.judging import PURPOSE, Judging, quantiles
from curator.generate.pairing import circle_pairs
from curator.generate.prompts import cut
from curator.generate.targets import Target
from curator.generate.verdicts import Verdicts, read_answers
from curator.identity import id_matrix, uniform
from curator.schema import score_field
from curator.score.grid import declared, on_grid
from curator.stage import Corpus, Site, circumstance

_GRID = 1e-4


class _Compared(NamedTuple):
    """Pairs of places in the sample, P(first has more) averaged over orders, and what to report."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    p_first: NDArray[np.float64]
    report: dict[str, Any]


@dataclass(frozen=True)
class ComparePairs(Judging):
    """Bradley-Terry strength, z-scored; null for documents that were not compared.

    Attributes:
        rounds: every document is in twice as many pairs; each pair is two questions.
        confidence: a pair whose averaged verdict p has |2 p - 1| below this teaches nothing.
        prior: of the strengths, as in `curator.generate.bradley_terry`.
    """

    prompt: str = circumstance("educational_value")
    rounds: int = 4
    confidence: float = 0.5
    prior: float = PRIOR

    name: ClassVar[str] = "pairs"
    kind: ClassVar[str] = "pair"
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(
                score_field("strength", unit="sd", about="Bradley-Terry, by a model's verdicts"),
                _GRID,
            ),
            score_field(
                "comparisons",
                unit="pairs",
                better="neither",
                about="pairs with a confident verdict",
                kind=pa.uint32(),
            ),
        ]
    )

    def __post_init__(self) -> None:
        """Refuse no rounds, no prior, and a confidence that no verdict can have."""
        super().__post_init__()
        if self.rounds < 1 or self.prior <= 0 or not 0.0 <= self.confidence < 1.0:
            raise RecipeError(
                f"rounds={self.rounds!r}, prior={self.prior!r}, confidence={self.confidence!r}; "
                "wanted 1 or more, above 0, and at least 0 but below 1"
            )

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Ask about pairs of the sample; write strengths, transcript and report into `out`."""
        client, target = self.client(site), Target(corpora)
        tables = list(self.sample(corpora["raw"]))
        for table in tables:
            target.refuse(table, where=self.name)
        ids, texts = self._sampled(tables)
        pairs = circle_pairs(len(ids), self.rounds)
        requests = self._requests(ids, texts, pairs)
        client.afford(requests)
        entries = client.ask(requests)
        verdict = read_answers(
            self.wording, [one.answer for one in entries], least_mass=self.least_mass
        )
        self.refuse_unread([verdict])
        compared = self._compared(pairs, verdict)
        strengths = fit_strengths(
            compared.first, compared.second, compared.p_first, len(ids), prior=self.prior
        )
        found = _standardized(ids, strengths, compared)
        report = self.described(entries, [verdict]) | compared.report
        report |= {"documents": len(ids), "strengths": quantiles(strengths)}
        self.write(out, found, entries, report)

    def _sampled(self, tables: list[pa.Table]) -> tuple[pa.Array, list[str]]:
        """Return ids and beginnings of texts in an order of chance: neighbors are no kin."""
        parts = [
            (one["doc_id"].combine_chunks(), [cut(t, self.max_characters)[0] for t in texts])
            for one in tables
            for texts in [one["text"].to_pylist()]
        ]
        ids = pa.concat_arrays([pa.array([], pa.binary(16)), *(part[0] for part in parts)])
        texts = [text for part in parts for text in part[1]]
        matrix = id_matrix(ids)
        keys = np.vstack([matrix.T[::-1], uniform(matrix, PURPOSE, self.seed)])
        order = np.lexsort(keys)
        return ids.take(pa.array(order)), [texts[row] for row in order]

    def _requests(
        self, ids: pa.Array, texts: list[str], pairs: tuple[NDArray[np.int64], NDArray[np.int64]]
    ) -> list[Request]:
        """Return two questions a pair, one after the other: in one order and in the other."""
        wording = self.wording
        version, forms = wording.digest, wording.forms()
        opening = min(wording.text.index(place) for place in ("{first}", "{second}"))
        names = [one.hex() for one in ids.to_pylist()]
        orders = (
            (one, other) for pair in zip(*pairs, strict=True) for one, other in (pair, pair[::-1])
        )
        return [
            Request(
                wording.ask(texts[one], texts[other]),
                version,
                (names[one], names[other]),
                digest_of(texts[one], texts[other]),
                forms=forms,
                max_tokens=wording.max_tokens,
                chat=wording.chat,
                opening=opening,
            )
            for one, other in orders
        ]

    def _compared(
        self, pairs: tuple[NDArray[np.int64], NDArray[np.int64]], verdict: Verdicts
    ) -> _Compared:
        """Return the pairs that both orders have a readable and together confident verdict on.

        Raises:
            RecipeError: there is none.
        """
        both: NDArray[np.bool_] = np.asarray(verdict.parsed.reshape(-1, 2).all(axis=1))
        shown_first = verdict.grades.reshape(-1, 2)[both]  # P(the one shown first has more)
        p_first = (shown_first[:, 0] + 1 - shown_first[:, 1]) / 2
        sure = np.abs(2 * p_first - 1) >= self.confidence
        contrary = (shown_first > 0.5).all(axis=1) | (shown_first < 0.5).all(axis=1)
        confidence = quantiles(np.abs(2 * p_first - 1))
        report = {
            "pairs": len(both),
            "pairs_read": int(both.sum()),
            "pairs_confident": int(sure.sum()),
            "position_bias": _rounded(shown_first.mean() - 0.5 if len(p_first) else 0.0),
            "disagreement": _rounded(contrary.mean() if len(p_first) else 0.0),
            "confidence_of_verdicts": confidence,
        }
        if not sure.any():
            raise RecipeError(
                f"none of {len(both)} pairs has a verdict of confidence {self.confidence}; both "
                f"orders together reach {confidence.get('1', 0.0)} at most, "
                f"and P(the first shown) is off by {report['position_bias']}: this judge tells "
                "places apart, not texts; take another, or lower confidence and say so"
            )
        rows = np.flatnonzero(both)[sure]
        return _Compared(pairs[0][rows], pairs[1][rows], p_first[sure], report)


def _standardized(ids: pa.Array, strengths: NDArray[np.float64], compared: _Compared) -> pa.Table:
    """Return ids, strengths of mean 0 and deviation 1 over the compared, and their comparisons."""
    met = np.concatenate([compared.first, compared.second])
    comparisons = np.bincount(met, minlength=len(ids)).astype(np.uint32)
    known = comparisons > 0
    deviation = float(strengths[known].std()) or 1.0
    scaled = (strengths - strengths[known].mean()) / deviation
    return pa.table(
        {
            "doc_id": ids,
            "strength": pa.array(on_grid(scaled, _GRID), mask=~known),
            "comparisons": comparisons,
        }
    )


def _rounded(value: float) -> float:
    return round(float(value), 4)
