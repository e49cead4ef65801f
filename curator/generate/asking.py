"""What a question to a language model is, what an answer is, and who can be asked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from curator.errors import RecipeError
from curator.identity import fingerprint

STOP: Final = "stop"  # an answer ended by itself, or where the request said
LENGTH: Final = "length"  # it was cut at `max_tokens`, or at the model's context
REFUSED: Final = "refused"  # the server would not say it
FINISHES: Final = (STOP, LENGTH, REFUSED)
LONGEST_ANSWER: Final = 1 << 17  # characters: 30,000 tokens; what a server sends beyond is cut off


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
        system: what a chat model is told before the user's turn; "": its own default.
        temperature: of the softmax that tokens are drawn from; 0: the likeliest is taken.
        top_p: the likeliest tokens that together have this probability are drawn from.
        seed: of the draws; equal requests with another seed are other questions.
        stop: texts before the first of which the answer ends.
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
    system: str = ""
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()

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
        refuse_sampling(self.temperature, self.top_p)
        if not all(isinstance(one, str) and one for one in self.stop):
            raise RecipeError(f"stop={self.stop!r}; wanted texts of one character or more")

    @property
    def sampling(self) -> dict[str, Any]:
        """How tokens are drawn and where the answer ends, where not as ever: {} for a judge's."""
        given = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": self.seed,
            "stop": list(self.stop),
        }
        plain = {"temperature": 0.0, "top_p": 1.0, "seed": 0, "stop": []}
        return {name: value for name, value in given.items() if value != plain[name]}

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
                **self.sampling,
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
        finish: why it ended: "stop", "length" or "refused".
    """

    text: str = ""
    odds: Mapping[str, float] = field(default_factory=dict)
    prompt_tokens: int = 0
    tokens: int = 0
    finish: str = STOP


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


def refuse_sampling(temperature: float, top_p: float) -> None:
    """Refuse a temperature or a share of probability that nothing can be drawn with.

    Raises:
        RecipeError: what was found and what is wanted.
    """
    if not (math.isfinite(temperature) and temperature >= 0.0):
        raise RecipeError(f"temperature={temperature!r}; wanted 0 (the likeliest token) or more")
    if not 0.0 < top_p <= 1.0:
        raise RecipeError(f"top_p={top_p!r}; wanted above 0, and 1 at most")


def whole_text(text: str) -> tuple[str, bool]:
    """Return a text that UTF-8 can write, and whether it was cut at `LONGEST_ANSWER`.

    JSON may hold half of a character (a lone surrogate); it becomes U+FFFD.
    """
    cut = text[:LONGEST_ANSWER]
    whole = cut.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole, len(cut) < len(text)
