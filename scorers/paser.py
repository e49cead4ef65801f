"""Text to mend a damaged model with: most of what it has lost for the length, where it lost most.

PASER (He et al. 2025, arXiv:2502.12594; BokwaiHo/PASER). The divergence of the damaged model from
the original, by document, says what was lost; its mean over a group of like documents says where,
and divides the budget (`quota_by`, `quotas`); within a group documents go by divergence for the
logarithm of their length. All is read from columns of earlier scores, but for `concepts`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.identity import id_array, id_matrix
from curator.schema import score_field
from curator.score.consistency import visit
from curator.score.numbers import numbers_of
from curator.select.moments import ExactSum
from curator.stage import Corpus, FittedScorer, Site, write_report
from curator.text.concepts import concepts_of

_GROUPS: Final = "groups.json"
_REJECTED: Final = "rejected.npy"
_MOST: Final = 1 << 53  # from where float64 holds no whole numbers apart


class Lost(NamedTuple):
    """What documents have lost, each (N,) float64; NaN where a document was not read.

    Attributes:
        divergence: of the damaged model from the original.
        length: of the text, for the cost of reading it.
        group: of like documents.
    """

    divergence: NDArray[np.float64]
    length: NDArray[np.float64]
    group: NDArray[np.float64]


class Model(NamedTuple):
    """What scoring needs: mean divergence by group, and ids of documents that are left out."""

    means: dict[int, float]
    rejected: pa.Array


@dataclass(frozen=True)
class Paser(FittedScorer):
    """Divergence / log(length^2), in nats a token; null where a document was not read.

    Attributes:
        divergence: an earlier `divergence`, of the damaged model and the original.
        group: an earlier `diffusion`, or another score that numbers groups.
        concepts: leave out documents that join concepts which better documents of their group have
            apart (`curator.score.consistency`); most of them, once there are many.
        compat: "paper_repo": as the release counts, divergence summed over tokens, so that long
            documents come first, and a length that adds characters to tokens.
    """

    divergence: str = "divergence"
    group: str = "diffusion"
    concepts: bool = False
    compat: Literal["", "paper_repo"] = ""

    name: ClassVar[str] = "paser"
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field(
                "recovery", unit="nats/token", about="What was lost there, for its length's log."
            ),
            score_field(
                "degradation",
                unit="nats/token",
                about="Mean divergence of the document's group: one number for each group.",
            ),
        ]
    )

    @property
    def scores(self) -> tuple[str, ...]:
        """The earlier scores that say what was lost, and which documents are alike."""
        return tuple(dict.fromkeys(one.split(".")[0] for one in (self.divergence, self.group)))

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on settings
        """Their columns, and who a document is where some are left out."""
        return (*self._columns, "doc_id") if self.concepts else self._columns

    @property
    def _columns(self) -> tuple[str, str, str, str]:
        told = (f"{self.divergence}.tokens", f"{self.divergence}.characters")
        return (self.divergence, *told, self.group)

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the mean divergence of every group, and `report.json`, into `out`.

        Raises:
            RecipeError: no document was read, a divergence below 0 or a group that is no whole
                number, or nothing was lost anywhere.
        """
        sums: dict[int, ExactSum] = {}  # so that the cut into shards changes no mean
        counts: dict[int, int] = {}
        for table in corpora["raw"].tables(self._columns):
            lost = self._lost(table)
            read = ~np.isnan(lost.divergence) & ~np.isnan(lost.group)
            self._refuse_wrong(lost)
            divergence, groups = lost.divergence[read], lost.group[read].astype(np.int64)
            for group in np.unique(groups).tolist():
                found = divergence[groups == group]
                sums.setdefault(group, ExactSum()).add(found)
                counts[group] = counts.get(group, 0) + len(found)
        means = {group: float(sums[group].value / counts[group]) for group in sorted(sums)}
        self._refuse_whole(means)
        total = sum(means.values())
        (out / _GROUPS).write_text(json.dumps({str(group): mean for group, mean in means.items()}))
        table_of = {
            str(group): {
                "documents": counts[group],
                "degradation": round(mean, 6),
                "share_of_the_budget": round(mean / total, 4),
            }
            for group, mean in means.items()
        }
        report: dict[str, Any] = {"documents": sum(counts.values()), "groups": table_of}
        if self.concepts:
            rejected, report["concepts"] = self._rejected(corpora["raw"])
            np.save(out / _REJECTED, rejected, allow_pickle=False)
        write_report(out, report)

    def load(self, site: Site) -> Model:
        """Return the mean divergence of every group, and who is left out."""
        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted: what groups lost is not known")
        found = json.loads((site.fitted / _GROUPS).read_text())
        means = {int(group): float(mean) for group, mean in found.items()}
        ids = np.zeros((0, 16), np.uint8)
        if self.concepts:
            ids = np.load(site.fitted / _REJECTED, allow_pickle=False)
        return Model(means, id_array(ids))

    def score(self, model: Model, table: pa.Table) -> pa.Table:
        """Return the columns of `writes`, one row a document."""
        lost = self._lost(table)
        recovery = _for_length(lost)
        if self.concepts:
            out = pc.is_in(table["doc_id"], value_set=model.rejected)
            recovery[out.to_numpy(zero_copy_only=False)] = np.nan
        known = np.array(sorted(model.means), np.int64)
        means = np.array([model.means[group] for group in known.tolist()])
        place = np.searchsorted(known, np.nan_to_num(lost.group, nan=-1)).clip(0, len(known) - 1)
        unknown = known[place] != lost.group
        absent = np.isnan(recovery) | unknown
        return pa.table(
            {
                "recovery": pa.array(np.nan_to_num(recovery).astype(np.float32), mask=absent),
                "degradation": pa.array(means[place].astype(np.float32), mask=unknown),
            }
        )

    def _lost(self, table: pa.Table) -> Lost:
        """Return what documents have lost, as the release counts it if that is asked for."""
        mean, tokens, characters, group = (
            numbers_of(table, column, where=self.name) for column in self._columns
        )
        if self.compat:
            return Lost(mean * tokens, tokens + characters, group)
        return Lost(mean, tokens, group)

    def _rejected(self, corpus: Corpus) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Return the ids of documents that concepts leave out, rising, and the report of it.

        Holds up to five phrases of every document that was read.
        """
        ids, groups, recoveries, concepts = [], [], [], []
        for table in corpus.tables(("doc_id", "text", *self._columns)):
            lost = self._lost(table)
            recovery = _for_length(lost)
            read = ~np.isnan(recovery) & ~np.isnan(lost.group)
            ids.append(id_matrix(table["doc_id"])[read])
            groups.append(lost.group[read])
            recoveries.append(recovery[read])
            concepts += [
                concepts_of(text) for text in table["text"].filter(pa.array(read)).to_pylist()
            ]
        every, group, value = (np.concatenate(part) for part in (ids, groups, recoveries))
        order = np.lexsort((*every.T[::-1], np.negative(value), group))
        visits = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
        found, report = visit([[concepts[row] for row in rows] for rows in visits])
        out = np.concatenate(visits)[np.concatenate([np.array(each, bool) for each in found])]
        left = every[out]
        return left[np.lexsort(left.T[::-1])], report

    def _refuse_wrong(self, lost: Lost) -> None:
        wrong = np.flatnonzero((lost.divergence < 0) | np.isinf(lost.divergence))
        if len(wrong):
            raise RecipeError(
                f"{self.divergence!r} has {len(wrong)} values below 0 or infinite, such as "
                f"{float(lost.divergence[wrong[0]])!r}; wanted divergences, as the scorer "
                "`divergence` writes them",
                where=self.name,
            )
        known = lost.group[~np.isnan(lost.group)]
        broken = known[(known != np.rint(known)) | ~(np.abs(known) < _MOST)]
        if len(broken):
            raise RecipeError(
                f"{self.group!r} has {len(broken)} values that number no group, such as "
                f"{float(broken[0])!r}; wanted whole numbers, as the scorer `diffusion` writes",
                where=self.name,
            )

    def _refuse_whole(self, means: Mapping[int, float]) -> None:
        if not means:
            raise RecipeError(
                f"no document has both a divergence {self.divergence!r} and a group "
                f"{self.group!r}; wanted columns of earlier entries of `score`",
                where=self.name,
            )
        if not any(means.values()):
            raise RecipeError(
                f"the divergence of all {len(means)} groups is 0: the model is not damaged, and "
                "nothing says where to mend it; name a damaged model and its original",
                where=self.name,
            )


def _for_length(lost: Lost) -> NDArray[np.float64]:
    """Return divergence / log(length^2); a text of one token, whose log is 0, counts as two."""
    found: NDArray[np.float64] = lost.divergence / np.log(np.maximum(lost.length, 2) ** 2)
    return found
