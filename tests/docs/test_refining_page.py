"""What docs/refining.md says of refiners is so."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pyarrow as pa
import pytest

from curator.refine.finding import REFINERS, make_refiner
from curator.refine.refiner import refined
from tests.docs.pages import rows, sections, text_of

PAGE = "docs/refining.md"
BUILT_IN = [name for name in REFINERS.names() if REFINERS.package(name) == "curator-lm"]


def own_settings(name: str) -> list[str]:
    """Return a refiner's settings but those that say how any model is asked."""
    from curator.refine.writing import Writing

    kind = REFINERS.find(name)
    shared = {field.name for field in dataclasses.fields(Writing)}
    writes = issubclass(kind, Writing)
    return [f.name for f in dataclasses.fields(kind) if not (writes and f.name in shared)]


def test_the_refiner_of_the_page_runs_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    code = re.search(r"```python\n(.*?)```", text_of(PAGE), re.DOTALL)[1]
    (tmp_path / "footers.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    refiner = make_refiner({"use": "footers:NoFooter"})
    table = pa.table({"text": ["One.\nCopyright 1999\n", "Two."]})

    assert refined(refiner, None, table, name="no_footer").children["text"].to_pylist() == ["One."]


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_refiner_is_in_the_table_as_it_is(name: str):
    kind, learns = rows(sections(PAGE)["The refiners"])[name][:2]

    assert kind == REFINERS.find(name).kind
    assert learns == ", ".join(REFINERS.find(name).learns_from)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_setting_of_a_built_in_refiner_is_told(name: str):
    told = rows(sections(PAGE)[name]) if own_settings(name) else {}

    assert sorted(told) == sorted(own_settings(name))
