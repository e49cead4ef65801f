from __future__ import annotations

import pytest

from curator.text import compile as door


@pytest.fixture
def edited(monkeypatch):
    """The digest of a module's sources after an edit to the source of another."""
    read = door._source

    def digest(module: str, other: str) -> str:
        monkeypatch.setattr(
            door, "_source", lambda name: read(name) + (b"# edit" if name == other else b"")
        )
        return door._digest_of_sources(module)

    return digest


@pytest.mark.parametrize("other", ["curator.text.ngrams", "curator.text.words"])
def test_an_edit_to_what_a_kernel_calls_compiles_it_again(edited, other):
    before = door._digest_of_sources("curator.text.ngrams")

    assert edited("curator.text.ngrams", other) != before


def test_an_edit_elsewhere_does_not_compile_a_kernel_again(edited):
    before = door._digest_of_sources("curator.text.ngrams")

    assert edited("curator.text.ngrams", "curator.text.c4") == before


def test_kernels_outside_the_package_depend_on_those_in_it(edited):
    before = door._digest_of_sources("curator.dedup.shingles")

    assert edited("curator.dedup.shingles", "curator.text.words") != before
