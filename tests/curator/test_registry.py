from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from curator.errors import PluginError, RecipeError
from curator.registry import find_scorer, make_scorer, scorer_names, scorer_package
from curator.schema import score_field
from curator.stage import Scorer, circumstance
from scorers.letters import Letters

HERE = "tests.curator.test_registry"


@dataclass(frozen=True)
class Picky(Scorer):
    words: tuple[str, ...]
    share: float = 0.5
    exact: bool = False
    batch: int = circumstance(8)

    name: ClassVar[str] = "picky"
    writes: ClassVar[pa.Schema] = pa.schema([score_field("picky", unit="share in [0, 1]")])

    def __post_init__(self):
        if self.share > 1:
            raise RecipeError(f"share={self.share!r}; wanted at most 1")

    def score(self, model: Any, table: pa.Table) -> pa.Table:
        raise NotImplementedError


class Loose(Scorer):
    name = "loose"
    writes = pa.schema([])

    def score(self, model: Any, table: pa.Table) -> pa.Table:
        raise NotImplementedError


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def install(package: str, entries: str) -> None:
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[curator.scorers]\n{entries}\n")

    monkeypatch.syspath_prepend(str(tmp_path))
    return install


def test_an_installed_scorer_is_found_by_name(installed):
    installed("curator-shout", "shout = scorers.letters:Letters")

    assert find_scorer("shout") is Letters
    assert "shout" in scorer_names()
    assert scorer_package("shout") == "curator-shout"


def test_a_class_needs_no_registration():
    assert find_scorer("scorers.letters:Letters") is Letters


def test_a_module_in_the_working_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "h5_own_module.py").write_text("from scorers.letters import Letters as Mine\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/nowhere", *__import__("sys").path])

    assert find_scorer("h5_own_module:Mine") is Letters


def test_an_unknown_scorer_is_refused_with_a_suggestion(installed):
    installed("curator-shout", "shouting = scorers.letters:Letters")

    with pytest.raises(RecipeError, match="no scorer 'shoutin'; did you mean 'shouting'"):
        find_scorer("shoutin")


@pytest.mark.parametrize("use", ["no_such_module:Scorer", "scorers.letters:Leters"])
def test_a_class_that_is_not_there_is_the_recipes_fault(use: str):
    with pytest.raises(RecipeError, match=use):
        find_scorer(use)


def test_a_plugin_that_cannot_be_imported_names_its_package(installed):
    installed("curator-broken", "broken = no_such_module_at_all:Scorer")

    with pytest.raises(PluginError, match="package curator-broken cannot be imported"):
        find_scorer("broken")


def test_a_name_offered_twice_is_refused(installed):
    installed("one", "twin = scorers.letters:Letters")
    installed("two", "twin = scorers.ngrams:Ngrams")

    with pytest.raises(PluginError, match=r"several packages \(one, two\)"):
        find_scorer("twin")


def test_what_is_no_scorer_is_refused():
    with pytest.raises(PluginError, match="not a subclass"):
        find_scorer("pathlib:Path")
    with pytest.raises(PluginError, match="does not define score, writes"):
        find_scorer("curator.stage:Scorer")
    with pytest.raises(PluginError, match="not a frozen dataclass"):
        find_scorer(f"{HERE}:Loose")


def test_settings_make_the_dataclass():
    spec = {"use": f"{HERE}:Picky", "as": "p", "words": ["a", "b"], "share": 1, "batch": 2}

    assert make_scorer(spec) == Picky(words=("a", "b"), share=1.0, batch=2)


def test_all_wrong_settings_are_named_at_once():
    spec = {"use": f"{HERE}:Picky", "shar": 0.1, "exact": 1, "batch": "8"}

    with pytest.raises(RecipeError) as caught:
        make_scorer(spec)

    for part in (
        "shar: unknown setting; did you mean 'share'?",
        "words: missing",
        "exact: found 1",
        "batch: found '8'; it should be a valid integer",
    ):
        assert part in str(caught.value).replace("input should", "it should")


def test_a_value_the_scorer_refuses_names_the_scorer():
    with pytest.raises(RecipeError, match=r"Picky: share=2.0; wanted at most 1"):
        make_scorer({"use": f"{HERE}:Picky", "words": [], "share": 2})


def test_an_entry_without_use_is_refused():
    with pytest.raises(RecipeError, match="write `use: NAME`"):
        make_scorer({"as": "x"})
