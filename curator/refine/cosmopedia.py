"""Cosmopedia: new text from the beginning of a page, a style and a topic; not a rewriting of it.

Ben Allal et al. 2024 (huggingface/cosmopedia). From its prompts/web_samples/build_web_prompts.py
are the first 1,000 characters as a seed, one of four styles, and the topic of the seed's cluster in
half of the prompts. What is written loses the openings of generation/boilerplate_cleanup.py (here
at its beginning, there at every line's), and goes where it shares 10 words in a row with what must
not be learned, or is a near copy of another text of its block. Nothing says that it is true.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.dedup.benchmark_index import BenchmarkIndex, build_index
from curator.dedup.in_memory import near_duplicates
from curator.dedup.near import NearDuplicates
from curator.dedup.overlap import find_overlap
from curator.errors import RecipeError
from curator.generate.asking import REFUSED, STOP, Answer, Request
from curator.generate.client import Client, Cost
from curator.generate.templates import Template, find_template
from curator.identity import derived_ids, id_matrix, uniform
from curator.refine.cleaning import cleaned
from curator.refine.faithfulness import Checks, repeated_share
from curator.refine.refiner import Refined, children_of, outcome_of
from curator.refine.writing import Ask, Writing
from curator.stage import Corpus, Site, write_report
from curator.text.words import word_counts

STYLES: Final = ("wikihow", "narrative", "academic", "blog")
_CHECKS: Final = Checks(shortest=0.0, longest=0.0, same_language=False, new_figures=True)
_OPENING: Final = re.compile(
    r"(?:\*\*)?(?:hello\b|my name is\b|welcome[,!]|we['\u2019]re thrilled\b|"
    r"you['\u2019]ve just arrived\b|warning:)[^\n.!]{0,400}[.!]+(?:\*\*)?(?:\s+|$)",
    re.IGNORECASE,
)


class Model(NamedTuple):
    """Whom to ask, and what must not be in the answers."""

    client: Client
    guarded: BenchmarkIndex | None


class _Asked(NamedTuple):
    """A style asked for with a row's extract as seed."""

    row: int
    style: str
    extract: str
    context: str


