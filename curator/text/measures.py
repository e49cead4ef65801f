"""Where the counts of further rule sets plug into the one pass of `curator.text.statistics`.

For each text of a column, after its tokens were taken and the counts of Gopher, C4 and FineWeb
made, `measure_text` is called once, while the text is still in the processor's cache. To add
counts: name them in `MEASURES`; give kernels the tables they look things up in through `Tables`
and room that outlives a text through `Room`; fill `out` in `measure_text`, which calls the kernels
of other files.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.compile import part
from curator.text.runs import Tokens
from curator.text.seen import Seen, room
from curator.text.tokens import Language

MEASURES: Final[tuple[str, ...]] = ()


class Tables(NamedTuple):
    """What the kernels look up; made once a process by `tables`.

    Attributes:
        classes: (LIMIT,) uint16, `curator.text.unicode.characters().classes`.
    """

    classes: npt.NDArray[np.uint16]


class Room(NamedTuple):
    """Room that is used again for each text.

    Attributes:
        seen: a set of hashes, to be emptied by whoever uses it.
    """

    seen: Seen


def tables() -> Tables:
    """The tables of this process."""
    from curator.text.unicode import characters

    return Tables(characters().classes)


@part
def measure_room() -> Room:
    """Room for the first text."""
    return Room(room(1024))


@part
def measure_text(
    data: npt.NDArray[np.uint8],
    at: int,
    end: int,
    tokens: Tokens,
    count: int,
    language: Language,
    tables: Tables,
    room: Room,
    out: npt.NDArray[np.int64],
) -> Room:
    """Fill `out` (len(MEASURES),) for the text `data[at:end]`; returns the room, maybe grown.

    `tokens` holds the text's tokens in its first `count` places: those of `curator.text.tokens`.
    """
    return room
