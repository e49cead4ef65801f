"""Signatures against exact Jaccard similarity, bands against a formula, edges by brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest

from curator.dedup.minhash import MinHashBands, band_recall, nodes
from curator.text.minhash import band_keys, minhash_signatures
from tests.support.copies import documents_of, edited, jaccard, random_words
from tests.support.wide import cut, run_inline


def edges(tables: list[pa.Table]) -> set[tuple[int, int]]:
    table = pa.concat_tables(tables)
    return set(zip(table["left"].to_pylist(), table["right"].to_pylist(), strict=True))


def graded_pairs(n: int, changes: int) -> tuple[list[str], list[str]]:
    rng = np.random.default_rng(11)
    originals = [random_words(rng, 200) for _ in range(n)]
    copies = [edited(rng, words, changes) for words in originals]
    return [" ".join(words) for words in originals], [" ".join(words) for words in copies]


def test_signatures_estimate_the_jaccard_similarity_without_bias():
    left, right = graded_pairs(200, 8)
    exact = np.array([jaccard(a, b) for a, b in zip(left, right, strict=True)])
    signed = [minhash_signatures(pa.array(texts, pa.large_string())) for texts in (left, right)]
    errors = (signed[0] == signed[1]).mean(axis=1) - exact

    spread = np.sqrt(exact * (1 - exact) / 112)
    assert abs(errors.mean()) < 4 * spread.mean() / np.sqrt(200)  # four standard errors
    assert 0.85 < errors.std() / spread.mean() < 1.15  # 200 pairs know a deviation to 5 %


@pytest.mark.parametrize("changes", [4, 7, 10, 14])
def test_bands_find_pairs_as_often_as_the_formula_says(changes):
    left, right = graded_pairs(400, changes)
    exact = [jaccard(a, b) for a, b in zip(left, right, strict=True)]
    keys = [
        band_keys(minhash_signatures(pa.array(texts, pa.large_string()))) for texts in (left, right)
    ]
    found = (keys[0] == keys[1]).any(axis=1).mean()

    expected = band_recall(exact).mean()
    # Three standard errors of 400 draws, and one point for 112 permutations being dependent.
    assert found == pytest.approx(expected, abs=3 * np.sqrt(0.25 / 400) + 0.01)


def test_recall_of_the_default_bands():
    assert band_recall([0.7, 0.8, 0.9]).round(4).tolist() == [0.5645, 0.9235, 0.9996]


def test_every_pair_that_shares_a_band_is_connected_and_no_other():
    rng = np.random.default_rng(3)
    base = [random_words(rng, 60) for _ in range(15)]
    texts = [" ".join(edited(rng, words, k)) for words in base for k in (0, 1, 2, 6)]
    table = documents_of(texts)
    keys = band_keys(minhash_signatures(table["text"]))
    node = nodes(table["doc_id"]).tolist()
    sharing = {
        frozenset((node[a], node[b]))
        for a, b in itertools.combinations(range(len(texts)), 2)
        if (keys[a] == keys[b]).any()
    }

    found = {frozenset(edge) for edge in edges(run_inline(MinHashBands(), [table]))}

    assert found <= sharing  # a star in each bucket instead of all its pairs
    assert joined(found) == joined(sharing)


def joined(pairs: set[frozenset[int]]) -> set[frozenset[int]]:
    groups: list[set[int]] = []
    for pair in pairs:
        met = [group for group in groups if group & pair]
        groups = [group for group in groups if not group & pair]
        groups.append(set(pair).union(*met))
    return {frozenset(group) for group in groups}


@pytest.mark.parametrize(("partitions", "shards"), [(1, 3), (3, 1), (17, 5)])
def test_edges_do_not_depend_on_cuts_partitions_and_row_order(partitions, shards):
    rng = np.random.default_rng(3)
    texts = [" ".join(random_words(rng, 30))] * 4 + ["a b c d e f g"] * 2
    texts += [" ".join(edited(rng, texts[0].split(), 1)) for _ in range(10)]
    table = documents_of(texts)
    shuffled = table.take(pa.array(rng.permutation(len(texts))))

    expected = edges(run_inline(MinHashBands(), [table]))

    assert edges(run_inline(MinHashBands(), cut(shuffled, shards), partitions)) == expected


@pytest.mark.parametrize("size", [1, 112 * 4 * 3, 1 << 20])
def test_signatures_in_portions_of_any_size_give_the_same_edges(monkeypatch, size):
    rng = np.random.default_rng(3)
    texts = [" ".join(random_words(rng, 30)), "!!!", ""] * 3 + [" ".join(random_words(rng, 9))]
    table = documents_of(texts)
    expected = edges(run_inline(MinHashBands(), [table]))

    monkeypatch.setattr("curator.dedup.minhash._SIGNATURE_BYTES", size)

    assert edges(run_inline(MinHashBands(), [table])) == expected != set()


@pytest.mark.parametrize(("bands", "rows"), [(1, 1), (450, 20), (9, 13), (128, 1), (1, 64)])
def test_any_number_of_bands_and_rows_brings_equal_texts_together(bands, rows):
    rng = np.random.default_rng(3)
    text = " ".join(random_words(rng, 30))
    table = documents_of([text, text.upper() + "!", " ".join(random_words(rng, 30))])
    first, second, _ = nodes(table["doc_id"]).tolist()

    found = edges(run_inline(MinHashBands(bands=bands, rows=rows), [table]))

    assert found == {(min(first, second), max(first, second))}


def test_identical_documents_meet_themselves_and_wordless_ones_nobody():
    table = documents_of(["same words here", "same words here", "!!!", "???"])
    node = int(nodes(table["doc_id"])[0])

    assert edges(run_inline(MinHashBands(), [table])) == {(node, node)}
