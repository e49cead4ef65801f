"""Writers for tests: whoever answers by a rule, as an `Ask` and as a backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from curator.generate.asking import Answer, Request


class Scripted:
    """Answers every request by a function of it, and remembers what it was asked.

    Called with requests it is an `Ask`; `answers` and `prompt_tokens` make it a backend of a
    `Client`.
    """

    model = "scripted"

    def __init__(self, answer: Callable[[Request], str | Answer]) -> None:
        self._answer = answer
        self.asked: list[Request] = []

    def __call__(self, requests: Sequence[Request]) -> list[Answer]:
        return [answer for _, answer in self.answers(requests)]

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        for place, request in enumerate(requests):
            self.asked.append(request)
            found = self._answer(request)
            if isinstance(found, str):
                words = len(found.split())
                found = Answer(found, prompt_tokens=self.prompt_tokens(request), tokens=words)
            yield place, found

    def prompt_tokens(self, request: Request) -> int:
        return len(request.prompt.split())
