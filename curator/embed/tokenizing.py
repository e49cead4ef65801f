"""The first tokens of texts, without tokenizing what a model never sees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Characters read for each token wanted; English has four to five. A text whose beginning is too
# short for all tokens is read whole.
_CHARACTERS = 8


class Beginnings:
    """A tokenizer that gives what it would give for whole texts, cut to the model's longest input.

    Args:
        path: `tokenizer.json`, of a tokenizer that splits at spaces before anything else.
        longest: tokens wanted at most, special ones included.
    """

    def __init__(self, path: Path, longest: int) -> None:
        from tokenizers import Tokenizer

        self._tokenizer: Any = Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        bare = self._tokenizer.encode("a", add_special_tokens=False).ids
        dressed = self._tokenizer.encode("a").ids
        at = dressed.index(bare[0])
        self._before = np.array(dressed[:at], np.int64)
        self._after = np.array(dressed[at + len(bare) :], np.int64)
        self._wanted = longest - len(self._before) - len(self._after)

    def __call__(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return each text's tokens, special ones around them; none for a text without tokens."""
        cut = [_beginning(text, self._wanted * _CHARACTERS) for text in texts]
        found = self._tokenizer.encode_batch_fast(cut, add_special_tokens=False)
        ids = [one.ids for one in found]
        # Dense texts, such as tables, whose beginning does not have all tokens.
        short = [
            number
            for number, (part, text) in enumerate(zip(cut, texts, strict=True))
            if len(part) < len(text) and len(ids[number]) < self._wanted
        ]
        whole = self._tokenizer.encode_batch_fast(
            [texts[number] for number in short], add_special_tokens=False
        )
        for number, one in zip(short, whole, strict=True):
            ids[number] = one.ids
        return [self._dressed(one) for one in ids]

    def _dressed(self, ids: list[int]) -> NDArray[np.int64]:
        if not ids:
            return np.zeros(0, np.int64)
        own = np.array(ids[: self._wanted], np.int64)
        return np.concatenate([self._before, own, self._after])


def _beginning(text: str, characters: int) -> str:
    """Return the words of the first `characters`, the last one if it is whole; or all of `text`."""
    if len(text) <= characters:
        return text
    end = max(text.rfind(" ", 0, characters), text.rfind("\n", 0, characters))
    return text[:end] if end > 0 else text
