"""Small files, small functions, no drawers for what has no name."""

from __future__ import annotations

import ast
import statistics

from tests.architecture.sources import modules

FORBIDDEN = {"utils", "util", "common", "helpers", "helper", "misc", "manager", "handler"}


def test_no_file_is_longer_than_400_lines():
    long = {n: len(p.read_text().splitlines()) for n, (p, _) in modules().items()}

    assert {name: lines for name, lines in long.items() if lines > 400} == {}


def test_no_function_is_longer_than_60_lines_and_half_have_at_most_12():
    lengths = {
        f"{name}.{node.name}": node.end_lineno - node.lineno + 1
        for name, (_, tree) in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }

    assert {name: n for name, n in lengths.items() if n > 60} == {}
    assert statistics.median(lengths.values()) <= 14


def test_nothing_is_called_utils_or_the_like():
    assert {n for n in modules() if set(n.split(".")) & FORBIDDEN} == set()


def test_nobody_unpickles_or_evaluates():
    calls = [
        f"{name}:{node.lineno}"
        for name, (_, tree) in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("eval", "exec")
    ]
    loads = [
        f"{name}:{node.lineno}"
        for name, (_, tree) in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in ("load", "loads")
        and isinstance(node.value, ast.Name)
        and node.value.id in ("pickle", "dill", "cloudpickle", "joblib")
    ]

    assert calls == []
    assert [place for place in loads if not place.startswith("curator.testing")] == []
