"""Questions that list options, and answers that reason: recognized and written in other words.

Instruction Pre-Training's release re-writes option lists and its synthesizer's one phrase for step
by step reasoning from pools of labels and phrases (microsoft/LMOps, instruction_pretrain/utils).
The pools here are ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from curator.refine.question_pairs import Pair

_HEADING: Final = re.compile(r"(?im)^[ \t]*(?:options|choices)[ \t]*:[ \t]*$")
# "- text", "* text", "A. text", "(b) text", "3) text".
_OPTION: Final = re.compile(
    r"(?:[-*\u2022]|\(?(?P<label>[A-Za-z]|\d{1,2})[.)])[ \t]+(?P<text>\S.*)$"
)
_LABELED: Final = re.compile(r"^\(?([A-Za-z]|\d{1,2})[.)]?(?:[ \t]+|$)")
_REASONING: Final = re.compile(
    # White space is matched from where it begins: else a long run is looked at from each place.
    r"(?:(?<![ \t\n])[ \t\n]+)?let(?:'|\u2019)?s think step by step[.:]?[ \t]*",
    re.IGNORECASE,
)

_HEADINGS: Final = ("Options:", "Choose one:", "Possible answers:", "One of these:")
_STYLES: Final[tuple[Callable[[int], str], ...]] = (
    lambda place: f"({chr(ord('A') + place)}) ",
    lambda place: f"{chr(ord('A') + place)}. ",
    lambda place: f"{place + 1}) ",
    lambda place: f"{chr(ord('a') + place)}) ",
)
_PHRASES: Final = (
    "Reason before you answer.", "Show how you get there.", "Give the steps, then the answer.",
    "Work it out in order.",
)  # fmt: skip
_MOST_OPTIONS: Final = 26  # as many as there are letters


def phrased(pair: Pair, bits: int) -> Pair:
    """Return a pair with its options and its call for reasoning, if any, in words of a pool.

    Args:
        pair: as a model wrote it.
        bits: random ones that choose; those above the lowest 40 are looked at.
    """
    return _reasoned(_relabeled(pair, bits >> 40), bits >> 56)


def _relabeled(pair: Pair, bits: int) -> Pair:
    """Return a pair whose options have other labels; the answer keeps naming the same option."""
    question, options, labels = _options(pair.question)
    if not 2 <= len(options) <= _MOST_OPTIONS:  # one is no choice
        return pair
    style = _STYLES[(bits & 0xFF) % len(_STYLES)]
    heading = _HEADINGS[((bits >> 8) & 0xFF) % len(_HEADINGS)]
    listed = "\n".join(f"{style(place)}{option}" for place, option in enumerate(options))
    place = _place_of(pair.answer, options, labels)
    answer = pair.answer if place is None else f"{style(place)}{options[place]}"
    return Pair(f"{question}\n{heading}\n{listed}", answer)


def _options(question: str) -> tuple[str, list[str], list[str]]:
    """Return a question without its options, the options, and the label of each ("" if none)."""
    heading = _HEADING.search(question)
    if heading is None:
        return question, [], []
    found = [_OPTION.match(line.strip()) for line in question[heading.end() :].strip().splitlines()]
    known = [one for one in found if one is not None]
    if len(known) < len(found):  # some line is no option: the list is not understood
        return question, [], []
    labels = [(one["label"] or "").lower() for one in known]
    return question[: heading.start()].rstrip(), [one["text"] for one in known], labels


def _place_of(answer: str, options: list[str], labels: list[str]) -> int | None:
    """Return which option an answer names, by its text or its label; None if neither."""
    lowered = [option.lower() for option in options]
    said = answer.strip()
    label = _LABELED.match(said)
    for candidate in (said, said[label.end() :] if label else said):
        if candidate.strip().lower() in lowered:
            return lowered.index(candidate.strip().lower())
    if label and label.end() == len(said) and label[1].lower() in labels:
        return labels.index(label[1].lower())
    return None


def _reasoned(pair: Pair, bits: int) -> Pair:
    """Return a pair that calls for step by step reasoning, if it did, in other words."""
    question, asked = _REASONING.subn("", pair.question)
    answer = pair.answer.lstrip()
    begins = _REASONING.match(answer)
    question, answer = question.strip(), answer[begins.end() :].lstrip() if begins else answer
    if not (asked or begins) or not question or not answer:
        return pair
    return Pair(f"{question} {_PHRASES[(bits & 0xFF) % len(_PHRASES)]}", answer)
