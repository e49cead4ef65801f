"""Recorded answers: one JSON object a line, so that a judged run can be read, kept and replayed.

A line has the ids of the documents shown, the digest of the texts shown, the digest of the
prompt's wording, the model and its answer. Nothing of a document's text is in it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curator.errors import RecipeError, shown
from curator.generate.asking import (
    FINISHES,
    STOP,
    Answer,
    Request,
    refuse_sampling,
    whole_text,
)
from curator.shards import write_atomically

# Characters: an answer as long as one may be, every character of it outside of ASCII, and no more.
LONGEST_LINE = 1 << 21
_SAMPLING = ("seed", "stop", "temperature", "top_p")


@dataclass(frozen=True)
class Entry:
    """One recorded answer and what it answers."""

    key: str
    documents: tuple[str, ...]
    piece: int
    shown: str
    version: str
    model: str
    answer: Answer
    sampling: str = ""  # JSON of how tokens were drawn; "": the likeliest ones

    @property
    def place(self) -> tuple[str, tuple[str, ...], int, str]:
        """What a replay finds it by: wording, documents, piece, how tokens were drawn."""
        return self.version, self.documents, self.piece, self.sampling


def entry_of(request: Request, model: str, answer: Answer) -> Entry:
    """Return the record of one answer."""
    return Entry(
        request.key(model), request.documents, request.piece, request.shown, request.version,
        model, answer, sampling_of(request),
    )  # fmt: skip


def sampling_of(request: Request) -> str:
    """Return how a request's tokens are drawn as JSON, "" where they are the likeliest."""
    return _sampling(request.sampling)


def write_transcript(entries: Iterable[Entry], path: Path) -> None:
    """Write entries, each once, ordered by what they answer: the same bytes whatever the order."""
    lines = {(entry.place, entry.key): _line(entry) for entry in entries}
    write_atomically(path, "".join(lines[place] for place in sorted(lines)).encode())


def append(path: Path, entry: Entry) -> None:
    """Add one entry to a file in one write, so that writers of other processes do not mix lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        # A line break first: what a killed run left of a line then stays alone.
        os.write(handle, b"\n" + _line(entry).encode())
    finally:
        os.close(handle)


def read_transcript(path: Path) -> Iterator[Entry]:
    """Yield the entries of a file; blank lines do not count.

    Raises:
        RecipeError: a line is no recorded answer, or lacks a digest; names the line.
    """
    for number, line in _lines(path):
        try:
            yield entry_in(line)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RecipeError(
                f"no recorded answer: {shown(line[:80])} ({type(error).__name__}: {error}); wanted "
                "an object with documents, piece, shown, prompt, model, key and answer, as "
                "transcript.jsonl beside a judge's report.json has them",
                where=f"{path}, line {number}",
            ) from None


def read_kept(path: Path) -> Iterator[Entry]:
    """Yield the entries that `append` wrote; what a killed run left of a line is passed over."""
    if not path.exists():
        return
    for _, line in _lines(path):
        try:
            yield entry_in(line)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # asked again


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                if line.strip():
                    yield number, line
    except OSError as error:
        raise RecipeError(
            f"cannot read recorded answers: {error.strerror}", where=str(path)
        ) from None


def _line(entry: Entry) -> str:
    answer: dict[str, Any] = {
        "text": entry.answer.text,
        "odds": dict(sorted(entry.answer.odds.items())),
        "prompt_tokens": entry.answer.prompt_tokens,
        "tokens": entry.answer.tokens,
    }
    if entry.answer.finish != STOP:
        answer["finish"] = entry.answer.finish
    content: dict[str, Any] = {
        "documents": list(entry.documents),
        "piece": entry.piece,
        "shown": entry.shown,
        "prompt": entry.version,
        "model": entry.model,
        "key": entry.key,
        "answer": answer,
    }
    if entry.sampling:
        content["sampling"] = json.loads(entry.sampling)
    return json.dumps(content, ensure_ascii=True, separators=(",", ":")) + "\n"


def entry_in(line: str) -> Entry:
    """Return what a line records; raises what reading JSON or a wrong part of it raises."""
    content = json.loads(line)
    answer = content["answer"]
    listed = content["documents"]
    if not isinstance(listed, list) or not listed:
        raise ValueError(f"documents is {shown(listed)}")
    documents = tuple(_word(one) for one in listed)
    return Entry(
        _word(content["key"]),
        documents,
        _count(content["piece"]),
        _word(content["shown"]),
        _word(content["prompt"]),
        _word(content["model"]),
        Answer(
            whole_text(_text(answer["text"]))[0],
            {_text(form): _probability(value) for form, value in answer["odds"].items()},
            _count(answer["prompt_tokens"]),
            _count(answer["tokens"]),
            _finish(answer.get("finish", STOP)),
        ),
        _sampling(_checked(content.get("sampling", {}))),
    )


def _sampling(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":")) if values else ""


def _checked(sampling: object) -> dict[str, Any]:
    if not isinstance(sampling, dict) or not set(sampling) <= set(_SAMPLING):
        raise ValueError(f"sampling is {shown(sampling)}")
    try:
        refuse_sampling(sampling.get("temperature", 0.0), sampling.get("top_p", 1.0))
    except RecipeError as error:
        raise ValueError(error.message) from None
    return sampling


def _finish(value: object) -> str:
    if value not in FINISHES:
        raise ValueError(f"finish is {shown(value)}")
    return str(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{shown(value)} is no text")
    return value


def _word(value: object) -> str:
    if not _text(value):
        raise ValueError("a digest or name is empty")
    return str(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{shown(value)} is no count")
    return value


def _probability(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{shown(value)} is no probability")
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise ValueError(f"{shown(value)} is no probability")
    return float(value)
