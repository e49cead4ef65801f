"""One run as one HTML page that needs nothing else: no network, no files beside it, no scripts.

The page's policy allows only its own style and, by its hash, its one script (sorting of tables),
so even markup that slipped through escaping could neither run nor send anything. Equal reports
are equal bytes: there is no date and no random id in the page.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from markupsafe import Markup

from curator.report import (
    choices,
    copies,
    judged,
    learned,
    origins,
    pool,
    refinements,
    results,
    stages,
    training,
)
from curator.report.content import Report
from curator.report.look import SCRIPT, STYLE
from curator.report.markup import tag
from curator.shards import write_atomically

SECTIONS: tuple[tuple[str, str, Callable[[Report], Markup]], ...] = (
    ("comparison", "Comparison", results.comparison),
    ("training", "Training", training.training),
    ("cost", "Cost", results.cost),
    ("funnel", "Funnel", pool.funnel),
    ("drops", "Drops", pool.drops),
    ("statistics", "Statistics", judged.judged),
    ("quarantine", "Quarantine", pool.quarantine),
    ("duplicates", "Duplicates", copies.duplicates),
    ("contamination", "Contamination", copies.contamination),
    ("scores", "Scores", choices.scores),
    ("learned", "Learned", learned.learned),
    ("mixtures", "Mixtures", choices.mixtures),
    ("overlap", "Overlap", choices.overlap),
    ("lineage", "Lineage", origins.lineage),
    ("glossary", "Glossary", origins.glossary),
)


def render(report: Report) -> str:
    """Return the whole page. Texts from documents are escaped, controls in them made visible."""
    parts = [(anchor, title, build(report)) for anchor, title, build in SECTIONS]
    if report.staged:  # few runs have any
        after = [anchor for anchor, *_ in SECTIONS].index("learned") + 1
        parts.insert(after, ("stages", "Stages", stages.stages(report)))
    if report.refined:
        before = [anchor for anchor, *_ in parts].index("mixtures")
        parts.insert(before, ("refined", "Refined", refinements.refinements(report)))
    heading = f"{results.title(report)}: {report.name}"
    foot = f"Made by curator from run {report.name}."
    return document(heading, results.headline(report), parts, foot)


def document(
    title: str, headline: Markup, sections: Sequence[tuple[str, str, Markup]], foot: str
) -> str:
    """Return a page of sections (anchor, title, content) that needs nothing beside it."""
    links = (tag("a", name, href=f"#{anchor}") for anchor, name, _ in sections)
    body = tag(
        "body",
        tag("header", tag("div", headline)),
        tag("nav", tag("div", *links), aria_label="Sections"),
        tag("main", *(content for _, _, content in sections)),
        tag("footer", f"{foot} The page loads nothing."),
        tag("script", Markup(SCRIPT)),
    )
    return f"<!doctype html>\n{tag('html', _head(title), body, lang='en')}\n"


def write(report: Report, path: Path) -> None:
    """Write the page to `path`, whole or not at all."""
    write_atomically(path, render(report).encode())


def _head(title: str) -> Markup:
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name_="viewport", content="width=device-width,initial-scale=1"),
        tag("meta", name_="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )
