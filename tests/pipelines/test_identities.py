"""What is stored was made by the code that is asked: another version makes its own."""

from __future__ import annotations

import pytest

from bench.trial import made_up, write_files
from tests.support.runs import small_run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with an input, a store and a run in it."""
    folder = tmp_path_factory.mktemp("made")
    write_files(made_up(60), folder / "in", 1)
    small_run(folder / "in", folder / "store", folder / "out")
    return folder


@pytest.mark.parametrize(
    ("constant", "folders"),
    [
        ("curator.train.tokenizer.VERSION", {"tokenizer"}),
        ("pipelines.splitting.VERSION", {"benchmark.exam.test", "benchmark.exam.train", "heldout"}),
    ],
)
def test_code_of_another_version_makes_its_own_folders(made, monkeypatch, constant, folders):
    before = set((made / "store" / "folders").iterdir())
    small_run(made / "in", made / "store", made / "again")
    assert set((made / "store" / "folders").iterdir()) == before

    monkeypatch.setattr(constant, 99)
    small_run(made / "in", made / "store", made / "again")

    new = set((made / "store" / "folders").iterdir()) - before
    assert {path.name.rsplit("-", 1)[0] for path in new} == folders
