"""Why one document is in or out: its whole life, from the source file to the packed sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from curator.report.content import Direction
from curator.report.figures import grouped, plain, share
from curator.report.show import numbers_line, readable
from curator.report.visible import one_line

_LISTED = 4  # entries of a list that are shown


@dataclass(frozen=True)
class StageVerdict:
    """What one stage decided about the document, with its numbers."""

    stage: str
    keep: bool
    reason: str = ""
    numbers: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rewriting:
    """One change of the document's text."""

    step: str  # "clean.lines"
    parent_id: str  # of the document before it
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True)
class Copies:
    """The cluster of near-copies that the document stands in."""

    kind: str  # "exact", "minhash"
    kept_id: str  # the representative; the document itself where it was kept
    kept_origin: str
    documents: int  # in the cluster, with the kept one
    jaccard: float | None = None  # with the kept one
    containment: float | None = None  # share of this document's shingles in the kept one
    similarity: float | None = None  # cosine of the two vectors


@dataclass(frozen=True)
class Score:
    """One score of the document and where it stands in the pool."""

    name: str
    value: float | str | list[Any] | None
    rank: int | None = None  # 1 is best
    of: int = 0  # documents with a score
    unit: str = ""
    better: Direction = "higher"


@dataclass(frozen=True)
class Choice:
    """Whether one arm took the document, and what became of it there."""

    arm: str
    taken: bool
    key: float | None = None  # what the arm ranked by: a score in its own unit, or with chance
    cut: float | None = None  # the key at the border
    rank: int | None = None
    epochs: float = 0.0
    positions: tuple[int, ...] = ()  # where its draws stand in the mixture's order
    packed: tuple[str, ...] = ()  # "sequence 1204, tokens 88..411"


@dataclass(frozen=True)
class Descent:
    """A document that a refiner made, on the way back to one that was read from a file."""

    doc_id: str
    arm: str
    refiner: str  # what the arm's `refine` calls it
    kind: str  # "edited", "synthetic"
    parents: tuple[str, ...]  # all that it was made of, the one that is followed first
    about: str = ""  # a JSON object of the refiner's own
    text: str = ""
    source: str = ""


@dataclass(frozen=True)
class Explanation:
    """All that is known of one document."""

    doc_id: str
    source: str
    origin: str
    place: str = ""  # input file and offset
    text: str = ""
    tokens: int | None = None
    verdicts: tuple[StageVerdict, ...] = ()
    rewritings: tuple[Rewriting, ...] = ()
    copies: Copies | None = None
    contamination: tuple[str, ...] = ()  # "gsm8k/test entry 14: the words that matched"
    scores: tuple[Score, ...] = ()
    choices: tuple[Choice, ...] = ()
    descent: tuple[
        Descent, ...
    ] = ()  # where a refined document was asked for: it and those between

    def __rich__(self) -> RenderableType:
        """Return what `curator explain` prints."""
        parts: list[RenderableType] = [*map(_descent, self.descent)]
        parts += [Text("made of", style="dim")] if self.descent else []
        parts += [_title(self), _outcome(self)]
        if self.verdicts:
            parts += [Text(), _verdicts(self.verdicts)]
        parts += [_rewriting(each) for each in self.rewritings]
        if self.copies is not None:
            parts += [Text(), _copies(self.copies, self.doc_id)]
        parts += [Text(f"benchmark: {one_line(each, 200)}") for each in self.contamination]
        if self.scores:
            parts += [Text(), _scores(self.scores)]
        if self.choices:
            parts += [Text(), _choices(self.choices)]
        if self.text:
            parts += [Text(), Text(readable(self.text, limit=600, lines=12), style="dim")]
        return Group(*parts)


def _descent(found: Descent) -> RenderableType:
    line = Text(one_line(found.doc_id, 32), style="bold")
    line.append(f"  {one_line(found.source, 60)}", style="not bold green")
    made = f"{one_line(found.kind, 20)} by {one_line(found.refiner, 40)}"
    line.append(f"\n  {made}, arm {one_line(found.arm, 40)}", style="not bold")
    if len(found.parents) > 1:
        others = ", ".join(parent[:12] for parent in found.parents[1 : 1 + _LISTED])
        line.append(f"\n  also made of {others}", style="not bold")
    if found.about:
        line.append(f"\n  {one_line(found.about, 400)}", style="not bold dim")
    return Group(line, Text(readable(found.text, limit=600, lines=12), style="dim"), Text())


