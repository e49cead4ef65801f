"""The main text of an HTML page, by one of two extractors; the default was chosen by measurement.

`bench/extraction.py` compares them (docs/decisions/0006-html-extraction.md has the numbers).
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Any

from curator.errors import RecipeError

Extractor = Callable[[str], str]
DEFAULT_EXTRACTOR = "trafilatura"


class ExtractionError(Exception):
    """One page could not be parsed; the reader counts it."""


def with_resiliparse(page: str) -> str:
    """Return the main content by resiliparse's heuristics (C++, lexbor parser)."""
    from resiliparse.extract.html2text import extract_plain_text

    return str(extract_plain_text(page, main_content=True, alt_texts=False))


def with_trafilatura(page: str) -> str:
    """Return the main content by trafilatura's own rules; "" where it finds none."""
    return _trafilatura(page, fast=True)


def with_trafilatura_fallback(page: str) -> str:
    """Return the same, compared with two more extractors where it looks doubtful."""
    return _trafilatura(page, fast=False)


def _trafilatura(page: str, *, fast: bool) -> str:
    import lxml.etree  # type: ignore[import-untyped]  # ships no types
    import trafilatura

    try:
        found: Any = trafilatura.extract(page, include_comments=False, fast=fast)
    except (lxml.etree.LxmlError, ValueError, RecursionError) as error:
        raise ExtractionError(str(error)) from error
    return str(found or "")


EXTRACTORS: dict[str, Extractor] = {
    "resiliparse": with_resiliparse,
    "trafilatura": with_trafilatura,
    "trafilatura-fallback": with_trafilatura_fallback,
}


def extractor(name: str) -> Extractor:
    """Return the extractor called `name`.

    Raises:
        RecipeError: there is none, or its package is not installed.
    """
    if name not in EXTRACTORS:
        raise RecipeError(f"extractor is {name!r}; wanted one of {', '.join(EXTRACTORS)}")
    if name.startswith("trafilatura"):
        try:
            import trafilatura  # noqa: F401 - only to say early that it is missing
        except ImportError:
            raise RecipeError(
                f"extractor {name!r} needs `pip install trafilatura lxml_html_clean`"
            ) from None
    return EXTRACTORS[name]


def decoded(page: bytes, charset: str | None = None) -> str:
    """Return a page's text by its declared charset if that fits, else by detection.

    Web pages lie about their encoding, so bytes that fit nothing become U+FFFD: this is the one
    reader for which text is an interpretation from the start.
    """
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    if charset:
        try:
            return page.decode(codecs.lookup(charset).name)
        except (LookupError, UnicodeDecodeError):
            pass
    return str(bytes_to_str(page, detect_encoding(page) or "utf-8"))
