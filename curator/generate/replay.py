"""Answers from a transcript: what was judged or written once is so again without a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from curator.errors import RecipeError
from curator.generate.asking import Answer, Request
from curator.generate.transcripts import Entry, read_transcript, sampling_of
from curator.identity import file_digest

_Place = tuple[str, tuple[str, ...], int, str]


class Replay:
    """Recorded answers, found by the wording and the documents shown.

    Args:
        path: a transcript.

    Raises:
        RecipeError: it cannot be read, or answers one question in two ways.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # One place has answers to several texts where a writer asked again about what it was told.
        self._entries: dict[_Place, dict[str, Entry]] = {}
        for entry in read_transcript(path):
            first = self._entries.setdefault(entry.place, {}).setdefault(entry.shown, entry)
            if first != entry:
                raise RecipeError(
                    f"documents {list(entry.documents)} are answered twice, and not alike; keep "
                    "one model's answers to one wording in a transcript",
                    where=str(path),
                )
        self.model = f"transcript {file_digest(path)}"

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """Yield the recorded answers, in order.

        Raises:
            RecipeError: a request has none, or its documents had another text when it was asked.
        """
        found = [(request, self._entries.get(_place(request), {})) for request in requests]
        missing = [request for request, entries in found if not entries]
        if missing:
            raise RecipeError(
                f"{len(missing)} of {len(requests)} questions have no recorded answer, such as "
                f"document {missing[0].documents[0]} under prompt {missing[0].version}; judge the "
                "same sample with the same prompt and settings, or ask a model",
                where=str(self.path),
            )
        for place, (request, entries) in enumerate(found):
            yield place, self._checked(request, entries)

    def prompt_tokens(self, request: Request) -> int:
        """Return 0: nothing is read again."""
        return 0

    def _checked(self, request: Request, entries: dict[str, Entry]) -> Answer:
        entry = entries.get(request.shown)
        if entry is None:
            raise RecipeError(
                f"document {request.documents[0]} was asked about with the text "
                f"{next(iter(entries))} and has {request.shown} now; the text, or how much of it "
                "is shown, has changed: ask again",
                where=str(self.path),
            )
        lacking = sorted(set(request.forms) - set(entry.answer.odds))
        if lacking:
            raise RecipeError(
                f"the answer for document {entry.documents[0]} lacks the odds of {lacking}; "
                "wanted those of every spelling that the prompt counts",
                where=str(self.path),
            )
        return entry.answer


def _place(request: Request) -> _Place:
    return request.version, request.documents, request.piece, sampling_of(request)
