"""A run that reads what is easiest until that teaches it no more, and then a little more of it.

TinyHelen's iterative curriculum (EmpathYang/TinyHelen, trainer.py): the easiest share is read over
and over; where the loss on text that is held back stops falling, the next share opens, until all is
open or the steps are done. The steps are those of any other run, but **the text is not**: easy
documents are read again and hard ones perhaps never, and the record says so.
"""

# Shapes: n documents that the run may read, N of the mixture.
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.identity import settings_of, uniform
from curator.train.curriculum import HARD, easy_first, require_difficulties
from curator.train.packing import Coverage, Stream, Window

if TYPE_CHECKING:
    from curator.train.checkpoint import Evaluated

HELD_BACK = "held_back"  # what the evaluation is called
ITERATIVE = "iterative"
_APART = 4096  # seeds of a run's phases are so far from those of another run's; more than phases


@dataclass(frozen=True, slots=True, kw_only=True)
class Iterative:
    """How a run's documents open, the easiest first.

    Attributes:
        by: the column that says how hard they are.
        strategy: "iterative".
        hard: "higher" where larger numbers are harder, "lower" where smaller ones are.
        start: share of the tokens that is open at first; 0.05 in the release.
        grow: share that opens at a time; likewise.
        every: steps from one measurement to the next; 20 there.
        patience: measurements without a gain before more opens; 1 there.
        least_gain: nats a token that a gain is larger than; 0 there.
        held_back: tokens of whole documents, by chance, that are measured and never read.
        placebo: whether difficulties are dealt to other documents.
        seed: of both chances.
    """

    by: str
    strategy: str = ITERATIVE
    hard: str = "higher"
    start: float = 0.05
    grow: float = 0.05
    every: int = 20
    patience: int = 1
    least_gain: float = 0.0
    held_back: int = 8192
    placebo: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings by which nothing opens or nothing is measured."""
        if self.strategy != ITERATIVE or self.hard not in HARD:
            raise RecipeError(
                f"strategy is {self.strategy!r} and hard {self.hard!r}; write iterative, and "
                f"{' or '.join(HARD)}"
            )
        if not (0 < self.start <= 1 and 0 < self.grow <= 1):
            raise RecipeError(
                f"start is {self.start!r} and grow {self.grow!r}; wanted shares in (0, 1]"
            )
        if min(self.every, self.patience, self.held_back) < 1 or not 0 <= self.least_gain < np.inf:
            raise RecipeError(
                f"every={self.every!r}, patience={self.patience!r}, held_back={self.held_back!r} "
                f"and least_gain={self.least_gain!r}; wanted 1 or more of each, and a number of 0 "
                "or more"
            )


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of a run in which one share of the documents is open."""

    step: int  # its first
    share: float


def phases(settings: Iterative, evaluated: Sequence[Evaluated]) -> list[Phase]:
    """Return the phases of a run that has measured so much, the first at step 0."""
    found = [Phase(0, settings.start)]
    best, waited = np.inf, 0
    for each in evaluated:
        loss = each.losses[HELD_BACK]
        better = loss < best - settings.least_gain
        best, waited = (loss, 0) if better else (best, waited + 1)
        if waited >= settings.patience and found[-1].share < 1:
            share = min(1.0, settings.start + settings.grow * len(found))
            found.append(Phase(each.steps, share))
            waited = 0
    return found


def held_back(stream: Stream, settings: Iterative, tokens: int) -> NDArray[np.int64]:
    """Return the documents that a run of so many tokens measures and does not read.

    Rows of the mixture: of all that it would read by chance those whose own chance is lowest, every
    copy of each, up to the tokens that are asked for.

    Raises:
        RecipeError: the run has too little text to hold so much back.
    """
    rows = np.unique(stream.documents(tokens)[0])
    chance = uniform(stream.doc_ids[rows], "train.opening.held_back", settings.seed)
    order = np.argsort(chance, kind="stable")
    end = np.cumsum(stream.lengths[rows[order]])
    if settings.held_back > end[-1] / 2:
        raise RecipeError(
            f"held_back is {settings.held_back:,} of the {int(end[-1]):,} tokens that the run "
            "has; wanted half of them at most: train on more text, or hold less back"
        )
    last = chance[order[np.searchsorted(end, settings.held_back)]]
    held: NDArray[np.int64] = rows[chance <= last]
    return held


