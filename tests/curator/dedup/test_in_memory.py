"""A table's near-duplicates are those that the engine finds in its shards."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from curator.corpus_spec import DedupSpec, MinhashSpec
from curator.dedup.in_memory import near_duplicates
from curator.dedup.near import NearDuplicates
from curator.dedup.survivors import LONGEST, Survivors
from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.ledger import Store
from curator.shards import read_shard
from pipelines.deduplicating import dedup
from pipelines.pool import Pool
from tests.support.copies import edited, random_words
from tests.support.corpus import corpus_of, documents


@pytest.mark.parametrize("policy", [LONGEST, Survivors(length="shortest")])
def test_a_table_loses_what_its_shards_lose(tmp_path, policy):
    rng = np.random.default_rng(5)
    originals = [random_words(rng, 120) for _ in range(30)]
    texts = [" ".join(edited(rng, words, k)) for words in originals for k in (0, 1, 3)]
    found = near_duplicates(documents(texts), NearDuplicates(containment=0.8, survivors=policy))

    driver = Driver(Store(tmp_path), Inline(1), quiet=True)
    spec = DedupSpec(exact=False, minhash=MinhashSpec(containment=0.8), survivors=policy.length)
    pool = dedup(spec, Pool(corpus_of(driver.store, texts, 4)), driver)
    rows = pa.concat_tables([read_shard(shard) for shard in pool.alive.shards]).to_pylist()
    expected = {n: row["kept_id"] for n, row in enumerate(rows) if not row["keep"]}

    named = zip(found["row"].to_pylist(), found["kept_id"].to_pylist(), strict=True)
    assert dict(named) == expected
    assert len(expected) >= 30


def test_no_documents_have_no_copies():
    assert near_duplicates(documents([]), NearDuplicates()).num_rows == 0
