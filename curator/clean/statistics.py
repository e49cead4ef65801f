"""The sidecar of text statistics: what the published filters look at, one row a document.

Shares are float64 and not rounded, so that a share equal to a threshold compares as it does in
the filters' own code. A share of nothing (no words, no lines) is 0. The statistics of Gopher, C4
and FineWeb are always taken; those of `curator.clean.further` where they are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curator.clean.further import FURTHER, asked_for, spoken_languages
from curator.clean.statistic import EDITED, SHARE, Statistic
from curator.text.buffers import Texts, Utf8

QUALITY: Final = (
    Statistic("characters", "characters", "", "characters", "Code points of the text."),
    Statistic("words", "words", "", "words", "Tokens that are not all punctuation."),
    Statistic(
        "mean_word_length", "word_characters", "words", "characters", "Of tokens that are words."
    ),
    Statistic("hash_ratio", "hashes", "tokens", "per token", "Hash signs (#)."),
    Statistic("ellipsis_ratio", "ellipses", "tokens", "per token", "Ellipses (... and …)."),
    Statistic("bullet_lines", "bullet_lines", "lines", SHARE, "Lines that begin with • or -."),
    Statistic("ellipsis_lines", "ellipsis_lines", "lines", SHARE, "Lines that end in ... or …."),
    Statistic("alphabetic_words", "alphabetic_tokens", "tokens", SHARE, "Tokens with a letter."),
    Statistic("stop_words", "stop_words", "", "words", "Of eight English stop words, how many."),
)
REPETITION: Final = (
    Statistic(
        "dup_para_frac", "repeated_paragraphs", "paragraphs", SHARE, "Paragraphs seen before."
    ),
    Statistic(
        "dup_para_char_frac",
        "repeated_paragraph_characters",
        "characters",
        SHARE,
        "Characters in paragraphs seen before.",
    ),
    Statistic("dup_line_frac", "repeated_lines", "repetition_lines", SHARE, "Lines seen before."),
    Statistic(
        "dup_line_char_frac",
        "repeated_line_characters",
        "characters",
        SHARE,
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
            SHARE,
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
        SHARE,
        "Lines that end in a mark that ends sentences.",
    ),
    Statistic(
        "short_line_ratio",
        "short_lines",
        "visible_lines",
        SHARE,
        "Lines of 30 characters or less.",
    ),
    Statistic(
        "char_dup_ratio",
        "repeated_visible_characters",
        "inked_characters",
        SHARE,
        "Characters in lines seen before, newlines apart.",
    ),
    Statistic("list_ratio", "newlines", "tokens", "newlines per token", "Newlines."),
)
_MADE: Final = {  # counts that are made of two others
    "inked_characters": ("characters", -1, "newlines"),
    "redpajama_symbols": ("hashes", 1, "ellipses"),
    "unlettered_tokens": ("raw_tokens", -1, "latin_tokens"),
}
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
        table: the columns of `STATISTICS` and of the groups asked for, one row a text.
        edited: the texts after C4's line edits.
    """

    table: pa.Table
    edited: Utf8


def measured_schema(groups: Sequence[str] = ()) -> pa.Schema:
    """The columns that `measure` returns for these groups of `FURTHER`."""
    further = (statistic for group in groups for statistic in FURTHER[group])
    return pa.schema([*STATISTICS, *(statistic.field() for statistic in further)])


def edited_schema(groups: Sequence[str] = ()) -> pa.Schema:
    """The columns that `measure_edited` returns for these groups of `FURTHER`."""
    further = (statistic for group in groups for statistic in FURTHER[group])
    return pa.schema([statistic.field(EDITED) for statistic in (*WHOLE, *further)])


def measure(
    texts: Texts, groups: Sequence[str] = (), languages: pa.Array | None = None
) -> Measured:
    """The statistics of each text, read once.

    Args:
        texts: a text column.
        groups: of `FURTHER`, to be taken as well.
        languages: the language of each text, where a group counts by it.
    """
    from curator.text.statistics import COUNTS, count_texts  # brings numba: recipes do without

    spoken = spoken_languages(groups, languages)
    counted = count_texts(texts, asked_for(groups), spoken)
    counts = dict(zip(COUNTS, counted.counts.T, strict=True))
    whole = {name: count for name, count in counts.items() if not name.startswith(EDITED)}
    edited = {
        name.removeprefix(EDITED): count
        for name, count in counts.items()
        if name.startswith(EDITED)
    }
    further = tuple(statistic for group in groups for statistic in FURTHER[group])
    columns = [
        *_columns((*WHOLE, *C4), whole),
        *_columns(FINEWEB, edited),
        *_columns(further, whole),
    ]
    return Measured(pa.Table.from_arrays(columns, schema=measured_schema(groups)), counted.edited)


def measure_edited(
    edited: Utf8, groups: Sequence[str] = (), languages: pa.Array | None = None
) -> pa.Table:
    """The statistics `WHOLE` and of the groups, of texts that C4 edited, under `EDITED`."""
    from curator.text.statistics import COUNTS, count_texts  # as above

    texts = pa.LargeStringArray.from_buffers(
        len(edited), pa.py_buffer(edited.offsets), pa.py_buffer(edited.data)
    )
    found = count_texts(texts, asked_for(groups), spoken_languages(groups, languages)).counts
    further = tuple(statistic for group in groups for statistic in FURTHER[group])
    counts = dict(zip(COUNTS, found.T, strict=True))
    return pa.Table.from_arrays(_columns((*WHOLE, *further), counts), schema=edited_schema(groups))


def _columns(
    statistics: Sequence[Statistic], counts: Mapping[str, npt.NDArray[np.int64]]
) -> list[pa.Array]:
    needed = {name for each in statistics for name in (each.count, each.per)}
    made = {
        name: counts[one] + sign * counts[other]
        for name, (one, sign, other) in _MADE.items()
        if name in needed
    }
    return [pa.array(statistic.values({**counts, **made})) for statistic in statistics]
