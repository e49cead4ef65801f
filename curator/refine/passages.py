"""Documents as passages that a model rewrites one by one, and the rewritten passages as documents.

Passages are cut at ends of sentences; what white space parted two of them parts their rewritings
too. Sizes are guesses: what a writer's own tokenizer counts is known only where it runs, and where
a document is cut must not depend on who answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from curator.clean.license_names import declared
from curator.refine.pieces import By, pieces

# English has 4 to 5 bytes a token with most tokenizers; other scripts have more bytes a letter and
# fewer letters a token.
_BYTES_A_TOKEN: Final = 4
_UNCHANGED_ONLY: Final = ("no_derivatives", "proprietary")


class Passage(NamedTuple):
    """A stretch of a document.

    Attributes:
        number: which of the document's passages, from 0.
        text: without white space around it.
        joint: what parts it from the next: its line breaks, or a space.
        over: whether it is one sentence longer than the budget.
    """

    number: int
    text: str
    joint: str
    over: bool


def guessed_tokens(text: str) -> int:
    """Return about how many tokens a text has: a token for every four bytes."""
    return -(-len(text.encode()) // _BYTES_A_TOKEN)


def passages_of(text: str, budget: int, by: By = "sentence") -> list[Passage]:
    """Return the passages of a document of `budget` guessed tokens at most; white space is none."""
    found: list[Passage] = []
    for piece in pieces(text, budget, guessed_tokens, by=by):
        stretch = text[piece.start : piece.end]
        if stretch.strip():
            breaks = stretch.count("\n", len(stretch.rstrip()))
            joint = "\n" * min(2, breaks) or " "
            found.append(Passage(len(found), stretch.strip(), joint, piece.over))
    return found


def joined(parts: Sequence[tuple[str, str]]) -> str:
    """Return texts, each with the joint that stands after it, as one; the last joint is none."""
    return "".join(text + joint for text, joint in parts[:-1]) + (parts[-1][0] if parts else "")


def derivable(license_: str | None) -> bool:
    """Return whether a declared license allows a changed text; one that says nothing does not."""
    found = declared(license_ or "")
    if found is None or found.tier in _UNCHANGED_ONLY:
        return False
    return "-ND" not in found.id  # CC BY-NC-ND counts among the non-commercial ones
