"""WRAP: noisy documents said again in a style, to train on beside the originals.

Maini et al. 2024, "Rephrasing the Web" (arXiv:2401.16380): passages of at most 300 tokens (their
section 3.1), four styles, openings taken off, and real and rephrased text mixed one to one. What a
passage's rewriting must not be is `curator.refine.faithfulness`; drawing tokens at temperature 0.7
is our default. Gains are in part the writer's own knowledge and style: an arm says what the mixture
is worth, not where it comes from.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import pyarrow as pa

from curator.errors import RecipeError
from curator.generate.asking import REFUSED, STOP, Answer, Request
from curator.generate.templates import Template, find_template
from curator.refine.cleaning import cleaned
from curator.refine.faithfulness import Checks
from curator.refine.passages import Passage, derivable, guessed_tokens, joined, passages_of
from curator.refine.question_pairs import question_pairs
from curator.refine.refiner import Refined, children_of, outcome_of
from curator.refine.writing import Ask, Writing

STYLES: Final = ("easy", "medium", "hard", "qa")
_MOST_WRITTEN: Final = 100  # times a passage; ours: no rewriting is that long
_ROOM: Final = 32  # tokens beyond the passage's own: an opening that is taken off again


class _Asked(NamedTuple):
    """A passage of a row, asked for in a style."""

    row: int
    style: str
    passage: Passage


@dataclass(frozen=True)
class Wrap(Writing):
    """Makes a document of each document and style, of the passages whose rewriting passes.

    Attributes:
        styles: of "easy", "medium", "hard", "qa".
        passage_tokens: of a passage at most, guessed; a longer sentence is not rewritten.
        written: tokens that may be generated, as a multiple of the passage's.
        least_accepted: share of a document's passages that must pass; with fewer, nothing is made
            of it in that style.
        keep_originals: whether a document of which nothing is made stays, where `beside: false`.
        require_derivable: only documents whose license is known and allows changes are rewritten.
        shortest: words of a rewriting to words of its passage, at least; 0: any number.
        longest: the same, at most; 0: any number.
        most_copied: share of a rewriting's 5-grams that may be its passage's.
        most_repeated: share of its 5-grams that may be its own again, beyond the passage's.
        same_language: whether lid.176 must find the same language in both.
        new_figures: whether a rewriting may have numbers in digits that its passage has not.
    """

    styles: tuple[str, ...] = ("medium",)
    passage_tokens: int = 300
    written: float = 1.5
    least_accepted: float = 0.5
    keep_originals: bool = True
    require_derivable: bool = False
    shortest: float = 0.3
    longest: float = 3.0
    most_copied: float = 0.9
    most_repeated: float = 0.3
    same_language: bool = True
    new_figures: bool = False
    temperature: float = 0.7
    top_p: float = 0.95

    name: ClassVar[str] = "wrap"
    version: ClassVar[int] = 2  # 2: commas between thousands make no new figure
    libraries: ClassVar[tuple[str, ...]] = (*Writing.libraries, "fasttext-community", "numpy")

    def __post_init__(self) -> None:
        """Refuse unknown styles, and bounds that let nothing through."""
        super().__post_init__()
        self._choice("styles", STYLES)
        sizes = self.passage_tokens >= 1 and 0 < self.written <= _MOST_WRITTEN
        if not sizes or not 0 <= self.least_accepted <= 1:
            raise RecipeError(
                f"passage_tokens={self.passage_tokens!r}, written={self.written!r}, "
                f"least_accepted={self.least_accepted!r}; wanted 1 or more, above 0 and "
                f"{_MOST_WRITTEN} at most, a share"
            )
        _ = self._checks

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on what is required
        """The text, and the license where it decides."""
        return ("text", "license") if self.require_derivable else ("text",)

    @property
    def templates(self) -> tuple[Template, ...]:
        """One wording a style."""
        return tuple(find_template(f"wrap_{style}") for style in self.styles)

    def write(self, ask: Ask, table: pa.Table) -> Refined:
        """Return a child a document and style where enough passages pass; all are asked at once."""
        texts: list[str] = table["text"].to_pylist()
        reasons: list[str | None] = [None] * len(texts)
        if self.require_derivable:
            allowed = [derivable(one) for one in table["license"].to_pylist()]
            reasons = [None if one else "wrap.license" for one in allowed]
        cut = [
            [] if reason else passages_of(text, self.passage_tokens)
            for text, reason in zip(texts, reasons, strict=True)
        ]
        asked = [
            _Asked(row, style, passage)
            for row, passages in enumerate(cut)
            for style in self.styles
            for passage in passages
        ]
        read = [one for one in asked if not one.passage.over]
        ids = [one.hex() for one in table["doc_id"].to_pylist()]
        wordings = dict(zip(self.styles, self.templates, strict=True))
        answers = ask([self._request(one, wordings[one.style], ids[one.row]) for one in read])
        found: dict[_Asked, tuple[str, str | None]] = dict.fromkeys(asked, ("", "over"))
        found.update(zip(read, self._accepted(read, answers), strict=True))
        return self._made(len(texts), cut, found, reasons)

    @property
    def _checks(self) -> Checks:
        return Checks(
            self.shortest, self.longest, self.most_copied, self.most_repeated, self.same_language,
            self.new_figures,
        )  # fmt: skip

    def _request(self, one: _Asked, wording: Template, document: str) -> Request:
        return wording.request(
            {"passage": one.passage.text},
            documents=[document],
            piece=one.passage.number,
            max_tokens=int(self.written * guessed_tokens(one.passage.text)) + _ROOM,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
        )

    def _accepted(
        self, asked: Sequence[_Asked], answers: Sequence[Answer]
    ) -> list[tuple[str, str | None]]:
        """Return each rewriting and its fault, if it has one."""
        found: list[tuple[str, str | None]] = [("", None)] * len(asked)
        for style, template in zip(self.styles, self.templates, strict=True):
            rows = [row for row, one in enumerate(asked) if one.style == style]
            texts = [_text_of(answers[row], style) for row in rows]
            passages = [asked[row].passage.text for row in rows]
            faults = self._checks.faults(passages, texts, f"{template.system}\n{template.user}")
            for row, text, fault in zip(rows, texts, faults, strict=True):
                answer = answers[row]
                if answer.finish == REFUSED:
                    fault = "refusal"
                elif style == "qa" and fault == "empty" and answer.text.strip():
                    fault = "pairs"
                found[row] = (text, fault)
        return found

    def _made(
        self,
        n: int,
        cut: Sequence[Sequence[Passage]],
        found: dict[_Asked, tuple[str, str | None]],
        reasons: list[str | None],
    ) -> Refined:
        rows: list[int] = []
        texts, about = [], []
        for row, passages in enumerate(cut):
            told: Counter[str] = Counter()
            before = len(rows)
            for style in self.styles:
                said = [(found[_Asked(row, style, one)], one.joint) for one in passages]
                parts = [(text, joint) for (text, fault), joint in said if fault is None]
                faults = Counter(fault for (_, fault), _ in said if fault is not None)
                told += faults
                if parts and len(parts) >= self.least_accepted * len(said):
                    rows.append(row)
                    texts.append(joined(parts))
                    about.append(_about(style, len(said), faults))
            reasons[row] = reasons[row] or self._reason(passages, told, len(rows) - before)
        keep = [self.keep_originals or reason is None for reason in reasons]
        return Refined(children_of(rows, texts, about), outcome_of(keep, reasons))

    def _reason(self, passages: Sequence[Passage], told: Counter[str], made: int) -> str | None:
        """Return why less was made of a document than asked: its passages' most common fault."""
        if not passages:
            return "wrap.empty"
        if not told:
            return None
        if made == len(self.styles):
            return "wrap.partly"
        return "wrap." + min(told, key=lambda fault: (-told[fault], fault))


def _text_of(answer: Answer, style: str) -> str:
    """Return what a model wrote, without what it put around it."""
    whole = answer.finish == STOP
    if style != "qa":
        return cleaned(answer.text, whole=whole)
    return "\n\n".join(map(str, question_pairs(answer.text, whole=whole)))


def _about(style: str, passages: int, faults: Counter[str]) -> str:
    told = {"style": style, "passages": passages, "rejected": dict(sorted(faults.items()))}
    return json.dumps(told, sort_keys=True)
