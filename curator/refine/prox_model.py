"""ProX's programs, written by a language model: first about the document, then chunk by chunk.

Zhou et al. 2024, "Programming Every Example" (arXiv:2409.17115): a small model fine-tuned for it
says `keep_doc()` or `drop_doc()` of a document cut at 2,000 tokens, then edits chunks of 1,500
tokens, whole lines with their numbers, in at most 256 tokens each; all greedily. Tokens are guessed
here: four bytes each. A model that was never trained for it may write few valid programs: look at
the reasons in the report before anything else.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import numpy as np
import pyarrow as pa

from curator.errors import RecipeError
from curator.generate.asking import Request
from curator.generate.templates import Template, find_template
from curator.refine.edited import Editing
from curator.refine.execute import MAX_LINES, Programs
from curator.refine.passages import guessed_tokens
from curator.refine.pieces import pieces
from curator.refine.prox_verdicts import document_faults
from curator.refine.refiner import Refined
from curator.refine.writing import Ask, Writing

_FENCE: Final = re.compile(r"```[a-z]*\n(.*?)(?:```|\Z)", re.DOTALL)
_BYTES_A_TOKEN: Final = 4  # as `guessed_tokens` guesses
_NUMBER_TOKENS: Final = 4  # of `[012]` in front of a line
_MOST_VERDICT: Final = 16  # tokens: of an answer about a document, one call


class _Chunk(NamedTuple):
    """Lines of a document that a model is shown."""

    row: int
    piece: int
    first: int
    last: int
    shown: str


@dataclass(frozen=True)
class ProxModel(Editing, Writing):
    """Runs what a model writes; what it writes badly changes nothing and is counted.

    Attributes:
        levels: "document", "chunk" or both: what the model is asked about.
        document_tokens: of a document that the first question shows, guessed.
        chunk_tokens: of a chunk, guessed; a longer line is shown to nobody and stays.
        answer_tokens: of a program.
    """

    levels: tuple[str, ...] = ("document", "chunk")
    document_tokens: int = 2000
    chunk_tokens: int = 1500
    answer_tokens: int = 256

    name: ClassVar[str] = "prox_model"

    def __post_init__(self) -> None:
        """Refuse levels that there are not, and budgets that show nothing."""
        Writing.__post_init__(self)
        Editing.__post_init__(self)
        self._choice("levels", ("document", "chunk"))
        least = {"document_tokens": 1, "chunk_tokens": _NUMBER_TOKENS + 2, "answer_tokens": 1}
        for name, fewest in least.items():
            if getattr(self, name) < fewest:
                raise RecipeError(f"{name}={getattr(self, name)!r}; wanted {fewest} or more")

    @property
    def templates(self) -> tuple[Template, ...]:
        """One wording a level."""
        return tuple(find_template(f"prox_{level}") for level in self.levels)

    def write(self, ask: Ask, table: pa.Table) -> Refined:
        """Return the documents after their programs; one that goes is not asked about again."""
        texts: list[str] = table["text"].to_pylist()
        ids = [one.hex() for one in table["doc_id"].to_pylist()]
        dropped: dict[int, str] = {}
        reasons = {row: "lines" for row, text in enumerate(texts) if text.count("\n") >= MAX_LINES}
        if "document" in self.levels:
            answers = self._verdicts(ask, ids, texts, skip=reasons.keys())
            dropped, faults = document_faults(answers, self.policy)
            reasons |= faults
        chunks: list[_Chunk] = []
        if "chunk" in self.levels:
            for row, text in enumerate(texts):
                if row not in dropped and reasons.get(row) != "lines" and text.strip():
                    shown, over = self._chunks(row, text)
                    chunks += shown
                    reasons |= {row: "long_line"} if over else {}
        programs, silent = self._programs(ask, ids, chunks)
        reasons |= dict.fromkeys(silent, "unanswered")
        return self.edited(table, programs, reasons=reasons, dropped=dropped)

    def _verdicts(
        self, ask: Ask, ids: Sequence[str], texts: Sequence[str], *, skip: Collection[int]
    ) -> dict[int, str]:
        """Return what the model says of each document, by row."""
        wording = find_template("prox_document")
        rows = [row for row, text in enumerate(texts) if text.strip() and row not in skip]
        most = self.document_tokens * _BYTES_A_TOKEN
        asked = [
            self._request(wording, {"text": _cut(texts[row], most)}, ids[row], 0, _MOST_VERDICT)
            for row in rows
        ]
        return {row: program_of(one.text) for row, one in zip(rows, ask(asked), strict=True)}

    def _programs(
        self, ask: Ask, ids: Sequence[str], chunks: Sequence[_Chunk]
    ) -> tuple[Programs, list[int]]:
        """Return the chunks' programs, and the rows of which a chunk got no answer."""
        wording = find_template("prox_chunk")
        asked = [
            self._request(
                wording, {"lines": one.shown}, ids[one.row], one.piece, self.answer_tokens
            )
            for one in chunks
        ]
        sources = [program_of(one.text) for one in ask(asked)]
        columns = np.array([(one.row, one.first, one.last) for one in chunks], np.int64)
        rows, firsts, lasts = columns.reshape(-1, 3).T
        silent = [one.row for one, said in zip(chunks, sources, strict=True) if not said.strip()]
        return Programs(rows, firsts, lasts, pa.array(sources, pa.large_string())), silent

    def _request(
        self, wording: Template, fields: dict[str, str], doc_id: str, piece: int, tokens: int
    ) -> Request:
        return wording.request(
            fields,
            documents=(doc_id,),
            piece=piece,
            max_tokens=tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
            stop=("[doc]",),
        )

    def _chunks(self, row: int, text: str) -> tuple[list[_Chunk], bool]:
        """Return the chunks of a document, and whether a line of it is too long for one."""
        found = []
        over = False
        for piece in pieces(text, self.chunk_tokens, _numbered_tokens, by="line"):
            if piece.over:
                over = True
                continue
            lines = text[piece.start : piece.end].removesuffix("\n").split("\n")
            shown = "\n".join(f"[{piece.first_line + n:03d}]{line}" for n, line in enumerate(lines))
            last = piece.first_line + len(lines) - 1
            found.append(_Chunk(row, piece.index, piece.first_line, last, shown))
        return found, over


def program_of(answer: str) -> str:
    """Return the program in an answer: what stands in its first code block, or all of it."""
    found = _FENCE.search(answer)
    return found.group(1) if found else answer


def _numbered_tokens(lines: str) -> int:
    return guessed_tokens(lines) + _NUMBER_TOKENS * max(1, lines.count("\n"))


def _cut(text: str, most: int) -> str:
    """Return the beginning of a text, of so many bytes at most, whole characters."""
    return text.encode()[:most].decode(errors="ignore")
