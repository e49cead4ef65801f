"""What sections of a recipe share: strictness, names, shares, seeds."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

Share = Field(gt=0, lt=1)
# Names become parts of file names, of which common file systems take 255 bytes. In Python `$` would
# let a newline pass at the end: ask `is_name`.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Seed = Annotated[int, Field(ge=0, lt=1 << 63)]  # what every generator we use takes


class Section(BaseModel):
    """A part of a recipe: unknown keys are mistakes, types are not converted, nothing changes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def one_of(self, *names: str) -> Self:
        """Return the section if exactly one of some keys is given.

        Raises:
            ValueError: which pydantic collects with all other mistakes.
        """
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) != 1:
            told = " and ".join(map(repr, given)) if given else "nothing"
            wanted = ", ".join(map(repr, names))
            raise ValueError(f"gives {told}; give one of {wanted}, and only one")
        return self


def is_name(word: object) -> bool:
    """Return whether a word may name an arm, a score, a benchmark, a model or a recipe."""
    return isinstance(word, str) and re.fullmatch(NAME_PATTERN.rstrip("$"), word) is not None
