from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curator.errors import RecipeError
from curator.identity import id_matrix, uniform
from curator.score.examples import draw_examples, lowest_share
from curator.testing import corpus, documents, example_texts

TEXTS = example_texts("target", 60)


def test_the_documents_that_draw_lowest_are_kept_sorted_by_id(tmp_path: Path):
    found = draw_examples(corpus(tmp_path, TEXTS, shards=4), 10, purpose="p", seed=3)
    everything = documents(TEXTS)
    lowest = np.argsort(uniform(id_matrix(everything["doc_id"]), "p", 3))[:10]
    expected = {everything["doc_id"][int(row)].as_py() for row in lowest}

    assert found["doc_id"].to_pylist() == sorted(expected)


def test_the_choice_does_not_depend_on_order_or_cut(tmp_path: Path):
    one = draw_examples(corpus(tmp_path / "a", TEXTS), 10, purpose="p")
    other = draw_examples(corpus(tmp_path / "b", TEXTS[::-1], shards=7), 10, purpose="p")

    assert one.to_pylist() == other.to_pylist()


def test_a_repeated_document_counts_once(tmp_path: Path):
    assert draw_examples(corpus(tmp_path, TEXTS[:5] * 3), 99, purpose="p").num_rows == 5


def test_an_empty_corpus_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match="has no documents"):
        draw_examples(corpus(tmp_path, []), 5, purpose="p")


@pytest.mark.parametrize("count", [1, 30, 60, 99])
def test_the_lowest_share_has_the_count_asked_for(count: int):
    assert lowest_share(documents(TEXTS), count, purpose="p").sum() == min(count, 60)
