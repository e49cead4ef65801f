"""Rows of a table put to a language model, several a question, each answer held to its row's key.

The framework of LLMs as data preprocessors (Zhang et al. 2023, arXiv:2308.16361, read in its
abstract): a task in words, few-shot examples, rows serialized as `[attribute: "value"]`, only the
attributes that matter, several rows a question with numbered answers. Batched answers shift by one
where a model skips a row, so an answer counts only with the key of the row it is given for; rows
without one are asked about again, each alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from curator.errors import RecipeError
from curator.generate.asking import Answer, Request
from curator.generate.prompts import harmless
from curator.generate.templates import Template
from curator.identity import fingerprint

Ask = Callable[[Sequence[Request]], list[Answer]]
Row = Mapping[str, str | None]

MISSING: Final = "?"  # how a value that is not there is shown, without quotes
_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ATTRIBUTE: Final = re.compile(r"[A-Za-z][\w .-]{0,63}")
# "3. [key] answer", and what models make of it: "3) key: answer", "**3.** [key] - answer".
_LINE: Final = re.compile(
    r"^[ \t*]{0,8}(?P<number>\d{1,6})(?:[.)\]:][ \t*]{0,8}|[ \t]{1,8})"
    r"\[?(?P<key>[A-Za-z0-9][A-Za-z0-9_.-]{0,63})\]?"
    r"[ \t]{0,8}[:=-]?[ \t](?P<answer>[^\n]*)$",
    re.MULTILINE,
)
_LONGEST: Final = 200  # characters of an answer that are read


@dataclass(frozen=True)
class Accepted:
    """An answer that came with its row's key."""

    value: str
    alone: bool = False  # whether the row had to be asked about again


@dataclass(frozen=True)
class Rejected:
    """Why a row has no answer: "missing", "shifted" (another row's key), "unknown" (no choice)."""

    reason: str


@dataclass(frozen=True)
class TableTask:
    """What is asked of every row.

    Attributes:
        name: a word for reports.
        instruction: the task in words.
        columns: attributes that are shown, in this order; what is irrelevant to the task is left
            out of every question.
        choices: answers that count; none: any words.
        examples: rows with the answer that is right for each.
        reasoning: whether a reason is asked for before each answer, parted from it by "=>".
        version: the author's; the digest changes with the content even where this does not.
    """

    name: str
    instruction: str
    columns: tuple[str, ...]
    choices: tuple[str, ...] = ()
    examples: tuple[tuple[tuple[tuple[str, str | None], ...], str], ...] = ()
    reasoning: bool = False
    version: str = "1"

    def __post_init__(self) -> None:
        """Refuse a task without words or attributes, and choices that are one."""
        if not self.instruction.strip() or not self.columns:
            raise RecipeError(
                f"task {self.name!r} has the instruction {self.instruction!r} and the columns "
                f"{self.columns!r}; wanted words, and one column or more"
            )
        for attribute in self.columns:
            if not _ATTRIBUTE.fullmatch(attribute):
                raise RecipeError(
                    f"task {self.name!r}: attribute {attribute!r} could not be told from what "
                    "parts attributes; wanted letters, digits, space, '_', '.' and '-'"
                )
        repeated = len(self.columns) - len(set(self.columns))
        folded = [choice.lower() for choice in self.choices]
        if repeated or len(set(folded)) < len(folded) or "" in folded:
            raise RecipeError(
                f"task {self.name!r}: columns {self.columns!r}, choices {self.choices!r}; wanted "
                "each once, and none empty"
            )

    @cached_property
    def template(self) -> Template:
        """The wording of a question, with places for the rows."""
        told = [self.instruction.strip()]
        if self.choices:
            told.append("Answer with one of: " + ", ".join(self.choices) + ".")
        form = "a short reason, =>, the answer" if self.reasoning else "the answer"
        told.append(
            "Answer each row on a line of its own: its number, its key in square brackets, "
            f"{form}. Write nothing else."
        )
        if self.examples:
            shown = [dict(row) for row, _ in self.examples]
            rows = [
                f"{number}. [{_example(number)}] {serialized(row, self.columns)}"
                for number, row in enumerate(shown, start=1)
            ]
            answers = [
                f"{number}. [{_example(number)}] {answer}"
                for number, (_, answer) in enumerate(self.examples, start=1)
            ]
            told.append("\n".join(["Example rows:", *rows, "Their answers:", *answers]))
        told.append("Rows:\n{{rows}}\nAnswers:")
        return Template(self.name, self.version, "\n\n".join(told))


@dataclass(frozen=True)
class Asked:
    """What came of a table.

    Attributes:
        answers: one a row, in order.
        questions: how many were asked.
        again: rows that were asked about a second time.
        reasons: why, at first, by word.
    """

    answers: tuple[Accepted | Rejected, ...]
    questions: int = 0
    again: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)


def serialized(row: Row, columns: Sequence[str]) -> str:
    """Return a row as `[attribute: "value", ...]`; quotes, backslashes and line ends are escaped.

    Raises:
        RecipeError: the row has no such attribute.
    """
    unknown = [name for name in columns if name not in row]
    if unknown:
        raise RecipeError(
            f"no attribute {unknown} in a row of {sorted(row)}; wanted every column of the task, "
            "null where there is no value"
        )
    return "[" + ", ".join(f"{name}: {_quoted(row[name])}" for name in columns) + "]"


