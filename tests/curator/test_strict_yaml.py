"""Whatever a text holds, it is plain values or a RecipeError, soon."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.strict_yaml import MOST_CHARACTERS, parse_yaml, read_text


def bomb(levels):
    """Return a kilobyte of YAML that stands for 9 ** levels words."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        bomb(9),
        "a: &a [1, *a]",
        "a: &x 1\nb: &x [*x]",
        "a: *nothing",
        "[" * 20_000,
        "{a: " * 20_000,
        "- " * 20_000,
        "a: 1\n" * 60_000,
        "a: \x01",
        "a: \ud800",
        "a: [1",
        "a: 2026-99-99",
        "a: 2026-01-01",
        "a: " + "1" * 5000,
        "a: " + "1" * 20,
        "a: .nan",
        "a: -.inf",
        "a: !!python/object/apply:os.system [ls]",
        "a: !!set {b}",
        "a: !word b",
        "2026: a",
        "? [a]\n: b",
        "? {a: 1}\n: b",
        "a: 1\n---\nb: 1",
        "a: 1\na: 2",
        "%YAML 3.0\n---\na: 1",
    ],
    ids=lambda text: text[:20],
)
@pytest.mark.filterwarnings("ignore::ruamel.yaml.error.ReusedAnchorWarning")
def test_what_is_no_plain_yaml_is_an_error_soon(text):
    begun = time.monotonic()
    with pytest.raises(RecipeError, match="here"):
        parse_yaml(text, "here")
    assert time.monotonic() - begun < 5


def test_a_few_aliases_are_as_good_as_copies():
    assert parse_yaml(bomb(2))["a1"] == [["x"] * 9] * 9
    merged = parse_yaml("a: &x {k: 1}\nb:\n  <<: *x\n  l: 2")
    assert merged["b"] == {"k": 1, "l": 2}


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!%#'\"|>?,\n 019.\t\\~<\x00", max_size=40))
def test_any_text_is_plain_values_or_a_recipe_error(text):
    try:
        found = parse_yaml(text)
    except RecipeError:
        return
    assert found is None or isinstance(found, bool | int | float | str | list | dict)


def test_only_as_much_of_a_file_is_read_as_a_recipe_may_have(tmp_path):
    (tmp_path / "long").write_text("x" * (2 * MOST_CHARACTERS))

    with pytest.raises(RecipeError, match="longer than"):
        parse_yaml(read_text(tmp_path / "long"))


def test_what_is_no_text_cannot_be_read(tmp_path):
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")

    for path in (tmp_path, tmp_path / "bytes"):
        with pytest.raises(RecipeError, match="cannot be read"):
            read_text(path)
