"""Texts and the questions about them as one document, laid out in one of five manners by chance.

Instruction Pre-Training (Cheng et al. 2024, arXiv:2406.14491) varies how pairs are written down, so
that a model does not learn one template; the manners and their shares are those of the release
(microsoft/LMOps, instruction_pretrain/utils), the words are ours. Chance is the document's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from curator.identity import random_bits, uniform
from curator.refine.options import phrased
from curator.refine.question_pairs import Pair

Mode = Literal["classic", "dialogue", "numbered", "inline", "turns"]

# Of documents whose every text has two pairs or more, and of the others (the release's shares).
_MANY: Final[tuple[tuple[Mode, float], ...]] = (
    ("classic", 0.80),
    ("dialogue", 0.05),
    ("numbered", 0.05),
    ("inline", 0.05),
    ("turns", 0.05),
)
_FEW: Final[tuple[tuple[Mode, float], ...]] = (("classic", 0.95), ("dialogue", 0.05))
_ASKED_FIRST: Final = 0.05  # share in which the questions stand before the text (the release's)

_LEADS: Final = (
    "", "", "Questions about this text:", "Some questions on what was said above.",
    "To check what was read:", "What does the text say?", "Asked and answered:",
    "Answer from the passage.",
)  # fmt: skip
_LEADS_BEFORE: Final = ("Questions about the text that follows:", "Read on for these answers:", "")
_LABELS: Final = (
    ("Question: ", "Answer: "), ("Q: ", "A: "), ("", ""), ("Question - ", "Answer - "),
    ("[question] ", "[answer] "), ("Asked: ", "Answered: "),
)  # fmt: skip
_SPEAKERS: Final = (
    ("Reader", "Author"), ("Student", "Teacher"), ("User", "Assistant"), ("A", "B"),
    ("Visitor", "Guide"),
)  # fmt: skip
_ARROWS: Final = (" -> ", " => ", " | ", " : ")
_BREAKS: Final = ("\n\n", "\n\n\n", "\n\n---\n\n")  # between the texts of a document
_GAPS: Final = ("\n\n", "\n")  # between pairs


@dataclass(frozen=True)
class Told:
    """A text and the pairs about it."""

    text: str
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Manner:
    """How a document is laid out.

    Attributes:
        mode: one of `Mode`.
        asked_first: whether the questions stand before the text; not in a conversation.
        bits: 64 random ones, that choose the words.
    """

    mode: Mode
    asked_first: bool
    bits: int

    def choose(self, pool: Sequence[object], place: int) -> int:
        """Return which of a pool; pools at different places are chosen from independently."""
        return (self.bits >> (8 * place)) % 256 % len(pool)


def manners(
    ids: NDArray[np.uint8], least_pairs: NDArray[np.int64], *, purpose: str, seed: int
) -> list[Manner]:
    """Return how each document is laid out, by chance of its id alone.

    Args:
        ids: (n, 16), of the document that the first text is of.
        least_pairs: (n,) the fewest pairs that one of its texts has.
        purpose: what the chance is for.
        seed: of the chance.
    """
    drawn = uniform(ids, f"{purpose}.mode", seed)
    first = uniform(ids, f"{purpose}.order", seed) < _ASKED_FIRST
    bits = random_bits(ids, f"{purpose}.words", seed)
    found = []
    for row, least in enumerate(least_pairs.tolist()):
        shares = _MANY if least >= 2 else _FEW
        place = int(np.searchsorted(np.cumsum([share for _, share in shares]), drawn[row]))
        mode = shares[min(place, len(shares) - 1)][0]
        found.append(Manner(mode, bool(first[row]) and mode != "turns", int(bits[row])))
    return found


def laid_out(chain: Sequence[Told], manner: Manner) -> str:
    """Return the texts of a chain with their pairs as one document."""
    write = {
        "classic": _classic,
        "dialogue": _dialogue,
        "numbered": _numbered,
        "inline": _inline,
        "turns": _turns,
    }[manner.mode]
    between = _BREAKS[manner.choose(_BREAKS, 0)]
    return between.join(
        write(told.text.strip(), [phrased(pair, manner.bits) for pair in told.pairs], manner)
        for told in chain
    )


def _around(text: str, asked: str, manner: Manner) -> str:
    """Return the text and what is asked about it, in the order of the manner."""
    pool = _LEADS_BEFORE if manner.asked_first else _LEADS
    lead = pool[manner.choose(pool, 1)]
    asked = f"{lead}\n\n{asked}" if lead else asked
    return f"{asked}\n\n{text}" if manner.asked_first else f"{text}\n\n{asked}"


def _classic(text: str, pairs: list[Pair], manner: Manner) -> str:
    ask, answer = _LABELS[manner.choose(_LABELS, 2)]
    gap = _GAPS[manner.choose(_GAPS, 3)]
    asked = gap.join(f"{ask}{pair.question}\n{answer}{pair.answer}" for pair in pairs)
    return _around(text, asked, manner)


def _dialogue(text: str, pairs: list[Pair], manner: Manner) -> str:
    one, other = _SPEAKERS[manner.choose(_SPEAKERS, 2)]
    asked = "\n".join(f"{one}: {pair.question}\n{other}: {pair.answer}" for pair in pairs)
    return _around(text, asked, manner)


def _numbered(text: str, pairs: list[Pair], manner: Manner) -> str:
    """Return all questions as a list, then all answers under the same numbers."""
    questions = "\n".join(f"{n}. {pair.question}" for n, pair in enumerate(pairs, start=1))
    answers = "\n".join(f"{n}. {pair.answer}" for n, pair in enumerate(pairs, start=1))
    return _around(text, f"{questions}\n\nAnswers:\n{answers}", manner)


def _inline(text: str, pairs: list[Pair], manner: Manner) -> str:
    arrow = _ARROWS[manner.choose(_ARROWS, 2)]
    asked = "\n".join(f"{pair.question}{arrow}{pair.answer}" for pair in pairs)
    return _around(text, asked, manner)


def _turns(text: str, pairs: list[Pair], manner: Manner) -> str:
    """Return a conversation whose first turn shows the text, and each later one asks the next."""
    one, other = _SPEAKERS[manner.choose(_SPEAKERS, 2)]
    first = f"{one}: {text}\n\n{pairs[0].question}\n{other}: {pairs[0].answer}"
    later = [f"{one}: {pair.question}\n{other}: {pair.answer}" for pair in pairs[1:]]
    return "\n".join([first, *later])
