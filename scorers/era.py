"""The era that a document was written in, by bins of years that a recipe gives.

`select: {method: random, quota_by: era, quotas: {early: 1.0}, tokens: N}` takes one era. The pool
is looked over first: documents without a date, or with one that could mean several years, stop the
run unless they are let go; so does an era without documents, and so do dates of crawling.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import RecipeError
from curator.schema import score_field
from curator.score.years import EXTRA, Years, years_of
from curator.stage import Corpus, FittedScorer, Site, write_report

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_SHOWN: Final = 5
_TOLD: Final = ("missing", "ambiguous", "outside")  # what a report counts beside the bins
# So many documents of a source that all have one and the same day were dated by a machine: the
# WARC-Date of repackaged pages is a constant. Ours; a share would let small sources pass.
_ONE_DAY: Final = 20


@dataclass(frozen=True)
class Era(FittedScorer):
    """The name of the bin that a document's year falls into; null outside all, or without a year.

    Attributes:
        bins: name -> [first year, last year], both within; they must not overlap.
        dates: what the dates say: "authorship". With "crawl" or "unknown" the score is refused.
        field: "date", or "extra.PATH".
        pattern: a regular expression with one group, the year.
        sources: only of these; documents of others have no era. Empty: of all.
        missing: documents without a year, or with one in doubt: "refuse" them, or "null".
        least_documents: of each bin, in the pool.
    """

    bins: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    dates: Literal["authorship", "crawl", "unknown"] = "unknown"
    field: str = "date"
    pattern: str = ""
    sources: tuple[str, ...] = ()
    missing: Literal["refuse", "null"] = "refuse"
    least_documents: int = 1

    name: ClassVar[str] = "era"
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    libraries: ClassVar[tuple[str, ...]] = ("polars",)
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field("era", unit="bin", better="neither", kind=pa.string()),
            score_field("year", unit="year", better="neither", kind=pa.int16()),
        ]
    )

    def __post_init__(self) -> None:
        """Refuse bins that are none, and dates of something else than writing."""
        if self.dates != "authorship":
            raise RecipeError(
                f"dates is {self.dates!r}; an era is that of writing: set `dates: authorship` "
                "where that is what the field says (a crawl's date is not)"
            )
        wrong = [name for name, (first, last) in self.bins.items() if first > last]
        if not self.bins or wrong:
            raise RecipeError(
                f"bins {wrong or dict(self.bins)} are none; wanted {{early: [1800, 1899]}}"
            )
        if kept := sorted({*_TOLD} & {*self.bins}):
            raise RecipeError(f"bins {kept} are called as what has no era is; call them otherwise")
        spans = sorted((first, last, name) for name, (first, last) in self.bins.items())
        overlapping = [
            (before[2], after[2]) for before, after in pairwise(spans) if before[1] >= after[0]
        ]
        if overlapping:
            raise RecipeError(f"bins {overlapping} overlap; a year belongs to one era")

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on the setting
        """The dates, and where documents are from."""
        return ("extra" if self.field.startswith(EXTRA) else "date", "source", "origin")

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Look the pool over; report.json has documents by era.

        Raises:
            RecipeError: dates are missing, in doubt or of a crawl, or an era is empty.
        """
        counts = dict.fromkeys((*self.bins, *_TOLD), 0)
        examples: list[str] = []
        days: dict[str, set[str]] = {}
        documents: dict[str, int] = {}
        for table in corpora["raw"].tables(self.reads):
            table = table.filter(self._asked(table))
            self._refuse_warc(table)
            years = years_of(table, self.field, self.pattern)
            for name, number in self._counted(years).items():
                counts[name] += number
            if len(examples) < _SHOWN:
                doubtful = years.said.filter(pl.Series(years.ambiguous)).unique().sort()
                examples += [repr(word)[:60] for word in doubtful.head(_SHOWN).to_list()]
            self._note_days(table, days, documents)
        self._refuse_gaps(counts, examples)
        self._refuse_one_day(days, documents)
        empty = [name for name in self.bins if counts[name] < self.least_documents]
        if empty:
            raise RecipeError(
                f"bins {empty} have fewer than {self.least_documents} documents of the pool "
                f"({counts}); wanted text in every era: move the bins, or add sources",
                where=self.name,
            )
        write_report(out, {"documents": counts})

    def score(self, model: Any, table: pa.Table) -> pa.Table:
        """Return `era` and `year`, one row a document."""
        years = years_of(table, self.field, self.pattern)
        asked = self._asked(table).to_numpy(zero_copy_only=False)
        year = np.where(asked, years.year, 0)
        return pa.table({"era": self.eras(year), "year": pa.array(year, mask=year == 0)})

    def eras(self, year: NDArray[np.integer]) -> pa.Array:
        """Return the name of each year's bin, null outside all of them: (n,) strings."""
        names = np.full(len(year), None, object)
        for name, (first, last) in self.bins.items():
            names[(year >= first) & (year <= last)] = name
        return pa.array(names, pa.string())

    def _asked(self, table: pa.Table) -> pa.Array:
        sources = table["source"].combine_chunks()
        if not self.sources:
            return pa.array(np.ones(len(sources), np.bool_))
        return pc.is_in(sources, pa.array(self.sources, pa.string()))

    def _counted(self, years: Years) -> dict[str, int]:
        eras = self.eras(years.year)
        counts = {name: pc.sum(pc.equal(eras, name)).as_py() or 0 for name in self.bins}
        outside = int((years.year > 0).sum()) - sum(counts.values())
        missing, ambiguous = int(years.missing.sum()), int(years.ambiguous.sum())
        return {**counts, "missing": missing, "ambiguous": ambiguous, "outside": outside}

    def _refuse_warc(self, table: pa.Table) -> None:
        crawled = pc.match_substring_regex(table["origin"], r"\.warc(\.gz|\.zst)?(#|\+|@|$)")
        if self.field == "date" and pc.any(crawled).as_py():
            raise RecipeError(
                f"the `date` of {table['origin'].filter(crawled)[0].as_py()!r} is when a crawler "
                "fetched it, not when it was written; name the sources with dates of authorship in "
                "`sources`, or another `field`",
                where=self.name,
            )

    def _note_days(
        self, table: pa.Table, days: dict[str, set[str]], documents: dict[str, int]
    ) -> None:
        """Add up to two of each source's days, and its documents that have one."""
        if self.field != "date":
            return
        dated = table.filter(pc.greater_equal(pc.utf8_length(table["date"]), 10))
        for source in pc.unique(dated["source"]).to_pylist():
            own = dated.filter(pc.equal(dated["source"], source))["date"]
            seen = days.setdefault(source, set())
            seen.update(pc.unique(pc.utf8_slice_codeunits(own, 0, 10)).to_pylist()[:2])
            documents[source] = documents.get(source, 0) + len(own)

    def _refuse_one_day(self, days: Mapping[str, set[str]], documents: Mapping[str, int]) -> None:
        alike = sorted(s for s, one in days.items() if len(one) == 1 and documents[s] >= _ONE_DAY)
        if alike:
            raise RecipeError(
                f"all documents of sources {alike} have one day, {[min(days[s]) for s in alike]}: "
                "that of a snapshot, not of writing; leave them out of `sources`",
                where=self.name,
            )

    def _refuse_gaps(self, counts: Mapping[str, int], examples: list[str]) -> None:
        if self.missing == "refuse" and counts["missing"] + counts["ambiguous"]:
            told = f" (such as {', '.join(examples[:_SHOWN])})" if examples else ""
            raise RecipeError(
                f"{counts['missing']} documents have no date and {counts['ambiguous']} one that "
                f"is in doubt{told}; wanted a year of each: name the dated `sources`, give the "
                "`field` or a `pattern`, or set `missing: null` to leave them out",
                where=self.name,
            )
