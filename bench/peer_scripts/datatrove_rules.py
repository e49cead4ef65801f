"""Run by datatrove's own Python: every published rule alone, on every document of a JSONL file.

    datatrove_rules.py SAMPLE.jsonl ANSWERS.json [QUESTIONS.json]

Each rule is datatrove's own filter with all of its other rules turned off. Without questions:
which rules fire on each document, what the chain says, and what C4 leaves of the text (as a
digest, and which rules fire on that). With questions, a list of (row, rule, edited?): the number
that datatrove compares with its threshold, found by moving the threshold until the verdict turns,
and the tokens it counts.
Tokenizing is remembered for the last few texts: this script is about verdicts, not about speed.
"""

import json
import sys
from functools import lru_cache
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.utils import text as datatrove_text
from datatrove_filters import chained, digest, edited, reason_of

QUALITY = dict.fromkeys(
    (
        "min_doc_words",
        "max_doc_words",
        "min_avg_word_length",
        "max_avg_word_length",
        "max_symbol_word_ratio",
        "max_bullet_lines_ratio",
        "max_ellipsis_lines_ratio",
        "max_non_alpha_words_ratio",
        "min_stop_words",
    )
)
REPETITION = {
    **dict.fromkeys(("dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac")),
    "top_n_grams": (),
    "dup_n_grams": (),
}
C4 = {"filter_lorem_ipsum": False, "filter_curly_bracket": False, "min_num_sentences": -1}
FINEWEB = {
    "line_punct_thr": -1,
    "short_line_thr": float("inf"),
    "char_duplicates_ratio": float("inf"),
    "new_line_ratio": float("inf"),
}
MANY = 10_000_000  # above every count of words


class Rule:
    """One of datatrove's rules: its filter, the argument that holds the threshold, its reason."""

    def __init__(self, made_by, off, argument, threshold, reason, most=16.0):
        self.made_by, self.off, self.argument = made_by, off, argument
        self.threshold, self.reason, self.most = threshold, reason, most

    def at(self, threshold):
        return self.made_by(**{**self.off, self.argument: self.wrapped(threshold)})

    def wrapped(self, threshold):
        size = "".join(filter(str.isdigit, self.reason))
        return ((int(size), threshold),) if self.argument.endswith("_n_grams") else threshold


def quality(argument, threshold, reason, most=16.0):
    return Rule(GopherQualityFilter, QUALITY, argument, threshold, f"gopher_{reason}", most)


def repetition(argument, threshold, reason=""):
    return Rule(GopherRepetitionFilter, REPETITION, argument, threshold, reason or argument)


def fineweb(argument, threshold, reason):
    return Rule(FineWebQualityFilter, FINEWEB, argument, threshold, reason)


RULES = {
    "gopher_quality.min_words": quality("min_doc_words", 50, "short_doc", MANY),
    "gopher_quality.max_words": quality("max_doc_words", 100_000, "long_doc", MANY),
    "gopher_quality.min_mean_word_length": quality(
        "min_avg_word_length", 3, "below_avg_threshold", MANY
    ),
    "gopher_quality.max_mean_word_length": quality(
        "max_avg_word_length", 10, "above_avg_threshold", MANY
    ),
    "gopher_quality.hash_ratio": quality("max_symbol_word_ratio", 0.1, "too_many_hashes"),
    "gopher_quality.ellipsis_ratio": quality("max_symbol_word_ratio", 0.1, "too_many_ellipsis"),
    "gopher_quality.bullet_lines": quality("max_bullet_lines_ratio", 0.9, "too_many_bullets"),
    "gopher_quality.ellipsis_lines": quality(
        "max_ellipsis_lines_ratio", 0.3, "too_many_end_ellipsis"
    ),
    "gopher_quality.alphabetic_words": quality(
        "max_non_alpha_words_ratio", 0.8, "below_alpha_threshold"
    ),
    "gopher_quality.stop_words": quality("min_stop_words", 2, "enough_stop_words"),
    "gopher_repetition.empty": Rule(
        GopherRepetitionFilter, REPETITION, "dup_line_frac", 2, "empty"
    ),
    "gopher_repetition.dup_para_frac": repetition("dup_para_frac", 0.3),
    "gopher_repetition.dup_para_char_frac": repetition("dup_para_char_frac", 0.2),
    "gopher_repetition.dup_line_frac": repetition("dup_line_frac", 0.3),
    "gopher_repetition.dup_line_char_frac": repetition("dup_line_char_frac", 0.2),
    **{
        f"gopher_repetition.top_{n}_gram": repetition("top_n_grams", at, f"top_{n}_gram")
        for n, at in ((2, 0.2), (3, 0.18), (4, 0.16))
    },
    **{
        f"gopher_repetition.dup_{n}_grams": repetition("dup_n_grams", at, f"duplicated_{n}_n_grams")
        for n, at in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.1))
    },
    "c4.lorem_ipsum": Rule(C4QualityFilter, C4, "filter_lorem_ipsum", 1, "lorem_ipsum"),
    "c4.curly_bracket": Rule(C4QualityFilter, C4, "filter_curly_bracket", 1, "curly_bracket"),
    "c4.min_sentences": Rule(
        C4QualityFilter, C4, "min_num_sentences", 5, "too_few_sentences", MANY
    ),
    "fineweb.empty": Rule(FineWebQualityFilter, FINEWEB, "line_punct_thr", -1, "empty"),
    "fineweb.line_punct_ratio": fineweb("line_punct_thr", 0.12, "line_punct_ratio"),
    "fineweb.short_line_ratio": fineweb("short_line_thr", 0.67, "short_line_ratio"),
    "fineweb.char_dup_ratio": fineweb("char_duplicates_ratio", 0.01, "char_dup_ratio"),
    "fineweb.list_ratio": fineweb("new_line_ratio", 0.3, "list_ratio"),
}
# One argument holds two thresholds and hashes are looked at first: ellipses are asked of a text
# that says it has none.
ELLIPSES = "gopher_quality.ellipsis_ratio"


