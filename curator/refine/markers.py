"""Markers at the head of a document say where it comes from and what it is like.

Training-time markers ("Treasure Hunt"; D'souza et al. 2025, arXiv:2506.14702): a header of markers
before the text, each left out now and then and the whole header too, so that a model serves with
all, some or none of them; as text like any other they are learned too, and a model can name the
markers of a text. Here a marker is a tag, one entry of the tokenizer, and fields are what a
document has: domain, source, language, a score, its length and its format.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.identity import id_matrix, uniform
from curator.refine.refiner import Refined, Refiner, children_of, outcome_of
from curator.refine.tags import require_tags
from curator.train.tokenizer import TAG_START, tag_text

FORMATS: Final = ("code", "table", "list", "prose")
# Lines of each format, and the share of a document's lines from which it is of it: rules of thumb
# of ours. The first that fits counts.
_LINES: Final = (
    ("code", r"(?m)(?:[;{}]|\)\s*:)[ \t]*$|^[ \t]*(?:import |def |return |#include)", 0.3),
    ("table", r"(?m)^[^\n]*(?:\|[^|\n]*\||\t[^\t\n]*\t)[^\n]*$", 0.5),
    ("list", r"(?m)^[ \t]*(?:[-*\x{2022}]|\d{1,3}[.)])[ \t]", 0.5),
)


@dataclass(frozen=True)
class Markers(Refiner):
    """Puts a header of markers before documents.

    Attributes:
        domains: hosts of `url`, or what they end in (`edu`, `wikipedia.org`), that get a marker.
        sources: the sources that get one.
        languages: the languages that get one.
        quality: a score, NAME or NAME.COLUMN, cut at `quality_edges`.
        quality_edges: what parts the bins of that score, rising; bin 0 is below the first.
        length_edges: what parts the bins of a text's length, in characters, rising.
        formats: whether to tell code, tables, lists and prose apart.
        marker_dropout: the chance of each marker to be left out.
        header_dropout: the chance of a whole header to be left out. Both of ours to choose.
        shuffled: whether each document gets the header of another: the control.
        seed: of chance.
    """

    name: ClassVar[str] = "markers"
    kind = "edited"

    domains: list[str] | None = None
    sources: list[str] | None = None
    languages: list[str] | None = None
    quality: str = ""
    quality_edges: list[float] | None = None
    length_edges: list[int] | None = None
    formats: bool = False
    marker_dropout: float = 0.1
    header_dropout: float = 0.3
    shuffled: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that mark nothing, or everything alike.

        Raises:
            RecipeError: naming the setting.
        """
        for name in ("marker_dropout", "header_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise RecipeError(
                    f"{name} is {getattr(self, name)!r}; wanted a share from 0 to below 1: with 1 "
                    "nothing is marked"
                )
        for name in ("quality_edges", "length_edges"):
            edges = getattr(self, name)
            if edges is not None and (not edges or any(a >= b for a, b in pairwise(edges))):
                raise RecipeError(f"{name} is {edges!r}; wanted at least one number, rising")
        if bool(self.quality) != (self.quality_edges is not None):
            raise RecipeError("quality and quality_edges: a score and its bins go together")
        if not self.tags:
            raise RecipeError(
                "no field is marked; give domains, sources, languages, quality, length_edges or "
                "formats"
            )

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        """What fields are found in."""
        more = {"url": self.domains, "language": self.languages, self.quality: self.quality}
        return ("text", *(name for name, wanted in more.items() if wanted))

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that it writes, all that there may be."""
        bins = {"quality": self.quality_edges, "length": self.length_edges}
        return (
            *(f"domain.{name}" for name in self.domains or ()),
            *(f"source.{name}" for name in self.sources or ()),
            *(f"language.{name}" for name in self.languages or ()),
            *(
                f"{name}.{n}"
                for name, edges in bins.items()
                if edges
                for n in range(len(edges) + 1)
            ),
            *(f"format.{name}" for name in FORMATS if self.formats),
        )

    def refine(self, model: Any, table: pa.Table) -> Refined:
        """Return the documents behind their headers."""
        texts, ids = table["text"], id_matrix(table["doc_id"])
        spelled = pc.match_substring(texts, TAG_START).to_numpy(zero_copy_only=False).astype(bool)
        fields = self._fields(table)
        if self.shuffled:
            order = np.argsort(uniform(ids, "markers.shuffled", self.seed), kind="stable")
            fields = {
                name: marks[np.roll(order, 1)][np.argsort(order)] for name, marks in fields.items()
            }
        header = np.full(table.num_rows, "", object)
        count = np.zeros(table.num_rows, np.int64)
        whole = uniform(ids, "markers.header", self.seed) >= self.header_dropout
        known = np.zeros(table.num_rows, np.bool_)
        for name, marks in fields.items():
            known |= marks != ""
            stays = uniform(ids, f"markers.{name}", self.seed) >= self.marker_dropout
            stays &= whole & (marks != "") & ~spelled
            header = np.where(stays, header + marks, header)
            count += stays
        rows = np.flatnonzero(count)
        marked = pc.binary_join_element_wise(
            pa.array(header[rows].tolist(), pa.large_string()),
            texts.take(pa.array(rows)),
            pa.scalar("", pa.large_string()),
        )
        require_tags(marked, count[rows])
        reasons = np.select(
            [spelled, ~known, count == 0],
            ["markers.spelled", "markers.unknown", "markers.left_out"],
            "",
        )
        return Refined(
            children_of(rows, marked, [json.dumps({"markers": int(n)}) for n in count[rows]]),
            outcome_of(~spelled, [reason or None for reason in reasons.tolist()]),
        )

    def _fields(self, table: pa.Table) -> dict[str, NDArray[np.object_]]:
        """Return field -> the marker of each document, "" where it has none."""
        found: dict[str, list[str]] = {}
        if self.domains:
            found["domain"] = [_domain(url, self.domains) for url in table["url"].to_pylist()]
        if self.sources:
            found["source"] = _listed(table["source"], self.sources)
        if self.languages:
            found["language"] = _listed(table["language"], self.languages)
        if self.quality_edges:
            found["quality"] = _bins(table[self.quality], self.quality_edges)
        if self.length_edges:
            found["length"] = _bins(pc.utf8_length(table["text"]), self.length_edges)
        if self.formats:
            found["format"] = formats_of(table["text"])
        return {
            name: np.array([tag_text(f"{name}.{mark}") if mark else "" for mark in marks], object)
            for name, marks in found.items()
        }


def _listed(column: pa.ChunkedArray, names: list[str]) -> list[str]:
    """Return each value that is listed, "" for any other."""
    there = pc.is_in(column, pa.array(names, column.type))
    found: list[str] = pc.if_else(there, column, "").to_pylist()
    return found


def _domain(url: str | None, names: list[str]) -> str:
    """Return the first listed domain that a URL's host is or ends in, "" if there is none."""
    try:
        host = urlsplit(url or "").hostname or ""
    except ValueError:
        return ""
    return next((name for name in names if f".{host}".endswith(f".{name}")), "")


def _bins(column: pa.ChunkedArray, edges: list[float] | list[int]) -> list[str]:
    """Return the number of each value's bin, "" where it is null."""
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    bins = np.searchsorted(np.array(edges, np.float64), values, side="right")
    return ["" if np.isnan(value) else str(n) for value, n in zip(values, bins, strict=True)]


def formats_of(texts: pa.ChunkedArray) -> list[str]:
    """Return each text's format, one of `FORMATS`, by the look of its lines."""
    lines = pc.count_substring_regex(texts, r"(?m)^[^\n]*\S").to_numpy(zero_copy_only=False)
    found = np.full(len(texts), FORMATS[-1], object)
    for name, pattern, least in reversed(_LINES):
        alike = pc.count_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
        found[(lines > 0) & (alike >= least * lines)] = name
    return [str(name) for name in found]
