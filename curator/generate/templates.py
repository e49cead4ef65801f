"""Wordings that ask a model to write: fields of a document are put in place, and never read again.

A template is a YAML file. Its digest names its content: it is part of a refiner's identity and
stands beside every recorded answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from curator.errors import RecipeError, shown
from curator.generate.asking import Request, digest_of
from curator.generate.prompts import harmless
from curator.generate.wordings import names_in, wording_file
from curator.identity import fingerprint
from curator.recipe import suggestion
from curator.strict_yaml import parse_yaml, read_text

FOLDER: Final = Path(__file__).parent / "templates"
_FIELD = re.compile(r"\{\{([a-z][a-z0-9_]*)\}\}")
_VERSION = re.compile(r"[A-Za-z0-9][\w.-]{0,49}")
_KEYS = ("name", "version", "user", "system", "marks")


@dataclass(frozen=True)
class Template:
    """One wording.

    Attributes:
        name: a word for reports.
        version: the author's; the digest changes with the content even where this does not.
        user: the user's turn, or the whole text where no chat format is used. `{{field}}` is
            replaced once; what is put in its place is not searched for fields.
        system: what a chat model is told before it; the same of every document.
        marks: texts that the wording delimits fields by; a field that has one gets a space into
            it, so that no document can end its own place.
    """

    name: str
    version: str
    user: str
    system: str = ""
    marks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a wording that shows nothing of a document, or cannot be told from another."""
        faults = [
            f"{key} is {shown(getattr(self, key))}; wanted words"
            for key in ("name", "version", "user")
            if not getattr(self, key).strip()
        ]
        if not faults and not _VERSION.fullmatch(self.version):
            faults.append(f"version is {self.version!r}; wanted a word such as '1'")
        if not self.fields:
            faults.append("user has no place such as {{text}}: it would ask the same of everything")
        if _FIELD.search(self.system):
            faults.append("system has a {{field}}; wanted the same words for every document")
        if any(len(mark) < 2 or re.search(r"\s", mark) for mark in self.marks):
            # A space is put into them, which must not make another.
            faults.append(f"marks is {list(self.marks)}; wanted two characters or more, no space")
        if faults:
            raise RecipeError("; ".join(faults), where=f"template {self.name}")

    @cached_property
    def digest(self) -> str:
        """What names this wording: 32 hex digits of all its content."""
        return fingerprint({key: getattr(self, key) for key in _KEYS})

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The names of the places in `user`, sorted."""
        return tuple(sorted(set(_FIELD.findall(self.user))))

    def render(self, fields: Mapping[str, str]) -> str:
        """Return the user's turn with every place filled; turn marks in fields are broken up.

        Raises:
            RecipeError: a place without a field, or a field without a place.
        """
        if sorted(fields) != list(self.fields):
            raise RecipeError(
                f"fields {sorted(fields)}; wanted {list(self.fields)}, one for each place",
                where=f"template {self.name}",
            )
        filled = {name: self._broken_up(harmless(text)) for name, text in fields.items()}
        return _FIELD.sub(lambda found: filled[found.group(1)], self.user)

    def request(
        self,
        fields: Mapping[str, str],
        *,
        documents: Sequence[str],
        piece: int = 0,
        max_tokens: int,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        chat: bool = True,
    ) -> Request:
        """Return the question about these fields.

        Args:
            fields: a text for every place of the wording.
            documents: hex ids of the documents that the fields are of, in the order shown.
            piece: which piece of a long document, from 0.
            max_tokens: of the answer at most.
            temperature: 0: the likeliest tokens; see `Request` for this and the next three.
            top_p: share of probability that is drawn from.
            seed: of the draws.
            stop: texts before which the answer ends.
            chat: put into the model's own chat format; else read as it is, to be continued.

        Raises:
            RecipeError: a place without a field, or a system turn without a chat.
        """
        if self.system and not chat:
            raise RecipeError(
                "a system turn outside a chat would not be read; put it into `user`",
                where=f"template {self.name}",
            )
        named = [part for name in self.fields for part in (name, fields.get(name, ""))]
        return Request(
            self.render(fields),
            self.digest,
            tuple(documents),
            digest_of(*named),
            piece,
            max_tokens=max_tokens,
            chat=chat,
            opening=self._opening,
            system=self.system,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            stop=tuple(stop),
        )

    @cached_property
    def _opening(self) -> int:
        """Characters before the first place."""
        first = _FIELD.search(self.user)
        return first.start() if first else 0

    def _broken_up(self, text: str) -> str:
        for mark in self.marks:
            text = re.sub(f"{re.escape(mark[0])}(?={re.escape(mark[1:])})", r"\g<0> ", text)
        return text


def template_names() -> list[str]:
    """Return the names of the templates that curator brings, sorted."""
    return names_in(FOLDER)


def find_template(name_or_file: str) -> Template:
    """Return a template by its name, or by the path of a file.

    Raises:
        RecipeError: there is none, or the file is no template; all mistakes at once.
    """
    return read_template(wording_file("template", name_or_file, FOLDER))


def read_template(path: Path) -> Template:
    """Return the template in a file.

    Raises:
        RecipeError: it is no template; all mistakes at once.
    """
    content = parse_yaml(read_text(path), where=str(path))
    faults = _faults(content)
    if faults:
        raise RecipeError("; ".join(faults), where=str(path))
    try:
        return Template(**{**content, "marks": tuple(content.get("marks", ()))})
    except RecipeError as error:
        raise RecipeError(error.message, where=str(path)) from None


def _faults(content: Any) -> list[str]:
    if not isinstance(content, Mapping):
        return [f"is {shown(content)}; wanted a mapping with name, version and user"]
    unknown = [key for key in content if key not in _KEYS]
    found = [f"unknown key {key!r}{suggestion(str(key), _KEYS)}" for key in unknown]
    found += [f"has no {key}" for key in ("name", "version", "user") if key not in content]
    found += [
        f"{key} is {shown(content[key])}; wanted words"
        for key in ("name", "version", "user", "system")
        if key in content and not isinstance(content[key], str)
    ]
    marks = content.get("marks", [])
    if not isinstance(marks, list) or not all(isinstance(mark, str) for mark in marks):
        found.append(f"marks is {shown(marks)}; wanted a list of texts")
    return sorted(found)
