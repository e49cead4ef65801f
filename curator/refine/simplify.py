"""Leaner text in the manner of TinyHelen: the same genre in few words, and that is counted.

TinyHelen (EmpathYang/TinyHelen, prompts/simplification; the wording here is ours) has a language
model write each genre again for readers before school. A prompt that asks for few words is no
proof, so a vocabulary learned from the corpus, or read from a file, counts the words of every
answer: one with too many others is refused. `simplify_rules` does what can be done without a model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.generate.asking import Answer, Request
from curator.generate.client import Client, Cost
from curator.generate.templates import Template, find_template
from curator.identity import file_digest, id_matrix, uniform
from curator.refine.pieces import pieces
from curator.refine.refiner import Refined, Refiner, children_of, outcome_of
from curator.refine.vocabulary import MOST_WORDS, Frequencies, Vocabulary, read_words, require_list
from curator.refine.writing import Ask, Writing
from curator.stage import Corpus, Site, Work, circumstance, write_report

GENRES: Final = ("web", "book", "wiki", "textbook", "conversation", "code", "instruction")
_MARK, _END = "EDITED:", "<end>"
_WORDS: Final = "words.txt"


class InFewWords(Work):
    """What is the same for both refiners: the list of words, and how much may lie outside it.

    Attributes:
        words: a file with one word a line; "": the most frequent words of the role `raw`.
        most_words: of the list.
        outside: share of a document's words that may lie outside the list.
    """

    words: str
    most_words: int
    outside: float

    def identity(self) -> dict[str, Any]:
        """Return what names the work: settings, and the content of a given list."""
        given = {"words": file_digest(self._file())} if self.words else {}
        return {**super().identity(), **given}

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the list of words and a report into `out`."""
        from curator.refine.stand_ins import BESIDE

        counted = Frequencies()
        for table in corpora["raw"].tables(("text",)):
            counted.add(table["text"])
        words = counted.most(self.most_words)
        if self.words:
            words = read_words(self._file())[: self.most_words]
        (out / _WORDS).write_text("\n".join(words) + "\n")
        report = {"words": len(words), "covered_share": round(counted.covered(words), 4)}
        write_report(out, {**report, "stand_ins": len(BESIDE), "given": bool(self.words)})

    def vocabulary(self, site: Site) -> Vocabulary:
        """Return the list that `fit` wrote."""
        from curator.refine.stand_ins import BESIDE

        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted: there is no list of words")
        return Vocabulary(read_words(site.fitted / _WORDS), BESIDE)

    def require_words(self) -> None:
        """Refuse lists and shares that mean nothing."""
        if not 1 <= self.most_words <= MOST_WORDS:
            raise RecipeError(f"most_words={self.most_words!r}; wanted 1 to {MOST_WORDS:,}")
        if not 0.0 <= self.outside < 1.0:
            raise RecipeError(f"outside={self.outside!r}; wanted a share from 0 to below 1")
        if self.words:
            require_list(read_words(self._file()), where=self.words)

    def _file(self) -> Path:
        path = Path(self.words).expanduser()
        if not path.is_file():
            raise RecipeError(f"no list of words {self.words!r}; wanted a file, one word a line")
        return path


@dataclass(frozen=True)
class SimplifyRules(InFewWords, Refiner):
    """Each document in few words by rules alone; dropped where no sentence can be said so.

    Attributes:
        words: a file with one word a line; "": the most frequent words of the role `raw`.
        most_words: of the list.
        outside: share of a document's words, and of any sentence's, that may lie outside the list.
        longest: words; a longer sentence is parted where a clause begins.
        least_kept: share of the sentences that must be left of a document, else it is dropped.
    """

    words: str = circumstance("")
    most_words: int = MOST_WORDS
    outside: float = 0.05
    longest: int = 20
    least_kept: float = 0.0

    name: ClassVar[str] = "simplify_rules"
    kind: ClassVar[Literal["edited"]] = "edited"
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        self.require_words()
        if self.longest < 1 or not 0.0 <= self.least_kept <= 1.0:
            raise RecipeError(
                f"longest={self.longest!r} and least_kept={self.least_kept!r}; wanted 1 or more, "
                "and a share"
            )

    def load(self, site: Site) -> Vocabulary:
        """Return the list of words."""
        return self.vocabulary(site)

    def refine(self, model: Vocabulary, table: pa.Table) -> Refined:
        """Return each document in few words, or why there is none."""
        from curator.refine.simple_rules import simplify_rules

        made = simplify_rules(table["text"], model, budget=self.outside, longest=self.longest)
        left = made.sentences - made.dropped
        wrong = [
            (made.outside > self.outside, "vocabulary"),
            (left < np.maximum(self.least_kept * made.sentences, 1), "too_rare"),
        ]
        reasons = np.full(table.num_rows, None, object)
        for which, reason in wrong:
            reasons[which] = f"{self.name}.{reason}"
        good = _unsaid(reasons)
        rows = np.flatnonzero(good)
        about = [
            json.dumps({"dropped": d, "outside": round(o, 4), "sentences": n}, sort_keys=True)
            for d, o, n in zip(
                made.dropped[rows].tolist(),
                made.outside[rows].tolist(),
                made.sentences[rows].tolist(),
                strict=True,
            )
        ]
        children = children_of(rows, made.texts.take(pa.array(rows)), about)
        return Refined(children, outcome_of(good, reasons))


