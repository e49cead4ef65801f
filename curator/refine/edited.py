"""What refiners have in common that edit by programs: how programs are run and accounted for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from curator.errors import RecipeError
from curator.refine.execute import DROPPED, VERDICTS, Edited, Policy, Programs, Rules, execute
from curator.refine.lined import chance_of, lines_of, lowest, removing
from curator.refine.programs import Op, parse_line
from curator.refine.refiner import Refined, Refiner, children_of, outcome_of

_MOST_TOLD: Final = 200  # characters of what is no call, in an account
_PURPOSE: Final = "prox.placebo"  # of the chance that decides which lines go instead


@dataclass(frozen=True)
class Editing(Refiner):
    """Edits documents by programs.

    Attributes:
        policy: "exact", or "legacy": the order of ProX's own executor.
        max_errors: a document whose programs have more stays as it was.
        max_removed: a document that would lose this share of its words or more is dropped.
        least_words: a document of which so many words or fewer would be left is dropped.
        max_replacements: how often one replacement may be made in a chunk.
        max_replaced: share of a chunk's bytes that its replacements may touch.
        placebo: as many lines of each document go as its programs would take, but drawn by chance,
            and nothing is replaced.
        seed: of the placebo's chance.
    """

    policy: Policy = "exact"
    max_errors: int = 1
    max_removed: float = 0.95
    least_words: int = 10
    max_replacements: int = 20
    max_replaced: float = 0.2
    placebo: bool = False
    seed: int = 0

    kind = "edited"

    def __post_init__(self) -> None:
        """Refuse rules that mean nothing."""
        if self.policy not in ("exact", "legacy"):
            raise RecipeError(f"policy={self.policy!r}; wanted 'exact' or 'legacy'")
        _ = self.rules

    @property
    def rules(self) -> Rules:
        """How programs are run."""
        return Rules(
            self.policy, self.max_errors, self.max_removed, self.least_words,
            self.max_replacements, self.max_replaced,
        )  # fmt: skip

    def edited(
        self,
        table: pa.Table,
        programs: Programs,
        *,
        reasons: Mapping[int, str] | None = None,
        dropped: Mapping[int, str] | None = None,
    ) -> Refined:
        """Return what the programs make of documents, or as much made by chance.

        Args:
            table: `doc_id` and `text`.
            programs: of chunks.
            reasons: by row, why less is made of it than was asked, before its programs.
            dropped: by row, why it goes, whatever its programs say.
        """
        made = execute(table["text"], programs, self.rules)
        if self.placebo:
            programs = by_chance(table, made, self.seed)
            made = execute(table["text"], programs, self.rules)
        return accounted(table, programs, made, self.name, reasons or {}, dropped or {})


def by_chance(table: pa.Table, made: Edited, seed: int) -> Programs:
    """Return programs that remove as many lines of each document as were removed, by chance."""
    lined = lines_of(table["text"])
    accepted = made.verdicts == VERDICTS.index("accepted")
    counts = np.where(accepted, made.removed, 0)
    return removing(lined, lowest(lined, chance_of(lined, table["doc_id"], _PURPOSE, seed), counts))


def accounted(
    table: pa.Table,
    programs: Programs,
    made: Edited,
    name: str,
    reasons: Mapping[int, str],
    dropped: Mapping[int, str],
) -> Refined:
    """Return executed programs as children and outcomes; `about` has the programs that ran."""
    words = [VERDICTS[verdict] for verdict in made.verdicts.tolist()]
    told: list[str | None] = [None] * len(words)
    for place in np.flatnonzero((made.verdicts > 0) | (made.errors > 0) | (made.misread > 0)):
        if words[place] != "accepted":
            told[place] = f"{name}.{words[place]}"
        else:  # it ran, but for one call
            told[place] = f"{name}.{'fault' if made.errors[place] else 'misread'}"
    for row, why in [*reasons.items(), *dropped.items()]:
        told[row] = f"{name}.{why}"
    gone = [word in DROPPED or row in dropped for row, word in enumerate(words)]
    accepted = made.verdicts == VERDICTS.index("accepted")
    changed = np.flatnonzero(accepted & ((made.removed > 0) | (made.replaced > 0)))
    rows = [row for row in changed.tolist() if row not in dropped]
    about = [_account(row, programs, made) for row in rows]
    children = children_of(rows, made.texts.take(pa.array(rows, pa.int64())), about)
    return Refined(children, outcome_of([not one for one in gone], told))


def told_of(source: str) -> str:
    """Return a program for an account: its calls as they are, of long faults the beginning.

    A model may answer with the document: what is told of a program must not grow with that. What
    is shown of a fault is a fault too.
    """
    if len(source) <= _MOST_TOLD:
        return source
    lines = (line for line in source.split("\n") if line.strip(" \t\r"))
    return "\n".join(
        line
        if len(line) <= _MOST_TOLD or isinstance(parse_line(line), Op)
        else f"... {line[:_MOST_TOLD]}"
        for line in lines
    )


def _account(row: int, programs: Programs, made: Edited) -> str:
    low, high = np.searchsorted(programs.rows, [row, row + 1]).tolist()
    ran: list[list[Any]] = [
        [int(programs.firsts[at]), int(programs.lasts[at]), told_of(programs.sources[at].as_py())]
        for at in range(low, high)
    ]
    told = {
        "programs": ran,
        "removed_lines": int(made.removed[row]),
        "replaced": int(made.replaced[row]),
    }
    return json.dumps(told, sort_keys=True)