def _title(found: Explanation) -> Text:
    line = Text(one_line(found.doc_id, 32), style="bold")
    line.append(f"  {one_line(found.source, 60)}", style="not bold green")
    if found.tokens is not None:
        line.append(f"  {grouped(found.tokens)} tokens", style="not bold")
    line.append(f"\n  {one_line(found.origin, 200)}", style="not bold")
    if found.place:
        line.append(f"\n  read from {one_line(found.place, 200)}", style="not bold dim")
    return line


def _outcome(found: Explanation) -> Text:
    refused = next((verdict for verdict in found.verdicts if not verdict.keep), None)
    if refused is not None:
        reason = one_line(refused.reason or "no reason given", 80)
        return Text(f"OUT: dropped by {one_line(refused.stage, 60)}: {reason}", style="bold red")
    taking = [one_line(choice.arm, 40) for choice in found.choices if choice.taken]
    if taking:
        return Text(f"IN: taken by {', '.join(taking)}", style="bold green")
    if found.choices:
        return Text("In the pool, taken by no arm", style="bold yellow")
    return Text("In the pool", style="bold green")


def _rewriting(found: Rewriting) -> Text:
    sizes = f"{grouped(found.bytes_before)} to {grouped(found.bytes_after)} bytes"
    return Text(f"rewritten by {one_line(found.step, 60)}: {sizes}, parent {found.parent_id[:32]}")


def _plain_table(*columns: tuple[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, justify in columns:
        table.add_column(name, justify="right" if justify == "r" else "left")
    return table


def _verdicts(verdicts: tuple[StageVerdict, ...]) -> Table:
    table = _plain_table(("stage", ""), ("verdict", ""), ("numbers", ""))
    for verdict in verdicts:
        said = "kept" if verdict.keep else f"dropped: {one_line(verdict.reason, 60)}"
        table.add_row(
            Text(one_line(verdict.stage, 40)),
            Text(said, style="green" if verdict.keep else "red"),
            Text(numbers_line(verdict.numbers)),
        )
    return table


def _copies(copies: Copies, doc_id: str) -> Text:
    line = Text(f"{grouped(copies.documents)} copies ({one_line(copies.kind, 20)}); ")
    if copies.kept_id == doc_id:
        return line.append("this one is kept")
    line.append(f"kept is {one_line(copies.kept_id, 32)[:12]} {one_line(copies.kept_origin, 120)}")
    measured = {
        "jaccard": copies.jaccard,
        "containment": copies.containment,
        "similarity": copies.similarity,
    }
    known = {name: value for name, value in measured.items() if value is not None}
    return line.append(f" ({numbers_line(known)})" if known else "")


def _scores(scores: tuple[Score, ...]) -> Table:
    table = _plain_table(("score", ""), ("value", "r"), ("unit", ""), ("rank", "r"), ("top", "r"))
    for score in scores:
        ranked = score.rank is not None and score.of > 0
        table.add_row(
            Text(one_line(score.name, 40)),
            Text(_value(score.value)),
            Text(_meaning(score)),
            Text(f"{grouped(score.rank or 0)} of {grouped(score.of)}" if ranked else "–"),
            Text(share(score.rank or 0, score.of) if ranked else "–"),
        )
    return table


def _value(value: Any) -> str:
    """Return a value as a score's column has it: a number, a word, a list of some, or nothing."""
    if isinstance(value, list):
        more = ", …" if len(value) > _LISTED else ""
        return ", ".join(_value(each) for each in value[:_LISTED]) + more
    return "none" if value is None else one_line(plain(value), 40)


def _choices(choices: tuple[Choice, ...]) -> Table:
    table = _plain_table(
        ("arm", ""),
        ("", ""),
        ("key", "r"),
        ("cut", "r"),
        ("rank", "r"),
        ("epochs", "r"),
        ("place", ""),
    )
    for choice in choices:
        places = [f"draw {grouped(at)}" for at in choice.positions[:4]]
        places += [one_line(each, 60) for each in choice.packed[:4]]
        table.add_row(
            Text(one_line(choice.arm, 40)),
            Text(
                "taken" if choice.taken else "not taken", style="green" if choice.taken else "dim"
            ),
            *(Text(_or_dash(value)) for value in (choice.key, choice.cut, choice.rank)),
            Text(plain(choice.epochs) if choice.taken else "–"),
            Text("; ".join(places)),
        )
    return table


def _or_dash(value: Any) -> str:
    return "–" if value is None else plain(value)


def _meaning(score: Score) -> str:
    """Return a score's unit and which way is better, of what is known."""
    better = "" if score.better == "neither" else f"{score.better} is better"
    return ", ".join(part for part in (one_line(score.unit, 24), better) if part)
