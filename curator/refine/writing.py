"""What refiners have in common that ask a language model to write: whom, how, at what cost.

Answers are kept as they come, under what they answer: a run that is killed pays for none twice,
and the file of kept answers is a transcript that replays the run without a model.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pyarrow as pa

from curator.errors import RecipeError
from curator.generate.asking import Answer, Request, refuse_sampling
from curator.generate.client import Client, Cost, Limits
from curator.generate.respondent import Respondent
from curator.generate.templates import Template
from curator.recipe import suggestion
from curator.refine.refiner import Refined, Refiner
from curator.stage import Site, circumstance

Ask = Callable[[Sequence[Request]], list[Answer]]


@dataclass(frozen=True)
class Writing(Refiner):
    """Whom to ask, and how its words are drawn.

    Attributes:
        model: of a writer on disk: a name of `curator.weights`, a path or a hub id in the local
            cache; of an endpoint: the server's name for it.
        url: of an OpenAI-compatible endpoint, as in http://localhost:8080/v1.
        key_variable: environment variable that holds the endpoint's key.
        transcript: a file of recorded answers, instead of a model.
        precision: of a writer on disk.
        temperature: of the softmax that tokens are drawn from; 0: the likeliest is taken.
        top_p: share of probability that is drawn from.
        seed: of all chance.
        max_requests: questions that may be asked; more are refused before the first.
        max_tokens: tokens that may be read and generated in all; likewise. How long one answer
            may be is a setting of each refiner.
        concurrency: questions under way at an endpoint.
        timeout_seconds: for one try at an endpoint.
        attempts: tries at an endpoint that is busy or broken.
        skip_refused: whether a question that an endpoint refuses by itself (HTTP 400, 413, 422) is
            answered "" with the finish "refused"; else it ends the run. All refused end it anyway.
    """

    model: str = circumstance("")
    url: str = circumstance("")
    key_variable: str = circumstance("")
    transcript: str = circumstance("")
    precision: Literal["float32", "bfloat16"] = "float32"
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    max_requests: int | None = circumstance(None)
    max_tokens: int | None = circumstance(None)
    concurrency: int = circumstance(4)
    timeout_seconds: float = circumstance(120.0)
    attempts: int = circumstance(6)
    skip_refused: bool = False

    libraries: ClassVar[tuple[str, ...]] = ("tokenizers", "torch", "transformers")

    def __post_init__(self) -> None:
        """Refuse a writer that is nobody, or two, and chances that nothing can be drawn with."""
        self._respondent()
        refuse_sampling(self.temperature, self.top_p)
        self._limits()

    @property
    def templates(self) -> tuple[Template, ...]:
        """The wordings that are asked with. Override it: their digests are part of the identity."""
        return ()

    @abstractmethod
    def write(self, ask: Ask, table: pa.Table) -> Refined:
        """Return what comes of a table; may ask several times, each time all that it can.

        It is rehearsed to estimate the cost, with an `ask` that answers "" to what has no kept
        answer: nothing may fail on empty answers, and rounds that hang on earlier answers are
        counted only as far as they are asked then.
        """

    def identity(self) -> dict[str, Any]:
        """Return what names the work: settings, the wordings' content and who answers."""
        named = super().identity()
        wordings = {one.name: one.digest for one in self.templates}
        return {**named, "templates": wordings, "writer": self._respondent().name}

    def load(self, site: Site) -> Client:
        """Return the door to the writer."""
        return self._respondent().client(site, self._limits())

    def refine(self, model: Client, table: pa.Table) -> Refined:
        """Return what `write` makes with the answers of `model`."""
        return self.write(lambda requests: [one.answer for one in model.ask(requests)], table)

    def cost(self, model: Client, table: pa.Table) -> Cost:
        """Return what `write` asks for that has no answer yet, found by a rehearsal."""
        if self.transcript:
            return Cost()
        asked: list[Request] = []

        def rehearsed(requests: Sequence[Request]) -> list[Answer]:
            asked.extend(requests)
            return [model.kept(request) or Answer() for request in requests]

        self.write(rehearsed, table)
        return model.cost(asked)

    def afford(self, cost: Cost) -> None:
        """Return only if all blocks together may cost so much.

        Raises:
            BudgetError: more than `max_requests` or `max_tokens`; nothing has been asked.
        """
        less = "refine fewer documents, shorter ones or smaller pieces of them"
        self._limits().afford(cost, self._respondent().name, self.name, less)

    def _choice(self, setting: str, known: Collection[str]) -> None:
        """Refuse a setting that names what is not known, nothing, or something twice."""
        chosen = getattr(self, setting)
        for one in chosen:
            if one not in known:
                raise RecipeError(f"no {setting.removesuffix('s')} {one!r}{suggestion(one, known)}")
        if not chosen or len(set(chosen)) < len(chosen):
            raise RecipeError(
                f"{setting}={[*chosen]!r}; wanted one or more of {[*known]}, each once"
            )

    def _limits(self) -> Limits:
        return Limits(self.max_requests, self.max_tokens)

    def _respondent(self) -> Respondent:
        return Respondent(
            "writer", self.model, self.url, self.key_variable, self.transcript, self.precision,
            self.concurrency, self.timeout_seconds, self.attempts, self.skip_refused,
        )  # fmt: skip
