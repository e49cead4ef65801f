"""Questions put to judges: wording with a version, and how an answer becomes a number.

A prompt is a YAML file. Its digest names its content; it is part of a score's identity and stands
beside every recorded answer, so that answers to one wording are never taken for another's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from curator.errors import RecipeError, shown
from curator.generate.wordings import names_in, wording_file
from curator.identity import fingerprint
from curator.recipe import suggestion
from curator.strict_yaml import parse_yaml, read_text

ASSETS: Final = Path(__file__).parent / "assets"
CUT: Final = "\n[cut here]"
_PLACES = {
    "document": ("{document}",),
    "pair": ("{first}", "{second}"),
    "choice": ("{chosen}", "{options}"),
}
# What ends a turn or opens another in the chat formats of common models: a document that spells
# one could speak as the user or as the judge itself.
_TURNS = re.compile(
    r"<(?=[|\uff5c]|/?s>|start_of_turn>|end_of_turn>|bos>|eos>|</?SYS>>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT)\])"
)
_VERSION = re.compile(r"[A-Za-z0-9][\w.-]{0,49}")


@dataclass(frozen=True)
class Prompt:
    """One wording, and the values of its answers.

    Attributes:
        name: a word for reports.
        version: the author's; the digest changes with the content even where this does not.
        kind: "document": the text has the place {document}; "pair": {first} and {second};
            "choice": {chosen} and {options}, and answers are the labels of options by place.
        text: the question. `{document}` and the like are replaced once, nothing else is.
        answers: each value, and the words that mean it; the odds of their `spellings` are summed.
        normalize: whether odds are divided by the odds of all answers together.
        max_tokens: 0: the odds of the next token are read. More: so much is generated and the
            last number that `pattern` finds in it is the grade.
        pattern: a regular expression whose first group is the grade.
        chat: whether the question goes into the model's chat format.
    """

    name: str
    version: str
    kind: str
    text: str
    answers: tuple[tuple[float, tuple[str, ...]], ...]
    normalize: bool = True
    max_tokens: int = 0
    pattern: str = ""
    chat: bool = True

    @cached_property
    def digest(self) -> str:
        """What names this wording: 32 hex digits of all its content."""
        return fingerprint({field.name: getattr(self, field.name) for field in fields(self)})

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest grade."""
        values = [value for value, _ in self.answers]
        return min(values), max(values)

    @property
    def is_yes_no(self) -> bool:
        """Whether the grade is the probability of one of two answers."""
        return sorted(value for value, _ in self.answers) == [0.0, 1.0] and not self.max_tokens

    def forms(self) -> tuple[str, ...]:
        """Return every spelling of every answer; empty where the answer is generated."""
        if self.max_tokens:
            return ()
        return tuple(form for _, words in self.answers for form in spellings(words))

    def ask(self, *texts: str) -> str:
        """Return the question about its text or texts; their own turn marks are broken up."""
        places = _PLACES[self.kind]
        filled = dict(zip(places, map(harmless, texts), strict=True))
        wanted = re.compile("|".join(re.escape(place) for place in places))
        return wanted.sub(lambda found: filled[found.group()], self.text)


def harmless(text: str) -> str:
    """Return a text with a space in whatever a model could take for the end of a turn."""
    return _TURNS.sub(r"\g<0> ", text)


