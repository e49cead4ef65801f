"""One of several: what a judge is shown to choose from, and which one its answer names.

An answer that names no option that was shown is an abstention, never a choice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from curator.errors import RecipeError
from curator.generate.asking import Answer, Request, digest_of
from curator.generate.prompts import Prompt, spellings
from curator.generate.verdicts import LEAST_MASS, Verdicts

_BRACKETS = re.compile(r"\[(?=\[)|\](?=\])")


class Shown(NamedTuple):
    """A document in a question: its id in hex, and what is shown of it."""

    name: str
    text: str


def choice_of(wording: Prompt, chosen: Sequence[Shown], options: Sequence[Shown]) -> Request:
    """Return the question which of `options` adds most to `chosen`.

    Args:
        wording: of the kind "choice".
        chosen: some of what has been chosen; in the order shown.
        options: at least one and no more than the wording has labels for; in the order shown.

    Raises:
        RecipeError: more options than labels, or none.
    """
    labels = labels_of(wording)
    if not 1 <= len(options) <= len(labels):
        raise RecipeError(
            f"{len(options)} options for the labels {', '.join(labels)} of prompt "
            f"{wording.name!r}; wanted 1 to {len(labels)}: show fewer, or write a prompt that "
            "labels more"
        )
    quoted = "\n\n".join(_quoted(one.text) for one in chosen) or "(nothing yet)"
    offered = "\n\n".join(
        f"[[{label}]]\n{_quoted(one.text)}" for label, one in zip(labels, options, strict=False)
    )
    return Request(
        wording.ask(quoted, offered),
        wording.digest,
        tuple(one.name for one in (*chosen, *options)),
        # To a digest both are one list: how many were chosen tells where the options begin.
        digest_of(str(len(chosen)), *(one.text for one in (*chosen, *options))),
        forms=wording.forms(),
        max_tokens=wording.max_tokens,
        chat=wording.chat,
        opening=min(wording.text.index(place) for place in ("{chosen}", "{options}")),
    )


def labels_of(wording: Prompt) -> tuple[str, ...]:
    """Return the labels of options in the order of places."""
    return tuple(words[0] for _, words in wording.answers)


def read_choices(
    wording: Prompt,
    answers: Sequence[Answer],
    offered: Sequence[int],
    *,
    least_mass: float = LEAST_MASS,
) -> Verdicts:
    """Return the place among the options that each answer names; NaN for an abstention.

    A generated answer names what the last match of the wording's pattern says; odds name the
    likeliest of the labels shown, the first of equals.

    Args:
        wording: that was asked.
        answers: (n,) of a judge.
        offered: (n,) how many options each question had.
        least_mass: odds of the labels shown, together, below which an answer is an abstention.
    """
    places = np.full(len(answers), np.nan)
    mass = np.ones(len(answers))
    outside = []
    for row, (answer, count) in enumerate(zip(answers, offered, strict=True)):
        if wording.max_tokens:  # a loop over answers that cost seconds each
            label = _named(wording, answer)
            known = labels_of(wording)[:count]
            if label in known:
                places[row] = known.index(label)
            elif label is not None:
                outside.append(label)
            continue
        odds = [sum(answer.odds.get(form, 0.0) for form in spellings(words))
                for _, words in wording.answers[:count]]  # fmt: skip
        mass[row] = sum(odds)
        if mass[row] > 0 and mass[row] >= least_mass:
            places[row] = int(np.argmax(odds))
    return Verdicts(places, mass, ~np.isnan(places), tuple(outside))


def _named(wording: Prompt, answer: Answer) -> str | None:
    found = re.findall(wording.pattern, answer.text)
    return str(found[-1]).strip().upper() if found else None


def _quoted(text: str) -> str:
    # A text that spells [[B]] would look like a further option.
    harmless = _BRACKETS.sub(r"\g<0> ", text)
    return f'"""\n{harmless}\n"""'
