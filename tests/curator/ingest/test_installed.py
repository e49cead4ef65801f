from __future__ import annotations

import sys
from pathlib import Path

import pytest

from curator.errors import RecipeError
from curator.ingest.installed import KINDS, installed_files, required_packages
from curator.ingest.installed_code import docstrings, topics
from curator.ingest.reader import make_reader


def rows_of(**spec):
    reader = make_reader({"reader": "installed", **spec})
    return [
        row
        for unit in reader.plan()
        for batch in reader.documents(unit)
        for row in batch.documents.to_pylist()
    ]


def test_there_are_at_least_eight_sources_in_every_installation():
    assert len(make_reader({"reader": "installed"}).plan()) >= 8


def test_the_language_reference_is_the_one_that_pydoc_shows():
    from pydoc_data.topics import topics as reference

    rows = rows_of(sources=["reference"])
    assert sorted(row["text"] for row in rows) == sorted(reference.values())
    assert {row["source"] for row in rows} == {"reference"}


def test_origins_name_package_version_and_path_and_no_folder_of_this_machine():
    rows = rows_of(sources=["docs-stdlib", "licenses"], max_bytes=50_000)
    assert rows
    prefixes = (sys.prefix, sys.base_prefix, str(Path.home()))
    assert not [row for row in rows if any(prefix in row["origin"] for prefix in prefixes)]
    assert any(row["origin"].startswith("python-3.") and "#" in row["origin"] for row in rows)


def test_a_source_ends_near_its_size_and_is_the_same_each_time():
    one, two = (rows_of(sources=["licenses"], max_bytes=40_000) for _ in range(2))
    assert one == two
    assert 40_000 <= sum(len(row["text"]) for row in one) < 40_000 + 262_144


def test_docstrings_are_found_by_parsing_with_their_qualified_names():
    code = '"""Module."""\nclass A:\n    """Class.\n\n    More."""\n'
    code += '    async def f(self):\n        "F."\n'
    assert list(docstrings(code)) == [("", "Module."), ("A", "Class.\n\nMore."), ("A.f", "F.")]
    assert list(docstrings("def broken(:")) == []
    assert list(topics("topics = {'a': 'b'}\n")) == [("a", "b")]


def test_packages_are_the_requirements_of_a_fixed_list():
    names = required_packages(("pyarrow", "not-installed-anywhere"))
    assert names == ["pyarrow"]
    assert "numpy" in required_packages()
    assert not [f for f in installed_files() if f.package in {"pytest", "hypothesis", "curator-lm"}]


def test_an_unknown_source_is_refused_with_a_suggestion():
    with pytest.raises(RecipeError, match=r"no source 'docs-math' \(did you mean 'docs-maths'\?\)"):
        make_reader({"reader": "installed", "sources": ["docs-math"]})


def test_every_kind_has_files():
    files = installed_files()
    assert [name for name, kind in KINDS.items() if not any(map(kind.wants, files))] == []
