"""The one door to language models: asks a backend, keeps every answer, stops at a budget.

Answers are kept under what they answer (model, wording, text shown), one line each as they come:
a run that is killed asks only what it has no answer to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from curator.errors import BudgetError, RecipeError
from curator.generate.asking import Answer, Backend, Request
from curator.generate.kept import Kept
from curator.generate.transcripts import Entry, entry_of
from curator.identity import fingerprint
from curator.pulse import Pulse


@dataclass(frozen=True)
class Limits:
    """What may be spent; None: no limit. Kept answers cost nothing.

    Attributes:
        max_requests: questions that may be asked.
        max_tokens: tokens that may be read and generated together.
    """

    max_requests: int | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        """Refuse limits below zero."""
        for name in ("max_requests", "max_tokens"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise RecipeError(f"{name}={value!r}; wanted 0 or more, or null for no limit")

    def afford(self, cost: Cost, model: str, work: str, less: str) -> None:
        """Refuse what would cost more than the limits.

        Args:
            cost: of all that is to be asked.
            model: whom.
            work: what the questions are for, such as "judging".
            less: what to do to ask less.

        Raises:
            BudgetError: says what it takes.
        """
        for found, limit, name in (
            (cost.requests, self.max_requests, "max_requests"),
            (cost.tokens, self.max_tokens, "max_tokens"),
        ):
            if limit is not None and found > limit:
                raise BudgetError(
                    f"{work} takes {cost.requests:,} requests"
                    + (f" and about {cost.tokens:,} tokens" if cost.tokens else "")
                    + f" of {model}; {name} is {limit:,}; {less}, or raise {name}"
                )


@dataclass(frozen=True)
class Cost:
    """Questions, and the tokens that a model reads and generates for them at most."""

    requests: int = 0
    tokens: int = 0


class Client:
    """Asks one backend.

    Args:
        backend: who answers.
        limits: what may be spent, over all calls of `ask`.
        cache: a folder that outlives a killed run; None: nothing is kept.
    """

    def __init__(
        self, backend: Backend, *, limits: Limits | None = None, cache: Path | None = None
    ) -> None:
        self.backend = backend
        self.limits = limits or Limits()
        self.spent = Cost()
        name = f"answers-{fingerprint(backend.model)}.jsonl"
        self._kept = Kept(None if cache is None else cache / name)
        self._cache = cache

    def kept(self, request: Request) -> Answer | None:
        """Return the kept answer to a question, None if it would be asked."""
        return self._kept.get(request.key(self.backend.model))

    def cost(self, requests: Iterable[Request]) -> Cost:
        """Return what questions without a kept answer would cost."""
        self._kept.refresh()
        seen: set[str] = set()
        tokens = 0
        for request in requests:
            key = request.key(self.backend.model)
            if key not in self._kept and key not in seen:
                seen.add(key)
                if self.limits.max_tokens is not None:  # tokenizing a corpus for nothing costs
                    tokens += self.backend.prompt_tokens(request) + _generated(request)
        return Cost(len(seen), tokens)

    def afford(self, requests: Iterable[Request]) -> Cost:
        """Return what questions would cost.

        Raises:
            BudgetError: more than the limits leave; says what it takes. Nothing is asked.
        """
        cost = self.cost(requests)
        less = "judge fewer documents, show less of each (max_characters)"
        self.limits.afford(cost, self.backend.model, "judging", less)
        return cost

    def ask(self, requests: Sequence[Request]) -> list[Entry]:
        """Return an answer to every question, in order; the same question is asked once.

        Raises:
            BudgetError: the limits are reached; answers so far are kept.
        """
        keys = [request.key(self.backend.model) for request in requests]
        self._kept.refresh()  # another worker may have asked some of it
        todo = {
            key: request
            for key, request in zip(keys, requests, strict=True)
            if key not in self._kept
        }
        if todo:
            self._ask(list(todo.values()))
        found = {key: self._kept.get(key) for key in keys}
        return [
            entry_of(request, self.backend.model, answer)
            for key, request in zip(keys, requests, strict=True)
            if (answer := found[key]) is not None
        ]

    def _ask(self, requests: list[Request]) -> None:
        most = self.limits.max_requests
        if most is not None and self.spent.requests + len(requests) > most:
            raise BudgetError(
                f"{len(requests):,} more requests after {self.spent.requests:,}; max_requests is "
                f"{most:,}; ask about fewer documents or raise it"
            )
        model = self.backend.model
        pulse = Pulse.beside(self._cache)
        try:
            for done, (place, answer) in enumerate(self.backend.answers(requests), 1):
                self._kept.add(entry_of(requests[place], model, answer))
                self._count(answer)
                pulse.tell(done, len(requests))
        finally:
            pulse.end()

    def _count(self, answer: Answer) -> None:
        tokens = self.spent.tokens + answer.prompt_tokens + answer.tokens
        self.spent = Cost(self.spent.requests + 1, tokens)
        most = self.limits.max_tokens
        if most is not None and tokens > most:
            raise BudgetError(
                f"{tokens:,} tokens spent on {self.spent.requests:,} answers; max_tokens is "
                f"{most:,}; answers so far are kept: raise max_tokens and run again to go on"
            )


def _generated(request: Request) -> int:
    return request.max_tokens or 1
