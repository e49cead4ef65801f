from __future__ import annotations

import numpy as np
import pyarrow as pa

from curator.select.manifest import id_keys, manifest_hash, shared_tokens
from tests.support.pools import selection


def test_the_hash_ignores_order_and_keys_but_not_copies_epochs_or_tokenizer():
    table = selection({"a": [5, 6, 7]})
    name = manifest_hash(table, "tok")
    assert manifest_hash(table.take(pa.array([2, 0, 1])), "tok") == name
    more = table.set_column(3, table.schema.field(3), pa.array([2, 1, 1], pa.uint32()))
    assert manifest_hash(more, "tok") != name
    assert manifest_hash(table, "other") != name
    assert manifest_hash(table, "tok", np.array([1, 1, 2])) != name
    assert manifest_hash(table, "tok", np.array([1, 1, 0])) == manifest_hash(table[:2], "tok")


def test_ids_that_end_in_zeros_stay_apart():
    ids = [b"\x01" + b"\x00" * 15, b"\x01" * 2 + b"\x00" * 14, b"\x00" * 16]
    table = pa.table({"doc_id": pa.array(ids, pa.binary(16))})
    keys = id_keys(table)
    assert len(set(keys.tolist())) == 3
    assert np.argsort(keys).tolist() == [2, 0, 1]


def test_two_selections_share_the_tokens_of_the_documents_that_both_have():
    table = selection({"a": [10, 20, 30, 40]})
    assert shared_tokens(table[:3], table[1:]) == 50
    assert shared_tokens(table[:1], table[1:]) == 0
    assert shared_tokens(table[:0], table) == shared_tokens(table, table[:0]) == 0
