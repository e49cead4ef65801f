"""Find text in Python source by parsing it: docstrings, and the language reference of pydoc."""

from __future__ import annotations

import ast
import inspect
import warnings
from collections.abc import Iterator

_Holder = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def docstrings(source: str) -> Iterator[tuple[str, str]]:
    """Yield (qualified name, docstring) in source order; the module's own is named "".

    Source that does not parse (templates, other Pythons) has none.
    """
    tree = _parsed(source)
    if tree is not None:
        yield from _of(tree, "")


def topics(source: str) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of the dictionary `topics` in the source of pydoc_data.topics."""
    tree = _parsed(source)
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            table = ast.literal_eval(node.value)
            yield from ((str(key), str(text)) for key, text in table.items())


def _parsed(source: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in other people's docstrings
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _of(node: _Holder, prefix: str) -> Iterator[tuple[str, str]]:
    text = ast.get_docstring(node, clean=False)
    if text:
        yield prefix, inspect.cleandoc(text)
    for inner in node.body:
        if isinstance(inner, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{prefix}.{inner.name}" if prefix else inner.name
            yield from _of(inner, name)