def spellings(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return how an answer may be spelled, each with and without a space before it.

    A word in lower case is also meant by Word and WORD; any other only by itself, since "a" is
    not the answer A.
    """
    cased = [
        form
        for word in words
        for form in ((word, word.capitalize(), word.upper()) if word.islower() else (word,))
    ]
    return tuple(dict.fromkeys(space + form for form in cased for space in ("", " ")))


def cut(text: str, longest: int, pieces: int = 1) -> list[str]:
    """Return a text in at most so many pieces of `longest` characters, from its beginning.

    What is left out stands at the end, and the last piece says so.
    """
    found = [text[at : at + longest] for at in range(0, len(text), longest)][:pieces]
    if sum(map(len, found)) < len(text):
        found[-1] += CUT
    return found


def prompt_names() -> list[str]:
    """Return the names of the prompts that curator brings, sorted."""
    return names_in(ASSETS)


def find_prompt(name: str) -> Prompt:
    """Return a prompt by its name, or by the path of a file.

    Raises:
        RecipeError: there is none, or the file is no prompt; all mistakes at once.
    """
    return read_prompt(wording_file("prompt", name, ASSETS))


def read_prompt(path: Path) -> Prompt:
    """Return the prompt in a file.

    Raises:
        RecipeError: it is no prompt; all mistakes at once.
    """
    content = parse_yaml(read_text(path), where=str(path))
    faults = _faults(content)
    if faults:
        raise RecipeError("; ".join(faults), where=str(path))
    answers = {float(value): words for value, words in content["answers"].items()}
    return Prompt(
        **{key: value for key, value in content.items() if key != "answers"},
        answers=tuple((value, _words(answers[value])) for value in sorted(answers)),
    )


def _faults(content: Any) -> list[str]:
    if not isinstance(content, Mapping):
        return [f"is {shown(content)}; wanted a mapping with name, version, kind, text, answers"]
    known = {field.name: field for field in fields(Prompt)}
    found = [f"unknown key {key!r}{suggestion(str(key), known)}" for key in content.keys() - known]
    words = ("name", "version", "kind", "text")
    found += [
        f"{key} is {shown(content.get(key))}; wanted words"
        for key in words
        if not isinstance(content.get(key), str) or not content[key].strip()
    ]
    if not found and not _VERSION.fullmatch(content["version"]):
        found.append(f"version is {content['version']!r}; wanted a word such as '1'")
    kinds = {"normalize": bool, "chat": bool, "max_tokens": int, "pattern": str}
    found += [
        f"{key} is {shown(content[key])}; wanted {kind.__name__}"
        for key, kind in kinds.items()
        if key in content and type(content[key]) is not kind
    ]
    return sorted(found or [*_answer_faults(content), *_place_faults(content)])


def _answer_faults(content: Mapping[str, Any]) -> list[str]:
    answers = content.get("answers")
    if not isinstance(answers, Mapping) or len(answers) < 2:
        return [f"answers is {shown(answers)}; wanted two or more values, each with its words"]
    found = []
    values = []
    for value, words in answers.items():
        try:
            values.append(float(value))
        except ValueError:
            values.append(math.nan)
        if not math.isfinite(values[-1]):
            found.append(f"answers has the value {shown(value)}; wanted a number")
        listed = _listed(words)
        if not listed or not all(isinstance(w, str | int) and str(w).strip() for w in listed):
            found.append(f"answer {value} is {shown(words)}; wanted a word or a list of words")
    if len(values) != len(set(values)):
        found.append(f"answers has the values {list(answers)}, of which two are one number")
    forms = [form for words in answers.values() for form in spellings(_words(words))]
    if len(forms) != len(set(forms)):
        found.append("two answers have a spelling in common")
    return found


def _place_faults(content: Mapping[str, Any]) -> list[str]:
    if content["kind"] not in _PLACES:
        return [f"kind is {content['kind']!r}; wanted one of {sorted(_PLACES)}"]
    found = [
        f"text has {place} {content['text'].count(place)} times; wanted once"
        for place in _PLACES[content["kind"]]
        if content["text"].count(place) != 1
    ]
    generated, pattern = content.get("max_tokens", 0), content.get("pattern", "")
    if generated < 0 or bool(generated) != bool(pattern):
        found.append(
            f"max_tokens is {generated!r} and pattern {pattern!r}; wanted both, or neither"
        )
    elif pattern:
        found += _pattern_faults(pattern)
    return found


def _pattern_faults(pattern: str) -> list[str]:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        return [f"pattern {pattern!r} is no regular expression: {error}"]
    return [] if groups == 1 else [f"pattern {pattern!r} has {groups} groups; wanted one"]


def _listed(words: Any) -> list[Any]:
    return list(words) if isinstance(words, list) else [words]


def _words(words: Any) -> tuple[str, ...]:
    return tuple(str(word) for word in _listed(words))
