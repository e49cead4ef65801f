"""The tokens that statistics count, as strings: for looking, and for tests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curator.text.affixes import affixes
from curator.text.blocks import SLACK
from curator.text.compile import compiled
from curator.text.contractions import exceptions
from curator.text.masks import SCANNED, mask_room, scan
from curator.text.memo import memo_room
from curator.text.runs import run_room, token_room
from curator.text.tokens import Language, line_room, tokenize


def segments(text: str) -> list[str]:
    """The tokens of one text, in order: all its characters but white space."""
    written = text.encode()
    data = np.frombuffer(written + bytes(SLACK), np.uint8)
    lengths = _lengths(data, len(written), Language(affixes(), exceptions()))
    visible = "".join(text.split())
    ends = np.cumsum(lengths)
    return [visible[end - size : end] for end, size in zip(ends, lengths, strict=True)]


@compiled
def _lengths(data: npt.NDArray[np.uint8], end: int, language: Language) -> npt.NDArray[np.int32]:
    scanned = np.zeros(len(SCANNED), np.int64)
    masks, tokens = mask_room(end), token_room(end)
    scan(data, 0, end, masks, scanned)
    count, _ = tokenize(
        data, 0, end, masks, language, run_room(), memo_room(), tokens, 0, line_room(end + 1)
    )
    return tokens.lengths[:count]