class Tools(NamedTuple):
    """What rewriting needs: the door to the writer, and the words that it may use."""

    client: Client
    vocabulary: Vocabulary


@dataclass(frozen=True)
class TinyHelen(InFewWords, Writing):
    """Each document written again in few words by a language model, held to them by count.

    Attributes:
        words: a file with one word a line; "": the most frequent words of the role `raw`.
        most_words: of the list.
        outside: share of a document's words that may lie outside the list.
        genre: one of `GENRES`, which says what a rewriting keeps.
        genres: source -> genre, where not all sources are of one.
        piece_words: of a document that one question shows, in whole sentences.
        answer_tokens: of one answer.
        asked: share of the documents that the writer is asked about, by chance of their ids.
        otherwise: of a document that was not written again: "rules" simplifies it by rules, "keep"
            leaves it as it is, "drop" leaves it out.
    """

    words: str = circumstance("")
    most_words: int = MOST_WORDS
    outside: float = 0.05
    genre: str = "web"
    genres: Mapping[str, str] = field(default_factory=dict)
    piece_words: int = 300
    answer_tokens: int = 600
    asked: float = 1.0
    otherwise: Literal["rules", "keep", "drop"] = "drop"

    name: ClassVar[str] = "tinyhelen"
    kind: ClassVar[Literal["edited"]] = "edited"
    reads: ClassVar[tuple[str, ...]] = ("text", "source")
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)

    def __post_init__(self) -> None:
        """Refuse a writer that is nobody, unknown genres, and sizes that mean nothing."""
        super().__post_init__()
        self.require_words()
        unknown = sorted({self.genre, *self.genres.values()} - set(GENRES))
        if unknown:
            raise RecipeError(f"genres {unknown} are unknown; wanted some of {list(GENRES)}")
        if min(self.piece_words, self.answer_tokens) < 1 or not 0.0 < self.asked <= 1.0:
            raise RecipeError(
                f"piece_words={self.piece_words!r}, answer_tokens={self.answer_tokens!r}, "
                f"asked={self.asked!r}; wanted 1 or more of both, and a share above 0"
            )

    @property
    def templates(self) -> tuple[Template, ...]:
        """A wording for each genre that is asked for."""
        wanted = sorted({self.genre, *self.genres.values()})
        return tuple(find_template(f"{self.name}_{genre}") for genre in wanted)

    def load(self, site: Site) -> Tools:  # type: ignore[override]  # the words come with the client
        """Return the door to the writer, and the list of words."""
        return Tools(super().load(site), self.vocabulary(site))

    def cost(self, model: Tools, table: pa.Table) -> Cost:  # type: ignore[override]
        """Return what there is still to ask."""
        return super().cost(model.client, table)

    def refine(self, model: Tools, table: pa.Table) -> Refined:  # type: ignore[override]
        """Return what was written in few words; by rules, or not at all, what was not."""
        from curator.refine.simple_rules import vocabulary_share

        written = super().refine(model.client, table)
        rows = written.children["row"].to_numpy()
        outside = np.zeros(table.num_rows)
        outside[rows] = vocabulary_share(written.children["text"], model.vocabulary)
        strange = outside > self.outside
        reasons = np.array(written.outcome["reason"].to_pylist(), object)
        reasons[strange] = f"{self.name}.vocabulary"
        good = _unsaid(reasons)
        drafts = written.children.filter(pa.array(good[rows]))
        texts = dict(zip(drafts["row"].to_pylist(), drafts["text"].to_pylist(), strict=True))
        about = {row: {"by": "writer", "outside": round(float(outside[row]), 4)} for row in texts}
        if self.otherwise == "rules":
            self._by_rules(model.vocabulary, table, np.flatnonzero(~good), texts, about)
        every = sorted(texts)
        told = [
            json.dumps({**about[row], "genre": self._genre(source)}, sort_keys=True)
            for row, source in zip(every, table["source"].take(pa.array(every, pa.int64()))
                                   .to_pylist(), strict=True)
        ]  # fmt: skip
        children = children_of(every, [texts[row] for row in every], told)
        return Refined(children, outcome_of(good | (self.otherwise == "keep"), reasons))

    def write(self, ask: Ask, table: pa.Table) -> Refined:
        """Return what a writer makes of each document, whatever its words are."""
        wanted = uniform(id_matrix(table["doc_id"]), "tinyhelen.asked", self.seed) < self.asked
        requests, rows = self._requests(table, wanted)
        drafts: list[list[str]] = [[] for _ in range(table.num_rows)]
        reasons: list[str | None] = [None] * table.num_rows
        for row, answer in zip(rows, ask(requests), strict=True):
            text, reason = edited(answer)
            drafts[row].append(text)
            reasons[row] = reasons[row] or (f"{self.name}.{reason}" if reason else None)
        for row in range(table.num_rows):
            if not drafts[row]:
                reasons[row] = f"{self.name}.{'empty' if wanted[row] else 'not_asked'}"
        good = [row for row, reason in enumerate(reasons) if reason is None]
        children = children_of(good, ["\n\n".join(drafts[row]) for row in good])
        return Refined(children, outcome_of([reason is None for reason in reasons], reasons))

    def _requests(
        self, table: pa.Table, wanted: NDArray[np.bool_]
    ) -> tuple[list[Request], list[int]]:
        """Return a question for every piece of every wanted document, and the row of each."""
        wordings = {one.name: one for one in self.templates}
        columns = (table[name].to_pylist() for name in ("doc_id", "source", "text"))
        requests, rows = [], []
        for row, (doc_id, source, text) in enumerate(zip(*columns, strict=True)):
            if not wanted[row]:
                continue
            wording = wordings[f"{self.name}_{self._genre(source)}"]
            for piece in pieces(text, self.piece_words, _words, by="sentence"):
                shown = text[piece.start : piece.end].strip()
                if not shown:
                    continue
                rows.append(row)
                requests.append(
                    wording.request(
                        {"text": shown},
                        documents=(doc_id.hex(),),
                        piece=piece.index,
                        max_tokens=self.answer_tokens,
                        temperature=self.temperature,
                        top_p=self.top_p,
                        seed=self.seed,
                    )
                )
        return requests, rows

    def _genre(self, source: str) -> str:
        return self.genres.get(source, self.genre)

    def _by_rules(
        self,
        vocabulary: Vocabulary,
        table: pa.Table,
        rows: NDArray[np.int64],
        texts: dict[int, str],
        about: dict[int, dict[str, Any]],
    ) -> None:
        """Add what rules make of the documents that were not written again."""
        from curator.refine.simple_rules import simplify_rules

        if not len(rows):
            return
        made = simplify_rules(table["text"].take(pa.array(rows)), vocabulary, budget=self.outside)
        for place in np.flatnonzero(
            (made.outside <= self.outside) & (made.dropped < made.sentences)
        ):
            row = int(rows[place])
            texts[row] = made.texts[int(place)].as_py()
            about[row] = {"by": "rules", "outside": round(float(made.outside[place]), 4)}


def edited(answer: Answer) -> tuple[str, str]:
    """Return what stands between the marks of an answer, and a word for what is wrong with it.

    An answer without its end mark was cut or never finished: it is refused, however good it looks.
    """
    _, mark, rest = answer.text.partition(_MARK)
    if not mark:
        return "", "refusal" if answer.finish == "refused" else "no_mark"
    text, end, _ = rest.partition(_END)
    if not end:
        return "", "no_end"
    return text.strip(), "" if text.strip() else "empty"


def _words(text: str) -> int:
    return len(text.split())


def _unsaid(reasons: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Return where there is no reason."""
    return np.array([reason is None for reason in reasons], np.bool_)
