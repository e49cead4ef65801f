"""Text from documents made harmless to look at: nothing hidden, nothing that steers a terminal.

Control characters can move a terminal's cursor or set its title (ESC, C1 CSI), and bidirectional
overrides can show text in an order other than the one it has (Boucher and Anderson, "Trojan
Source", 2021). Both are shown as what they are instead of being obeyed or silently removed.
Joiners (U+200C, U+200D) stay: Persian, Indic scripts and emoji need them.
"""

from __future__ import annotations

import re

_NAMED = (0x00AD, 0x061C, 0x180E, 0x200B, 0x200E, 0x200F, 0xFEFF, 0x2028, 0x2029)
_RANGES = (
    (0x80, 0x9F),  # C1 controls, among them CSI
    (0x202A, 0x202E),  # bidirectional embeddings and overrides
    (0x2060, 0x206F),  # invisible operators, isolates, deprecated controls
    (0xD800, 0xDFFF),  # lone surrogates: not text, and no encoder takes them
    (0xFFF9, 0xFFFB),  # interlinear annotation
    (0xE0000, 0xE007F),  # tags: text that no font shows
)


def _pictures() -> dict[int, str]:
    table = {code: chr(0x2400 + code) for code in range(32)}  # U+2400: pictures of C0 controls
    table[0x7F] = "\u2421"
    hidden = [*_NAMED, *(code for low, high in _RANGES for code in range(low, high + 1))]
    table.update({code: f"⟨U+{code:04X}⟩" for code in hidden})
    return table


_LINE = _pictures()
_BLOCK = {code: shown for code, shown in _LINE.items() if code not in (0x09, 0x0A)}
_BREAKS = re.compile(r"[ \t\r\n]+")


def visible(text: str, *, lines: bool = False) -> str:
    """Return `text` with every control and hidden character replaced by a visible sign.

    With `lines`, newlines and tabs are kept.
    """
    return text.translate(_BLOCK if lines else _LINE)


def shortened(text: str, limit: int) -> str:
    """Return `text` cut to at most `limit` characters; a cut says how much was left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit].rstrip()} … [{len(text) - limit:,} more characters]"


def one_line(text: str, limit: int) -> str:
    """Return the visible form of `text` on one line, of at most about `limit` characters."""
    start = text[: 4 * limit]  # whitespace runs shrink: look at enough of the text, not at all
    flat = visible(_BREAKS.sub(" ", start).strip())
    return flat if len(flat) <= limit and len(start) == len(text) else flat[:limit].rstrip() + " …"
