"""ProX's programs from a file: written elsewhere, by any model, and run here.

One JSON object a line: `doc_id` (32 hex digits), `document` (a program for all of it, perhaps) and
`chunks`: lists of first line, last line and program. A document that the file says nothing of stays
as it is and is counted; what `about` says of a refined document is in the same form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from curator.errors import RecipeError, shown
from curator.identity import file_digest
from curator.refine.edited import Editing
from curator.refine.execute import Programs
from curator.refine.prox_verdicts import document_faults
from curator.refine.refiner import Refined
from curator.stage import Site

_ID: Final = re.compile("[0-9a-f]{32}")
_MOST_BYTES: Final = 1 << 30  # of a file of programs: it is read whole


class Recorded(msgspec.Struct):
    """One line of the file."""

    doc_id: str
    document: str = ""
    chunks: list[tuple[int, int, str]] = []


class Found(NamedTuple):
    """What is recorded of some documents: programs, answers about whole ones, rows without any."""

    programs: Programs
    answers: dict[int, str]
    lacking: list[int]


@dataclass(frozen=True)
class ProxReplay(Editing):
    """Runs recorded programs.

    Attributes:
        programs: the file.
    """

    programs: str = ""

    name: ClassVar[str] = "prox_replay"

    def __post_init__(self) -> None:
        """Refuse a file that is not there or has no programs."""
        super().__post_init__()
        self._read()

    def identity(self) -> dict[str, Any]:
        """Return what names the work: the file by its content."""
        named = super().identity()
        named["settings"]["programs"] = file_digest(Path(self.programs).expanduser())
        return named

    def load(self, site: Site) -> Mapping[str, Recorded]:
        """Return what is recorded of each document, by its id."""
        return self._read()

    def refine(self, model: Mapping[str, Recorded], table: pa.Table) -> Refined:
        """Return the documents after their recorded programs."""
        found = self.recorded(model, table)
        dropped, faults = document_faults(found.answers, self.policy)
        reasons = dict.fromkeys(found.lacking, "unrecorded") | faults
        return self.edited(table, found.programs, reasons=reasons, dropped=dropped)

    def recorded(self, model: Mapping[str, Recorded], table: pa.Table) -> Found:
        """Return what is recorded of a table's documents."""
        rows: list[int] = []
        bounds: list[tuple[int, int]] = []
        sources: list[str] = []
        answers: dict[int, str] = {}
        lacking: list[int] = []
        for row, doc_id in enumerate(table["doc_id"].to_pylist()):  # each is looked up
            one = model.get(doc_id.hex())
            if one is None:
                lacking.append(row)
                continue
            if one.document:
                answers[row] = one.document
            for first, last, source in one.chunks:
                rows.append(row)
                bounds.append((first, last))
                sources.append(source)
        low_high = np.array(bounds, np.int64).reshape(-1, 2)
        columns = (np.array(rows, np.int64), low_high[:, 0], low_high[:, 1])
        return Found(Programs(*columns, pa.array(sources, pa.large_string())), answers, lacking)

    def _read(self) -> Mapping[str, Recorded]:
        path = Path(self.programs).expanduser()
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            raise RecipeError(
                f"programs={self.programs!r}; wanted a file of recorded programs, of at most "
                f"{_MOST_BYTES:,} bytes"
            )
        decoder = msgspec.json.Decoder(Recorded)
        found: dict[str, Recorded] = {}
        for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
            if not line.strip():
                continue
            where = f"{self.programs}, line {number}"
            try:
                one = decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise RecipeError(f"no record of programs: {error}", where=where) from None
            _require(one, where)
            if found.setdefault(one.doc_id, one) != one:
                raise RecipeError(
                    f"doc_id {one.doc_id} was there before with other programs; wanted each once",
                    where=where,
                )
        if not found:
            raise RecipeError(f"{self.programs!r} has no programs; wanted one or more")
        return found


def _require(one: Recorded, where: str) -> None:
    """Refuse an id that no document has, and chunks that are no lines in order."""
    if not _ID.fullmatch(one.doc_id):
        raise RecipeError(
            f"doc_id {shown(one.doc_id)}; wanted 32 hex digits in lower case", where=where
        )
    before = -1
    for first, last, _ in one.chunks:
        if not before < first <= last < 2**40:
            raise RecipeError(
                f"chunk of lines {first} to {last} after line {before}; wanted chunks in order",
                where=where,
            )
        before = last
