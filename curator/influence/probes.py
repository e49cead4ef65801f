"""Probes of many documents, and whether to believe them: reliability, audit, what was dropped.

The reference is cut into two halves that share no item. What the halves say of the same documents
agrees as far as the reference is long enough to say anything: reliability. What the exact step says
of them agrees with the first order as far as a step is small: the audit.
"""

# Shapes: N documents.
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.influence.first_order import (
    Direction,
    Named,
    direction,
    first_order,
    joined,
    reference_gradient,
    step_slopes,
)
from curator.influence.one_step import OneStep
from curator.influence.rows import Rows, Tokens, reference_rows
from curator.influence.state import State, in_precision
from curator.score.heldout import rounded, spearman

Mode = Literal["first_order", "one_step"]
Numbers = NDArray[np.float64]
MOST_LOST = 0.01  # share of probes that may be no numbers: the project's specification B1 (6)
AUDIT_TOKENS = 8192  # of the reference that exact steps of an audit are measured on: 0.1 s each


class Reference(NamedTuple):
    """Items to be good at, in two halves.

    Attributes:
        halves: batches of each.
        tokens: that count in each.
        items: in both.
    """

    halves: tuple[list[Rows], list[Rows]]
    tokens: tuple[int, int]
    items: int

    def mean(self, by_half: Numbers) -> Numbers:
        """Return what holds for all tokens, (N,), from what holds for each half's, (N, 2)."""
        found: Numbers = by_half @ np.array(self.tokens, np.float64) / sum(self.tokens)
        return found


def reference_of(items: Tokens, most: int, context: int, device: str = "cpu") -> Reference:
    """Return the first items that have about `most` tokens that count, every other one in a half.

    Raises:
        RecipeError: a half has no token that counts.
    """
    targets = items.targets
    known = np.flatnonzero(targets)
    reached = np.cumsum(targets[known])
    chosen = known[: int(np.searchsorted(reached, most)) + 1]
    sides = chosen[::2], chosen[1::2]
    counts = int(targets[sides[0]].sum()), int(targets[sides[1]].sum())
    if not min(counts):
        raise RecipeError(
            f"the reference has {len(chosen)} items with tokens that count (Q without unmasked "
            "tokens); wanted two or more, texts with words, and answers where items have prompts"
        )
    first, second = (reference_rows(taken(items, side), context, device) for side in sides)
    return Reference((first, second), counts, len(chosen))


def taken(tokens: Tokens, texts: NDArray[np.int64]) -> Tokens:
    """Return some of the texts, in the order given."""
    sizes = np.diff(tokens.offsets)[texts]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    place = np.arange(offsets[-1]) + np.repeat(tokens.offsets[:-1][texts] - offsets[:-1], sizes)
    return Tokens(offsets, tokens.ids[place], tokens.counted[place])


