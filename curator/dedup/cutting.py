"""Texts with stretches cut out, margin and all: what is left in pieces long enough to be worth it.

GPT-3's rule (Brown et al. 2020, arXiv:2005.14165, appendix C): the colliding n-gram goes and a
window of 200 characters around it (200 on each side, as EleutherAI's lm_eval/decontamination/
janitor.py reads it), pieces of fewer than 200 characters go, and so does a document in more than
10 pieces. There each piece becomes a document. Here a document stays one: its pieces are joined by
an empty line, so that rows and their order remain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa

from curator.text.spans import Spans

JOINT: Final = "\n\n"
_LONGEST_WORD: Final = 100  # characters; a cut is moved no further to spare a word
_ROUNDS: Final = 4

Look: TypeAlias = Callable[[pa.Array], Spans]


@dataclass(frozen=True)
class Cut:
    """How much is cut, and what may be left: GPT-3's numbers.

    Attributes:
        margin: characters that go on each side, and on to the end of the word there.
        min_piece: characters; shorter pieces go.
        max_pieces: a text in more of them, short ones counted, is given up.
    """

    margin: int = 200
    min_piece: int = 200
    max_pieces: int = 10


GPT3: Final = Cut()


def cut_texts(texts: pa.Array, spans: Spans, cut: Cut, look: Look) -> list[str | None]:
    """Return the texts without their spans; None where too many pieces or nothing is left.

    What is left is looked through again and cut again: words on both sides of a joint can make up
    what neither side had. A text that is not clean after a few rounds is given up.

    Args:
        texts: large_string.
        spans: of the texts, in bytes.
        cut: how much goes.
        look: returns what is to be cut of texts.
    """
    left: list[str | None] = texts.to_pylist()
    rows, found = list(range(len(left))), spans
    for _ in range(_ROUNDS):
        for place, row in enumerate(rows):
            low, high = found.offsets[place], found.offsets[place + 1]
            pairs = zip(found.starts[low:high].tolist(), found.ends[low:high].tolist(), strict=True)
            left[row] = _cut(left[row] or "", list(pairs), cut)
        rows = [row for row in rows if left[row] is not None]
        found = look(pa.array([left[row] for row in rows], pa.large_string()))
        counts = np.diff(found.offsets)
        rows = [row for row, count in zip(rows, counts.tolist(), strict=True) if count]
        if not rows:
            return left
        found = found._replace(offsets=np.append(0, np.cumsum(counts[counts > 0])))
    for row in rows:
        left[row] = None
    return left


def _cut(text: str, spans: Sequence[tuple[int, int]], cut: Cut) -> str | None:
    """Return a text without some spans of its bytes; None where nothing may be left of it."""
    raw = text.encode()
    borders, at, reached = [0], 0, 0
    for start, end in spans:
        first = at + len(raw[reached:start].decode())
        past = first + len(raw[start:end].decode())
        at, reached = past, end
        borders += [_before(text, first - cut.margin), _after(text, past + cut.margin)]
    borders.append(len(text))
    # Margins overlap: a piece begins no earlier than the furthest cut before it ended.
    furthest = np.maximum.accumulate(borders[0::2]).tolist()
    pieces = [text[a:b].strip() for a, b in zip(furthest, borders[1::2], strict=True) if a < b]
    pieces = [piece for piece in pieces if piece]
    kept = [piece for piece in pieces if len(piece) >= cut.min_piece]
    return JOINT.join(kept) if kept and len(pieces) <= cut.max_pieces else None


def _before(text: str, at: int) -> int:
    """Return the last place up to `at` where no word is cut, 0 if `at` is before the text."""
    for place in range(at, max(0, at - _LONGEST_WORD), -1):
        if text[place - 1].isspace() or text[place].isspace():
            return place
    return max(0, at if at > _LONGEST_WORD else 0)


def _after(text: str, at: int) -> int:
    """Return the first place from `at` on where no word is cut, the end if `at` is past it."""
    for place in range(at, min(len(text), at + _LONGEST_WORD)):
        if text[place - 1].isspace() or text[place].isspace():
            return place
    return min(len(text), at if at + _LONGEST_WORD < len(text) else len(text))
