"""Runs are compared like with like, and every arm keeps a name of its own."""

from __future__ import annotations

import pytest

from curator.errors import RecipeError
from pipelines.measuring import compare_run_folders
from tests.support.runs import run_record, write_run


def of_proxy(proxy):
    """Return the arms of a run whose proxies had other settings."""
    arms = run_record()["arms"]
    for arm in arms.values():
        for one in arm["proxies"]:
            one["proxy"] = proxy
    return arms


def test_runs_of_equal_proxies_are_compared_and_others_refused(tmp_path):
    small, same = write_run(tmp_path / "small"), write_run(tmp_path / "same")
    large = write_run(tmp_path / "large", arms=of_proxy("d4"))

    rows = compare_run_folders([small, same], "", "web").summary["comparison"]

    assert [row["arm"] for row in rows] == ["small/sim", "same/random", "same/sim"]
    with pytest.raises(RecipeError, match=r"differ in proxy: \['d2', 'd4'\]"):
        compare_run_folders([small, large], "", "")


def test_arms_of_runs_that_share_a_name_are_called_by_their_paths(tmp_path):
    one, other = write_run(tmp_path / "A" / "o"), write_run(tmp_path / "B" / "o")

    found = compare_run_folders([one, other], "", "web").summary

    assert found["baseline"] == f"{one}/random"
    assert {row["arm"] for row in found["comparison"]} == {
        f"{one}/sim", f"{other}/random", f"{other}/sim"
    }  # fmt: skip


def test_a_run_given_twice_is_refused(tmp_path):
    one = write_run(tmp_path / "o")

    with pytest.raises(RecipeError, match="given more than once"):
        compare_run_folders([one, tmp_path / "." / "o"], "", "")


def test_tokenizers_are_told_apart_by_content_and_not_by_folder(tmp_path):
    one = write_run(tmp_path / "one")
    moved = write_run(tmp_path / "moved", tokenizer="/elsewhere/bpe.json")
    other = write_run(tmp_path / "other", tokenizer_digest="c" * 32)

    assert compare_run_folders([one, moved], "", "").summary["comparison"]
    with pytest.raises(RecipeError, match="differ in tokenizer"):
        compare_run_folders([one, other], "", "")
