"""What a question to a language model is, what an answer is, and who can be asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from curator.errors import RecipeError
from curator.identity import fingerprint


@dataclass(frozen=True)
class Request:
    """One question: its text, and whether words or the odds of the next word are wanted.

    Attributes:
        prompt: what the model reads, the document in it.
        version: digest of the wording (`curator.generate.prompts.Prompt.digest`).
        documents: hex ids of the documents shown, in the order shown.
        shown: digest of the texts shown, as `digest_of` gives it.
        piece: which piece of a long document, from 0.
        forms: spellings of the next token whose probabilities are wanted; none: no odds wanted.
        max_tokens: to generate at most; 0: nothing is generated.
        chat: put into the model's own chat format, as the user's turn; else read as it is.
        opening: characters at the prompt's start that are the same for all of this wording; a
            model on disk reads them once.
    """

    prompt: str
    version: str
    documents: tuple[str, ...]
    shown: str
    piece: int = 0
    forms: tuple[str, ...] = ()
    max_tokens: int = 0
    chat: bool = True
    opening: int = 0

    def __post_init__(self) -> None:
        """Refuse a question whose answer could not be told from another's, or that asks nothing."""
        if not self.version:
            raise RecipeError(
                "a prompt without a version digest: answers to other wordings would be taken for "
                "answers to this one; ask through curator.generate.prompts.Prompt"
            )
        if not self.documents or not self.shown:
            raise RecipeError(
                f"a request shows documents {self.documents!r} with the digest {self.shown!r}; "
                "wanted both"
            )
        if bool(self.forms) == bool(self.max_tokens):
            raise RecipeError(
                f"a request wants {len(self.forms)} next tokens and {self.max_tokens!r} generated "
                "ones; wanted one kind of answer: `forms`, or `max_tokens` of 1 or more"
            )

    def key(self, model: str) -> str:
        """Return what names the answer of `model`: 32 hex digits."""
        return fingerprint(
            {
                "model": model,
                "version": self.version,
                "shown": self.shown,
                "forms": self.forms,
                "max_tokens": self.max_tokens,
                "chat": self.chat,
            }
        )


@dataclass(frozen=True)
class Answer:
    """What a model said.

    Attributes:
        text: what it generated; "" if only odds were wanted.
        odds: probability of each asked spelling as the next token; 0 where a server did not list
            it among its likeliest.
        prompt_tokens: tokens that it read.
        tokens: tokens that it generated.
    """

    text: str = ""
    odds: Mapping[str, float] = field(default_factory=dict)
    prompt_tokens: int = 0
    tokens: int = 0


class Backend(Protocol):
    """Whoever answers. `model` names it: equal names must mean equal answers."""

    model: str

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """Yield (place in `requests`, answer) as answers come, each place once."""

    def prompt_tokens(self, request: Request) -> int:
        """Return how many tokens the model would read, or a guess if only a server knows."""


def digest_of(*texts: str) -> str:
    """Return what names texts that were shown, in order: 32 hex digits."""
    return fingerprint(list(texts))