@dataclass(frozen=True)
class Cosmopedia(Writing):
    """Makes a text, or one of each style, with each document's beginning as its seed.

    Attributes:
        styles: of "wikihow", "narrative", "academic", "blog".
        every_style: one text in each style, instead of one in a style by chance of the document.
        extract_characters: of a document that are shown.
        topic: an earlier score that numbers clusters from 0, such as `clusters`; "": no topics.
        topics: what each cluster is about, by number; a cluster without words is no seed.
        topic_share: of the prompts that name the topic, by chance of the document.
        written_tokens: that may be generated.
        least_words: of a text, at least.
        ngram: words in a row that no text may share with the role `target` or the final target.
        copies: shingle similarity from which texts of a block of documents are one.
        keep_originals: whether a document of which nothing is made stays, where `beside: false`.
    """

    styles: tuple[str, ...] = STYLES
    every_style: bool = False
    extract_characters: int = 1000
    topic: str = ""
    topics: tuple[str, ...] = ()
    topic_share: float = 0.5
    written_tokens: int = 2048
    least_words: int = 50
    ngram: int = 10
    copies: float = 0.8
    keep_originals: bool = True
    temperature: float = 0.7
    top_p: float = 0.95

    name: ClassVar[str] = "cosmopedia"
    learns_from: ClassVar[tuple[str, ...]] = ("target",)
    shuns_final_target: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = (*Writing.libraries, "numpy", "polars")

    def __post_init__(self) -> None:
        """Refuse unknown styles, topics of no clusters, and counts that mean nothing."""
        super().__post_init__()
        self._choice("styles", STYLES)
        if bool(self.topic) != bool(self.topics):
            raise RecipeError(
                f"topic={self.topic!r} and {len(self.topics)} topics; wanted a score that numbers "
                "clusters and what each is about, or neither"
            )
        counts = ("extract_characters", "written_tokens", "least_words")
        faults = [
            f"{one}={getattr(self, one)!r}; wanted 1 or more"
            for one in counts
            if getattr(self, one) < 1
        ]
        if not 0 <= self.topic_share <= 1:
            faults.append(f"topic_share={self.topic_share!r}; wanted a share from 0 to 1")
        if self.ngram < 5:
            faults.append(f"ngram={self.ngram!r}; wanted 5 or more, shorter runs are ordinary")
        if faults:
            raise RecipeError("; ".join(faults))
        _ = self._copies

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on the settings
        """The text, and the score that numbers clusters."""
        return ("text", self.topic) if self.topic else ("text",)

    @property
    def templates(self) -> tuple[Template, ...]:
        """One wording a style."""
        return tuple(find_template(f"cosmopedia_{style}") for style in self.styles)

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the index of what no text may share a run of words with."""
        parts = [
            pa.table({"benchmark": pa.repeat(role, one.num_rows), "text": one["text"]})
            for role, corpus in sorted(corpora.items())
            for one in corpus.tables(("text",))
        ]
        items = pa.concat_tables(parts)
        names = pa.array(np.arange(items.num_rows)).cast(pa.string())
        index = build_index(items.append_column("item_id", names), ngram=self.ngram)
        index.save(out)
        write_report(out, {"guarded": items.num_rows, "ngram": self.ngram})

    def load(self, site: Site) -> Model:  # type: ignore[override]  # with what must not be said
        """Return the door to the writer, and what its answers may not repeat."""
        guarded = BenchmarkIndex.load(site.fitted) if site.fitted else None
        return Model(super().load(site), guarded)

    def cost(self, model: Model, table: pa.Table) -> Cost:  # type: ignore[override]
        """Return what is asked for that has no answer yet."""
        return super().cost(model.client, table)

    def refine(self, model: Model, table: pa.Table) -> Refined:  # type: ignore[override]
        """Return what is written, without what repeats a guarded text or another of the block."""
        made = super().refine(model.client, table)
        children = made.children
        if not children.num_rows:
            return made
        faults: list[str | None] = [None] * children.num_rows
        if model.guarded is not None:
            found = find_overlap(model.guarded, children["text"])
            for row in found.pairs["document"].unique().to_list():
                faults[row] = "contaminated"
        for row in self._copied(table, children, faults):
            faults[row] = "duplicate"
        reasons = made.outcome["reason"].to_pylist()
        for row, fault in zip(children["row"].to_pylist(), faults, strict=True):
            reasons[row] = reasons[row] or (fault and f"cosmopedia.{fault}")
        kept = children.filter(pa.array([fault is None for fault in faults]))
        left = set(kept["row"].to_pylist())
        keep = [self.keep_originals or row in left for row in range(table.num_rows)]
        return Refined(kept, outcome_of(keep, reasons))

    def write(self, ask: Ask, table: pa.Table) -> Refined:
        """Return a child for every answer that is a text."""
        asked, reasons = self._asked(table)
        wordings = dict(zip(self.styles, self.templates, strict=True))
        ids = [one.hex() for one in table["doc_id"].to_pylist()]
        requests = [self._request(one, wordings[one.style], ids[one.row]) for one in asked]
        answers = ask(requests)
        texts = [_text_of(answer) for answer in answers]
        faults = self._faults(asked, answers, texts, wordings)
        rows, kept, about = [], [], []
        for one, text, fault in zip(asked, texts, faults, strict=True):
            if fault is not None:
                reasons[one.row] = reasons[one.row] or f"cosmopedia.{fault}"
                continue
            rows.append(one.row)
            kept.append(text)
            told = {"style": one.style, "topic": bool(one.context)}
            about.append(json.dumps(told, sort_keys=True))
        left = set(rows)
        keep = [self.keep_originals or row in left for row in range(table.num_rows)]
        return Refined(children_of(rows, kept, about), outcome_of(keep, reasons))

    @property
    def _copies(self) -> NearDuplicates:
        return NearDuplicates(threshold=self.copies)

    def _asked(self, table: pa.Table) -> tuple[list[_Asked], list[str | None]]:
        """Return what is asked for, and why nothing is for some documents."""
        self._require_numbers(table)
        ids = id_matrix(table["doc_id"])
        drawn = (uniform(ids, "cosmopedia.style", self.seed) * len(self.styles)).astype(int)
        named = uniform(ids, "cosmopedia.topic", self.seed) < self.topic_share
        asked, reasons = [], []
        for row, text in enumerate(table["text"].to_pylist()):
            extract = text[: self.extract_characters].strip()
            about = self._about(table, row)
            reason = "cosmopedia.empty" if not extract else None
            reasons.append(reason or ("cosmopedia.cluster" if about is None else None))
            if reasons[-1] is None:
                context = f', in the context of "{about}"' if about and named[row] else ""
                styles = self.styles if self.every_style else (self.styles[int(drawn[row])],)
                asked += [_Asked(row, style, extract, context) for style in styles]
        return asked, reasons

    def _require_numbers(self, table: pa.Table) -> None:
        """Refuse a topic that numbers nothing."""
        if self.topic and not pa.types.is_integer(kind := table.schema.field(self.topic).type):
            raise RecipeError(
                f"topic={self.topic!r} is a score of {kind}; wanted whole numbers, such as those "
                "of `clusters`",
                where=self.name,
            )

    def _about(self, table: pa.Table, row: int) -> str | None:
        """Return the topic of a row's cluster, "" where there are no topics; None: no seed."""
        if not self.topic:
            return ""
        cluster = table[self.topic][row].as_py()
        if cluster is None:
            return None
        if not 0 <= cluster < len(self.topics):
            raise RecipeError(
                f"a document is in cluster {cluster!r} of {self.topic!r} and topics has "
                f"{len(self.topics)} entries; name every cluster, '' for one that is no seed"
            )
        return self.topics[cluster] or None

    def _request(self, one: _Asked, wording: Template, document: str) -> Request:
        return wording.request(
            {"extract": one.extract, "context": one.context},
            documents=[document],
            max_tokens=self.written_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
        )

    def _faults(
        self,
        asked: Sequence[_Asked],
        answers: Sequence[Answer],
        texts: Sequence[str],
        wordings: Mapping[str, Template],
    ) -> list[str | None]:
        """Return why each answer is no text, None where it is one."""
        instruction = "\n".join(wording.user for wording in wordings.values())
        faults = _CHECKS.faults([one.extract for one in asked], texts, instruction)
        column = pa.array(texts, pa.large_string())
        words, repeated = word_counts(column), repeated_share(column)
        for row, answer in enumerate(answers):
            if answer.finish == REFUSED:
                faults[row] = "refusal"
            elif faults[row] is None and words[row] < self.least_words:
                faults[row] = "short"
            elif faults[row] is None and repeated[row] > _CHECKS.most_repeated:
                faults[row] = "loop"  # whatever its seed repeats
        return faults

    def _copied(
        self, table: pa.Table, children: pa.Table, faults: Sequence[str | None]
    ) -> list[int]:
        """Return the children that are near copies of better ones, and that nothing else is."""
        left = np.flatnonzero([fault is None for fault in faults])
        texts = children["text"].take(pa.array(left)).combine_chunks()
        parents = table["doc_id"].take(children["row"].take(pa.array(left))).combine_chunks()
        columns: dict[str, Any] = {
            "text": texts,
            "doc_id": derived_ids(parents, self.name, texts),
            "source": pa.array([self.name] * len(left)),
        }
        removed = near_duplicates(pa.table(columns), self._copies)
        return [int(left[row]) for row in pc.unique(removed["row"]).to_pylist()]


def without_boilerplate(text: str) -> str:
    """Return a text without sentences at its beginning that greet, welcome or warn the reader."""
    found = text.strip()
    while opening := _OPENING.match(found):
        found = found[opening.end() :].lstrip()
    return found


def _text_of(answer: Answer) -> str:
    return without_boilerplate(cleaned(answer.text, whole=answer.finish == STOP))
