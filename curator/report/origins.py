"""The sections that close the page: what made the run and how to make it again, and the words."""

from __future__ import annotations

from markupsafe import Markup

from curator.report import figures
from curator.report.content import Report
from curator.report.markup import Child, block, tag
from curator.report.tables import GLOSSARY, absent, cell, folded, row_head, section, table, words


def lineage(report: Report) -> Markup:
    """Return recipe, command, versions and artifacts: what it takes to make the run again."""
    found = report.lineage
    pairs = [("run", report.run_id), ("recipe", found.recipe_digest), ("machine", found.machine)]
    known = [(name, value) for name, value in pairs if value]
    if not (known or found.command or found.artifacts or found.versions):
        return absent("lineage", "Lineage", "Nothing was recorded.")
    rows = [
        [
            row_head(line.name),
            words(line.id, "hash"),
            cell("–" if line.rows is None else figures.grouped(line.rows)),
            words(", ".join(parent[:12] for parent in line.parents), "hash"),
        ]
        for line in found.artifacts
    ]
    heads: list[tuple[Child, str]] = [
        ("artifact", ""),
        ("id", ""),
        ("rows", "r"),
        ("made from", ""),
    ]
    versions = [[row_head(name), words(number)] for name, number in sorted(found.versions.items())]
    details = [
        part for name, value in known for part in (tag("dt", name), tag("dd", value, class_="hash"))
    ]
    return section(
        "lineage",
        "Lineage",
        "The same recipe on the same inputs with the same versions gives the same artifacts.",
        tag("dl", *details, class_="words") if details else None,
        tag("pre", block(found.command)) if found.command else None,
        folded(
            figures.counted(len(rows), "artifact"),
            table("Artifacts, in order of making", heads, rows),
        )
        if rows
        else None,
        folded(
            figures.counted(len(versions), "version"),
            table("Versions of what ran", [("library", ""), ("version", "")], versions),
        )
        if versions
        else None,
        folded("The recipe", tag("pre", block(found.recipe_text))) if found.recipe_text else None,
    )


def glossary(report: Report) -> Markup:
    """Return the words that the page uses, each with its meaning. The same for every report."""
    pairs = [
        part
        for word, meaning in sorted(GLOSSARY.items())
        for part in (tag("dt", word), tag("dd", meaning))
    ]
    return section("glossary", "Glossary", None, tag("dl", *pairs, class_="words"))
