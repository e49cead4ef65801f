"""Lists, encodings and line edits as a recipe asks for them."""

from __future__ import annotations

import json

import pytest

from curator.corpus_spec import LinesSpec, UrlsSpec, WordsSpec
from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.errors import RecipeError
from curator.ledger import Store
from pipelines.check import checked
from pipelines.cleaning import block_urls, block_words, edit_lines, repair_encoding
from pipelines.pool import Pool
from tests.support.corpus import corpus_of

PROSE = "Once upon a time there was a miller who had three sons and a donkey and a cat."


@pytest.fixture
def driver(tmp_path):
    return Driver(Store(tmp_path / "store"), Inline(1), quiet=True)


def _living(pool: Pool) -> list[str]:
    return [t for table in pool.learning().tables(("text",)) for t in table["text"].to_pylist()]


def test_without_its_part_of_the_recipe_a_step_does_nothing(driver):
    pool = Pool(corpus_of(driver.store, [PROSE], 1))

    for step in (repair_encoding, block_urls, block_words, edit_lines):
        assert step(None, pool, driver) is pool
    assert driver.steps == []


def test_texts_are_mended_then_cut_and_every_change_names_its_parent(driver):
    texts = [f"{PROSE} Itâ€™s true.\nMENU HOME", PROSE, "MENU HOME"]
    pool = Pool(corpus_of(driver.store, texts, 1))

    pool = repair_encoding("repair", pool, driver)
    pool = edit_lines(LinesSpec(edit="boilerplate", max_removed=0.5), pool, driver)

    assert _living(pool) == [f"{PROSE} It’s true.", PROSE]
    ids = [
        row
        for table in pool.learning().tables(("doc_id", "parent_id"))
        for row in table.to_pylist()
    ]
    assert ids[0]["parent_id"] not in (None, ids[0]["doc_id"])
    assert ids[1]["parent_id"] is None
    assert [step.artifact.dropped for step in driver.steps] == [{}, {"lines.boilerplate.share": 1}]


def test_the_short_form_of_lines_is_the_published_one(driver):
    pool = Pool(corpus_of(driver.store, [f"{PROSE}\nMENU HOME", "A sentence stands here.\nx"], 1))

    assert _living(edit_lines("boilerplate", pool, driver)) == []  # over a twentieth of the words
    assert _living(edit_lines("c4", pool, driver)) == [PROSE, "A sentence stands here."]


def test_lists_drop_or_only_tell(driver, tmp_path):
    (tmp_path / "bad").write_text("miller\n")
    pool = Pool(corpus_of(driver.store, [PROSE, "fine"], 2))
    lists = {"bad": str(tmp_path / "bad")}

    dropped = block_words(WordsSpec(lists=lists), pool, driver)
    told = block_words(WordsSpec(lists=lists, action="annotate"), pool, driver)

    assert _living(dropped) == ["fine"]
    assert _living(told) == [PROSE, "fine"]
    assert told.sidecar("clean.words") is not None


def test_a_changed_list_is_another_list(driver, tmp_path):
    (tmp_path / "bad").write_text("evil.com\n")
    pool = Pool(corpus_of(driver.store, [PROSE], 1))
    spec = UrlsSpec(lists=[str(tmp_path / "bad")])

    first = block_urls(spec, pool, driver).alive
    (tmp_path / "bad").write_text("evil.com\nworse.com\n")
    second = block_urls(spec, pool, driver).alive

    assert first.id != second.id
    assert block_urls(spec, pool, driver).alive.id == second.id


def test_lists_that_lead_nowhere_stop_a_run_before_it_begins(tmp_path):
    (tmp_path / "in.jsonl").write_text(json.dumps({"text": PROSE}))
    clean = {
        "urls": {"lists": [str(tmp_path / "urls")]},
        "words": {"lists": {"bad": str(tmp_path / "words")}},
    }
    content = {
        "name": "x",
        "corpus": {
            "ingest": [{"reader": "jsonl", "source": "s", "files": str(tmp_path / "in.jsonl")}],
            "clean": clean,
        },
    }

    with pytest.raises(RecipeError) as raised:
        checked(content, "here")

    assert "corpus.clean.urls: " in raised.value.message
    assert "corpus.clean.words: bad: " in raised.value.message
