"""Questions about a document that it answers, written by a language model and put beside it.

Instruction Pre-Training (Cheng et al. 2024, arXiv:2406.14491; read in microsoft/LMOps,
instruction_pretrain): texts in rounds, each shown after those of its chain and their pairs, a chain
becomes one document of several texts, laid out by chance. Differs from the release: any model that
follows instructions, pairs whose answers the text does not hold are dropped, and a document without
a pair is counted and never written down as if it had some.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final

import pyarrow as pa

from curator.errors import RecipeError
from curator.generate.asking import Answer, Request
from curator.generate.templates import Template, find_template
from curator.refine.chains import (
    LONGEST,
    Chain,
    Link,
    documents_of,
    exchanged,
    left_alone,
    slots,
)
from curator.refine.pair_markup import grounded_share, has_mark, read_pairs, write_pairs
from curator.refine.pieces import By, pieces
from curator.refine.question_pairs import Pair, question_pairs
from curator.refine.refiner import Refined
from curator.refine.writing import Ask, Writing

_WORDS_TO_TOKENS: Final = 1.5  # the release's estimate, read_compre.py


@dataclass(frozen=True)
class Instruct(Writing):
    """Makes a document of every chain of texts with the questions that a model wrote about them.

    Attributes:
        template: a name in `curator.generate.templates.template_names()`, or a .yaml file with
            the places shots and text.
        chat: whether the model is asked in its chat format; false: it continues the text.
        rounds: texts of a chain at most, M in the paper; 1: every document by itself.
        answer_tokens: of an answer at most.
        context_tokens: that the model reads and writes at most; earlier texts of a chain are left
            out where the estimate, 1.5 tokens a word, passes it.
        max_characters: of a document that are shown, whole paragraphs or sentences of them; the
            rest is not in the new document either.
        most_pairs: of a text.
        least_grounded: share of an answer's words that its text must have; 0: any. Ours.
        shuffled: the control: every text stands with the pairs of another one of its source.
        convert: share of the documents that are written about, by chance of their ids.
        among: a score NAME or NAME.COLUMN; only documents above `above` are written about.
        above: of `among`.
    """

    template: str = "instruction_pairs"
    chat: bool = True
    rounds: int = 1
    answer_tokens: int = 400
    context_tokens: int = 2048
    max_characters: int = 4000
    most_pairs: int = 10
    least_grounded: float = 0.5
    shuffled: bool = False
    convert: float = 1.0
    among: str = ""
    above: float = 0.0

    name: ClassVar[str] = "instruct"

    def __post_init__(self) -> None:
        """Refuse chains longer than a block, counts below one, a template without its places."""
        super().__post_init__()
        counts = (self.answer_tokens, self.max_characters, self.most_pairs, self.rounds)
        if min(counts) < 1 or self.context_tokens <= self.answer_tokens:
            raise RecipeError(
                f"rounds={self.rounds!r}, answer_tokens={self.answer_tokens!r}, context_tokens="
                f"{self.context_tokens!r}, max_characters={self.max_characters!r}, most_pairs="
                f"{self.most_pairs!r}; wanted 1 or more, and a context longer than an answer"
            )
        if self.rounds > LONGEST:
            raise RecipeError(
                f"rounds={self.rounds!r}; wanted at most {LONGEST}, the documents of a block: a "
                "chain has a text of each round"
            )
        if not 0 <= self.least_grounded <= 1 or not 0 < self.convert <= 1:
            raise RecipeError(
                f"least_grounded={self.least_grounded!r}, convert={self.convert!r}; wanted shares "
                "from 0 to 1, and some to convert"
            )
        if self._wording.fields != ("shots", "text"):
            raise RecipeError(
                f"template {self.template!r} has the places {list(self._wording.fields)}; wanted "
                "shots and text"
            )

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on the settings
        """The text, and the score that says which documents are written about."""
        return ("text", self.among) if self.among else ("text",)

    @property
    def templates(self) -> tuple[Template, ...]:
        """The wording that is asked with."""
        return (self._wording,)

    def write(self, ask: Ask, table: pa.Table) -> Refined:
        """Return a document for every chain; asks once a round, about one text of every slot."""
        shown, reasons = self._shown(table)
        sources = table["source"].to_pylist()
        ids = [one.hex() for one in table["doc_id"].to_pylist()]
        lanes = [[row for row in slot if row in shown] for slot in slots(sources, self.rounds)]
        chains: list[Chain] = []
        current: list[Chain] = [[] for _ in lanes]
        for number in range(max(map(len, lanes), default=0)):
            live = [lane for lane, rows in enumerate(lanes) if number < len(rows)]
            asked = []
            for lane in live:
                row = lanes[lane][number]
                if current[lane] and not self._fits(current[lane], shown[row]):
                    chains.append(current[lane])
                    current[lane] = []
                asked.append(self._request(current[lane], row, shown, ids))
            for lane, answer in zip(live, ask(asked), strict=True):
                row = lanes[lane][number]
                pairs, reason = self._pairs(answer, shown[row])
                if pairs:
                    current[lane].append(Link(row, shown[row], pairs, row))
                    continue
                reasons[row] = reason
                chains.append(current[lane])  # what was asked after nothing begins a new one
                current[lane] = []
        whole = [chain for chain in [*chains, *current] if chain]
        if self.shuffled:
            whole, alone = exchanged(whole, sources)
            reasons |= dict.fromkeys(sorted(alone), f"{self.name}.alone")
        return documents_of(table, whole, reasons, name=self.name, seed=self.seed)

    @cached_property
    def _wording(self) -> Template:
        return find_template(self.template)

    def _shown(self, table: pa.Table) -> tuple[dict[int, str], dict[int, str]]:
        """Return what is shown of each row that is asked about, and why others are not."""
        shown: dict[int, str] = {}
        reasons = left_alone(table, self.among, self.above, self.convert, self.name, self.seed)
        for row, text in enumerate(table["text"].to_pylist()):
            if row in reasons:
                continue
            if has_mark(text):
                reasons[row] = f"{self.name}.mark"
            elif not text.strip():
                reasons[row] = f"{self.name}.empty"
            else:
                shown[row] = beginning(text, self.max_characters)
                if len(shown[row]) < len(text.strip()):
                    reasons[row] = f"{self.name}.cut"
        return shown, reasons

    def _fits(self, chain: Chain, text: str) -> bool:
        """Return whether a chain can be shown before a text, by the release's estimate."""
        words = len(self._shots(chain).split()) + len(text.split())
        return words * _WORDS_TO_TOKENS <= self.context_tokens - self.answer_tokens

    def _request(
        self, chain: Chain, row: int, shown: dict[int, str], ids: Sequence[str]
    ) -> Request:
        return self._wording.request(
            {"shots": self._shots(chain), "text": shown[row]},
            documents=[ids[link.row] for link in chain] + [ids[row]],
            max_tokens=self.answer_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
            chat=self.chat,
        )

    def _shots(self, chain: Chain) -> str:
        """Return the texts of a chain with their pairs, in the form that the wording asks for."""
        if not self.chat:
            parts = [
                f" <CON> {link.text} </CON>\n\n{write_pairs(link.pairs)}\n\n" for link in chain
            ]
        else:
            marked = "<QUE>" in self._wording.user
            parts = [f"Text:\n{link.text}\n\n{_written(link, marked=marked)}\n\n" for link in chain]
        return "".join(parts)

    def _pairs(self, answer: Answer, text: str) -> tuple[tuple[Pair, ...], str]:
        """Return the pairs of an answer that the text bears out, or why there is none."""
        read = read_pairs(answer.text)
        found: Sequence[Pair] = read.pairs
        if not found and not has_mark(answer.text):  # marked by words: "Question: ... Answer: ..."
            told = question_pairs(answer.text, whole=answer.finish == "stop")
            found = list({pair.question.lower(): pair for pair in told}.values())
        found = [pair for pair in found if pair.answer.lower() not in pair.question.lower()]
        good = [p for p in found if grounded_share(p, text) >= self.least_grounded]
        if good:
            return tuple(good[: self.most_pairs]), ""
        if found:
            return (), f"{self.name}.ungrounded"
        worst = Counter(read.dropped).most_common(1) if has_mark(answer.text) else []
        return (), f"{self.name}.{worst[0][0] if worst else 'no_pairs'}"


def beginning(text: str, longest: int) -> str:
    """Return the whole paragraphs that a text begins with, or sentences, or characters."""
    text = text.strip()
    if len(text) <= longest:
        return text
    ways: tuple[By, ...] = ("paragraph", "sentence")
    for by in ways:
        first = pieces(text[: longest + 1], longest, len, by)[0]
        if not first.over and first.end <= longest:
            return text[: first.end].strip()
    return text[:longest].strip()


def _written(link: Link, *, marked: bool) -> str:
    """Return the pairs of a text, in the markup or by the words Question and Answer."""
    return write_pairs(link.pairs) if marked else "\n\n".join(map(str, link.pairs))
