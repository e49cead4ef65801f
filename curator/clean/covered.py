"""Which documents are in a language that examples cover, by what corpora say of themselves.

The column `language` is as readers found it: codes of ISO 639 ("en", "pt-br", "eng_Latn"), but also
"und" or "python". Only what names a natural language counts; of the rest nothing is known.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.clean.language import KNOWN
from curator.errors import RecipeError

_KNOWN: Final = frozenset(KNOWN)
_WITH_SCRIPT: Final = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")  # "eng_Latn", of ISO 639-3 and 15924
_MOST_MIXED: Final = 0.05  # of the documents whose language is known; fewer are an accident
_MOST_OTHERS: Final = 0.5  # more, and the examples are for another corpus


def natural(language: str | None) -> str:
    """Return the code of a natural language ("pt" for "pt-br"), "" for anything else."""
    if not language:
        return ""
    base = re.split("[-_]", language.lower())[0]
    return base if base in _KNOWN or _WITH_SCRIPT.fullmatch(language) else ""


def covered(
    languages: pa.ChunkedArray, told: Iterable[str], *, where: str = ""
) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Return which documents may be in a language that is covered, and counts of the others.

    Args:
        languages: of the documents, as readers found them.
        told: of the examples; without any, the documents' own language, if they are of one.
        where: what an error is about.

    Returns:
        (n,) bool, True where the language is covered or unknown; documents by language not covered.

    Raises:
        RecipeError: the documents are in several languages and nothing says which the examples are
            in, or most of them are in others.
    """
    found = [natural(language) for language in languages.to_pylist()]
    counts = Counter(code for code in found if code)
    wanted = {natural(code) or code for code in told if code}
    if not wanted and counts:
        most, documents = counts.most_common(1)[0]
        if documents < (1 - _MOST_MIXED) * counts.total():
            raise RecipeError(
                f"documents are in several languages ({_shown(counts)}) and nothing says which of "
                "them the examples are in; say so by `languages: [en]`, or clean the corpus by "
                "language",
                where=where,
            )
        wanted = {most}
    mask = np.array([not code or code in wanted for code in found], bool)
    others = Counter(code for code in found if code and code not in wanted)
    if others.total() > _MOST_OTHERS * max(1, len(found)):
        raise RecipeError(
            f"{others.total()} of {len(found)} documents are in languages that no example is in "
            f"({_shown(others)}; examples: {sorted(wanted)}); name examples of their languages, or "
            "clean the corpus by language",
            where=where,
        )
    return mask, dict(sorted(others.items()))


def _shown(counts: Counter[str]) -> str:
    return ", ".join(f"{code} {count}" for code, count in counts.most_common(5))
