"""What a proxy is measured on is not in the pool it was trained on."""

from __future__ import annotations

import pytest

from curator.corpus_spec import DecontaminateSpec, HeldoutSpec
from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.errors import RecipeError
from curator.ledger import Store
from curator.shards import read_shard, write_shard
from pipelines.check import checked
from pipelines.guarding import decontaminate, drop_copies
from pipelines.pool import Pool
from pipelines.splitting import Benchmark, hold_out
from tests.support.corpus import corpus_of, documents


def _words(seed: int, n: int) -> list[str]:
    return [f"w{(seed * 7919 + i * i * 31 + i) % 4096}" for i in range(n)]


@pytest.fixture
def driver(tmp_path):
    return Driver(Store(tmp_path / "store"), Inline(1), quiet=True)


def _living(pool: Pool) -> list[str]:
    return [t for table in pool.learning().tables(("text",)) for t in table["text"].to_pylist()]


def test_a_held_out_document_takes_its_near_copies_out_of_the_pool(driver):
    originals = [_words(i, 80) for i in range(40)]
    copies = [[*words[:40], "changed", *words[41:]] for words in originals]
    texts = [" ".join(words) for words in (*originals, *copies)]
    pool = Pool(corpus_of(driver.store, texts, 2))

    pool, heldout = hold_out({"toy": HeldoutSpec(share=0.3)}, pool, driver)
    before = _living(pool)
    after = _living(drop_copies(heldout, pool, driver))

    held = read_shard(heldout)["text"].to_pylist()
    numbers = {texts.index(text) % 40 for text in held}
    assert {texts.index(text) % 40 for text in before} & numbers
    assert not {texts.index(text) % 40 for text in after} & numbers
    assert len(after) > 20  # texts without a held-out twin stay


def test_documents_that_share_only_a_phrase_with_held_out_text_stay(driver):
    phrase = _words(999, 20)
    texts = [" ".join([*phrase, *_words(i, 80)]) for i in range(40)]
    pool = Pool(corpus_of(driver.store, texts, 1))

    pool, heldout = hold_out({"toy": HeldoutSpec(share=0.3)}, pool, driver)

    assert sorted(_living(drop_copies(heldout, pool, driver))) == sorted(_living(pool))


def test_a_passage_that_many_questions_are_asked_about_is_guarded(driver, tmp_path):
    passages = [" ".join(_words(i, 60)) for i in range(5)]
    questions = [f"{passage} question {n} about it" for passage in passages for n in range(8)]
    items = write_shard(documents(questions, "quiz"), tmp_path / "items.arrow", name="items")
    pool = Pool(
        corpus_of(driver.store, [*passages, *(" ".join(_words(i, 60)) for i in range(50, 90))], 1)
    )

    kept = decontaminate(
        DecontaminateSpec(against=["quiz/test"]),
        pool,
        {"quiz/test": Benchmark("quiz", "test", items)},
        driver,
    )

    assert not set(passages) & set(_living(kept))
    assert kept.rows == 40


def test_a_source_that_does_not_exist_can_not_be_held_out(driver):
    pool = Pool(corpus_of(driver.store, ["a text of some words"] * 3, 1))

    with pytest.raises(RecipeError, match=r"no source 'toyy'; did you mean 'toy'\?"):
        hold_out({"toyy": HeldoutSpec(share=0.5)}, pool, driver)


@pytest.mark.parametrize("name", ["n_tokens", "words", "keep", "text", "jaccard"])
def test_a_score_can_not_take_the_name_of_a_column(name):
    recipe = {"name": "x", "score": [{"use": "letters", "as": name}]}

    with pytest.raises(RecipeError, match=f"score.0.as: '{name}' is a column already"):
        checked(recipe, "recipe")


def test_a_final_target_must_be_guarded():
    corpus = {"benchmarks": {"quiz": {"source": "web"}}}
    recipe = {"name": "x", "corpus": corpus, "evaluate": {"final_target": "quiz/test"}}

    with pytest.raises(RecipeError, match=r"add .quiz/test. to corpus\.decontaminate\.against"):
        checked(recipe, "recipe")


def test_two_benchmarks_can_not_share_a_source():
    corpus = {"benchmarks": {"a": {"source": "web"}, "b": {"source": "web"}}}

    with pytest.raises(RecipeError, match="'a' has all documents of 'web'"):
        checked({"name": "x", "corpus": corpus}, "recipe")
