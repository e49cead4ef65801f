"""Writers for tests: whoever answers by a rule, as an `Ask` and as a backend."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from curator.engine.tasks import model_of
from curator.generate.asking import Answer, Request
from curator.generate.client import Client
from curator.generate.templates import Template
from curator.refine.refiner import Refined, children_of, outcome_of
from curator.refine.writing import Ask, Writing
from curator.stage import Site, circumstance
from curator.testing import documents


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


@dataclass(frozen=True)
class Marked(Writing):
    """A writer that leaves a file wherever it is opened, for tests of workers."""

    folder: str = circumstance("")

    name: ClassVar[str] = "marked"

    def load(self, site: Site) -> Client:
        (Path(self.folder) / uuid.uuid4().hex).touch()
        return super().load(site)

    def write(self, ask: Ask, table: pa.Table) -> Refined:
        ids = [one.hex() for one in table["doc_id"].to_pylist()]
        found = ask(
            [
                GO_ON.request({"text": text}, documents=[one], max_tokens=5)
                for text, one in zip(table["text"].to_pylist(), ids, strict=True)
            ]
        )
        rows = range(table.num_rows)
        children = children_of(rows, [one.text for one in found])
        return Refined(children, outcome_of([True] * len(rows), [None] * len(rows)))


GO_ON = Template("go_on", "1", "Go on: {{text}}")


@dataclass(frozen=True)
class Block:
    """Some documents to be written about by a worker."""

    refiner: Writing
    texts: tuple[str, ...]
    cache: Path
    name: str = "block"


def write_block(block: Block) -> list[str]:
    """Return what is written about a block's documents, by a model that its worker keeps."""
    model = model_of(block.refiner, Site(cache=block.cache))
    made = block.refiner.refine(model, documents(list(block.texts)))
    return list(made.children["text"].to_pylist())