@dataclass
class Prober:
    """Probes documents at one state for one reference.

    Attributes:
        state: of the model.
        reference: what a document is to lower the loss of.
        pilot: documents whose gradients say what a step does to them.
        mode: "first_order" or "one_step".
        scale: of the learning rates.
        longest: tokens that a document may have.
        precision: of forward passes, "float32" or "bfloat16"; gradients are float32.
    """

    state: State
    reference: Reference
    pilot: Tokens
    mode: Mode
    scale: float
    longest: int
    precision: str = "float32"
    slopes: Named = field(init=False)
    halves: tuple[Named, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Find the directions once."""
        model = self.state.model
        self.reader = in_precision(model, self.precision)
        self.slopes = step_slopes(self.state, self.pilot)
        self.halves = tuple(reference_gradient(model, half) for half in self.reference.halves)
        self.all = self._direction(joined(self.halves, self.reference.tokens))
        self.exact = self._stepper(self.reference) if self.mode == "one_step" else None

    def probe(self, documents: Tokens) -> Numbers:
        """Return by how many nats a token each document lowers the reference's loss, (N,).

        NaN for a document without tokens, and where a loss was no number.
        """
        if self.exact is not None:
            return self.reference.mean(self.exact(documents))
        return self._first_order([self.all], documents)[:, 0]

    def by_half(self, documents: Tokens) -> Numbers:
        """Return what each half of the reference says of documents, (N, 2)."""
        if self.exact is not None:
            return self.exact(documents)
        return self._first_order([self._direction(half) for half in self.halves], documents)

    def audit(self, documents: Tokens, items: Tokens) -> dict[str, Any]:
        """Return how the first order and the exact step agree on some documents.

        Args:
            documents: that both judge.
            items: the reference's; both measure on the first `AUDIT_TOKENS` tokens.
        """
        device = str(self.state.model.head.weight.device)
        part = reference_of(items, AUDIT_TOKENS, self.state.proxy.context, device)
        halves = [reference_gradient(self.state.model, half) for half in part.halves]
        quick = self._first_order([self._direction(joined(halves, part.tokens))], documents)[:, 0]
        exact = part.mean(self._stepper(part)(documents))
        both = np.isfinite(quick) & np.isfinite(exact)
        return {
            "documents": int(both.sum()),
            "reference_tokens": sum(part.tokens),
            "spearman_of_first_order_and_one_step": rounded(spearman(quick[both], exact[both])),
            "helpful_share": {
                "first_order": rounded(float((quick[both] > 0).mean())),
                "one_step": rounded(float((exact[both] > 0).mean())),
            },
        }

    def _direction(self, gradient: Named) -> Direction:
        return direction(self.state, gradient, scale=self.scale, slopes=self.slopes)

    def _stepper(self, reference: Reference) -> OneStep:
        return OneStep(self.state, reference.halves, scale=self.scale, precision=self.precision)

    def _first_order(self, directions: Sequence[Direction], documents: Tokens) -> Numbers:
        return first_order(self.reader, directions, documents, self.longest)


def reliability(by_half: Numbers) -> dict[str, Any]:
    """Return how the halves of a reference agree on the ranks of documents.

    `halves` is their Spearman; `whole` what it implies for the whole reference, 2 r / (1 + r)
    (Spearman 1910 and Brown 1910, British Journal of Psychology 3).

    Args:
        by_half: (N, 2), NaN where there is no probe.
    """
    known = by_half[np.isfinite(by_half).all(axis=1)]
    halves = spearman(known[:, 0], known[:, 1])
    whole = 2 * halves / (1 + halves) if halves > 0 else halves
    return {"documents": len(known), "halves": rounded(halves), "whole": rounded(whole)}


def refuse_lost(lost: int, probed: int, *, where: str) -> None:
    """Return only if few probes were no numbers.

    Raises:
        RecipeError: more than `MOST_LOST` of them.
    """
    if lost > MOST_LOST * probed:
        raise RecipeError(
            f"{lost} of {probed} probes are no numbers; wanted at most {MOST_LOST:.0%}: the "
            "model's weights or moments have overflowed, train it at lower rates",
            where=where,
        )


def refuse_few(probed: int, least: int, *, where: str) -> None:
    """Return only if enough documents were probed.

    Raises:
        RecipeError: fewer than `least`.
    """
    if probed < least:
        raise RecipeError(
            f"{probed} documents were probed, wanted {least} or more: raise `documents`, or lower "
            "`least_documents` where it is only to be seen that it runs",
            where=where,
        )


def refuse_unreliable(found: dict[str, Any], least: float, *, where: str) -> None:
    """Return only if two halves of the reference agree.

    Raises:
        RecipeError: they agree less than `least`.
    """
    if found["halves"] is None or found["halves"] < least:
        raise RecipeError(
            f"reliability is {found['halves']!r}: so two halves of the reference agree on "
            f"{found['documents']} documents; wanted {least} or more (least_reliability): raise "
            "`reference_tokens`, give more target text, or train the model longer",
            where=where,
        )
