"""The linear datamodelling score is what its definition says."""

from __future__ import annotations

import json
from argparse import Namespace

import numpy as np
import pytest
import zstandard
from scipy.stats import spearmanr

from bench.datamodel import correlations, first_seed, resampled
from bench.datamodel_pool import (
    BEGINNING,
    SOURCES,
    Sizes,
    cut_kinds,
    cut_pieces,
    drawn_halves,
    drawn_material,
    home,
    material_of,
)
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
    others = drawn_halves(40, 8, seed=1)
    assert len({half.tobytes() for half in [*halves, *others]}) == 16


def test_pieces_have_equal_length_and_their_own_ids(tmp_path):
    import pyarrow as pa

    texts = [f"text number {n} " * 9 for n in range(6)] + ["short"]
    tokenizer = train_bpe([pa.array(texts)], 300, tmp_path)

    rows = cut_pieces(texts, tokenizer, 20)
    made = material_of([("web", row) for _, row in rows], tokenizer)

    assert [text for text, _ in rows] == texts[:6]
    assert [len(row) for _, row in rows] == [20] * 6
    assert made.documents.n_tokens == 120
    assert len({row.tobytes() for row in made.documents.doc_ids}) == 6
    assert made.texts[3].startswith("text number 3 text")


def a_folder_of_corpora(folder, documents):
    """Return a folder of sources, each of so many documents and the first again."""
    for source in SOURCES:
        chance = np.random.default_rng(SOURCES.index(source))
        texts = [" ".join(chance.choice(WORDS, 120)) for _ in range(documents)]
        lines = "".join(json.dumps({"text": text}) + "\n" for text in [*texts, texts[0]])
        (folder / source).mkdir(parents=True)
        packed = zstandard.ZstdCompressor().compress(lines.encode())
        (folder / source / "some.jsonl.zst").write_bytes(packed)
    return folder


WORDS = [f"{a}{b}{c}" for a in "bdgklm" for b in "aeiou" for c in "nrst"]
SIZES = Sizes(units=24, unit_tokens=32, examples=2, warm=1024)  # 3, 2 and 4 of a source


def beginnings(cut, *kinds):
    return {text[:BEGINNING] for of in cut.values() for kind in kinds for text, _ in of[kind]}


def drawn_by(corpora, out, seed):
    """Return the pieces of a seed and of those before it, by source and kind."""
    found, taken = [], {source: {} for source in SOURCES}
    for each in range(seed + 1):
        found.append(cut_kinds(corpora, home(out, each), SIZES, taken)[1])
        for source, kinds in found[-1].items():
            taken[source] |= {t[:BEGINNING]: kind for kind in kinds for t, _ in kinds[kind]}
    return found


def test_a_seed_draws_no_document_of_an_earlier_seed_and_none_twice(tmp_path):
    corpora = a_folder_of_corpora(tmp_path / "corpora", 20)

    first, second = drawn_by(corpora, tmp_path / "out", 1)

    everything = beginnings(first, "pool", "targets", "warm")
    assert len(everything) == 9 * len(SOURCES)
    fresh = beginnings(second, "pool", "targets", "warm")
    assert len(fresh) == 9 * len(SOURCES)
    assert not fresh & everything


def test_only_text_to_warm_up_on_is_read_again_where_a_source_ends(tmp_path):
    corpora = a_folder_of_corpora(tmp_path / "corpora", 15)

    first, second = drawn_by(corpora, tmp_path / "out", 1)

    everything = beginnings(first, "pool", "targets", "warm")
    assert not beginnings(second, "pool", "targets") & everything
    again = beginnings(second, "warm") & everything
    assert len(again) == 3 * len(SOURCES)
    assert again <= beginnings(first, "warm")


def test_a_seed_is_refused_when_a_source_has_no_documents_left(tmp_path):
    corpora = a_folder_of_corpora(tmp_path / "corpora", 12)

    with pytest.raises(SystemExit, match="books: 0 pieces of 2 for targets"):
        drawn_material(corpora, tmp_path / "out", SIZES, 1)


def test_a_seed_has_its_own_tokenizer_and_draws_the_same_whichever_were_drawn_before(tmp_path):
    corpora = a_folder_of_corpora(tmp_path / "corpora", 20)

    drawn_material(corpora, tmp_path / "out", SIZES, 0)
    tokenizer, found = drawn_material(corpora, tmp_path / "out", SIZES, 1)
    again, same = drawn_material(corpora, tmp_path / "other", SIZES, 1)

    assert tokenizer == tmp_path / "out" / "seed-1" / "tokenizer" / "tokenizer.json"
    assert tokenizer.read_bytes() == again.read_bytes()
    for kind, count in {"pool": 24, "targets": 16, "warm": 32}.items():
        assert len(found[kind].texts) == count
        np.testing.assert_array_equal(found[kind].documents.tokens, same[kind].documents.tokens)


def test_no_run_of_one_seed_has_an_order_of_another():
    orders = [
        range(first, first + 3)  # the reference run's, and those of halves
        for first in (first_seed(Namespace(seed=seed, seeds=2)) for seed in range(3))
    ]

    assert orders[0] == range(1, 4)
    assert len({order for each in orders for order in each}) == 9
