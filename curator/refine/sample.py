"""Documents written by models that were trained on real text, or on what such models wrote.

One document of each model for every given one, from nothing or from its first words; the policy
says whether they stand beside the originals or in their place (`curator.refine.collapse`). Proxies
write here, by `curator.train.sample`: their text is for studying loops, not for training on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import numpy as np
import polars as pl
import pyarrow as pa

from curator.errors import RecipeError
from curator.evaluate.language_models import model_digest
from curator.generate.asking import refuse_sampling
from curator.identity import id_matrix, pair_bits
from curator.refine.collapse import Policy, find_policy
from curator.refine.refiner import Refined, Refiner, children_of, outcome_of
from curator.stage import Site, circumstance

_MOST_WORDS: Final = 1_000  # of a prompt; the pattern that finds them grows with their number
# Characters that a word of a prompt may have on average, and what is left for a long one: what a
# model reads at once must not depend on one line of a million letters.
_LONGEST_WORD: Final = 32
_ROOM: Final = 128


@dataclass(frozen=True)
class Sample(Refiner):
    """Writes a document of each model for every document.

    Attributes:
        models: of the recipe, or run folders; the last wrote the latest generation. `replace` asks
            the last alone.
        policy: "accumulate", "accumulate_subsample" (train on as many tokens as before), "replace".
        acknowledged: that `replace` leaves no real text.
        prompt_words: of the document, that what is written begins with, 1,000 at most; 0: nothing.
            A document whose words are longer than 32 letters on average gives fewer.
        max_tokens: of a document.
        temperature: below 1 loops collapse faster.
        top_p: share of the probability that tokens are drawn from.
        seed: of chance.
    """

    models: tuple[str, ...] = circumstance(())
    policy: Literal["accumulate", "accumulate_subsample", "replace"] = "accumulate"
    acknowledged: bool = False
    prompt_words: int = 0
    max_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0

    name: ClassVar[str] = "sample"
    kind: ClassVar[Literal["edited", "synthetic"]] = "synthetic"
    libraries: ClassVar[tuple[str, ...]] = ("tokenizers", "torch")

    def __post_init__(self) -> None:
        """Refuse a set of no models, `replace` by oversight, and draws of nothing."""
        if not self.models:
            raise RecipeError("models are missing; name some of the recipe's `models`, or paths")
        find_policy(self.policy, acknowledged=self.acknowledged)
        if not 0 <= self.prompt_words <= _MOST_WORDS or self.max_tokens < 1:
            raise RecipeError(
                f"prompt_words={self.prompt_words!r}, max_tokens={self.max_tokens!r}; wanted 0 to "
                f"{_MOST_WORDS:,}, and 1 or more"
            )
        refuse_sampling(self.temperature, self.top_p)

    @property
    def _policy(self) -> Policy:
        return find_policy(self.policy, acknowledged=self.acknowledged)

    @property
    def _asked(self) -> list[tuple[int, str]]:
        """The generations that write, and their models."""
        every = list(enumerate(self.models, start=1))
        return every if self._policy.real else every[-1:]

    def identity(self) -> dict[str, Any]:
        """Return what names the work: the settings and the models' content, not their places."""
        asked = [model_digest(model) for _, model in self._asked]
        return {**super().identity(), "models": asked}

    def misplaced(self, *, beside: bool) -> str:
        """Return why the entry's `beside` is not what the policy says."""
        if beside == self._policy.real:
            return ""
        wanted = "true" if self._policy.real else "false"
        return f"found {str(beside).lower()}; policy: {self.policy} wants `beside: {wanted}`"

    def load(self, site: Site) -> Site:
        """Return where to run; models are opened one after the other."""
        return site

    def refine(self, model: Site, table: pa.Table) -> Refined:
        """Return what the models write; originals go by reason where the policy replaces them."""
        from curator.train.sample import Sampling, sample_texts  # loads torch

        n = table.num_rows
        rows: list[int] = []
        texts: list[str] = []
        about: list[str] = []
        begun = self._prompts(table["text"])
        for generation, folder in self._asked if n else []:
            # The seed of a generation: else its texts would be drawn by the chances of another's.
            seed = int(pair_bits(np.array([generation]), np.array([self.seed]), "collapse")[0])
            sampling = Sampling(
                max_tokens=self.max_tokens,
                temperature=self.temperature,
                top_p=self.top_p,
                seed=seed,
            )
            written, _ = sample_texts(
                folder,
                id_matrix(table["doc_id"]),
                sampling,
                prompts=begun if self.prompt_words else None,
                device=model.device,
                threads=model.threads,
            )
            rows += range(n)
            texts += [
                prompt + text for prompt, text in zip(begun, written.to_pylist(), strict=True)
            ]
            about += [json.dumps({"generation": generation, "policy": self.policy})] * n
        stays = self._policy.real
        outcome = outcome_of([stays] * n, [None if stays else "replaced"] * n)
        return Refined(children_of(rows, texts, about), outcome)

    def _prompts(self, texts: pa.ChunkedArray) -> list[str]:
        """Return what each document begins with."""
        if not self.prompt_words:
            return [""] * len(texts)
        begun = pl.Series(texts).str.slice(0, _ROOM + self.prompt_words * _LONGEST_WORD)
        pattern = rf"^\s*(?:\S+\s+){{1,{self.prompt_words}}}"
        return begun.str.extract(f"({pattern})").fill_null("").to_list()