class Hashless(str):
    def count(self, what):
        return 0 if what == "#" else super().count(what)


def remember_tokens() -> None:
    """Keep the tokens of the last texts: by default datatrove keeps those of five."""
    plain = datatrove_text.split_into_parts.__wrapped__
    datatrove_text.split_into_parts = lru_cache(4096)(plain)


def verdict(name, chosen, text):
    """The reason that this rule gives for the text; None: it passes."""
    if name == ELLIPSES:
        datatrove_text.split_into_words(text)  # remembered; spaCy takes no subclass of str
        text = Hashless(text)
    return reason_of(chosen, Document(text=text, id=""))


def judge(text, rules):
    """The rules that fire, and those that crash, as `rule!`."""
    found = []
    for name, chosen in rules.items():
        reason = verdict(name, chosen, text)
        if reason == "crash":
            found.append(name + "!")
        elif reason == RULES[name].reason:
            found.append(name)
    return found


def answers(texts):
    rules = {name: rule.at(rule.threshold) for name, rule in RULES.items()}
    after = {name: chosen for name, chosen in rules.items() if name.startswith("fineweb")}
    found = []
    for text in texts:
        left = edited(text)
        found.append(
            {
                "fires": judge(text, rules),
                "chain": chained(text),
                "edited": None if left is None else digest(left),
                "fires_edited": [] if left is None else judge(left, after),
            }
        )
        datatrove_text.split_into_parts.cache_clear()
    return found


def number(name, text):
    """Datatrove's statistic, by bisection: the threshold at which the rule's verdict turns."""
    rule = RULES[name]
    whole = rule.most == MANY and "mean" not in name
    low, high = 0.0, float(rule.most)
    fires = [verdict(name, rule.at(at), text) == rule.reason for at in (1e-9, high)]
    if fires[0] == fires[1]:  # it never turns: the number is 0, or there is none
        return 0.0
    for _ in range(60):
        middle = (low + high) / 2
        if (verdict(name, rule.at(middle), text) == rule.reason) == fires[0]:
            low = middle
        else:
            high = middle
    return round(high) if whole else round(high, 9)


def replies(texts, asked):
    """The number, and the tokens of the text that it was taken from, of each question."""
    found = []
    for row, name, after in asked:
        text = edited(texts[row]) if after else texts[row]
        tokens = datatrove_text.split_into_words(text)
        found.append({"number": number(name, text), "tokens": tokens})
        datatrove_text.split_into_parts.cache_clear()
    return found


def main(sample, out, questions=None):
    remember_tokens()
    texts = [json.loads(line)["text"] for line in Path(sample).read_bytes().splitlines()]
    if questions is None:
        found = answers(texts)
    else:
        found = replies(texts, json.loads(Path(questions).read_text()))
    Path(out).write_text(json.dumps(found))


main(*sys.argv[1:])
