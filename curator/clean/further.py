"""Statistics that are taken where a rule set, or the recipe, asks for them: groups of columns.

Each group costs about as much as those of Gopher, C4 and FineWeb together have left to spend, and
no rule set needs two; so a recipe without them pays nothing. What each count is, and where it was
published, stands in the kernel that makes it (`curator.text.measures`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.clean.fineweb2 import languages_known, stop_words, unspaced
from curator.clean.statistic import SHARE, Statistic

if TYPE_CHECKING:
    from curator.text.spoken import Spoken

_PER_WORD = "per word"
_CHARACTERS = "share of the characters of words"

DOLMA: Final = (
    Statistic("dolma_words", "white_words", "", "words", "Parted by white space."),
    Statistic(
        "dolma_median_word_length",
        "median_length_doubled",
        "",
        "characters",
        "Of words parted by white space; exact to 64.",
        scale=0.5,
    ),
    Statistic("dolma_symbol_ratio", "symbol_words", "white_words", SHARE, "Words with # or …."),
    Statistic(
        "dolma_alphabetic_words", "lettered_words", "white_words", SHARE, "Words with a letter."
    ),
    Statistic(
        "dolma_required_words", "required_words", "", "words", "Of eight English words, each time."
    ),
    Statistic("dolma_bullet_lines", "star_lines", "split_lines", SHARE, "Lines that begin * or -."),
    Statistic("dolma_ellipsis_lines", "trailing_lines", "split_lines", SHARE, "Lines that end …."),
    Statistic(
        "dolma_dup_line_frac",
        "copied_lines",
        "split_lines",
        SHARE,
        "Lines that have a copy, blank ones too.",
    ),
    Statistic(
        "dolma_dup_line_char_frac",
        "copied_line_characters",
        "white_characters",
        "characters of lines per character of words",
        "Characters in lines that have a copy.",
    ),
    *(
        Statistic(
            f"dolma_top_{n}_gram",
            f"white_top_{n}_gram",
            "white_characters",
            _CHARACTERS + ", can pass 1",
            f"In the most frequent run of {n} words.",
        )
        for n in range(2, 5)
    ),
    *(
        Statistic(
            f"dolma_dup_{n}_grams",
            f"white_copied_{n}_grams",
            f"white_all_{n}_grams",
            f"share of the characters of all runs of {n} words",
            f"In runs of {n} words that have a copy.",
        )
        for n in range(5, 11)
    ),
    Statistic("dolma_javascript", "javascript_words", "", "words", "Words that are javascript."),
    Statistic("dolma_lorem_ipsum", "lorem_ipsums", "", "times", "Lorem ipsum, in either case."),
    Statistic("dolma_curly_brace", "open_braces", "", "times", "Opening curly braces."),
)
REDPAJAMA: Final = (
    Statistic("redpajama_words", "plain_words", "", "words", "Lower case, punctuation out."),
    Statistic(
        "redpajama_mean_word_length", "plain_characters", "plain_words", "characters", "In NFD."
    ),
    Statistic(
        "redpajama_symbol_ratio",
        "redpajama_symbols",
        "raw_tokens",
        "per run of word characters or of marks",
        "#, ... and ….",
    ),
    Statistic("redpajama_sentences", "raw_sentences", "", "sentences", "Between . ! and ?."),
    Statistic(
        "redpajama_no_alph_words", "unlettered_tokens", "raw_tokens", SHARE, "Without a to z."
    ),
    Statistic(
        "redpajama_all_caps_words", "capital_tokens", "raw_tokens", SHARE, "All letters capital."
    ),
    Statistic(
        "redpajama_unique_words", "different_words", "plain_words", SHARE, "Different words."
    ),
    Statistic(
        "redpajama_entropy",
        "entropy_millionths",
        "",
        "nats",
        "Of the distribution of words.",
        scale=1e-6,
    ),
    Statistic(
        "redpajama_bullet_lines", "listed_lines", "split_lines", SHARE, "Lines with a bullet first."
    ),
    Statistic(
        "redpajama_ellipsis_lines",
        "dotted_lines",
        "whole_lines",
        SHARE,
        "Lines with ... or … last.",
    ),
    Statistic(
        "redpajama_ended_lines", "closed_lines", "whole_lines", SHARE, "Lines that end . ! ? or ”."
    ),
    Statistic(
        "redpajama_top_2_gram",
        "plain_top_2_gram",
        "plain_characters",
        _CHARACTERS,
        "In the most frequent pair of words, if it repeats.",
    ),
)
FINEWEB2: Final = (
    Statistic(
        "language_stop_words",
        "spoken_stop_words",
        "",
        "words",
        "Of the stop words of the document's language, how many.",
    ),
    Statistic("letter_words", "letter_words", "", "words", "Letters, where nothing parts words."),
    Statistic(
        "letter_alphabetic_words", "letter_alphabetic", "letter_tokens", SHARE, "With a letter."
    ),
    Statistic("letter_hash_ratio", "hashes", "letter_tokens", _PER_WORD, "Hash signs (#)."),
    Statistic("letter_ellipsis_ratio", "ellipses", "letter_tokens", _PER_WORD, "... and …."),
    Statistic("letter_list_ratio", "newlines", "letter_tokens", _PER_WORD, "Newlines."),
)
FURTHER: Final[Mapping[str, tuple[Statistic, ...]]] = {
    "dolma": DOLMA,
    "redpajama": REDPAJAMA,
    "fineweb2": FINEWEB2,
}


def asked_for(groups: Sequence[str]) -> int:
    """The groups as `curator.text.measures` numbers them, added up."""
    if not groups:
        return 0
    from curator.text.measures import DOLMA, LANGUAGES, REDPAJAMA  # brings numba

    numbers = {"dolma": DOLMA, "redpajama": REDPAJAMA, "fineweb2": LANGUAGES}
    return sum(numbers[group] for group in groups)


def spoken_languages(groups: Sequence[str], languages: pa.Array | None) -> Spoken | None:
    """The stop words by which `fineweb2` counts, for texts of these languages."""
    if "fineweb2" not in groups:
        return None
    if languages is None:
        raise ValueError("the group fineweb2 counts by language: give the language of each text")
    from curator.text.spoken import NOBODYS, spoken

    known = languages_known()
    found = pc.index_in(languages, pa.array(known, pa.string()))
    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
    numbers = pc.fill_null(found, NOBODYS).to_numpy(zero_copy_only=False).astype(np.int64)
    inside = [unspaced(language) or language == "ko" for language in known]
    return spoken(numbers, [stop_words(language) for language in known], inside)