class Opened:
    """Where each token of a run lies in tokens.bin, easy documents first and again.

    In each phase the open documents are read in an order by chance of their own, lap after lap.

    Args:
        stream: by chance.
        settings: how documents open.
        difficulty_N: of every document of the mixture.
        tokens: of the run.
        batch_tokens: of a step.
        evaluated: what the run has measured; growing while it trains.

    Raises:
        RecipeError: a document has no difficulty, all have the same, or too little is left.
    """

    def __init__(
        self,
        stream: Stream,
        settings: Iterative,
        difficulty_N: NDArray[np.float64],
        tokens: int,
        *,
        batch_tokens: int,
        evaluated: Sequence[Evaluated],
    ) -> None:
        self.stream, self.settings, self.batch_tokens = stream, settings, batch_tokens
        self.held = held_back(stream, settings, tokens)
        rows = stream.documents(tokens)[0]
        rows = rows[np.sort(np.unique(rows, return_index=True)[1])]  # in the order by chance
        rows = rows[~np.isin(rows, self.held)]
        require_difficulties(difficulty_N[rows], settings.by)
        easy = easy_first(
            difficulty_N[rows], stream.doc_ids[rows],
            turned=settings.hard == "lower", placebo=settings.placebo, seed=settings.seed,
        )  # fmt: skip
        self._easy = rows[easy]
        self._ends = np.cumsum(stream.lengths[self._easy])
        self._evaluated = evaluated
        self._streams = dict[int, Stream]()

    @property
    def window(self) -> Window:
        """The documents that the run may read."""
        return self.stream.window

    def positions(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the places in tokens.bin of tokens `start` to `stop`."""
        parts = [
            self._of(number).positions(low - begin, high - begin)
            for number, begin, low, high in self._stretches(start, stop)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    def coverage(self, tokens: int, sources: NDArray[np.int64], count: int) -> list[Coverage]:
        """Return per source what the first `tokens` tokens held, and what none of them was."""
        seen, reached = np.zeros(count, np.int64), np.zeros_like(self.stream.lengths)
        for number, begin, _, high in self._stretches(0, tokens):
            open_ = self._open(number)
            rows, lengths = self._of(number).documents(high - begin)
            np.add.at(seen, sources[open_[rows]], lengths)
            np.maximum.at(reached, open_[rows], lengths)
        unseen = np.zeros(count, np.int64)
        np.add.at(unseen, sources, self.stream.lengths - reached)
        return [Coverage(int(was), int(rest)) for was, rest in zip(seen, unseen, strict=True)]

    def account(self, tokens: int) -> dict[str, Any]:
        """Return what a record tells: settings, when what share was open, and how much repeated."""
        zeros = np.zeros_like(self.stream.lengths)
        whole = self.coverage(tokens, zeros, 1)[0]
        different = int(self.stream.lengths.sum()) - whole.unseen
        return {
            **settings_of(self.settings),
            "opened": [
                [each.step, round(each.share, 6)]
                for each in self._phases
                if each.step * self.batch_tokens < tokens
            ],
            "held_back_documents": len(self.held),
            "different_tokens": different,
            "repeated_tokens": whole.seen - different,
        }

    @property
    def _phases(self) -> list[Phase]:
        return phases(self.settings, self._evaluated)

    def _stretches(self, start: int, stop: int) -> list[tuple[int, int, int, int]]:
        """Return (phase, its first token, first and past the last token wanted of it)."""
        begins = [each.step * self.batch_tokens for each in self._phases]
        ends = [*begins[1:], max(stop, begins[-1])]
        return [
            (number, begin, max(start, begin), min(stop, end))
            for number, (begin, end) in enumerate(zip(begins, ends, strict=True))
            if max(start, begin) < min(stop, end)
        ]

    def _open(self, number: int) -> NDArray[np.int64]:
        """Return the rows that are open in a phase, in the order of the mixture; one at least."""
        share = self._phases[number].share
        last = int(np.searchsorted(self._ends, share * self._ends[-1], side="right"))
        return np.sort(self._easy[: max(1, last)])

    def _of(self, number: int) -> Stream:
        """Return the stream of a phase, in an order of its own."""
        if number not in self._streams:
            rows, whole = self._open(number), self.stream
            self._streams[number] = Stream(
                whole.doc_ids[rows], whole.epochs[rows], whole.offsets[rows], whole.lengths[rows],
                whole.seed * _APART + number + 1,
            )  # fmt: skip
        return self._streams[number]
