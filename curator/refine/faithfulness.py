"""Whether what a model wrote is a rewriting of what it was given, by tests that no model makes.

WRAP (Maini et al. 2024, arXiv:2401.16380) trusts its rephraser; a small one refuses, repeats its
instructions, copies, or goes round in circles, so every rewriting is held against its passage here.
The thresholds are ours: defaults to start from, not findings. Whether the facts are right, nothing
here can tell.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.refine.cleaning import refuses, speaks_in_turns, talks_about
from curator.text.ngrams import ngram_hashes
from curator.text.words import word_counts

_COPY_NGRAM: Final = 5  # words
_ECHO_NGRAM: Final = 8  # words of an instruction in a row that no rewriting happens to have
_FIGURE: Final = re.compile(r"\d+(?:[.,]\d+)*")
_GROUPED: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")  # thousands, as in 1,731.5
_LISTED: Final = re.compile(r"^[ \t]*\d{1,2}[.)]", re.MULTILINE)  # numbers its lines
_NUMBERS: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety hundred"
_SPELLED: Final = {
    **{word: str(number) for number, word in enumerate(_NUMBERS.split())},
    **{word: str(10 * number) for number, word in enumerate(_TENS.split(), start=2)},
    **{"once": "1", "twice": "2", "thousand": "1000", "first": "1", "second": "2", "third": "3"},
}
_LEAST_SURE: Final = 0.5  # probability by lid.176 of both languages; less is a guess


@dataclass(frozen=True)
class Checks:
    """What a rewriting must not be.

    Attributes:
        shortest: words of the rewriting to words of its passage, at least; 0: any number.
        longest: the same, at most; 0: any number.
        most_copied: share of the rewriting's 5-grams that stand in the passage, at most.
        most_repeated: share of its 5-grams that it has said before, at most, beyond the passage's.
        same_language: whether it must be in its passage's language, by lid.176.
        new_figures: whether it may have numbers in digits that its passage has not.
    """

    shortest: float = 0.3
    longest: float = 3.0
    most_copied: float = 0.9
    most_repeated: float = 0.3
    same_language: bool = True
    new_figures: bool = False

    def __post_init__(self) -> None:
        """Refuse bounds that let nothing through."""
        if self.shortest < 0 or (self.longest and self.longest <= self.shortest):
            raise RecipeError(
                f"shortest={self.shortest!r}, longest={self.longest!r}; wanted two ratios of "
                "lengths, the second the larger (0: no bound)"
            )
        for name in ("most_copied", "most_repeated"):
            if not 0 <= getattr(self, name) <= 1:
                raise RecipeError(f"{name}={getattr(self, name)!r}; wanted a share from 0 to 1")

    def faults(
        self, passages: Sequence[str], written: Sequence[str], instruction: str = ""
    ) -> list[str | None]:
        """Return of each rewriting the first fault found, one word; None: there is none.

        empty, refusal, turns (marks of a chat format), echo (of the instruction), about (it tells
        of a passage), short, long, copy, loop, figures (numbers of its own), language.

        Args:
            passages: what the model was given.
            written: what it made of each, cleaned.
            instruction: the wording around the passage.
        """
        given, made = pa.array(passages, pa.large_string()), pa.array(written, pa.large_string())
        sizes = word_counts(made).astype(np.float64)
        ratio = sizes / np.maximum(word_counts(given), 1)
        repeated = repeated_share(made) - repeated_share(given)
        found = {
            "empty": sizes == 0,
            "refusal": _flags(_refuses_newly, passages, written),
            "turns": np.array([speaks_in_turns(text) for text in written], np.bool_),
            "echo": echoes(made, given, instruction),
            "about": _flags(_tells_newly, passages, written),
            "short": ratio < self.shortest,
            "long": ratio > (self.longest or np.inf),
            "copy": copied_share(made, given) > self.most_copied,
            "loop": repeated > self.most_repeated,
            "figures": _flags(has_new_figures, passages, written),
        }
        if self.new_figures:
            del found["figures"]
        faults: list[str | None] = [None] * len(written)
        for name, flags in found.items():
            for row in np.flatnonzero(flags).tolist():
                faults[row] = faults[row] or name
        if self.same_language:
            left = [row for row, fault in enumerate(faults) if fault is None]
            changed = other_language([passages[at] for at in left], [written[at] for at in left])
            for row in np.array(left, np.int64)[changed].tolist():
                faults[row] = "language"
        return faults


def copied_share(
    written: pa.Array, passages: pa.Array, n: int = _COPY_NGRAM
) -> NDArray[np.float64]:
    """Return the share of each text's n-grams that stand in its passage too: (texts,) float64.

    0 for a text of fewer than n words.
    """
    made, given = ngram_hashes(written, n), ngram_hashes(passages, n)
    shares = np.zeros(len(written))
    for row in range(len(written)):  # a model took seconds over each of them
        own = made.hashes[made.offsets[row] : made.offsets[row + 1]]
        other = given.hashes[given.offsets[row] : given.offsets[row + 1]]
        shares[row] = np.isin(own, other).mean() if len(own) else 0.0
    return shares


def repeated_share(texts: pa.Array, n: int = _COPY_NGRAM) -> NDArray[np.float64]:
    """Return the share of each text's n-grams that it has said before: (texts,) float64."""
    made = ngram_hashes(texts, n)
    shares = np.zeros(len(texts))
    for row in range(len(texts)):
        own = made.hashes[made.offsets[row] : made.offsets[row + 1]]
        shares[row] = 1 - len(np.unique(own)) / len(own) if len(own) else 0.0
    return shares


