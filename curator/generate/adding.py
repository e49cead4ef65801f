"""A set grown one by one: a judge says which of a few candidates adds most to some of the set.

Add-One-In (Li et al. 2025, arXiv:2503.02359; BIRlz/comperative_sample_selection). Documents are
divided into parts that grow independently; in each, several windows of candidates are shown at
once, no document in two of them. Of what windows of one round choose, a text that another chose
too is not added twice. Only what was shown can be chosen: each addition is the best of a few, in
the mean at the quantile b / (b + 1) of b candidates, and never the best of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.generate.choosing import Shown, choice_of, read_choices
from curator.generate.client import Client
from curator.generate.prompts import Prompt
from curator.generate.transcripts import Entry
from curator.generate.verdicts import LEAST_MASS, Verdicts
from curator.identity import uniform

RETRIES = 3  # of a window whose answer names none of its options, each with other options


@dataclass(frozen=True)
class Growth:
    """How a set is grown. The published numbers are the defaults, but for `windows`.

    Attributes:
        take: documents wanted, seeds among them.
        parts: that grow independently of each other.
        seeds: of each part, by chance.
        context: documents of what has been chosen that a question shows.
        options: candidates that it shows.
        windows: questions of a part that are asked at once; 1 is the published loop.
        seed: of all chance.
    """

    take: int
    parts: int = 4
    seeds: int = 10
    context: int = 10
    options: int = 10
    windows: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what leaves nothing to choose."""
        counts = (self.take, self.parts, self.seeds, self.context, self.windows)
        if min(counts) < 1 or self.options < 2:
            raise RecipeError(
                f"take={self.take!r}, parts={self.parts!r}, seeds={self.seeds!r}, "
                f"context={self.context!r}, windows={self.windows!r} are wanted 1 or more, and "
                f"options={self.options!r} 2 or more: one option is no choice"
            )
        if self.take < self.parts * self.seeds:
            raise RecipeError(
                f"take={self.take!r} is less than {self.seeds} seeds for each of {self.parts} "
                "parts; take more, or have fewer seeds or parts"
            )

    def taken_by(self, part: int) -> int:
        """Return how many documents of `take` a part is to have."""
        return self.take // self.parts + (part < self.take % self.parts)


@dataclass
class Grown:
    """What was chosen of n documents, and how it went.

    Attributes:
        order: by part, rows in the order in which they were added; seeds first.
        shown: (n,) in how many questions each was a candidate.
        positions: (options,) how often the candidate at each place was chosen.
        entries: every answer.
        verdicts: what they say.
        conflicts: choices dropped because the text had been chosen already.
        abstained: windows that chose nothing in all their tries.
    """

    order: list[list[int]]
    shown: NDArray[np.int64]
    positions: NDArray[np.int64]
    entries: list[Entry] = field(default_factory=list)
    verdicts: list[Verdicts] = field(default_factory=list)
    conflicts: int = 0
    abstained: int = 0

    @property
    def chosen(self) -> list[int]:
        """Return the rows chosen, parts in turn by the share of theirs that was added before."""
        ranked = [
            ((place + 1) / len(rows), part, row)
            for part, rows in enumerate(self.order)
            for place, row in enumerate(rows)
        ]
        return [row for _, _, row in sorted(ranked)]


class _Part:
    """One part as it grows."""

    def __init__(self, number: int, rows: list[int], target: int) -> None:
        self.number = number
        self.rest = rows  # may still be chosen
        self.target = target
        self.round = 0
        self.stuck = False

    def needs(self, chosen: Sequence[int]) -> int:
        return 0 if self.stuck else min(self.target - len(chosen), len(self.rest))


class _Window(NamedTuple):
    """One question: rows of what has been chosen, and of the candidates, in the order shown."""

    part: _Part
    context: list[int]
    options: list[int]


def grow(
    client: Client,
    wording: Prompt,
    ids: NDArray[np.uint8],
    texts: Sequence[str],
    growth: Growth,
    *,
    least_mass: float = LEAST_MASS,
) -> Grown:
    """Return what a judge chose.

    Args:
        client: asks the judge.
        wording: of the question, of the kind "choice".
        ids: (n, 16), of distinct documents.
        texts: (n,) what is shown of each.
        growth: how.
        least_mass: as `curator.generate.choosing.read_choices` has it.

    Raises:
        RecipeError: a part has fewer documents than it is to choose.
        BudgetError: the client's limits are reached.
    """
    grown = Grown(
        [[] for _ in range(growth.parts)],
        np.zeros(len(texts), np.int64),
        np.zeros(growth.options, np.int64),
    )
    parts = _parts(ids, growth)
    for part in parts:
        first = _by_chance(ids, part.rest, "seeds", growth.seed)[: growth.seeds]
        grown.order[part.number] = first
        part.rest = [row for row in part.rest if row not in set(first)]
    window = _Windows(client, wording, ids, texts, growth, least_mass)
    while any(part.needs(grown.order[part.number]) for part in parts):
        window.one_round(parts, grown)
    return grown


