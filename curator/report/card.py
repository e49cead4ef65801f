"""The card of a mixture: what is in it, where from, how it was made, what it was shown to do.

Markdown with the metadata block that Hugging Face reads at the head of a dataset's README.md
(https://huggingface.co/docs/hub/datasets-cards). Values in that block are JSON strings, which
are YAML too, so that no name can break out of it; names in the text are shown as code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from curator.errors import RecipeError
from curator.report import figures
from curator.report.content import Arm, Report
from curator.report.visible import one_line


def card(report: Report, arm: str, *, license_name: str = "other") -> str:
    """Return the Markdown card of one arm's mixture.

    Raises:
        RecipeError: the report has no such arm.
    """
    found = next((each for each in report.arms if each.name == arm), None)
    if found is None:
        names = [each.name for each in report.arms]
        raise RecipeError(f"there is no arm {arm!r} in run {report.name!r}; choose one of {names}")
    parts = [
        _metadata(report, found, license_name),
        f"# {_text(report.name)}: {_text(arm)}",
        _text(report.about, 600),
        "## Contents",
        f"{figures.grouped(found.documents)} documents, {figures.grouped(found.tokens)} tokens, "
        f"selected by {_code(found.method)} from {_pool(report)}.",
        _sources(found),
        "## How it was made",
        _stages(report),
        "## What is known of it",
        _contamination(report),
        _results(report, arm),
        "## How to make it again",
        _origin(report, found),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _metadata(report: Report, arm: Arm, license_name: str) -> str:
    pairs = {
        "pretty_name": f"{report.name}: {arm.name}",
        "license": license_name,
        "task_categories": ["text-generation"],
        "size_categories": [_size_category(arm.documents)],
        "tags": ["pretraining", "curator"],
    }
    lines = [f"{key}: {json.dumps(value)}" for key, value in pairs.items()]
    return "\n".join(["---", *lines, "---"])


def _size_category(documents: int) -> str:
    """Return the hub's name for a number of rows."""
    limits = [(10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M")]
    limits += [(10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B")]
    return next((name for limit, name in limits if documents < limit), "n>1B")


def _text(value: str, limit: int = 120) -> str:
    """Return words for a line of Markdown: on one line, nothing in them read as Markdown."""
    shown = one_line(value, limit)
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>#|!&" else letter for letter in shown)


def _code(value: str) -> str:
    """Return a name as code; a bar would end the cell of a table, a backtick the code."""
    shown = one_line(value, 120).replace("`", "'").replace("|", "¦")
    return f"`{shown}`" if shown else "–"


def _grid(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---" if place == 0 else "---:" for place in range(len(heads))]
    return "\n".join(f"| {' | '.join(row)} |" for row in [heads, rule, *rows])


def _pool(report: Report) -> str:
    _, kept, *_ = report.conservation()
    return f"a pool of {figures.grouped(kept)}" if report.stages else "its pool"


def _sources(arm: Arm) -> str:
    ordered = sorted(arm.shares, key=lambda each: (-each.obtained, each.source))
    rows = [
        (
            _code(each.source),
            figures.share(each.obtained),
            figures.grouped(each.tokens),
            figures.grouped(each.documents),
            figures.plain(each.epochs),
        )
        for each in ordered
    ]
    return _grid(("source", "share", "tokens", "documents", "epochs"), rows) if rows else ""


def _stages(report: Report) -> str:
    rows = [
        (
            _code(stage.name),
            figures.grouped(stage.rows_in),
            figures.grouped(stage.rows_out),
            figures.grouped(sum(stage.dropped.values())),
            figures.grouped(sum(stage.quarantined.values())),
        )
        for stage in report.stages
    ]
    heads = ("stage", "documents in", "out", "dropped", "quarantined")
    return _grid(heads, rows) if rows else "Nothing was recorded."


def _contamination(report: Report) -> str:
    if not report.contamination:
        return "No benchmark was checked for: results on benchmarks may be contaminated."
    return "\n".join(
        f"- {_code(each.benchmark)}: {figures.grouped(each.entries_matched)} of "
        f"{figures.grouped(each.entries)} entries were found in the pool; "
        f"{figures.grouped(each.documents)} documents {_ACTIONS.get(each.action, '')}."
        for each in report.contamination
    )


_ACTIONS = {
    "document": "were dropped for it",
    "span": "were cut or dropped for it",
    "report": "hold some of it and are still there",
}


def _results(report: Report, arm: str) -> str:
    rows = []
    for line in report.comparison:
        if line.arm == arm:
            digits = figures.decimals([line.effect])
            low, high = figures.signed(line.low, digits), figures.signed(line.high, digits)
            effect = f"{figures.signed(line.effect, digits)} [{low}, {high}] {line.unit}"
            rows.append((_code(line.metric), _text(effect), line.verdict, str(line.seeds)))
    if not rows:
        return ""
    base = _text(report.baseline or "the baseline")
    proxy = f" Proxies: {_text(report.proxy)}." if report.proxy else ""
    heads = ("metric", f"difference from {base}, 95 % interval", "verdict", "seeds")
    return f"Small models were trained on it and on {base}.{proxy}\n\n{_grid(heads, rows)}"


def _origin(report: Report, arm: Arm) -> str:
    found = report.lineage
    pairs = [("command", found.command), ("recipe digest", found.recipe_digest)]
    pairs += [("manifest hash", arm.manifest_hash), ("run", report.run_id)]
    pairs += [(name, version) for name, version in sorted(found.versions.items())]
    return "\n".join(f"- {_text(name)}: {_code(value)}" for name, value in pairs if value)
