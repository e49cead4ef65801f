"""Minimal pairs: whole log-likelihoods decide, groups count alike."""

from __future__ import annotations

import pyarrow as pa
import pytest

from curator.evaluate.pairs import PAIR_SCORES, by_group, mean_of, score_pairs
from curator.evaluate.questions import PAIRS
from tests.support.asked import plain_nats, seeing_model, small_tokenizer

TEXTS = [("two dogs ran home", "two dogs home ran"), ("the cat sat", "the cat sat on a mat at 12")]


def scored(*rows):
    columns = zip(
        *[(f"i{n}", groups, 0, 0, right, 0) for n, (groups, right) in enumerate(rows)], strict=True
    )
    arrays = [pa.array(part, f.type) for part, f in zip(columns, PAIR_SCORES, strict=True)]
    return pa.table(arrays, schema=PAIR_SCORES)


def test_a_margin_is_the_difference_of_the_sums_of_both_texts(tmp_path):
    model, tokenizer = seeing_model(), small_tokenizer(tmp_path)
    pairs = pa.table(
        [["a", "b"], [good for good, _ in TEXTS], [bad for _, bad in TEXTS], [["x"], ["y"]]],
        schema=PAIRS,
    )

    found = score_pairs(model, tokenizer, pairs).to_pylist()

    for row, texts in zip(found, TEXTS, strict=True):
        good, bad = (plain_nats(model, tokenizer, text)[0].sum() for text in texts)
        assert row["margin_nats"] == pytest.approx(good - bad, rel=1e-4)
        assert row["accuracy"] == float(good > bad)
    assert [row["groups"] for row in found] == [["x"], ["y"]]


def test_paradigms_count_alike_whatever_their_size():
    table = scored((["a", "f"], 1), (["a", "f"], 1), (["a", "f"], 0), (["b", "f"], 0))

    assert by_group(table, "accuracy") == {"a": pytest.approx(2 / 3), "b": 0.0}
    assert by_group(table, "accuracy", 1) == {"f": 0.5}
    assert mean_of(table, "accuracy") == pytest.approx(1 / 3)


def test_without_groups_every_pair_counts_alike():
    table = scored(([], 1), ([], 1), ([], 0.5), ([], 0))

    assert by_group(table, "accuracy") == {"": 0.625}
