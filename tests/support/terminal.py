"""What a rich renderable prints, as text."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType


def on_terminal(shown: RenderableType, *, width: int = 140, color: bool = False) -> str:
    """Return what a terminal of `width` columns is sent; escape codes only with `color`."""
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=color, color_system="truecolor" if color else None
    )
    console.print(shown)
    return out.getvalue()
