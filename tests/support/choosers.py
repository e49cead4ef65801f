"""Judges that choose by a rule: documents whose texts say their quality and their subject."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from curator.generate.asking import Answer, Request
from tests.support.judges import Rule

Seen = tuple[int, int]  # quality and subject that a text says
_TEXT = re.compile(r"quality (\d+) subject (\d+)")


def planted(count: int, subjects: int) -> list[str]:
    """Texts of rising quality, neighbors of one subject: the best are all of a few subjects."""
    return [f"quality {row} subject {row * subjects // count} text" for row in range(count)]


def said(text: str) -> Seen:
    quality, subject = _TEXT.search(text).groups()
    return int(quality), int(subject)


def chooser(choose: Callable[[Sequence[Seen], Sequence[Seen]], int | str]) -> Rule:
    """A backend that answers [[LABEL]] by a rule of what it sees chosen and offered."""

    def answer(request: Request) -> Answer:
        before, _, after = request.prompt.partition("Candidates:")
        chosen, options = (
            [said(found[0]) for found in _TEXT.finditer(part)] for part in (before, after)
        )
        found = choose(chosen, options)
        label = found if isinstance(found, str) else f"[[{chr(65 + found)}]]"
        return Answer(label, prompt_tokens=len(request.prompt.split()), tokens=4)

    return Rule(answer)


def best(chosen: Sequence[Seen], options: Sequence[Seen]) -> int:
    """Quality alone."""
    return max(range(len(options)), key=lambda at: options[at])


def best_and_new(chosen: Sequence[Seen], options: Sequence[Seen]) -> int:
    """A subject not yet seen first, then quality."""
    seen = {subject for _, subject in chosen}
    return max(range(len(options)), key=lambda at: (options[at][1] not in seen, options[at][0]))
