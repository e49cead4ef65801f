"""The five tasks of Nemotron-CC: what each reads, may write, and how its answers are read.

Su et al. 2024 (Nemotron-CC, arXiv:2412.02595). Numbers and rules are those of NVIDIA's release
(NVIDIA-NeMo/Curator, tutorials/synthetic/nemotron_cc/nemotron_cc_pipelines.py and
nemo_curator/stages/synthetic/nemotron_cc/nemotron_cc.py), in tokens of a model; the wording of the
prompts is ours. The least length of a document for paraphrasing is our default. Where the release
shuffles pairs by a global, unseeded chance, ours belongs to the document.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from curator.refine.cleaning import without_markdown, without_quotes
from curator.refine.question_pairs import question_pairs

Quality = Literal["low", "high"]
PARAPHRASE_OPENING: Final = "Here is a paraphrased version:"
DISTILL_OPENING: Final = "Paraphrased Text:"
# At most so many pairs are kept as tenths of 150 tokens go into the text, one at least
# (`max_num_pairs` and the constant in DiverseQAStage).
_MOST_PAIRS, _PAIR_TOKENS = 10, 150
_PASSAGE: Final = re.compile(r"^[ \t]*Passage(?: \d{1,3})?:[ \t]*$\n?", re.MULTILINE)


@dataclass(frozen=True)
class Task:
    """One way to rewrite.

    Attributes:
        name: of the task; its template is `nemotron_cc_NAME`.
        quality: of the documents that it is for.
        least_document: tokens of a document, at least.
        least_segment: tokens of a segment, at least.
        most_read: tokens of a segment and its prompt, at most.
        most_written: tokens that may be generated.
        most_kept: tokens of an answer, at most; longer ones were probably cut.
        least_made: tokens of what is made of a document, at least.
        joined: whether answers about a document's segments make one document.
    """

    name: str
    quality: Quality
    least_document: int
    least_segment: int
    most_read: int
    most_written: int
    most_kept: int
    least_made: int
    joined: bool = False


TASKS: Final = {
    task.name: task
    for task in (
        Task("wikipedia_paraphrase", "low", 5, 5, 512, 512, 510, 50, joined=True),
        Task("diverse_qa", "high", 30, 30, 1000, 600, 598, 100),
        Task("distill", "high", 30, 10, 2000, 1600, 1598, 50),
        Task("extract_knowledge", "high", 30, 30, 1400, 1400, 1398, 50),
        Task("knowledge_list", "high", 30, 30, 1000, 600, 598, 50),
    )
}


def segments(
    text: str, most: int, least: int, count: Callable[[str], int]
) -> tuple[list[str], bool]:
    """Return a document's lines joined with neighbors to segments of `most` tokens at most.

    A line above `most` is left out, and so is a segment below `least`; the second value says
    whether a line was.

    Args:
        text: of a document.
        most, least: tokens.
        count: the tokens of a text.
    """
    found: list[list[str]] = [[]]
    size, over = 0, False
    for line in text.split("\n"):
        cost = count(line + "\n")
        if cost > most:
            found.append([])  # what stood on both sides of it is not joined
            size, over = 0, True
            continue
        if size + cost > most:
            found.append([])
            size = 0
        found[-1].append(line)
        size += cost
    joined = ("\n".join(lines).strip() for lines in found)
    return [one for one in joined if one and count(one) >= least], over


def after_opening(text: str, opening: str) -> str | None:
    """Return an answer without the opening that was asked for, and quotation marks around it.

    None where it does not begin so: the model did something else.
    """
    found = without_markdown(text.strip())
    if not found.startswith(opening):
        return None
    return without_quotes(found[len(opening) :].strip())


def with_pairs(
    document: str, answer: str, tokens: int, chance: np.random.Generator, *, whole: bool = True
) -> str | None:
    """Return a document, an empty line, and some of the pairs that were made of it; None: no pair.

    Pairs are shuffled, and between one and max(1, 10 * tokens / 150) of them kept, each number as
    likely.

    Args:
        document: what was asked about; "": the pairs alone.
        answer: what the model wrote.
        tokens: of the document.
        chance: of the document.
        whole: whether the model stopped by itself.
    """
    pairs = question_pairs(without_markdown(answer), whole=whole)
    if not pairs:
        return None
    order = chance.permutation(len(pairs))
    most = max(1, _MOST_PAIRS * tokens // _PAIR_TOKENS)
    kept = order[: int(chance.integers(1, most + 1))]
    parts = [document] if document else []
    return "\n\n".join([*parts, *(str(pairs[place]) for place in kept.tolist())])


def passages(text: str) -> str:
    """Return an answer without the lines that only number its passages."""
    return _PASSAGE.sub("", without_markdown(text)).strip()


def listed(text: str) -> str:
    """Return the lines of a list without bullets; a first line that is none announces the list."""
    lines = without_markdown(text.strip()).split("\n")
    if lines and not lines[0].startswith("-"):
        lines = lines[1:]
    plain = (line[2:].strip() if line.startswith(("- ", "  ")) else line for line in lines)
    return "\n".join(plain).strip()
