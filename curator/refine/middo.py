"""Middo's closed loop: what a model's own diagnoses flag is written again, and the size stays.

Middo (Word2VecT/Middo: complexity_synthetic.py, diversity_synthetic.py, quality_synthetic.py; the
wordings here are ours) rewrites what is too hard in steps, writes something new in place of what is
alone, and improves what is badly rated; then it trains and diagnoses again. A flagged document
becomes what is written of it, or stays where nothing usable was. Its controls are here too: as many
documents by chance, and leaving the flagged ones out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.embed.encoder import Encoder, encoder_digest, open_encoder
from curator.errors import RecipeError
from curator.generate.asking import LENGTH, Answer, Request
from curator.generate.client import Client, Cost
from curator.generate.templates import Template, find_template
from curator.identity import id_matrix, uniform
from curator.refine.refiner import Refined, Refiner, children_of, outcome_of
from curator.refine.writing import Ask, Writing
from curator.score.numbers import numbers_of
from curator.stage import Site, Work, circumstance

AXES: Final = ("complexity", "diversity", "quality")  # the first that flags a document decides
_FINAL: Final = "FINAL:"
_NEAR: Final = "near"


class OfFlags(Work):
    """What reads the diagnoses of documents.

    Attributes:
        complexity: a score that flags what is too hard, such as a `middo_complexity`; "": none.
        diversity: what is alone, such as a `middo_diversity`; likewise.
        quality: what is badly rated, such as a `middo_quality`; likewise.
    """

    complexity: str
    diversity: str
    quality: str

    @property
    def flags(self) -> dict[str, str]:
        """Axis -> the score that flags along it."""
        return {axis: getattr(self, axis) for axis in AXES if getattr(self, axis)}

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # which, settings say
        """The text and the flags."""
        return ("text", *self.flags.values())

    def require_flags(self) -> None:
        """Refuse no diagnosis at all, and one score for two."""
        named = list(self.flags.values())
        if not named or len(set(named)) < len(named):
            raise RecipeError(
                f"complexity, diversity and quality are {self.complexity!r}, {self.diversity!r} "
                f"and {self.quality!r}; wanted one score or more, each once"
            )

    def axes(self, table: pa.Table) -> NDArray[np.int64]:
        """Return the axis that flags each document, (n,); -1: none does."""
        found = np.full(table.num_rows, -1, np.int64)
        for place, axis in reversed(list(enumerate(AXES))):
            if axis in self.flags:
                flagged = numbers_of(table, self.flags[axis], where=self.name)
                strange = flagged[~np.isin(flagged, (0, 1)) & ~np.isnan(flagged)]
                if len(strange):
                    raise RecipeError(
                        f"score {self.flags[axis]!r} has {strange[0]:g}; wanted flags, 0 or 1, "
                        f"such as those of middo_{axis}",
                        where=self.name,
                    )
                found[flagged == 1] = place
        return found


@dataclass(frozen=True)
class DropFlagged(OfFlags, Refiner):
    """Documents without those that a diagnosis flags: the control of writing them again.

    Attributes:
        complexity: a score that flags what is too hard; "": none.
        diversity: what is alone; likewise.
        quality: what is badly rated; likewise.
    """

    complexity: str = "complexity"
    diversity: str = "diversity"
    quality: str = "quality"

    name: ClassVar[str] = "drop_flagged"
    kind: ClassVar[Literal["edited"]] = "edited"

    def __post_init__(self) -> None:
        """Refuse no diagnosis."""
        self.require_flags()

    def refine(self, model: Any, table: pa.Table) -> Refined:
        """Return no children; flagged documents go."""
        axes = self.axes(table)
        words = np.array([None, *(f"{self.name}.{axis}" for axis in AXES)], object)
        return Refined(children_of([], []), outcome_of(axes < 0, words[axes + 1]))


class Tools(NamedTuple):
    """What writing needs: the door to the writer, and who finds neighbors."""

    client: Client
    encoder: Encoder | None


@dataclass(frozen=True)
class Middo(OfFlags, Writing):
    """Each flagged document written again, as its axis asks; all others as they are.

    Attributes:
        complexity: a score that flags what is too hard; "": none.
        diversity: what is alone; likewise.
        quality: what is badly rated; likewise.
        chosen: "random": as many documents by chance, in place of the flagged; the control.
        encoder: finds the two nearest documents of the same block that nothing flags.
        max_characters: of a document that is shown; the rest is not written again, and lost.
        answer_tokens: of one answer.
        temperature: of the softmax that tokens are drawn from; the release has 1.
    """

    complexity: str = "complexity"
    diversity: str = "diversity"
    quality: str = "quality"
    chosen: Literal["flagged", "random"] = "flagged"
    encoder: str = circumstance("wordllama")
    max_characters: int = 2000
    answer_tokens: int = 600
    temperature: float = 1.0

    name: ClassVar[str] = "middo"
    kind: ClassVar[Literal["edited"]] = "edited"

    def __post_init__(self) -> None:
        """Refuse a writer that is nobody, no diagnosis, and sizes that mean nothing."""
        super().__post_init__()
        self.require_flags()
        if min(self.max_characters, self.answer_tokens) < 1:
            raise RecipeError(
                f"max_characters={self.max_characters!r}, answer_tokens={self.answer_tokens!r}; "
                "wanted 1 or more"
            )

    @property
    def templates(self) -> tuple[Template, ...]:
        """A wording for each axis."""
        return tuple(find_template(f"{self.name}_{axis}") for axis in AXES)

    def identity(self) -> dict[str, Any]:
        """Return what names the work: all that `Writing` has, and the encoder's content."""
        named = {"encoder": encoder_digest(self.encoder)} if self.diversity else {}
        return {**super().identity(), **named}

    def load(self, site: Site) -> Tools:  # type: ignore[override]  # the encoder comes along
        """Return the door to the writer, and the encoder if neighbors are wanted."""
        encoder = None
        if self.diversity:
            encoder = open_encoder(self.encoder, device=site.device, threads=site.threads)
        return Tools(super().load(site), encoder)

    def refine(self, model: Tools, table: pa.Table) -> Refined:  # type: ignore[override]
        """Return what was written of the chosen documents."""
        return super().refine(model.client, self._beside(model.encoder, table))

    def cost(self, model: Tools, table: pa.Table) -> Cost:  # type: ignore[override]
        """Return what there is still to ask."""
        return super().cost(model.client, self._beside(model.encoder, table))

    def write(self, ask: Ask, table: pa.Table) -> Refined:
        """Return a new text of each chosen document; where none is usable the document stays."""
        axes = self._chosen(table)
        rows = np.flatnonzero(axes >= 0)
        near = table[_NEAR].to_pylist()
        asked = [row for row in rows.tolist() if AXES[axes[row]] != "diversity" or near[row]]
        reasons: list[str | None] = [None] * table.num_rows
        for row in set(rows.tolist()) - set(asked):
            reasons[row] = f"{self.name}.no_neighbors"
        texts = table["text"].to_pylist()
        wordings = dict(zip(AXES, self.templates, strict=True))
        requests = [
            self._request(wordings[AXES[axes[row]]], table, texts, near[row], row) for row in asked
        ]
        made, written, also, about = list[int](), list[str](), list[Any](), list[str]()
        for row, answer in zip(asked, ask(requests), strict=True):
            text, reason = final(answer, texts[row])
            if reason:
                reasons[row] = f"{self.name}.{reason}"
                continue
            axis = AXES[axes[row]]
            made.append(row)
            written.append(text)
            also.append(near[row] if axis == "diversity" else None)
            about.append(json.dumps({"axis": axis, "chosen": self.chosen}, sort_keys=True))
        children = children_of(made, written, about, also)
        return Refined(children, outcome_of([True] * table.num_rows, reasons))

    def _chosen(self, table: pa.Table) -> NDArray[np.int64]:
        """Return the axis that each document is written again along, -1 where it is not."""
        axes = self.axes(table)
        if self.chosen == "flagged":
            return axes
        flagged = np.sort(axes[axes >= 0])
        chance = uniform(id_matrix(table["doc_id"]), "middo.random", self.seed)
        drawn = np.full(len(axes), -1, np.int64)
        drawn[np.argsort(chance, kind="stable")[: len(flagged)]] = flagged
        return drawn

    def _request(
        self,
        wording: Template,
        table: pa.Table,
        texts: Sequence[str],
        near: Sequence[int],
        row: int,
    ) -> Request:
        """Return the question about one document, with two neighbors if the wording shows them."""
        shown, rows = {"text": texts[row][: self.max_characters]}, [row]
        if "first" in wording.fields:
            rows += near
            first, second = (texts[one][: self.max_characters] for one in near)
            shown |= {"first": first, "second": second}
        return wording.request(
            shown,
            documents=[table["doc_id"][one].as_py().hex() for one in rows],
            max_tokens=self.answer_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
        )

    def _beside(self, encoder: Encoder | None, table: pa.Table) -> pa.Table:
        """Return the table with the rows of each chosen document's two neighbors, or none."""
        near: list[list[int]] = [[] for _ in range(table.num_rows)]
        axes = self._chosen(table)
        alone = np.flatnonzero(axes == AXES.index("diversity"))
        others = np.flatnonzero((self.axes(table) < 0) & (axes < 0))
        if encoder is not None and len(alone) and len(others) >= 2:
            vectors = [
                encoder.encode([text[: self.max_characters] for text in part.to_pylist()])
                for part in (table["text"].take(pa.array(rows)) for rows in (alone, others))
            ]
            cosines = vectors[0] @ vectors[1].T  # at most 512 by 512
            best = np.argsort(-cosines, axis=1, kind="stable")[:, :2]
            for row, places in zip(alone.tolist(), best, strict=True):
                near[row] = others[places].tolist()
        return table.append_column(_NEAR, pa.array(near, pa.list_(pa.int64())))


def final(answer: Answer, shown: str) -> tuple[str, str]:
    """Return what stands behind the final mark, and a word for why it cannot be used.

    A cut answer may lack what matters, and one that says the same again is no rewriting.
    """
    _, mark, text = answer.text.rpartition(_FINAL)
    if not mark:
        return "", "refusal" if answer.finish == "refused" else "no_final"
    if answer.finish == LENGTH:
        return "", "cut"
    if not text.strip():
        return "", "empty"
    return text.strip(), "copy" if text.split() == shown.split() else ""
