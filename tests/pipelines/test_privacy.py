"""Personal data and licenses as a recipe asks for them."""

from __future__ import annotations

import json

import pytest

from curator.clean.licenses import Licenses
from curator.corpus_spec import LicensesSpec, PiiSpec
from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.ledger import Store
from curator.recipe import Recipe
from curator.shards import read_shard
from curator.text.pii import KINDS
from curator.text.spans import spans_of
from pipelines.check_corpus import corpus_problems
from pipelines.curate import prepare
from pipelines.licensing import licenses
from pipelines.pool import Pool
from pipelines.privacy import pii, tell_pii
from tests.support.corpus import corpus_of

TEXTS = [
    "Write to ann@oakwood.org or call (212) 555-0123.",
    "Nothing of the kind.",
    "The key is AKIAIOSFODNN7EXAMPLE, mail ben@oakwood.org.",
    "Permission is hereby granted, free of charge, to any person obtaining a copy",
]


@pytest.fixture
def driver(tmp_path):
    return Driver(Store(tmp_path / "store"), Inline(1), quiet=True)


@pytest.fixture
def pool(driver):
    return Pool(corpus_of(driver.store, TEXTS, 2))


def living(pool):
    return [t for table in pool.learning().tables(("text",)) for t in table["text"].to_pylist()]


def test_without_its_part_of_the_recipe_a_step_does_nothing(driver, pool):
    assert pii(None, pool, driver) is pool
    assert licenses(None, pool, driver) is pool


def test_masked_texts_are_new_documents_that_name_their_parents(driver, pool):
    masked = pii(PiiSpec(), pool, driver)

    assert living(masked) == [
        "Write to <email> or call <phone>.",
        TEXTS[1],
        "The key is <key>, mail <email>.",
        TEXTS[3],
    ]
    parents = [row for s in masked.corpus.shards for row in read_shard(s)["parent_id"].to_pylist()]
    assert [parent is not None for parent in parents] == [True, False, True, False]


def test_a_kind_can_drop_while_others_are_masked_and_told(driver, pool):
    spec = PiiSpec.model_validate({"key": "drop", "email": "mask", "phone": "annotate"})
    done = tell_pii(spec, pii(spec, pool, driver), driver)
    told = done.sidecar("clean.pii.spans")
    places = [
        (spans.starts.tolist(), [KINDS[kind] for kind in spans.kinds])
        for shard in told.shards
        for spans in [spans_of(read_shard(shard)["pii"], KINDS)]
    ]

    assert living(done) == ["Write to <email> or call (212) 555-0123.", TEXTS[1], TEXTS[3]]
    assert driver.steps[0].artifact.dropped == {"pii.key": 1}
    assert places == [([len("Write to <email> or call ")], ["phone"]), ([], [])]


def test_masking_a_masked_pool_changes_nothing(driver, pool):
    once = pii(PiiSpec(), pool, driver)
    twice = pii(PiiSpec(), once, driver)

    assert living(twice) == living(once)
    assert [s.digest for s in twice.corpus.shards] == [s.digest for s in once.corpus.shards]


def test_licenses_are_told_and_decide_only_if_asked(driver, pool):
    told = licenses(LicensesSpec(), pool, driver)
    kept = licenses(LicensesSpec(keep=["permissive"], unknown="drop"), pool, driver)

    assert living(told) == TEXTS
    assert told.sidecar(Licenses.name) is not None
    assert living(kept) == TEXTS[3:]
    assert driver.steps[1].artifact.dropped == {"license.unknown": 3}


def test_settings_that_lead_nowhere_are_told_before_anything_runs():
    def problems(section):
        return [p for p in corpus_problems({"clean": {"pii": section}}) if "pii" in p]

    assert problems({"policy": "mask"}) == []
    assert "could be taken for" in problems({"placeholders": {"email": "me@x.org"}})[0]
    assert "not masked" in problems({"policy": "drop", "placeholders": {"ip": "<a>"}})[0]
    assert "max_spans" in problems({"max_spans": 3})[0]


def test_places_are_those_of_texts_that_later_steps_cut(driver, tmp_path):
    footer = "All of this stands under every page and nobody reads it twice."
    pages = [{"text": f"{footer}\n\nPage {n}, ask ann{n}@oakwood.org, not me."} for n in range(3)]
    (tmp_path / "web.jsonl").write_text("".join(json.dumps(page) + "\n" for page in pages))
    corpus = {
        "ingest": [{"reader": "jsonl", "source": "web", "files": str(tmp_path / "web.jsonl")}],
        "clean": {"language": None, "pii": {"email": "annotate"}},
        "dedup": {"paragraphs": {"unit": "paragraph", "least_words": 8}},
    }

    done = prepare(Recipe.model_validate({"name": "told", "corpus": corpus}), driver).pool

    (texts,), (shard,) = done.learning().tables(("text",)), done.sidecar("clean.pii.spans").shards
    spans = spans_of(read_shard(shard)["pii"], KINDS)
    marked = [
        text.encode()[start:end].decode()
        for text, start, end in zip(
            texts["text"].to_pylist(), spans.starts, spans.ends, strict=True
        )
    ]
    assert sum(footer in text for text in texts["text"].to_pylist()) == 1
    assert marked == ["ann0@oakwood.org", "ann1@oakwood.org", "ann2@oakwood.org"]
