"""Published quality filters as tables of thresholds over the statistics sidecar.

Each rule names one statistic, the side on which it fails, and where its threshold was published.
What a statistic of `gopher`, `c4`, `fineweb` and `fineweb2` counts is what datatrove 0.10.1 counts
(its filters of the same names): the papers leave details open, and the published corpora were made
with that code. Dolma's and RedPajama-V2's statistics are those of their own code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

_GOPHER = "Rae et al. 2021, arXiv:2112.11446, appendix A.1.1"
_GOPHER_TABLE = "Rae et al. 2021, arXiv:2112.11446, table A1"
_C4 = "Raffel et al. 2020, arXiv:1910.10683, section 2.2"
_FINEWEB = "Penedo et al. 2024, arXiv:2406.17557; default of datatrove's FineWebQualityFilter"
_FINEWEB2 = "huggingface/fineweb-2, fineweb-2-pipeline.py at 7ee60b3"
_BY_LANGUAGE = "huggingface/fineweb-2, configs/, by language: curator/clean/fineweb2.json"
_DOLMA = "allenai/dolma, configs/dolma-v1_5/mixing/cc-head.yaml at 2daae12"
# That file writes `most_common_2gram` where the tagger (gopher.py) writes `most_common_2grams`:
# as it stands, Dolma's mix does not apply these three.
_DOLMA_TOP = _DOLMA + ", whose spelling of the attribute is not the tagger's"
_DOLMA_C4 = "allenai/dolma, configs/c4-replication/mixer.yaml at 1e17a8f"
# The card's comment says 10'000 words, as its code does at this revision; copies of the snippet in
# other repositories have the comment with 100_000.
_REDPAJAMA = "RedPajama-Data-V2, dataset card on Hugging Face at 9688733, gopher_rules_pass"
_CCNET = "facebookresearch/cc_net, cc_net/mine.py at 0714a6f, Config.min_len"


@dataclass(frozen=True)
class Rule:
    """One threshold on one statistic.

    Attributes:
        name: unique in its set; the reason of a drop is `set.name`.
        statistic: the column it looks at.
        fails: a document fails when its value is "above" or "below" the threshold.
        threshold: the published value; None: each language has its own.
        source: where it was published.
        letters: the column it looks at where the document's language does not part words.
    """

    name: str
    statistic: str
    fails: Literal["above", "below"]
    threshold: float | None
    source: str
    letters: str = ""

    def expression(self, threshold: float, prefix: str = "") -> pl.Expr:
        """True where a document fails, by the statistic under a prefix."""
        return self.failing(pl.col(prefix + self.statistic), threshold)

    def failing(self, column: pl.Expr, threshold: float | pl.Expr) -> pl.Expr:
        """True where a value of the statistic fails; null where there is no threshold."""
        return column > threshold if self.fails == "above" else column < threshold


def _above(
    name: str, threshold: float | None, source: str, statistic: str = "", letters: str = ""
) -> Rule:
    return Rule(name, statistic or name, "above", threshold, source, letters)


def _below(
    name: str, threshold: float | None, source: str, statistic: str = "", letters: str = ""
) -> Rule:
    return Rule(name, statistic or name, "below", threshold, source, letters)


RULES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "gopher_quality": (
        _below("min_words", 50, _GOPHER, "words"),
        _above("max_words", 100_000, _GOPHER, "words"),
        _below("min_mean_word_length", 3, _GOPHER, "mean_word_length"),
        _above("max_mean_word_length", 10, _GOPHER, "mean_word_length"),
        _above("hash_ratio", 0.1, _GOPHER),
        _above("ellipsis_ratio", 0.1, _GOPHER),
        _above("bullet_lines", 0.9, _GOPHER),
        _above("ellipsis_lines", 0.3, _GOPHER),
        _below("alphabetic_words", 0.8, _GOPHER),
        _below("stop_words", 2, _GOPHER),
    ),
    "gopher_repetition": (
        _below("empty", 1, _GOPHER_TABLE, "characters"),
        _above("dup_para_frac", 0.30, _GOPHER_TABLE),
        _above("dup_para_char_frac", 0.20, _GOPHER_TABLE),
        _above("dup_line_frac", 0.30, _GOPHER_TABLE),
        _above("dup_line_char_frac", 0.20, _GOPHER_TABLE),
        *(
            _above(f"top_{n}_gram", threshold, _GOPHER_TABLE)
            for n, threshold in ((2, 0.20), (3, 0.18), (4, 0.16))
        ),
        *(
            _above(f"dup_{n}_grams", threshold, _GOPHER_TABLE)
            for n, threshold in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
        ),
    ),
    "c4": (
        _above("lorem_ipsum", 0, _C4, "c4_lorem_ipsum_lines"),
        _above("curly_bracket", 0, _C4, "c4_curly_bracket_lines"),
        _below("min_sentences", 5, _C4, "c4_sentences"),
    ),
    "fineweb": (
        _below("empty", 1, _FINEWEB, "visible_lines"),
        _below("line_punct_ratio", 0.12, _FINEWEB),
        _above("short_line_ratio", 0.67, _FINEWEB),
        _above("char_dup_ratio", 0.01, _FINEWEB),
        _above("list_ratio", 0.3, _FINEWEB),
    ),
    "fineweb2": (
        _below("empty", 1, _FINEWEB2, "characters"),
        _above("dup_line_frac", None, _BY_LANGUAGE),
        *(_above(f"top_{n}_gram", None, _BY_LANGUAGE) for n in range(2, 5)),
        *(_above(f"dup_{n}_grams", None, _BY_LANGUAGE) for n in range(5, 11)),
        _below("blank", 1, _FINEWEB2, "visible_lines"),
        _below("line_punct_ratio", None, _BY_LANGUAGE),
        _above("char_dup_ratio", 0.1, _FINEWEB2),
        _above("list_ratio", None, _BY_LANGUAGE, letters="letter_list_ratio"),
        _below("min_words", 50, _GOPHER, "words", "letter_words"),
        _above("max_words", 100_000, _GOPHER, "words", "letter_words"),
        _below("min_mean_word_length", None, _BY_LANGUAGE, "mean_word_length"),
        _above("max_mean_word_length", None, _BY_LANGUAGE, "mean_word_length"),
        _above("hash_ratio", 0.1, _GOPHER, letters="letter_hash_ratio"),
        _above("ellipsis_ratio", 0.1, _GOPHER, letters="letter_ellipsis_ratio"),
        _above("bullet_lines", 0.9, _GOPHER),
        _above("ellipsis_lines", 0.3, _GOPHER),
        _below("alphabetic_words", None, _BY_LANGUAGE, letters="letter_alphabetic_words"),
        _below("stop_words", 2, _FINEWEB2, "language_stop_words"),
    ),
    "dolma_gopher": (
        _below("min_words", 50, _DOLMA, "dolma_words"),
        _above("max_words", 100_000, _DOLMA, "dolma_words"),
        _below("min_median_word_length", 3, _DOLMA, "dolma_median_word_length"),
        _above("max_median_word_length", 10, _DOLMA, "dolma_median_word_length"),
        _above("symbol_ratio", 0.1, _DOLMA, "dolma_symbol_ratio"),
        _below("alphabetic_words", 0.8, _DOLMA, "dolma_alphabetic_words"),
        _below("required_words", 2, _DOLMA, "dolma_required_words"),
        _above("bullet_lines", 0.9, _DOLMA, "dolma_bullet_lines"),
        _above("ellipsis_lines", 0.3, _DOLMA, "dolma_ellipsis_lines"),
        _above("dup_line_frac", 0.3, _DOLMA, "dolma_dup_line_frac"),
        _above("dup_line_char_frac", 0.3, _DOLMA, "dolma_dup_line_char_frac"),
        *(
            _above(f"top_{n}_gram", threshold, _DOLMA_TOP, f"dolma_top_{n}_gram")
            for n, threshold in ((2, 0.20), (3, 0.18), (4, 0.16))
        ),
        *(
            _above(f"dup_{n}_grams", threshold, _DOLMA, f"dolma_dup_{n}_grams")
            for n, threshold in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
        ),
    ),
    "dolma_c4": (
        _above("curly_brace", 0, _DOLMA_C4, "dolma_curly_brace"),
        _above("lorem_ipsum", 0, _DOLMA_C4, "dolma_lorem_ipsum"),
        _above("javascript", 0, _DOLMA_C4, "dolma_javascript"),
    ),
    "redpajama2": (
        _below("min_words", 50, _REDPAJAMA, "redpajama_words"),
        _above("max_words", 10_000, _REDPAJAMA, "redpajama_words"),
        _below("min_mean_word_length", 3, _REDPAJAMA, "redpajama_mean_word_length"),
        _above("max_mean_word_length", 10, _REDPAJAMA, "redpajama_mean_word_length"),
        _above("symbol_ratio", 0.1, _REDPAJAMA, "redpajama_symbol_ratio"),
        _above("bullet_lines", 0.9, _REDPAJAMA, "redpajama_bullet_lines"),
        _above("top_2_gram", 0.2, _REDPAJAMA, "redpajama_top_2_gram"),
    ),
    "ccnet": (_below("min_length", 300, _CCNET, "characters"),),
}
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "gopher": ("gopher_quality", "gopher_repetition"),
    "dolma": ("dolma_gopher", "dolma_c4"),
}
# Rules that count English words, in any language.
ENGLISH: Final = (("gopher_quality", "stop_words"), ("dolma_gopher", "required_words"))
