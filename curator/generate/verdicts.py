"""Answers as numbers: a grade where an answer can be read, and a refusal where too few can.

An answer that cannot be read is no grade of zero: it has no grade, and is counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError, shown
from curator.generate.asking import Answer
from curator.generate.prompts import Prompt, spellings

# Selection methods, part B5 (6): below this share of readable answers a judge is refused.
LEAST_PARSED = 0.95
# Odds are read as an answer where the next token is likelier one of the answers than not.
LEAST_MASS = 0.5
_SLACK = 1e-3  # odds come from rounded logarithms, and each spelling adds its own error


@dataclass(frozen=True)
class Verdicts:
    """What answers say, in their order.

    Attributes:
        grades: (n,) in the prompt's range; NaN where an answer could not be read.
        mass: (n,) probability that the next token is one of the answers; 1 where generated.
        parsed: (n,) whether there is a grade.
        outside: grades given that are outside the prompt's range, as they were written.
    """

    grades: NDArray[np.float64]
    mass: NDArray[np.float64]
    parsed: NDArray[np.bool_]
    outside: tuple[str, ...] = ()


def read_answers(
    prompt: Prompt, answers: Sequence[Answer], *, least_mass: float = LEAST_MASS
) -> Verdicts:
    """Return the grades in `answers`.

    Args:
        prompt: what was asked.
        answers: (n,) of a model.
        least_mass: odds of all answers together from which an answer counts as read.

    Raises:
        RecipeError: odds that are no probabilities.
    """
    if prompt.max_tokens:
        return _generated(prompt, answers)
    values = np.array([value for value, _ in prompt.answers])
    forms = [spellings(words) for _, words in prompt.answers]
    odds = np.array(
        [[sum(one.odds.get(form, 0.0) for form in each) for each in forms] for one in answers]
    ).reshape(len(answers), len(values))
    mass = odds.sum(axis=1)
    wrong = ~((odds >= 0).all(axis=1) & (mass <= 1 + _SLACK))  # NaN is wrong too
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise RecipeError(
            f"answer {row} has the odds {shown(dict(answers[row].odds))}; wanted probabilities "
            "that sum to 1 at most: a grade from these would be outside its range"
        )
    parsed = mass >= max(least_mass, np.finfo(np.float64).tiny)
    with np.errstate(divide="ignore", invalid="ignore"):
        grades = odds @ values / (mass if prompt.normalize else 1.0)
    return Verdicts(np.where(parsed, grades, np.nan), mass, parsed)


def refuse_unread(
    parsed: int, asked: int, *, least: float, prompt: Prompt, outside: Sequence[str] = ()
) -> None:
    """Refuse a judge whose answers can too rarely be read.

    Raises:
        RecipeError: fewer than a share of `least` were; says whether grades were out of range.
    """
    if not asked or parsed >= least * asked:
        return
    low, high = prompt.range
    why = (
        f"{len(outside)} of them are outside {low:g} to {high:g}, such as {outside[0]!r}; "
        if outside
        else ""
    )
    raise RecipeError(
        f"{parsed} of {asked} answers to prompt {prompt.name!r} can be read "
        f"({parsed / asked:.1%}); wanted {least:.0%}; {why}a judge that does not keep to the form "
        "of its answers has no grade to give: take a prompt or a model that does, or lower "
        "least_mass or least_parsed and say so"
    )


def _generated(prompt: Prompt, answers: Sequence[Answer]) -> Verdicts:
    wanted = re.compile(prompt.pattern)
    low, high = prompt.range
    grades = np.full(len(answers), np.nan)
    outside = []
    for row, answer in enumerate(answers):  # a loop over answers that cost seconds each
        found = wanted.findall(answer.text)
        value = _number(found[-1]) if found else None
        if value is not None and low <= value <= high:
            grades[row] = value
        elif found:
            outside.append(str(found[-1]))
    parsed = ~np.isnan(grades)
    return Verdicts(grades, np.ones(len(answers)), parsed, tuple(outside))


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
