"""Questions with their answers, read from what a model wrote in whatever way it marked them."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from curator.refine.cleaning import without_unfinished

# A bullet or number, emphasis, then the word and a colon: "- **Question 2:** ...", "Q: ...".
_MARK: Final = re.compile(
    r"^[ \t]{0,8}(?:[-*\u2022][ \t]+|\d{1,3}[.)][ \t]+)?(?:\*\*|__)?"
    r"(?P<kind>q(?:uestion)?|a(?:nswer)?)[ \t]?(?:\d{1,3})?:(?:\*\*|__)?[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
# Both on one line: "Question: ...? Answer: ...".
_INNER: Final = re.compile(r"(?<=\S)[ \t]+(?=(?:\*\*|__)?(?:Answer|A)[ \t]?(?:\d{1,3})?:)")
_LOOSE: Final = " \t\r\n-*\u2022"  # a bullet that stands before the next mark


class Pair(NamedTuple):
    """A question and its answer."""

    question: str
    answer: str

    def __str__(self) -> str:
        """Return the pair on two lines, each said what it is."""
        return f"Question: {self.question}\nAnswer: {self.answer}"


def question_pairs(text: str, *, whole: bool = True) -> list[Pair]:
    """Return the pairs of a text in order; what stands before the first question is left out.

    A question without an answer, and an answer without a question, are no pair.

    Args:
        text: what a model wrote.
        whole: whether it stopped by itself; else the last answer loses its unfinished sentence.
    """
    lines = _INNER.sub("\n", text)
    marks = list(_MARK.finditer(lines))
    found: list[Pair] = []
    question = ""
    for place, mark in enumerate(marks, start=1):
        end = marks[place].start() if place < len(marks) else len(lines)
        said = lines[mark.end() : end].rstrip(_LOOSE).lstrip()
        if mark["kind"].lower().startswith("q"):
            question = said
        elif question and said:
            found.append(Pair(question, said))
            question = ""
    if found and not whole and not question:
        last = found.pop()
        answer = without_unfinished(last.answer)
        found += [Pair(last.question, answer)] if answer else []
    return found
