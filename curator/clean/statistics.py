"""The sidecar of text statistics: what the published filters look at, one row a document.

Shares are float64 and not rounded, so that a share equal to a threshold compares as it does in
the filters' own code. A share of nothing (no words, no lines) is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curator.schema import score_field
from curator.text.buffers import Utf8

EDITED: Final = "edited_"  # prefix of statistics taken after C4's line edits


@dataclass(frozen=True)
class Statistic:
    """One column of the sidecar: a count, or one count divided by another.

    Attributes:
        name: the column.
        count: what is counted: a name of `curator.text.statistics.COUNTS`.
        per: what it is divided by; empty: the count itself.
        unit: of the column.
        about: one sentence.
    """

    name: str
    count: str
    per: str
    unit: str
    about: str

    def field(self, prefix: str = "") -> pa.Field:
        """The Arrow field; counts are int64, shares and means float64."""
        return score_field(
            prefix + self.name,
            unit=self.unit,
            better="neither",
            about=self.about,
            kind=pa.float64() if self.per else pa.int64(),
        )

    def values(self, counts: Mapping[str, npt.NDArray[np.int64]]) -> npt.NDArray[Any]:
        """The column, one value a text."""
        above = counts[self.count]
        if not self.per:
            return above
        below = counts[self.per]
        return np.divide(above, below, out=np.zeros(len(above)), where=below != 0)


_SHARE = "share in [0, 1]"

QUALITY: Final = (
    Statistic("characters", "characters", "", "characters", "Code points of the text."),
    Statistic("words", "words", "", "words", "Tokens that are not all punctuation."),
    Statistic(
        "mean_word_length", "word_characters", "words", "characters", "Of tokens that are words."
    ),
    Statistic("hash_ratio", "hashes", "tokens", "per token", "Hash signs (#)."),
    Statistic("ellipsis_ratio", "ellipses", "tokens", "per token", "Ellipses (... and …)."),
    Statistic("bullet_lines", "bullet_lines", "lines", _SHARE, "Lines that begin with • or -."),
    Statistic("ellipsis_lines", "ellipsis_lines", "lines", _SHARE, "Lines that end in ... or …."),
    Statistic("alphabetic_words", "alphabetic_tokens", "tokens", _SHARE, "Tokens with a letter."),
    Statistic("stop_words", "stop_words", "", "words", "Of eight English stop words, how many."),
)
REPETITION: Final = (
    Statistic(
        "dup_para_frac", "repeated_paragraphs", "paragraphs", _SHARE, "Paragraphs seen before."
    ),
    Statistic(
        "dup_para_char_frac",
        "repeated_paragraph_characters",
        "characters",
        _SHARE,
        "Characters in paragraphs seen before.",
    ),
    Statistic("dup_line_frac", "repeated_lines", "repetition_lines", _SHARE, "Lines seen before."),
    Statistic(
        "dup_line_char_frac",
        "repeated_line_characters",
        "characters",
        _SHARE,
        "Characters in lines seen before.",
    ),
    *(
        Statistic(
            f"top_{n}_gram",
            f"top_{n}_gram_characters",
            "characters",
            "share, can pass 1 where n-grams overlap",
            f"Characters in the most frequent run of {n} words.",
        )
        for n in range(2, 5)
    ),
    *(
        Statistic(
            f"dup_{n}_grams",
            f"repeated_{n}_gram_characters",
            "characters",
            _SHARE,
            f"Characters in runs of {n} words seen before.",
        )
        for n in range(5, 11)
    ),
)
C4: Final = tuple(
    Statistic(f"c4_{name}", f"c4_{name}", "", unit, about)
    for name, unit, about in (
        ("lines", "lines", "Lines of the text."),
        ("long_word_lines", "lines", "Dropped: a word of over 1,000 characters."),
        ("unended_lines", "lines", "Dropped: no closing punctuation."),
        ("few_word_lines", "lines", "Dropped: fewer than three words."),
        ("lorem_ipsum_lines", "lines", "Say lorem ipsum; kept."),
        ("javascript_lines", "lines", "Dropped: speak of Javascript."),
        ("curly_bracket_lines", "lines", "Have a curly bracket; kept."),
        ("policy_lines", "lines", "Dropped: speak of cookies or terms of use."),
        ("kept_lines", "lines", "Kept by C4's line edits."),
        ("sentences", "sentences", "In kept lines."),
        ("citations", "marks", "Citation marks taken out of kept lines."),
    )
)
FINEWEB: Final = (
    Statistic("visible_lines", "visible_lines", "", "lines", "Lines that are not blank."),
    Statistic(
        "line_punct_ratio",
        "ended_lines",
        "visible_lines",
        _SHARE,
        "Lines that end in a mark that ends sentences.",
    ),
    Statistic(
        "short_line_ratio",
        "short_lines",
        "visible_lines",
        _SHARE,
        "Lines of 30 characters or less.",
    ),
    Statistic(
        "char_dup_ratio",
        "repeated_visible_characters",
        "inked_characters",
        _SHARE,
        "Characters in lines seen before, newlines apart.",
    ),
    Statistic("list_ratio", "newlines", "tokens", "newlines per token", "Newlines."),
)
WHOLE: Final = (*QUALITY, *REPETITION, *FINEWEB)  # what one text has, edited or not

STATISTICS: Final = pa.schema(
    [
        *(statistic.field() for statistic in (*WHOLE, *C4)),
        *(statistic.field(EDITED) for statistic in FINEWEB),
    ]
)


@dataclass(frozen=True)
class Measured:
    """The statistics of a text column.

    Attributes:
        table: the columns of `STATISTICS`, one row a text.
        edited: the texts after C4's line edits.
    """

    table: pa.Table
    edited: Utf8


def measure(texts: pa.Array | pa.ChunkedArray) -> Measured:
    """The statistics of each text, read once."""
    from curator.text.statistics import COUNTS, count_texts  # brings numba: recipes do without

    counted = count_texts(texts)
    counts = dict(zip(COUNTS, counted.counts.T, strict=True))
    whole = {name: count for name, count in counts.items() if not name.startswith(EDITED)}
    edited = {
        name.removeprefix(EDITED): count
        for name, count in counts.items()
        if name.startswith(EDITED)
    }
    columns = [
        *_columns((*WHOLE, *C4), whole),
        *_columns(FINEWEB, edited),
    ]
    return Measured(pa.Table.from_arrays(columns, schema=STATISTICS), counted.edited)


def measure_edited(edited: Utf8) -> pa.Table:
    """The statistics `WHOLE` of texts that C4 edited, under the prefix `EDITED`."""
    from curator.text.statistics import COUNTS, count_texts  # as above

    texts = pa.LargeStringArray.from_buffers(
        len(edited), pa.py_buffer(edited.offsets), pa.py_buffer(edited.data)
    )
    counts = dict(zip(COUNTS, count_texts(texts).counts.T, strict=True))
    schema = pa.schema([statistic.field(EDITED) for statistic in WHOLE])
    return pa.Table.from_arrays(_columns(WHOLE, counts), schema=schema)


def _columns(
    statistics: tuple[Statistic, ...], counts: dict[str, npt.NDArray[np.int64]]
) -> list[pa.Array]:
    counts["inked_characters"] = counts["characters"] - counts["newlines"]
    return [pa.array(statistic.values(counts)) for statistic in statistics]
