"""The thresholds and stop words of FineWeb-2, by language: read from `fineweb2.json` beside this.

FineWeb-2 tunes the filters of Gopher and FineWeb for each language on its own web text and
Wikipedia (huggingface/fineweb-2, fineweb-2-pipeline.py and configs/). The file holds what its
configurations say for 33 of the languages that lid.176 tells apart; nothing is made up for others.

What its words are differs: FineWeb-2 takes a tokenizer for each language. Here words of all
languages that part them by spaces are those of `curator.text.tokens`, whose rules were written for
English: hyphens between letters are cut, elided articles (French l') stay on their words, and
Korean words keep their particles. So slightly more tokens are without a letter than FineWeb-2 saw.
Of languages that do not part words, letters are the words. A letter is less than a word, so every
rule that asks for few words, newlines or marks per word becomes more lenient; rules that it would
make stricter (runs of n words, the length of a word) are left out for these languages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

UNSPACED: Final = ("ja", "km", "lo", "my", "th", "zh")


@cache
def _content() -> Mapping[str, Any]:
    text = resources.files("curator.clean").joinpath("fineweb2.json").read_text("utf-8")
    content: Mapping[str, Any] = json.loads(text)
    return content


def languages_known() -> list[str]:
    """The languages with thresholds, as lid.176 names them, in alphabetical order."""
    return sorted(_content()["languages"])


def unspaced(language: str) -> bool:
    """Whether the language does not part its words by spaces."""
    return language in UNSPACED


def stop_words(language: str) -> list[str]:
    """FineWeb-2's stop words of a known language."""
    words: list[str] = _content()["languages"][language]["stop_words"]
    return words


def thresholds(language: str) -> dict[str, float]:
    """FineWeb-2's thresholds of a known language, by rule; without those that need words."""
    values: dict[str, float] = _content()["languages"][language]["thresholds"]
    if not unspaced(language):
        return dict(values)
    needs_words = ("top_", "dup_", "max_mean", "min_mean")
    return {
        rule: value
        for rule, value in values.items()
        if not rule.startswith(needs_words) or rule == "dup_line_frac"
    }


def source(language: str) -> str:
    """Where a known language's thresholds were published."""
    content = _content()
    entry = content["languages"][language]
    commit = content["revisions"][entry["revision"]]
    return f"huggingface/fineweb-2, configs/{entry['config']}.yml, commit {commit[:12]}"
