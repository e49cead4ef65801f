"""The linear datamodelling score is what its definition says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from bench.datamodel import correlations, cut_pieces, drawn_halves, material_of, resampled
from curator.train.tokenizer import train_bpe


def test_correlations_are_spearmans_of_every_example():
    chance = np.random.default_rng(0)
    foretold, losses = chance.normal(size=(2, 16, 5))
    foretold[3] = foretold[4]  # ties

    found = correlations(foretold, losses)

    expected = [spearmanr(foretold[:, z], -losses[:, z]).statistic for z in range(5)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_linear_world_is_foretold_by_its_own_weights_and_by_nothing_else():
    chance = np.random.default_rng(1)
    halves = drawn_halves(60, 32)
    weights, other = chance.normal(size=(2, 60, 20))
    losses = -(halves @ weights)

    assert correlations(halves @ weights, losses) == pytest.approx(np.ones(20))
    assert abs(correlations(halves @ other, losses).mean()) < 0.15  # sd 0.18 / sqrt(20)
    drawn = resampled({"own": halves @ weights, "other": halves @ other}, losses)
    assert np.quantile(drawn["own"] - drawn["other"], 0.025) > 0.5


def test_halves_hold_half_of_the_pool_and_differ():
    halves = drawn_halves(40, 8)

    assert (halves.sum(axis=1) == 20).all()
    assert len({half.tobytes() for half in halves}) == 8


def test_pieces_have_equal_length_and_their_own_ids(tmp_path):
    import pyarrow as pa

    texts = [f"text number {n} " * 9 for n in range(6)] + ["short"]
    tokenizer = train_bpe([pa.array(texts)], 300, tmp_path)

    rows = cut_pieces(texts, tokenizer, 20)
    made = material_of([("web", row) for row in rows], tokenizer)

    assert [len(row) for row in rows] == [20] * 6
    assert made.documents.n_tokens == 120
    assert len({row.tobytes() for row in made.documents.doc_ids}) == 6
    assert made.texts[3].startswith("text number 3 text")
