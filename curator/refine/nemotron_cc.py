"""Nemotron-CC: documents of low quality paraphrased, good ones asked, condensed, excerpted, listed.

Su et al. 2024 (arXiv:2412.02595); the tasks and their numbers are `curator.refine.nemotron_tasks`.
A router reads the bucket of an earlier score (`buckets`): above 11 of 20 is good. Tokens are drawn
as in NVIDIA's release, temperature 0.5 and top-p 0.9, and counted as guesses; its filters hold no
rewriting against its text, so refusals, copies and marks of chat formats are looked for besides.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import numpy as np
import pyarrow as pa

from curator.errors import RecipeError
from curator.generate.asking import LENGTH, REFUSED, Answer, Request
from curator.generate.templates import Template, find_template
from curator.identity import id_matrix, random_bits
from curator.refine import nemotron_tasks as tasks
from curator.refine.cleaning import refuses, speaks_in_turns
from curator.refine.faithfulness import copied_share
from curator.refine.nemotron_tasks import TASKS, Task
from curator.refine.passages import derivable, guessed_tokens
from curator.refine.refiner import Refined, children_of, outcome_of
from curator.refine.writing import Ask, Writing
from curator.score.numbers import numbers_of

_MARGIN: Final = 2  # tokens left free beside prompt and segment, as in the release


class _Asked(NamedTuple):
    """A segment of a row, asked for by a task."""

    row: int
    task: Task
    piece: int
    segment: str


@dataclass(frozen=True)
class NemotronCC(Writing):
    """Makes documents of each document by the tasks that its quality is for.

    Attributes:
        tasks: of "wikipedia_paraphrase" (low quality), "diverse_qa", "distill",
            "extract_knowledge", "knowledge_list" (high).
        quality: an earlier score that numbers buckets from 0, such as `buckets`; "": every task is
            asked of every document, and only tasks for one quality may be named.
        high_from: the lowest bucket that is of high quality.
        with_document: whether pairs of "diverse_qa" follow their text, or stand alone.
        keep_originals: whether a document of which nothing is made stays, where `beside: false`.
        require_derivable: only documents whose license is known and allows changes are rewritten.
        most_copied: share of the 5-grams of a rewriting that may be its segment's; 1: all of them.
    """

    tasks: tuple[str, ...] = tuple(TASKS)
    quality: str = ""
    high_from: int = 12
    with_document: bool = True
    keep_originals: bool = True
    require_derivable: bool = False
    most_copied: float = 0.9
    temperature: float = 0.5
    top_p: float = 0.9

    name: ClassVar[str] = "nemotron_cc"
    libraries: ClassVar[tuple[str, ...]] = (*Writing.libraries, "numpy")

    def __post_init__(self) -> None:
        """Refuse unknown tasks, and tasks for two qualities without a score that tells them."""
        super().__post_init__()
        self._choice("tasks", TASKS)
        if not self.quality and len({TASKS[task].quality for task in self.tasks}) > 1:
            raise RecipeError(
                f"tasks={[*self.tasks]!r} are for documents of low and of high quality; say which "
                "are which (`quality`, a score of buckets), or name tasks for one of them"
            )
        if not 0 <= self.most_copied <= 1:
            raise RecipeError(f"most_copied={self.most_copied!r}; wanted a share from 0 to 1")

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on the settings
        """The text, the score that routes, the license where it decides."""
        license_ = ("license",) if self.require_derivable else ()
        return ("text", *license_, *((self.quality,) if self.quality else ()))

    @property
    def templates(self) -> tuple[Template, ...]:
        """One wording a task."""
        return tuple(find_template(f"nemotron_cc_{task}") for task in self.tasks)

    def write(self, ask: Ask, table: pa.Table) -> Refined:
        """Return what all tasks make of all documents; all is asked at once."""
        texts: list[str] = table["text"].to_pylist()
        routed, reasons = self._routed(table)
        wordings = dict(zip(self.tasks, self.templates, strict=True))
        asked: list[_Asked] = []
        faults: list[Counter[str]] = [Counter() for _ in texts]
        for row, wanted in enumerate(routed):
            for task in wanted:
                found, over = _segments(texts[row], task, wordings[task.name])
                asked += [_Asked(row, task, piece, one) for piece, one in enumerate(found)]
                if over:
                    faults[row]["long_line"] += 1
        ids = [one.hex() for one in table["doc_id"].to_pylist()]
        requests = [self._request(one, wordings[one.task.name], ids[one.row]) for one in asked]
        answers = ask(requests)
        bits = random_bits(id_matrix(table["doc_id"]), "nemotron_cc.pairs", self.seed)
        said = [
            self._accepted(one, answer, np.random.default_rng([int(bits[one.row]), one.piece]))
            for one, answer in zip(asked, answers, strict=True)
        ]
        return self._made(routed, asked, said, faults, reasons)

    def _routed(self, table: pa.Table) -> tuple[list[list[Task]], list[str | None]]:
        """Return each document's tasks, and why it has none."""
        n = table.num_rows
        wanted = [TASKS[name] for name in self.tasks]
        routed = [wanted] * n
        reasons: list[str | None] = [None] * n
        if self.quality:
            by = {
                quality: [task for task in wanted if task.quality == quality]
                for quality in ("low", "high")
            }
            buckets = numbers_of(table, self.quality, where=self.name)
            high, unscored = buckets >= self.high_from, np.isnan(buckets)
            routed = [
                [] if none else by["high" if up else "low"]
                for up, none in zip(high, unscored, strict=True)
            ]
            reasons = ["nemotron_cc.unscored" if none else None for none in unscored]
        if self.require_derivable:
            for row, license_ in enumerate(table["license"].to_pylist()):
                if not derivable(license_):
                    routed[row], reasons[row] = [], reasons[row] or "nemotron_cc.license"
        return routed, reasons

    def _request(self, one: _Asked, wording: Template, document: str) -> Request:
        return wording.request(
            {"passage": one.segment},
            documents=[document],
            piece=one.piece,
            max_tokens=one.task.most_written,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
        )

    def _accepted(
        self, one: _Asked, answer: Answer, chance: np.random.Generator
    ) -> tuple[str, str | None]:
        """Return what an answer makes, and its fault, if it has one."""
        text = answer.text.strip()
        if not text:
            return "", "empty"
        if answer.finish == REFUSED or refuses(text):
            return "", "refusal"
        if speaks_in_turns(text):
            return "", "turns"
        if (answer.tokens or guessed_tokens(text)) > one.task.most_kept or answer.finish == LENGTH:
            return "", "cut"
        made = self._read(one, text, chance)
        if made is None:
            return "", "pairs" if one.task.name == "diverse_qa" else "opening"
        if one.task.name != "diverse_qa" and self._copies(made, one.segment):
            return "", "copy"
        return made, None if made.strip() else "empty"

    def _copies(self, made: str, segment: str) -> bool:
        columns = (pa.array([text], pa.large_string()) for text in (made, segment))
        return bool(copied_share(*columns)[0] > self.most_copied)

    def _read(self, one: _Asked, text: str, chance: np.random.Generator) -> str | None:
        """Return an answer as its task reads it; None where it has not the form asked for."""
        name = one.task.name
        if name == "wikipedia_paraphrase":
            return tasks.after_opening(text, tasks.PARAPHRASE_OPENING)
        if name == "distill":
            return tasks.after_opening(text, tasks.DISTILL_OPENING)
        if name == "diverse_qa":
            document = one.segment if self.with_document else ""
            return tasks.with_pairs(document, text, guessed_tokens(one.segment), chance)
        return tasks.passages(text) if name == "extract_knowledge" else tasks.listed(text)

    def _made(
        self,
        routed: Sequence[Sequence[Task]],
        asked: Sequence[_Asked],
        said: Sequence[tuple[str, str | None]],
        faults: Sequence[Counter[str]],
        reasons: list[str | None],
    ) -> Refined:
        groups: dict[tuple[int, str, int], list[str]] = {}
        for one, (text, fault) in zip(asked, said, strict=True):
            if fault is not None:
                faults[one.row][fault] += 1
            else:
                whole = 0 if one.task.joined else one.piece
                groups.setdefault((one.row, one.task.name, whole), []).append(text)
        rows: list[int] = []
        texts, about = [], []
        for (row, name, piece), parts in groups.items():
            made = "\n".join(parts)
            if guessed_tokens(made) < TASKS[name].least_made:
                faults[row]["short"] += 1
                continue
            rows.append(row)
            texts.append(made)
            about.append(_about(name, piece, len(parts)))
        worked, tried = set(rows), {one.row for one in asked}
        for row, wanted in enumerate(routed):
            found = _reason(faults[row], made=row in worked, tried=row in tried)
            reasons[row] = reasons[row] or (found if wanted else "nemotron_cc.other_quality")
        keep = [self.keep_originals or row in worked for row in range(len(routed))]
        return Refined(children_of(rows, texts, about), outcome_of(keep, reasons))


def _segments(text: str, task: Task, wording: Template) -> tuple[list[str], bool]:
    """Return the segments of a document that a task reads, and whether a line was too long for one;
    none of a document that is too short for it."""
    if guessed_tokens(text) < task.least_document:
        return [], False
    prompt = guessed_tokens(wording.system) + guessed_tokens(wording.user)
    most = task.most_read - prompt - _MARGIN
    return tasks.segments(text, most, task.least_segment, guessed_tokens)


def _reason(faults: Mapping[str, int], *, made: bool, tried: bool) -> str | None:
    """Return why less was made of a document than asked: its most common fault."""
    if not faults:
        return None if tried else "nemotron_cc.short"
    if made:
        return "nemotron_cc.partly"
    return "nemotron_cc." + min(faults, key=lambda fault: (-faults[fault], fault))


def _about(task: str, piece: int, pieces: int) -> str:
    return json.dumps({"task": task, "piece": piece, "pieces": pieces}, sort_keys=True)
