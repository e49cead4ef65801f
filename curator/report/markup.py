"""HTML and SVG elements that cannot be injected into: every plain string is escaped.

`tag` makes `markupsafe.Markup`; whatever is not Markup already is made visible (no control
characters, no bidirectional overrides) and escaped, in content and in attributes alike. So text
from documents may be passed anywhere, and only this package's own constants bypass it.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

from curator.report.visible import visible

Child = Markup | str | int | None
Attribute = str | int | bool | None
_VOID = frozenset({"meta", "br", "hr"})


def tag(name: str, *children: Child, **attributes: Attribute) -> Markup:
    """Return the element `name` with its children and attributes.

    `class_` is `class`, `aria_label` is `aria-label`; an attribute that is None or False is left
    out, one that is True stands without a value.
    """
    head = name + "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{head}>")
    return Markup(f"<{head}>{_safe(children)}</{name}>")


def join(parts: Iterable[Child], between: str = "") -> Markup:
    """Return the parts one after another, plain strings escaped."""
    return escape(between).join(_one(part) for part in parts if part is not None)


def block(text: str) -> Markup:
    """Return a document's text, escaped, with its newlines kept."""
    return escape(visible(text, lines=True))


def _safe(children: Iterable[Child]) -> Markup:
    return Markup("").join(_one(child) for child in children if child is not None)


def _one(child: Child) -> Markup:
    return child if isinstance(child, Markup) else escape(visible(str(child)))


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    spelled = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {spelled}"
    return f' {spelled}="{escape(visible(str(value)))}"'
