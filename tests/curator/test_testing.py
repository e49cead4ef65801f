from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from curator.schema import DOCUMENT
from curator.testing import awkward_documents, corpus, example_texts


def test_awkward_documents_are_documents_with_ids_of_their_own():
    table = awkward_documents()

    assert table.schema == DOCUMENT
    assert len(set(table["doc_id"].to_pylist())) == table.num_rows


def test_a_corpus_yields_its_texts_in_order_however_it_is_cut(tmp_path: Path):
    whole = corpus(tmp_path, ["a", "b", "c", "d"], shards=3)
    tables = list(whole.tables(("text",)))

    assert len(tables) == 3
    assert pa.concat_tables(tables)["text"].to_pylist() == ["a", "b", "c", "d"]


def test_example_texts_of_a_role_are_always_the_same_and_unlike_anothers():
    assert example_texts("good") == example_texts("good")
    assert not set(example_texts("good")) & set(example_texts("bad"))
