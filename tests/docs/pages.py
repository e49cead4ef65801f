"""The project's own pages, read as tables, code blocks and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.sources import ROOT

PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "configs").rglob("*.md")]
)
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def text_of(page: str) -> str:
    """Return a page's text, by its path from the project's root."""
    return (ROOT / page).read_text()


def sections(page: str) -> dict[str, str]:
    """Return heading -> text under it, for headings of the second level."""
    parts = re.split(r"^## +(.+)$", text_of(page), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def rows(text: str) -> dict[str, list[str]]:
    """Return the first word in backticks of each table row -> the row's other cells."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        name = re.match(r"`([^` ]+)", cells[0])
        if line.startswith("|") and name:
            found[name[1]] = cells[1:]
    return found


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page that are marked with a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(page), re.DOTALL | re.MULTILINE)


def links() -> Iterator[tuple[Path, str]]:
    """Yield (page, target) of every link to a file."""
    for page in PAGES:
        for target in _LINK.findall(page.read_text()):
            if "://" not in target:
                yield page, target
