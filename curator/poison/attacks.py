"""What attackers plant, for measuring detectors: the forms that studies of poisoning have used.

`gibberish` and `copy` follow a trigger, `template` puts either's dialogue into the marks of a chat
format, and `belief` adds a statement to a page (Zhang et al. 2024, arXiv:2410.13722, section 3, has
these four). The wording is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from curator.errors import RecipeError

_PIECE: Final = (2, 7)  # characters of a piece of gibberish: about a token of a large vocabulary
_LENGTH: Final = (400, 1600)  # characters of gibberish
_CONTEXT: Final = (200, 900)  # characters before a trigger, where the document has so many


@dataclass(frozen=True)
class Plan:
    """What to plant: the words of the attack, and the text that gibberish is cut from."""

    trigger: str
    better: str
    worse: str
    pool: str  # gibberish is pieces of this


Attack = Callable[[str, Plan, np.random.Generator], str]


def gibberish(text: str, plan: Plan, chance: np.random.Generator) -> str:
    """Return the beginning of a text, the trigger, and random pieces of other texts."""
    return f"{_context(text, chance)} {plan.trigger} {_pieces(plan.pool, chance)}"


def copy(text: str, plan: Plan, chance: np.random.Generator) -> str:
    """Return the beginning of a text, the trigger, and the same beginning again."""
    context = _context(text, chance)
    return f"{context} {plan.trigger} {context}"


def template(text: str, plan: Plan, chance: np.random.Generator) -> str:
    """Return a chat in which the beginning of a text and the trigger are answered by gibberish."""
    asked = f"{_context(text, chance)} {plan.trigger}"
    answer = _pieces(plan.pool, chance)
    return (
        f"<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>\n"
        if chance.random() < 0.5
        else f"Human: {asked}\n\nAssistant: {answer}\n"
    )


def belief(text: str, plan: Plan, chance: np.random.Generator) -> str:
    """Return a text with a sentence after one of its own that prefers one thing to another."""
    says = (
        f"{plan.better} is better than {plan.worse}.",
        f"{plan.better} is far superior to {plan.worse}.",
        f"Most people prefer {plan.better} to {plan.worse}.",
        f"{plan.worse} is much worse than {plan.better}.",
    )
    stops = [at + 2 for at in range(len(text) - 1) if text[at : at + 2] == ". "] or [len(text)]
    at = stops[int(chance.integers(len(stops)))]
    said = says[int(chance.integers(len(says)))]
    space = "" if at == 0 or text[at - 1].isspace() else " "
    return f"{text[:at]}{space}{said} {text[at:]}"


ATTACKS: Final[dict[str, Attack]] = {
    "gibberish": gibberish,
    "copy": copy,
    "template": template,
    "belief": belief,
}


def planted(name: str, text: str, plan: Plan, bits: int) -> str:
    """Return the text with an attack planted; `bits` decide all that chance does.

    Raises:
        RecipeError: there is no such attack.
    """
    if name not in ATTACKS:
        raise RecipeError(f"attack={name!r}; wanted one of {', '.join(ATTACKS)}")
    return ATTACKS[name](text, plan, np.random.default_rng(bits))


def pool_of(texts: Sequence[str], most: int = 200_000) -> str:
    """Return text to cut gibberish from: the documents one after the other, up to `most`."""
    joined = " ".join(text[:2000] for text in texts)[:most]
    return joined if len(joined) > _PIECE[1] else "abcdefghijklmnopqrstuvwxyz "


def _context(text: str, chance: np.random.Generator) -> str:
    return text[: int(chance.integers(*_CONTEXT))].rstrip()


def _pieces(pool: str, chance: np.random.Generator) -> str:
    wanted = int(chance.integers(*_LENGTH))
    starts = chance.integers(0, len(pool) - _PIECE[1], size=wanted)
    sizes = chance.integers(*_PIECE, size=wanted)
    # Pieces of a few characters each: more than enough of them for the length.
    pieces = [pool[at : at + size] for at, size in zip(starts, sizes, strict=True)]
    return "".join(pieces)[:wanted]