def _parts(ids: NDArray[np.uint8], growth: Growth) -> list[_Part]:
    """Return the documents in parts of like size, by chance."""
    order = np.argsort(uniform(ids, "add_one_in.parts", growth.seed), kind="stable")
    parts = []
    for number in range(growth.parts):
        rows = sorted(order[number :: growth.parts].tolist())
        target = growth.taken_by(number)
        if len(rows) <= target:
            raise RecipeError(
                f"part {number} of {growth.parts} has {len(rows)} documents, of which {target} "
                "are to be chosen; wanted more: judge more documents, or take fewer"
            )
        parts.append(_Part(number, rows, target))
    return parts


def _by_chance(ids: NDArray[np.uint8], rows: Sequence[int], what: str, seed: int) -> list[int]:
    """Return rows in an order of chance that belongs to their documents."""
    drawn = uniform(ids[list(rows)], f"add_one_in.{what}", seed)
    return [rows[place] for place in np.argsort(drawn, kind="stable").tolist()]


class _Windows:
    """Asks the questions of a round, those of all parts together."""

    def __init__(
        self,
        client: Client,
        wording: Prompt,
        ids: NDArray[np.uint8],
        texts: Sequence[str],
        growth: Growth,
        least_mass: float,
    ) -> None:
        self._client = client
        self._wording = wording
        self._ids = ids
        self._growth = growth
        self._least_mass = least_mass
        self._texts = texts
        self._shown = [
            Shown(bytes(doc_id).hex(), text) for doc_id, text in zip(ids, texts, strict=True)
        ]

    def one_round(self, parts: Sequence[_Part], grown: Grown) -> None:
        """Add what each part's windows choose to `grown`; a part that adds nothing is stuck."""
        asking = [part for part in parts if part.needs(grown.order[part.number])]
        chosen_before = {part.number: list(grown.order[part.number]) for part in asking}
        windows = {
            part.number: min(self._growth.windows, part.needs(chosen_before[part.number]))
            for part in asking
        }
        before = {part.number: len(part.rest) for part in asking}
        for attempt in range(1 + RETRIES):
            asked = [
                window
                for part in asking
                for window in self._opened(
                    part, windows[part.number], attempt, chosen_before[part.number]
                )
            ]
            if not asked:
                break
            for window, row in zip(asked, self._ask(asked, grown), strict=True):
                if row is not None and self._add(window.part, row, grown):
                    windows[window.part.number] -= 1
        for part in asking:
            grown.abstained += windows[part.number]
            part.stuck = len(part.rest) == before[part.number]
            part.round += 1

    def _opened(
        self, part: _Part, windows: int, attempt: int, chosen: Sequence[int]
    ) -> list[_Window]:
        """Return so many windows of a part, no candidate in two of them."""
        if not windows or not part.rest:
            return []
        tried, seed, size = f"{part.round}.{attempt}", self._growth.seed, self._growth.options
        drawn = _by_chance(self._ids, part.rest, f"options.{tried}", seed)
        found = []
        for number in range(min(windows, -(-len(drawn) // size))):
            context = _by_chance(self._ids, chosen, f"context.{tried}.{number}", seed)
            options = drawn[number * size : (number + 1) * size]
            found.append(_Window(part, context[: self._growth.context], options))
        return found

    def _ask(self, asked: Sequence[_Window], grown: Grown) -> list[int | None]:
        """Return the row that each window chooses; None for an abstention."""
        requests = [
            choice_of(
                self._wording,
                [self._shown[row] for row in window.context],
                [self._shown[row] for row in window.options],
            )
            for window in asked
        ]
        for window in asked:
            grown.shown[window.options] += 1
        entries = self._client.ask(requests)
        verdict = read_choices(
            self._wording,
            [one.answer for one in entries],
            [len(window.options) for window in asked],
            least_mass=self._least_mass,
        )
        grown.entries += entries
        grown.verdicts.append(verdict)
        np.add.at(grown.positions, verdict.grades[verdict.parsed].astype(np.int64), 1)
        return [
            window.options[int(place)] if read else None
            for window, place, read in zip(asked, verdict.grades, verdict.parsed, strict=True)
        ]

    def _add(self, part: _Part, row: int, grown: Grown) -> bool:
        """Return whether a choice was added; one whose text is there already leaves for good."""
        part.rest = [other for other in part.rest if other != row]
        order = grown.order[part.number]
        if any(self._texts[other] == self._texts[row] for other in order):
            grown.conflicts += 1
            return False
        order.append(row)
        return True