def echoes(written: pa.Array, passages: pa.Array, instruction: str) -> NDArray[np.bool_]:
    """Return which texts repeat eight words of the instruction that their passage has not."""
    asked = ngram_hashes(pa.array([instruction], pa.large_string()), _ECHO_NGRAM).hashes
    made, given = ngram_hashes(written, _ECHO_NGRAM), ngram_hashes(passages, _ECHO_NGRAM)
    found = np.zeros(len(written), np.bool_)
    for row in range(len(written)):
        own = made.hashes[made.offsets[row] : made.offsets[row + 1]]
        other = given.hashes[given.offsets[row] : given.offsets[row + 1]]
        found[row] = bool((np.isin(own, asked) & ~np.isin(own, other)).any())
    return found


def has_new_figures(passage: str, written: str) -> bool:
    """Return whether a text has a number in digits that its passage has neither so nor in words.

    Numbers of lines do not count, and commas between thousands make no other number.
    """
    words = re.findall(r"[a-z]+", passage.lower())
    known = _figures(passage) | {_SPELLED[word] for word in words if word in _SPELLED}
    return not _figures(_LISTED.sub("", written)) <= known


def _figures(text: str) -> set[str]:
    return {
        one.replace(",", "") if _GROUPED.fullmatch(one) else one for one in _FIGURE.findall(text)
    }


def other_language(passages: Sequence[str], written: Sequence[str]) -> NDArray[np.bool_]:
    """Return which texts are surely in another language than their passages: (texts,) bool."""
    if not passages:
        return np.zeros(0, np.bool_)
    from curator.clean.language import identify

    before = identify(_identifier(), pa.array(passages, pa.large_string()))
    after = identify(_identifier(), pa.array(written, pa.large_string()))
    sure = np.minimum(before.probability.to_numpy(), after.probability.to_numpy()) >= _LEAST_SURE
    pairs = zip(before.language.to_pylist(), after.language.to_pylist(), strict=True)
    changed: NDArray[np.bool_] = np.array([one != other for one, other in pairs], np.bool_)
    changed[~sure] = False
    return changed


@functools.cache
def _identifier() -> Any:
    from curator import weights
    from curator.clean.language import load_identifier

    return load_identifier(weights.find("lid.176"))


def _refuses_newly(passage: str, written: str) -> bool:
    return refuses(written) and not refuses(passage)


def _tells_newly(passage: str, written: str) -> bool:
    return talks_about(written) and not talks_about(passage)


def _flags(test: Any, passages: Sequence[str], written: Sequence[str]) -> NDArray[np.bool_]:
    return np.array([test(a, b) for a, b in zip(passages, written, strict=True)], np.bool_)
