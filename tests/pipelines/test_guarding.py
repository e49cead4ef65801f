"""What a proxy is measured on is not in the pool it was trained on."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pydantic import ValidationError

from curator.corpus_spec import BenchmarkSpec, DecontaminateSpec, HeldoutSpec
from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.errors import RecipeError
from curator.ledger import Store
from curator.shards import read_shard, write_shard
from pipelines.check import checked
from pipelines.guarding import COMMON, decontaminate, drop_copies
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


def test_copies_of_held_out_documents_that_are_mostly_one_license_leave_the_pool(driver):
    terms = [f"license{n}" for n in range(100)]
    texts = [" ".join([*terms, *_words(i, 60)]) for i in range(40)]
    copies = [" ".join([*terms, "changed", *_words(i, 60)]) for i in range(40)]
    pool = Pool(corpus_of(driver.store, texts + copies, 1))

    pool, heldout = hold_out({"toy": HeldoutSpec(share=0.3)}, pool, driver)
    left = {
        (texts + copies).index(text) % 40 for text in _living(drop_copies(heldout, pool, driver))
    }

    held = {(texts + copies).index(text) % 40 for text in read_shard(heldout)["text"].to_pylist()}
    assert left == set(range(40)) - held


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


def contaminated_pool(driver, tmp_path) -> tuple[Pool, dict[str, Benchmark], str]:
    """A pool of ten documents, the last with an item of quiz/test in its middle."""
    item = " ".join(_words(7, 30))
    items = write_shard(documents([item], "quiz"), tmp_path / "items.arrow", name="items")
    texts = [" ".join(_words(i, 300)) for i in range(20, 30)]
    texts[-1] = " ".join([*_words(40, 150), item, *_words(41, 150)])
    return (
        Pool(corpus_of(driver.store, texts, 2)),
        {"quiz/test": Benchmark("quiz", "t", items)},
        item,
    )


def test_a_span_is_cut_out_and_its_document_has_the_other_as_parent(driver, tmp_path):
    pool, benchmarks, item = contaminated_pool(driver, tmp_path)
    spec = DecontaminateSpec(against=["quiz/test"], action="span")
    cut = decontaminate(spec, pool, benchmarks, driver)
    before, after = (
        pa.concat_tables(each.learning().tables(("doc_id", "parent_id", "text"))).to_pylist()
        for each in (pool, cut)
    )

    assert before[:-1] == after[:-1]
    assert after[-1]["parent_id"] == before[-1]["doc_id"]
    assert item in before[-1]["text"]
    assert item not in after[-1]["text"]


def test_a_report_drops_nothing(driver, tmp_path):
    pool, benchmarks, item = contaminated_pool(driver, tmp_path)
    spec = DecontaminateSpec(against=["quiz/test"], action="report")
    told = decontaminate(spec, pool, benchmarks, driver)
    found = [row for shard in told.sidecars[0].shards for row in read_shard(shard).to_pylist()]

    assert told.corpus == pool.corpus
    assert told.decisions == ()
    assert [row["matched_text"] for row in found if row["benchmark"]] == [item]


def test_what_many_documents_have_in_common_with_an_item_is_listed_and_stays(driver, tmp_path):
    phrase = " ".join(_words(7, 20))
    items = write_shard(documents([phrase], "quiz"), tmp_path / "items.arrow", name="items")
    texts = [" ".join([phrase, *_words(i, 50)]) for i in range(20, 26)]
    pool = Pool(corpus_of(driver.store, texts, 2))
    rows = {
        most: decontaminate(
            DecontaminateSpec(against=["quiz/test"], max_frequency=most),
            pool,
            {"quiz/test": Benchmark("quiz", "test", items)},
            driver,
        ).rows
        for most in (5, 6)
    }
    listed = read_shard(next(f for f in driver.folders if COMMON in f.name) / "common.arrow")

    assert rows == {5: 6, 6: 0}
    assert listed["documents"].to_pylist() == [6] * 8


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"margin": 10}, "only the action 'span'"),
        ({"coverage": 0.3}, "only the method 'tulu3'"),
        ({"method": "exact", "ngram": 8}, "looks for whole items"),
        ({"method": "tulu3", "ngram": "by_benchmark"}, "GPT-3's rule"),
        ({"ngram": 4}, "greater than or equal to 5"),
    ],
)
def test_settings_that_would_be_ignored_are_refused(settings, told):
    with pytest.raises(ValidationError, match=told):
        DecontaminateSpec(against=["quiz/test"], **settings)


@pytest.mark.parametrize("text", [None, "q", ["a", "b"]])
def test_what_asks_must_be_among_the_fields_of_an_item(text):
    assert BenchmarkSpec(test="f", text=["a", "q"], prompt="q").prompt == "q"
    with pytest.raises(ValidationError, match=r"gives prompt \['question'\]"):
        BenchmarkSpec(test="f", text=text, prompt="question")


def test_a_final_target_is_not_guarded_by_a_report():
    corpus = {
        "benchmarks": {"quiz": {"source": "web"}},
        "decontaminate": {"against": ["quiz/test"], "action": "report"},
    }
    recipe = {"name": "x", "corpus": corpus, "evaluate": {"final_target": "quiz/test"}}

    with pytest.raises(RecipeError, match="only reports: give it the action 'document' or 'span'"):
        checked(recipe, "recipe")


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
