"""Documents of one meaning leave a pool, however few of its documents mean anything."""

from __future__ import annotations

import pytest

from curator.corpus_spec import DedupSpec, SemanticSpec
from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.ledger import Store
from pipelines.deduplicating import dedup
from pipelines.pool import Pool
from tests.support.corpus import corpus_of

SAID = "the very same words about cats"


@pytest.mark.parametrize(
    ("texts", "left"),
    [
        ([SAID] * 20, [SAID]),
        ([""] * 3000 + [SAID] * 2, [""] * 3000 + [SAID]),
        ([""] * 9, [""] * 9),
    ],
)
def test_one_of_equal_meaning_stays_and_texts_that_say_nothing_do(tmp_path, texts, left):
    driver = Driver(Store(tmp_path), Inline(1), quiet=True)
    spec = DedupSpec(exact=False, max_source_loss=None, semantic=SemanticSpec(clusters=1))

    pool = dedup(spec, Pool(corpus_of(driver.store, texts, 1)), driver)

    kept = [t for table in pool.learning().tables(("text",)) for t in table["text"].to_pylist()]
    assert kept == left
