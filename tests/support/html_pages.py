"""What tests of pages share: hostile text everywhere in a record, and HTML read strictly."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser
from typing import TypeVar

Record = TypeVar("Record")
HOSTILE = (
    "</pre><script>alert(1)</script><img src=x onerror=alert(2)>\" onload='x' "
    "\x1b[31mred\x00 \u202egnp.exe\u2066 &amp; {{7*7}}"
)
VOID = {"meta", "br", "hr"}


class Structure(HTMLParser):
    """Collects what opens, and fails on what does not close in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        assert len({name for name, _ in attrs}) == len(attrs), f"<{tag}> repeats an attribute"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(page: str) -> Structure:
    structure = Structure()
    structure.feed(page)
    structure.close()
    assert structure.open == []
    return structure


def poisoned(record: Record) -> Record:
    """Return a record in which every text from outside is hostile."""

    def poison(value: object) -> object:
        if isinstance(value, str):
            return HOSTILE
        if isinstance(value, tuple):
            return tuple(poison(each) for each in value)
        if isinstance(value, frozenset):
            return frozenset(poison(each) for each in value)
        if isinstance(value, dict):
            return {f"{HOSTILE}{place}": poison(each) for place, each in enumerate(value.values())}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fixed = {"verdict", "better", "covers", "where"}  # closed sets, not text
            return dataclasses.replace(
                value,
                **{
                    field.name: poison(getattr(value, field.name))
                    for field in dataclasses.fields(value)
                    if field.name not in fixed
                },
            )
        return value

    return poison(record)
