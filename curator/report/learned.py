"""The section on what scorers learned: how well on held-out documents, and what they wrote down.

Every scorer that learns may leave a `report.json` beside its model. Held-out measures stand in one
table; lists of like things become small tables, and all other numbers stand on lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from curator.report import figures
from curator.report.markup import Child, tag
from curator.report.tables import absent, cell, folded, row_head, section, table, words
from curator.report.visible import one_line

if TYPE_CHECKING:
    from curator.report.content import Report

_MEASURES: Final = ("auc", "spearman")
_MOST_ROWS: Final = 30  # of one list; a page is no place for more
_IN_THE_TABLE: Final = {"auc", "spearman", "recall"}
_LEAK: Final = 0.25  # from which distance of length's AUC from 0.5 on a reader is told
_KEYS: Final = {"class", "level", "rate"}  # what a row is about stands first
_WIDEST: Final = 80  # characters of a text in a report
# What the heads of small tables mean, where a word alone would not say it.
_ABOUT: Final = {
    "calibration": "Held-out documents in ten groups by prediction: predicted against observed",
    "levels": "Every level of the label: how many held-out documents, what share of them is taken",
    "thresholds": "The score above which documents hold a share of the text",
    "tuning": "What was tried",
    "looks": "What tells the classes apart without a word being read",
}


@dataclass(frozen=True)
class Learned:
    """What one score's fit wrote down.

    Attributes:
        score: as the recipe calls it.
        scorer: its kind.
        report: the content of `report.json`.
    """

    score: str
    scorer: str
    report: Mapping[str, Any] = field(default_factory=dict)


def learned(report: Report) -> Markup:
    """Return the section on what the run's scorers learned."""
    if not report.learned:
        return absent("learned", "What was learned", "No scorer learned anything.")
    lead = (
        "How well each learned score does on documents that were held out: the chance that a "
        "better one scores higher (AUC), the correlation of ranks with its label (Spearman), and "
        "how much of the true top is found in a predicted top of the same size."
    )
    judged = [one for one in report.learned if _is_judged(one)]
    shown = _measures(judged) if judged else None
    return section("learned", "What was learned", lead, shown, *map(_details, report.learned))


def _measures(judged: Sequence[Learned]) -> Markup:
    rates = sorted({rate for one in judged for rate in _mapping(one.report.get("recall"))}, key=_at)
    heads: list[tuple[Child, str]] = [("score", ""), ("scorer", ""), ("learned from", "r")]
    heads += [("held out", "r"), ("AUC", "r"), ("Spearman", "r")]
    heads += [(f"top {figures.share(_at(rate))}", "r") for rate in rates]
    rows = [
        [
            row_head(one_line(one.score, 48)),
            words(one.scorer, "q"),
            *(_documents(one.report.get(part)) for part in ("documents", "heldout")),
            *(_known(one.report, measure) for measure in _MEASURES),
            *(_known(_mapping(one.report.get("recall")), rate) for rate in rates),
        ]
        for one in judged
    ]
    return table("On held-out documents", heads, rows)


def _details(one: Learned) -> Markup:
    lists = {name: rows for name, rows in one.report.items() if _is_table(rows)}
    shown = {*lists, *(_IN_THE_TABLE if _is_judged(one) else ())}
    others = {name: value for name, value in one.report.items() if name not in shown}
    single = {name: value for name, value in others.items() if not isinstance(value, Mapping)}
    lines = [tag("p", " · ".join(_leaves(single)), class_="num q")] if single else []
    lines += [
        tag("p", tag("b", one_line(name, _WIDEST)), " ", " · ".join(_leaves(value)), class_="num q")
        for name, value in others.items()
        if name not in single
    ]
    tables = [_small(_ABOUT.get(name, name), rows) for name, rows in lists.items() if rows]
    return folded(f"What {one_line(one.score, 48)} learned", _warning(one), *lines, *tables)


def _warning(one: Learned) -> Markup | None:
    """Return a sentence if length alone tells what was learned; format then does so too."""
    alone = one.report.get("auc_of_length")
    if not isinstance(alone, int | float) or abs(alone - 0.5) < _LEAK:
        return None
    longer = "longer" if alone > 0.5 else "shorter"
    return tag(
        "p",
        f"Good examples are {longer}: length alone reaches AUC {max(alone, 1 - alone):.2f}. "
        "Compare with examples of one length, without the format that they share.",
    )


def _small(caption: str, rows: Sequence[Mapping[str, Any]]) -> Markup:
    names = sorted(
        {name for row in rows for name in row}, key=lambda name: (name not in _KEYS, name)
    )
    heads: list[tuple[Child, str]] = [(one_line(name, 48), "r") for name in names]
    body = [[_number(row.get(name)) for name in names] for row in rows[:_MOST_ROWS]]
    more = f" (the first {_MOST_ROWS} of {len(rows)})" if len(rows) > _MOST_ROWS else ""
    return table(one_line(caption, 160) + more, heads, body, "")


def _is_judged(one: Learned) -> bool:
    return any(measure in one.report for measure in _MEASURES)


def _known(found: Mapping[str, Any], name: str) -> Markup:
    """Return the cell of a measure; empty where it was not taken."""
    return _number(found[name]) if name in found else words("")


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _leaves(value: Any, path: str = "") -> Iterator[str]:
    """Yield the numbers and words of a report as `name.name = value`, at most `_MOST_ROWS` deep."""
    if isinstance(value, Mapping):
        for name, inner in list(value.items())[:_MOST_ROWS]:
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    else:
        shown = _shown(value)
        yield f"{one_line(path, _WIDEST)} = {shown}" if path else shown


def _shown(value: Any) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return figures.plain(value)
    if isinstance(value, list):
        return one_line(", ".join(map(_shown, value[:_MOST_ROWS])), 3 * _WIDEST)
    return one_line(str(value), _WIDEST)


def _number(value: Any) -> Markup:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return cell(_shown(value), sort=value if known else None)


def _documents(value: Any) -> Markup:
    """Return the cell of a count, or of counts by class added up."""
    counts = _mapping(value).values() if isinstance(value, Mapping) else [value]
    known = [count for count in counts if isinstance(count, int)]
    return cell(figures.grouped(sum(known)), sort=sum(known)) if known else words("")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _at(rate: str) -> float:
    """Return a rate as a number; what is no number comes first."""
    try:
        return float(rate)
    except ValueError:
        return 0.0
