"""Questions and answers in the markup of Instruction Pre-Training, written and read.

`<QUE> question <ANS> answer </END>`, as the authors' synthesizer writes it (Cheng et al. 2024,
arXiv:2406.14491; microsoft/LMOps, instruction_pretrain/utils/read_compre.py). A document that has a
mark of it cannot be shown: what it says could be taken for what the model says.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from curator.refine.question_pairs import Pair

_MARK: Final = re.compile(r"</?\s*(?:CON|QUE|ANS|END)\s*/?>", re.IGNORECASE)
_END: Final = "</END>"
_QUESTION: Final = "<QUE>"
_ANSWER: Final = "<ANS>"
# A word that says something: a number, three letters or more, or a letter of a script without
# spaces between words.
_WORD: Final = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\d+|[^\W\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{3,}"
)
# Words that any text has; overlap in them says nothing.
_EMPTY: Final = frozenset(
    _WORD.findall(
        "the and for are was were that this with from have has had not but you your its his her "
        "their which what who when where why how does did can could will would should may might "
        "been being they them there then than into about also such some any all one two"
    )
)
_LONGEST: Final = 4000  # characters of a question or an answer; ours, against runaway answers


@dataclass(frozen=True)
class Read:
    """What was read of an answer.

    Attributes:
        pairs: in order.
        dropped: how many were no pair, by reason.
    """

    pairs: tuple[Pair, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)


def has_mark(text: str) -> bool:
    """Return whether a text has a mark of the markup, in any case."""
    return _MARK.search(text) is not None


def read_pairs(answer: str) -> Read:
    """Return the pairs of an answer; a pair is one whole question with one whole answer.

    Reasons of what is left out: "unterminated" (the answer broke off), "no_question",
    "no_answer", "several_answers", "mark" (a mark within), "long" (4,000 characters), "repeated"
    (the same question before, whatever its case).
    """
    parts = answer.split(_END)
    dropped: Counter[str] = Counter()
    if parts.pop().strip():
        dropped["unterminated"] += 1
    found: dict[str, Pair] = {}
    for part in parts:
        reason = _fault(part)
        if reason:
            dropped[reason] += 1
            continue
        asked, said = part.split(_ANSWER)
        pair = Pair(asked.strip().removeprefix(_QUESTION).strip(), said.strip())
        if pair.question.lower() in found:
            dropped["repeated"] += 1
        else:
            found[pair.question.lower()] = pair
    return Read(tuple(found.values()), dict(sorted(dropped.items())))


def write_pairs(pairs: Sequence[Pair]) -> str:
    """Return pairs in the markup, as an example of what is asked for."""
    return "\n\n".join(
        f"{_QUESTION} {pair.question} {_ANSWER} {pair.answer} {_END}" for pair in pairs
    )


def grounded_share(pair: Pair, text: str) -> float:
    """Return the share of the answer's words that stand in the text, of the question's if it has
    none that say something ("yes"); 0 if neither has.

    Words are compared without case, as parts of the text's. A measure of ours: it finds answers
    about something else, not answers that are wrong.
    """
    lowered = text.lower()
    for said in (pair.answer, pair.question):
        words = set(_WORD.findall(said.lower())) - _EMPTY - {"yes", "no"}
        if words:
            return sum(word in lowered for word in words) / len(words)
    return 0.0


def _fault(part: str) -> str:
    """Return why what stands before an end is no pair, "" if it is one."""
    answers = part.count(_ANSWER)
    if answers != 1:
        return "several_answers" if answers else "no_answer"
    asked, said = part.split(_ANSWER)
    if not asked.strip().startswith(_QUESTION):
        return "no_question"
    if has_mark(asked.strip().removeprefix(_QUESTION)) or has_mark(said):
        return "mark"
    if not asked.strip().removeprefix(_QUESTION).strip():
        return "no_question"
    if not said.strip():
        return "no_answer"
    return "long" if max(len(asked), len(said)) > _LONGEST else ""
