"""`__all__` says what a module offers: every name is there, sorted, and documented."""

from __future__ import annotations

import ast
import importlib

import pytest

from tests.architecture.sources import modules


def exported(tree: ast.Module) -> list[str] | None:
    """Return a module's `__all__`, None where it has none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return ast.literal_eval(node.value)
    return None


OFFERS = {name: names for name, (_, tree) in modules().items() if (names := exported(tree))}


@pytest.mark.parametrize("name", OFFERS)
def test_what_a_module_offers_is_there(name: str):
    module = importlib.import_module(name)
    offered = OFFERS[name]

    assert sorted(set(offered)) == sorted(offered)
    assert [each for each in offered if not hasattr(module, each)] == []
    assert [each for each in offered if each.startswith("_")] == []


def test_a_package_that_imports_names_for_others_says_so():
    wrong = [
        name
        for name, (path, tree) in modules().items()
        if path.name == "__init__.py" and name not in OFFERS
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
    ]

    assert wrong == []


def test_every_package_and_module_says_what_it_is_for():
    silent = [name for name, (_, tree) in modules().items() if not ast.get_docstring(tree)]

    assert silent == []


def test_nobody_imports_another_modules_private_names():
    private = [
        f"{name}: {node.module}.{alias.name}"
        for name, (_, tree) in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
        for alias in node.names
        if alias.name.startswith("_") and (node.module or "").split(".")[0] == name.split(".")[0]
    ]

    assert private == []
