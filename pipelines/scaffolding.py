"""A new scorer as a package of its own that installs, runs and passes its tests."""

from __future__ import annotations

import re
from pathlib import Path

from curator.errors import RecipeError
from pipelines.looking import Found

_MODULE = '''"""The scorer {name}: say here what it measures, what it costs and who published it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import polars as pl
import pyarrow as pa

from curator.schema import score_field
from curator.stage import Scorer


@dataclass(frozen=True)
class {kind}(Scorer):
    """Characters of a text over `per`: put your method in its place.

    Attributes:
        per: what one unit of the score is.
    """

    per: int = 1000

    name: ClassVar[str] = "{name}"
    version: ClassVar[int] = 1  # raise it when the same settings start giving other numbers
    writes: ClassVar[pa.Schema] = pa.schema(
        [score_field("{column}", unit="thousand characters", better="higher")]
    )

    def score(self, model: Any, table: pa.Table) -> pa.Table:
        """Return `{column}`, one row a document, in order; null where nothing can be said."""
        lengths = pl.Series(table["text"]).str.len_chars().cast(pl.Float32)
        return (lengths / self.per).to_frame("{column}").to_arrow()
'''
_TESTS = '''"""Run beside an installed curator: python -m pytest tests"""

from __future__ import annotations

from {module} import {kind}

from curator.testing import check_scorer, documents


def test_it_keeps_the_contract():
    check_scorer({kind}())


def test_a_text_of_two_thousand_characters_scores_two():
    found = {kind}().process(None, documents(["x" * 2000, ""]))
    assert found["{column}"].to_pylist() == [2.0, 0.0]
'''
_PROJECT = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{package}"
version = "0.1.0"
description = "A scorer for curator."
requires-python = ">=3.11"
dependencies = ["curator-lm"]

[project.entry-points."curator.scorers"]
{name} = "{module}:{kind}"

[tool.setuptools]
py-modules = ["{module}"]
"""
_README = """# {name}, a scorer for curator

`pip install .`, then `curator scorers {name}` shows it, `python -m pytest tests` holds it to the
contract, and a recipe says `{{use: {name}}}`. While you write it, `{{use: "{module}:{kind}"}}`
needs no installation, only this folder on PYTHONPATH.
"""


def new_scorer(name: str, out: Path | None) -> Found:
    """Write the package of a scorer into a new folder.

    Raises:
        RecipeError: the name is no lower-case word, or the folder is there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise RecipeError(
            f"{name!r} can not be a scorer's name; wanted small letters, digits and underscores"
        )
    folder = out or Path(f"curator-scorer-{name.replace('_', '-')}")
    if folder.exists():
        raise RecipeError(f"{folder} is there already; name a new folder with --out")
    words = {
        "name": name,
        "column": f"{name}_score",
        "kind": "".join(part.capitalize() for part in name.split("_")),
        "module": f"curator_scorer_{name}",
        "package": f"curator-scorer-{name.replace('_', '-')}",
    }
    files = {
        f"{words['module']}.py": _MODULE,
        f"tests/test_{name}.py": _TESTS,
        "pyproject.toml": _PROJECT,
        "README.md": _README,
    }
    for file, content in files.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content.format(**words), encoding="utf-8")
    said = f"wrote {', '.join(files)} in {folder}; begin with {folder / words['module']}.py"
    return Found({"folder": str(folder), "files": list(files)}, said)
