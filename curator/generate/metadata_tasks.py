"""Two questions about a column of metadata: what is the value, and is this one wrong.

Examples come from rows whose value is known: as if it were missing, with the value; and with it or
with another's in its place, "right" or "wrong". So does the audit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from curator.generate.tables import Accepted, Ask, Row, TableTask, ask_table

BEGINNING: Final = "beginning"  # the attribute that holds the beginning of a document's text
RIGHT, WRONG = "right", "wrong"
_MOST_CHOICES: Final = 50  # of values that become choices by themselves; more: any words count


class Question(Protocol):
    """What a question is about; settings of a scorer."""

    @property
    def attribute(self) -> str:
        """The column."""

    @property
    def choices(self) -> tuple[str, ...]:
        """Values that count; none: those that are known."""

    @property
    def columns(self) -> tuple[str, ...]:
        """What is shown besides."""

    @property
    def chat(self) -> bool:
        """Whether a model is asked in its chat format."""


@dataclass(frozen=True)
class Tasks:
    """The two tasks, and the values that are known.

    Attributes:
        attribute: the column.
        impute: what is the value.
        detect: is the value wrong.
        values: known values, the commonest first.
        chat: whether a model is asked in its chat format.
    """

    attribute: str
    impute: TableTask
    detect: TableTask
    values: tuple[str, ...]
    chat: bool

    @classmethod
    def of(cls, question: Question, rows: Sequence[Row], shots: Sequence[int]) -> Tasks:
        """Return the tasks of a table.

        Args:
            question: what is asked.
            rows: with `attribute`, `columns` and `BEGINNING`.
            shots: rows with a known value, that become the examples.
        """
        name = question.attribute
        counts = Counter(value for row in rows if (value := row[name]) is not None)
        values = tuple(sorted(counts, key=lambda value: (-counts[value], value)))
        choices = question.choices or (values if len(values) <= _MOST_CHOICES else ())
        shown = (*question.columns, name, BEGINNING)
        impute = TableTask(
            f"{name}_impute",
            f"Each row describes a document whose {name} is missing. Say its {name}.",
            shown,
            tuple(dict.fromkeys(choices)),
            tuple((_pairs(_with(rows[row], name, None)), str(rows[row][name])) for row in shots),
        )
        right = [(_pairs(rows[row]), RIGHT) for row in shots[::2]]
        wrong = [
            (_pairs(_with(rows[row], name, _other(values, rows[row][name], row))), WRONG)
            for row in shots[1::2]
            if len(values) > 1
        ]
        detect = TableTask(
            f"{name}_detect",
            f"Each row describes a document. Say {RIGHT} where its {name} fits the rest of the "
            f"row, {WRONG} where it cannot be true.",
            shown,
            (RIGHT, WRONG),
            tuple(right + wrong),
        )
        return cls(name, impute, detect, values, question.chat)

    def imputed(
        self, rows: Sequence[Row], places: Sequence[int], ask: Ask, batch: int
    ) -> dict[int, str]:
        """Return the value that is said of each place, of those with a readable answer."""
        hidden = [_with(rows[place], self.attribute, None) for place in places]
        return _said(hidden, places, self.impute, ask, batch, chat=self.chat)

    def judged(
        self, rows: Sequence[Row], places: Sequence[int], ask: Ask, batch: int
    ) -> dict[int, int]:
        """Return 1 for each place whose value is called wrong, 0 for right."""
        shown = [rows[place] for place in places]
        said = _said(shown, places, self.detect, ask, batch, chat=self.chat)
        return {place: int(word == WRONG) for place, word in said.items()}

    def audit(
        self, rows: Sequence[Row], places: Sequence[int], ask: Ask, batch: int
    ) -> dict[str, Any]:
        """Return how well known values are found as if missing, and planted mistakes told.

        A row without a readable answer counts as not found.
        """
        found = self.imputed(rows, places, ask, batch)
        hits = sum(found.get(place) == rows[place][self.attribute] for place in places)
        common = sum(rows[place][self.attribute] == self.values[0] for place in places)
        planted = {
            place: _with(
                rows[place],
                self.attribute,
                _other(self.values, rows[place][self.attribute], place),
            )
            for place in places
            if len(self.values) > 1
        }
        wrong = [planted.get(place, row) for place, row in enumerate(rows)]
        called = self.judged(wrong, list(planted), ask, batch)
        fine = self.judged(rows, places, ask, batch)
        of = max(1, len(places))
        return {
            "audited": len(places),
            "accuracy": round(hits / of, 4),
            "commonest": round(common / of, 4),
            "readable": round(len(found) / of, 4),
            "mistakes_found": round(sum(called.values()) / max(1, len(planted)), 4),
            "false_alarms": round(sum(fine.values()) / of, 4),
        }


def _said(
    rows: Sequence[Row],
    places: Sequence[int],
    task: TableTask,
    ask: Ask,
    batch: int,
    *,
    chat: bool,
) -> dict[int, str]:
    keys = [f"d{place}" for place in places]
    asked = ask_table(rows, keys, task, ask, batch=batch, chat=chat)
    return {
        place: one.value
        for place, one in zip(places, asked.answers, strict=True)
        if isinstance(one, Accepted)
    }


def _with(row: Row, name: str, value: str | None) -> Row:
    return {**row, name: value}


def _pairs(row: Row) -> tuple[tuple[str, str | None], ...]:
    return tuple(row.items())


def _other(values: Sequence[str], value: str | None, place: int) -> str:
    """Return another of the known values, by the row's place."""
    others = [one for one in values if one != value]
    return others[place % len(others)] if others else ""
