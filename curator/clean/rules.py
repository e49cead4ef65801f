"""Rule sets as a recipe asks for them, and the verdict over the statistics sidecar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from curator.clean import fineweb2
from curator.clean.further import FURTHER
from curator.clean.rule_sets import ENGLISH, GROUPS, RULES, Rule
from curator.clean.statistic import EDITED
from curator.errors import RecipeError
from curator.recipe import suggestion

__all__ = [
    "GROUPS", "RULES", "Rule", "RuleSet", "columns_of", "failures", "first_failure", "groups_of",
    "parse_rules", "reads_edited",
]  # fmt: skip

Thresholds = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class RuleSet:
    """A rule set as a recipe asks for it.

    Attributes:
        name: a key of `RULES`.
        thresholds: (rule, threshold) of the rules in force, alike in all languages.
        languages: (language, its own thresholds); empty: the set does not look at the language.
            A document of a language that is not among them fails.
    """

    name: str
    thresholds: Thresholds
    languages: tuple[tuple[str, Thresholds], ...] = ()

    @property
    def in_force(self) -> tuple[Rule, ...]:
        """The rules that have a threshold, in the table's order."""
        named = {rule for rule, _ in self.thresholds}
        named |= {rule for _, own in self.languages for rule, _ in own}
        return tuple(rule for rule in RULES[self.name] if rule.name in named)

    def threshold(self, rule: str, language: str | None = None) -> float | None:
        """A rule's threshold, of a language where it has its own; None: not in force."""
        own = dict(self.languages).get(language or "", ())
        return {**dict(self.thresholds), **dict(own)}.get(rule)


def parse_rules(
    wanted: Sequence[str | Mapping[str, Mapping[str, float | None]]], language: str | None = None
) -> tuple[RuleSet, ...]:
    """The rule sets of a recipe: `[gopher, c4, {fineweb: {short_line_ratio: 0.5}}]`.

    A name takes the published thresholds; a mapping changes some of them, null turns a rule off.

    Args:
        wanted: names, or mappings of one name to its changes.
        language: that documents have, as lid.176 names it; None: any.

    Raises:
        RecipeError: a set or rule is unknown, a threshold is no number, a set comes twice, or a
            set is not made for the language. All mistakes at once.
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
        sets += _rule_sets(str(name), changes, language, faults)
    names = [each.name for each in sets]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        faults.append(f"rule sets {repeated} come twice; name each once")
    faults += _not_for(language, sets)
    if faults:
        raise RecipeError("; ".join(faults), where="clean.rules")
    return tuple(sets)


def _rule_sets(name: str, changes: Any, language: str | None, faults: list[str]) -> list[RuleSet]:
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
    if len(faults) > before:
        return []
    return [_with_changes(member, changes, language) for member in members]


def _with_changes(name: str, changes: Mapping[str, float | None], language: str | None) -> RuleSet:
    asked = ((rule.name, changes.get(rule.name, rule.threshold)) for rule in RULES[name])
    common = tuple((rule, float(at)) for rule, at in asked if at is not None)
    if name != "fineweb2":
        return RuleSet(name, common)
    known = fineweb2.languages_known()
    own = tuple(
        (code, _own_thresholds(code, changes)) for code in known if language in (None, code)
    )
    return RuleSet(name, common, own)


def _own_thresholds(code: str, changes: Mapping[str, float | None]) -> Thresholds:
    published = fineweb2.thresholds(code)
    return tuple((rule, float(at)) for rule, at in published.items() if rule not in changes)


def _not_for(language: str | None, sets: Sequence[RuleSet]) -> list[str]:
    """What is wrong with these sets for documents of one language."""
    if language is None:
        return []
    faults = []
    for each in sets:
        if each.name == "fineweb2" and not each.languages:
            instead = "; use fineweb" if language == "en" else ""
            known = ", ".join(fineweb2.languages_known())
            faults.append(f"fineweb2 has no thresholds for {language!r}, but for {known}{instead}")
        for name, rule in ENGLISH:
            if each.name == name and language != "en" and each.threshold(rule) is not None:
                faults.append(
                    f"{name}.{rule} counts English words and language is {language!r}; use "
                    f"fineweb2, or turn it off: {{{name}: {{{rule}: null}}}}"
                )
    return faults


def groups_of(rules: Sequence[RuleSet]) -> tuple[str, ...]:
    """The groups of `FURTHER` that these sets look at."""
    looked_at = {name for each in rules for rule in each.in_force for name in _columns(rule)}
    return tuple(
        group
        for group, statistics in FURTHER.items()
        if looked_at & {statistic.name for statistic in statistics}
    )


def reads_edited(rules: Sequence[RuleSet]) -> tuple[str, ...]:
    """The names of the sets that see the text as C4 edited it: those that come after `c4`."""
    names = [each.name for each in rules]
    return tuple(names[names.index("c4") + 1 :]) if "c4" in names else ()


def columns_of(rules: Sequence[RuleSet]) -> tuple[str, ...]:
    """The columns of statistics that the sets look at, each once."""
    after = reads_edited(rules)
    found = {
        (EDITED if each.name in after else "") + name: None
        for each in rules
        for rule in each.in_force
        for name in _columns(rule)
    }
    by_language = any(each.languages for each in rules)
    return (*found, "language") if by_language else tuple(found)


def _columns(rule: Rule) -> tuple[str, ...]:
    return (rule.statistic, rule.letters) if rule.letters else (rule.statistic,)


def failures(rules: Sequence[RuleSet]) -> list[tuple[str, pl.Expr]]:
    """(reason, true where a document fails) for each rule in force, in the order to apply them."""
    after = reads_edited(rules)
    found: list[tuple[str, pl.Expr]] = []
    for each in rules:
        if each.languages:
            known = pl.col("language").is_in([code for code, _ in each.languages])
            found.append((f"{each.name}.language", ~known.fill_null(value=False)))
        for rule in each.in_force:
            prefix = EDITED if each.name in after else ""
            found.append((f"{each.name}.{rule.name}", _fails(rule, each, prefix)))
    return found


def _fails(rule: Rule, of: RuleSet, prefix: str) -> pl.Expr:
    column = pl.col(prefix + rule.statistic)
    if rule.letters:
        unspaced = pl.col("language").is_in(fineweb2.UNSPACED)
        column = pl.when(unspaced).then(pl.col(prefix + rule.letters)).otherwise(column)
    common = dict(of.thresholds).get(rule.name)
    if common is not None:
        return rule.failing(column, common)
    own = {code: dict(thresholds).get(rule.name) for code, thresholds in of.languages}
    own = {code: at for code, at in own.items() if at is not None}
    threshold = pl.col("language").replace_strict(own, default=None, return_dtype=pl.Float64)
    return rule.failing(column, threshold)


def first_failure(statistics: pl.DataFrame, rules: Sequence[RuleSet]) -> pl.Series:
    """(n,) string: the first rule each document fails, as `set.rule`; null: none.

    Args:
        statistics: the sidecar; its columns under `EDITED` serve the sets that come after `c4`.
        rules: in the order in which they are to be applied.
    """
    reasons = [pl.when(fails).then(pl.lit(reason)) for reason, fails in failures(rules)]
    nothing = pl.repeat(None, pl.len(), dtype=pl.String)  # a row a document, also without rules
    return statistics.select(pl.coalesce([*reasons, nothing]).alias("reason"))["reason"]