def ask_table(
    rows: Sequence[Row],
    keys: Sequence[str],
    task: TableTask,
    ask: Ask,
    *,
    batch: int = 10,
    answer_tokens: int = 24,
    chat: bool = True,
) -> Asked:
    """Return an answer for every row, or why there is none.

    Args:
        rows: attribute -> value; null: not there.
        keys: what names each row, echoed with its answer; short words.
        task: what is asked.
        ask: whoever answers; called once with all questions, once with rows to be asked again.
        batch: rows a question.
        answer_tokens: of one row's answer at most.
        chat: whether questions go into the model's chat format.

    Raises:
        RecipeError: keys that repeat or could not be echoed, a row without an attribute that the
            task shows, no rows a question.
    """
    _require_keys(rows, keys)
    if batch < 1 or answer_tokens < 1:
        raise RecipeError(
            f"batch={batch!r}, answer_tokens={answer_tokens!r}; wanted 1 or more of each"
        )
    places = [list(range(at, min(at + batch, len(rows)))) for at in range(0, len(rows), batch)]
    lines = [serialized(row, task.columns) for row in rows]
    found = _round(lines, keys, places, task, ask, answer_tokens, chat=chat)
    again = [row for row, one in enumerate(found) if isinstance(one, Rejected)]
    reasons: dict[str, int] = {}
    for row in again:
        one = found[row]
        assert isinstance(one, Rejected)
        reasons[one.reason] = reasons.get(one.reason, 0) + 1
    if again and batch > 1:
        alone = _round(lines, keys, [[row] for row in again], task, ask, answer_tokens, chat=chat)
        for row in again:
            second = alone[row]
            found[row] = (
                Accepted(second.value, alone=True) if isinstance(second, Accepted) else second
            )
        return Asked(tuple(found), len(places) + len(again), len(again), reasons)
    return Asked(tuple(found), len(places), 0, reasons)


def read_answers(
    text: str, keys: Sequence[str], choices: Sequence[str] = (), *, reasoning: bool = False
) -> list[Accepted | Rejected]:
    """Return what an answer says of each row of a question, in order; rows are numbered from 1.

    The first line of a number counts. One with another row's key is rejected as "shifted"; one
    that is none of the choices, whatever their case, as "unknown".
    """
    said: dict[int, tuple[str, str]] = {}
    for line in _LINE.finditer(text):
        said.setdefault(int(line["number"]), (line["key"], line["answer"].strip()))
    canonical = {choice.lower(): choice for choice in choices}
    found: list[Accepted | Rejected] = []
    for number, key in enumerate(keys, start=1):
        if number not in said or not said[number][1]:
            found.append(Rejected("missing"))
        elif said[number][0] != key:
            found.append(Rejected("shifted"))
        else:
            answer = said[number][1]
            answer = answer.rpartition("=>")[2] if reasoning else answer
            value = answer.strip()[:_LONGEST].rstrip(".").strip("\"' ")
            known = canonical.get(value.lower()) if canonical else value
            found.append(Accepted(known) if known else Rejected("unknown"))
    return found


def _round(
    lines: Sequence[str],
    keys: Sequence[str],
    places: Sequence[Sequence[int]],
    task: TableTask,
    ask: Ask,
    answer_tokens: int,
    *,
    chat: bool,
) -> list[Accepted | Rejected]:
    """Ask about rows, those at each of `places` in one question; all others are "missing"."""
    requests = [
        task.template.request(
            {
                "rows": "\n".join(
                    f"{number}. [{keys[row]}] {lines[row]}"
                    for number, row in enumerate(rows, start=1)
                )
            },
            documents=[fingerprint(keys[row]) for row in rows],
            max_tokens=answer_tokens * len(rows),
            chat=chat,
        )
        for rows in places
    ]
    found: list[Accepted | Rejected] = [Rejected("missing")] * len(lines)
    for rows, answer in zip(places, ask(requests), strict=True):
        read = read_answers(
            answer.text, [keys[row] for row in rows], task.choices, reasoning=task.reasoning
        )
        for row, one in zip(rows, read, strict=True):
            found[row] = one
    return found


def _require_keys(rows: Sequence[Row], keys: Sequence[str]) -> None:
    if len(rows) != len(keys):
        raise RecipeError(f"{len(keys)} keys for {len(rows)} rows; wanted one each")
    if len(set(keys)) < len(keys):
        twice = next(key for place, key in enumerate(keys) if key in keys[:place])
        raise RecipeError(
            f"key {twice!r} names two rows; wanted distinct ones: an answer is told by its key"
        )
    for key in keys:
        if not _KEY.fullmatch(key):
            raise RecipeError(
                f"key {key!r} could not be echoed; wanted up to 64 letters, digits, '_', '.', '-'"
            )


def _quoted(value: str | None) -> str:
    """Return a value in quotes on one line, those in it escaped; `MISSING` of null."""
    if value is None:
        return MISSING
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{harmless(" ".join(escaped.split()))}"'


def _example(number: int) -> str:
    return f"e{number}"
