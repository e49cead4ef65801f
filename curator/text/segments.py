"""The tokens that statistics count, as strings: for looking, and for tests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curator.text.affixes import affixes
from curator.text.buffers import utf8
from curator.text.compile import compiled
from curator.text.contractions import exceptions
from curator.text.runs import run_room, token_room
from curator.text.tokens import Language, tokenize_line


def segments(text: str) -> list[str]:
    """The tokens of one text, in order: all its characters but white space."""
    column = utf8(pa.array([text], pa.large_string()))
    lengths = _lengths(column.offsets, column.data, Language(affixes(), exceptions()))
    visible = "".join(text.split())
    ends = np.cumsum(lengths)
    return [visible[end - size : end] for end, size in zip(ends, lengths, strict=True)]


@compiled
def _lengths(
    offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8], language: Language
) -> npt.NDArray[np.int32]:
    run, tokens = run_room(), token_room(len(data) + 1)
    at, count = offsets[0], 0
    while at < offsets[1]:
        line = tokenize_line(data, at, offsets[1], language, run, tokens, count)
        at, count = line.following, line.tokens
    return tokens.lengths[:count]
