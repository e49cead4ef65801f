"""Published quality filters as tables of thresholds over the statistics sidecar.

Each rule names one statistic, the side on which it fails, and where its threshold was published.
What a statistic counts is what datatrove 0.10.1 counts (its filters of the same names): the papers
leave details open, and the published corpora were made with that code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import polars as pl

from curator.clean.statistics import EDITED
from curator.errors import RecipeError
from curator.recipe import suggestion

_GOPHER = "Rae et al. 2021, arXiv:2112.11446, appendix A.1.1"
_GOPHER_TABLE = "Rae et al. 2021, arXiv:2112.11446, table A1"
_C4 = "Raffel et al. 2020, arXiv:1910.10683, section 2.2"
_FINEWEB = "Penedo et al. 2024, arXiv:2406.17557; default of datatrove's FineWebQualityFilter"


@dataclass(frozen=True)
class Rule:
    """One threshold on one statistic.

    Attributes:
        name: unique in its set; the reason of a drop is `set.name`.
        statistic: the column it looks at.
        fails: a document fails when its value is "above" or "below" the threshold.
        threshold: the published value.
        source: where it was published.
    """

    name: str
    statistic: str
    fails: Literal["above", "below"]
    threshold: float
    source: str

    def expression(self, threshold: float, prefix: str = "") -> pl.Expr:
        """True where a document fails."""
        column = pl.col(prefix + self.statistic)
        return column > threshold if self.fails == "above" else column < threshold


def _above(name: str, threshold: float, source: str, statistic: str = "") -> Rule:
    return Rule(name, statistic or name, "above", threshold, source)


def _below(name: str, threshold: float, source: str, statistic: str = "") -> Rule:
    return Rule(name, statistic or name, "below", threshold, source)


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
}
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {"gopher": ("gopher_quality", "gopher_repetition")}


@dataclass(frozen=True)
class RuleSet:
    """A rule set as a recipe asks for it.

    Attributes:
        name: a key of `RULES`.
        thresholds: (rule, threshold) of the rules in force, in the table's order.
    """

    name: str
    thresholds: tuple[tuple[str, float], ...]


def parse_rules(
    wanted: Sequence[str | Mapping[str, Mapping[str, float | None]]],
) -> tuple[RuleSet, ...]:
    """The rule sets of a recipe: `[gopher, c4, {fineweb: {short_line_ratio: 0.5}}]`.

    A name takes the published thresholds; a mapping changes some of them, null turns a rule off.

    Raises:
        RecipeError: a set or rule is unknown, a threshold is no number, or a set comes twice. All
            mistakes at once.
    """
    faults: list[str] = []
    sets: list[RuleSet] = []
    for entry in wanted:
        named = {entry: {}} if isinstance(entry, str) else entry
        if not isinstance(named, Mapping) or len(named) != 1:
            faults.append(
                f"{entry!r} is no rule set; write a name, or one name with its thresholds"
            )
            continue
        ((name, changes),) = named.items()
        sets += _rule_sets(str(name), changes, faults)
    names = [each.name for each in sets]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        faults.append(f"rule sets {repeated} come twice; name each once")
    if faults:
        raise RecipeError("; ".join(faults), where="clean.rules")
    return tuple(sets)


def _rule_sets(name: str, changes: Any, faults: list[str]) -> list[RuleSet]:
    known = [*RULES, *GROUPS]
    if name not in known:
        faults.append(f"unknown rule set {name!r}{suggestion(name, known)}")
        return []
    if not isinstance(changes, Mapping):
        faults.append(f"{name}: {changes!r} is no mapping of rules to thresholds")
        return []
    members = GROUPS.get(name, (name,))
    rules = [rule.name for member in members for rule in RULES[member]]
    before = len(faults)
    for rule, threshold in changes.items():
        if rule not in rules:
            faults.append(f"{name} has no rule {rule!r}{suggestion(str(rule), rules)}")
        elif threshold is not None and (
            isinstance(threshold, bool) or not isinstance(threshold, int | float)
        ):
            faults.append(f"{name}.{rule}: {threshold!r} is no number; null turns the rule off")
    return [_with_changes(member, changes) for member in members if len(faults) == before]


def _with_changes(name: str, changes: Mapping[str, float | None]) -> RuleSet:
    asked = ((rule.name, changes.get(rule.name, rule.threshold)) for rule in RULES[name])
    return RuleSet(name, tuple((rule, float(at)) for rule, at in asked if at is not None))


def reads_edited(rules: Sequence[RuleSet]) -> tuple[str, ...]:
    """The names of the sets that see the text as C4 edited it: those that come after `c4`."""
    names = [each.name for each in rules]
    return tuple(names[names.index("c4") + 1 :]) if "c4" in names else ()


def first_failure(statistics: pl.DataFrame, rules: Sequence[RuleSet]) -> pl.Series:
    """(n,) string: the first rule each document fails, as `set.rule`; null: none.

    Args:
        statistics: the sidecar; its columns under `EDITED` serve the sets that come after `c4`.
        rules: in the order in which they are to be applied.
    """
    after = reads_edited(rules)
    reasons = [
        pl.when(rule.expression(threshold, EDITED if each.name in after else "")).then(
            pl.lit(f"{each.name}.{name}")
        )
        for each in rules
        for name, threshold in each.thresholds
        for rule in RULES[each.name]
        if rule.name == name
    ]
    nothing = pl.repeat(None, pl.len(), dtype=pl.String)  # a row a document, also without rules
    return statistics.select(pl.coalesce([*reasons, nothing]).alias("reason"))["reason"]
