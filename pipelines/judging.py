"""Which rules look at which statistic of a run, and how many documents fail each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curator.clean.fineweb2 import unspaced
from curator.clean.judging import Judge
from curator.clean.measuring import Measure
from curator.clean.rules import Rule, RuleSet, parse_rules, reads_edited
from curator.clean.statistic import EDITED
from curator.corpus_spec import CleanSpec
from curator.ledger import Artifact
from curator.report.buckets import Buckets, bucketed
from curator.report.judged import JudgedStatistic, Threshold
from curator.schema import field_note
from curator.shards import read_shard

Side = Literal["above", "below"]


def judge_of(spec: CleanSpec) -> Judge:
    """Return the verdict that a recipe's `clean` section asks for."""
    return Judge(
        language=spec.language,
        min_language_probability=spec.min_language_probability,
        rules=parse_rules(spec.rules, spec.language),
    )


def judged_of(spec: CleanSpec | None, sidecars: Iterable[Artifact]) -> tuple[JudgedStatistic, ...]:
    """Return the statistics that a run's rules look at; () where nothing was cleaned."""
    measured = next((one for one in sidecars if one.name == Measure.name), None)
    return judged_statistics(spec, measured) if spec and measured else ()


def judged_statistics(spec: CleanSpec, measured: Artifact) -> tuple[JudgedStatistic, ...]:
    """Return each statistic that a rule looks at, with its thresholds; one shard in memory.

    Args:
        spec: the recipe's `clean` section.
        measured: the sidecar of statistics that cleaning took.
    """
    judge = judge_of(spec)
    marks = _marks(judge)
    tests = judge.failures()
    failing = dict.fromkeys((reason for reason, _ in tests), 0)
    numbers = {name: Buckets() for name in marks}
    rows = 0
    for table in _tables(measured):
        rows += table.num_rows
        frame = pl.DataFrame(pl.from_arrow(table))
        failed = frame.select(fails.fill_null(value=False).alias(why) for why, fails in tests)
        for reason in failing:
            failing[reason] += int(failed[reason].sum())
        for name in marks:
            values = table[name].drop_null().to_numpy()
            numbers[name] = numbers[name].merged(bucketed(values))
    schema = read_shard(measured.shards[0]).schema
    return tuple(
        JudgedStatistic(
            name,
            field_note(schema.field(name), "unit"),
            field_note(schema.field(name), "about"),
            rows,
            numbers[name],
            tuple(Threshold(*mark, failing[mark[0]]) for mark in found_marks),
        )
        for name, found_marks in marks.items()
    )


def _tables(measured: Artifact) -> Iterator[pa.Table]:
    """Yield the statistics of the documents that cleaning saw, by shard."""
    for shard in measured.shards:
        table = read_shard(shard)
        yield table.filter(pc.is_valid(table["characters"]))


def _marks(judge: Judge) -> dict[str, list[tuple[str, Side, float, float]]]:
    """Return (reason, side, least and greatest threshold) of the rules on each column."""
    marks: dict[str, list[tuple[str, Side, float, float]]] = {}
    if judge.language:
        sure = judge.min_language_probability
        marks["language_probability"] = [("language_probability", "below", sure, sure)]
    after = reads_edited(judge.rules)
    for each in judge.rules:
        prefix = EDITED if each.name in after else ""
        for rule in each.in_force:
            for column in filter(None, (rule.statistic, rule.letters)):
                spans = _thresholds(each, rule, letters=column == rule.letters)
                if spans:
                    mark = (f"{each.name}.{rule.name}", rule.fails, min(spans), max(spans))
                    marks.setdefault(prefix + column, []).append(mark)
    return marks


def _thresholds(each: RuleSet, rule: Rule, *, letters: bool) -> list[float]:
    """Return a rule's thresholds: one, or those of the languages whose words are of one kind."""
    common = each.threshold(rule.name)
    if common is not None:
        return [common]
    codes = [code for code, _ in each.languages if not rule.letters or unspaced(code) == letters]
    found = (each.threshold(rule.name, code) for code in codes)
    return [at for at in found if at is not None]
