from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curator.dedup import cosines
from curator.dedup.cosines import nearest, similar
from curator.dedup.semantic import SemanticDuplicates, similar_decisions
from curator.embed.encoder import unit
from curator.errors import RecipeError
from curator.stage import Site
from tests.support.wide import cut, run_inline


def clumped(n: int, seed: int, clumps: int = 6, spread: float = 0.15) -> np.ndarray:
    """Unit vectors of eight dimensions in clumps, as texts of a few topics would be."""
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(clumps, 8))
    noise = rng.normal(size=(n, 8)) * spread
    return unit((middles[rng.integers(clumps, size=n)] + noise).astype(np.float32))


def slow(vectors: np.ndarray, limit: float, *, kept_only: bool) -> list[int]:
    """The definition, pair by pair, in whole steps of a thousandth."""
    steps = np.rint((vectors @ vectors.T) / np.float32(1e-3)).astype(int)
    original: list[int] = []
    for row in range(len(vectors)):
        among = [at for at in range(row) if not kept_only or original[at] < 0]
        best = max(among, key=lambda at, row=row: (steps[row, at], -at), default=-1)
        original.append(best if best >= 0 and steps[row, best] > round(limit * 1000) else -1)
    return original


def exactly_multiplied(vectors: np.ndarray) -> np.ndarray:
    """Vectors of multiples of 1/64: no order of summing changes a product, whatever the block."""
    return (np.rint(vectors * 64) / 64).astype(np.float32)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 120), st.integers(0, 99), st.sampled_from([0.5, 0.9, 0.97]), st.booleans())
@example(78, 78, 0.9, True)  # several pairs at the limit
def test_removals_are_those_of_the_definition_in_blocks_of_any_number(n, seed, limit, kept_only):
    vectors = exactly_multiplied(clumped(n, seed))
    before, cosines._BLOCK = cosines._BLOCK, 16
    try:
        found = similar(vectors, limit, kept_only=kept_only)
    finally:
        cosines._BLOCK = before

    # Two equal cosines on the grid may name either; who goes is the same.
    expected = slow(vectors, limit, kept_only=kept_only)
    assert (found.original >= 0).tolist() == [at >= 0 for at in expected]
    steps = np.rint((vectors @ vectors.T) / np.float32(1e-3))
    for row, at in enumerate(expected):
        if at >= 0:
            assert steps[row, found.original[row]] == steps[row, at]


def test_a_chain_loses_its_end_in_the_papers_mode_only():
    angles = np.deg2rad([0, 20, 40])  # each near the next, the first not near the last
    chain = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    limit = float(np.cos(np.deg2rad(25)))

    assert similar(chain, limit, kept_only=True).original.tolist() == [-1, 0, -1]
    assert similar(chain, limit, kept_only=False).original.tolist() == [-1, 0, 1]


def test_the_nearest_centroid_is_that_of_brute_force():
    vectors, centroids = clumped(700, 3), clumped(300, 4)

    found, cosine = nearest(vectors, centroids)

    products = vectors @ centroids.T
    best = products.max(axis=1)
    assert products[np.arange(700), found] == pytest.approx(best, abs=1e-3)
    assert cosine == pytest.approx(best, abs=1e-3)


def documents(n: int, seed: int = 1) -> pa.Table:
    rng = np.random.default_rng(seed)
    vectors = clumped(n, seed).astype(np.float16)
    return pa.table(
        {
            "vector": pa.array([*map(list, vectors)], pa.list_(pa.float16())),
            "text": pa.array(["x" * size for size in rng.integers(1, 50, n)], pa.large_string()),
            "doc_id": pa.array([rng.bytes(16) for _ in range(n)], pa.binary(16)),
            "source": pa.array([["a", "b"][i] for i in rng.integers(2, size=n)]),
        }
    )


@pytest.fixture
def fitted(tmp_path):
    np.save(tmp_path / "centroids.npy", clumped(4, 9), allow_pickle=False)
    return Site(fitted=tmp_path)


class At(SemanticDuplicates):
    """The stage with its centroids in place, for `run_inline`."""

    def load(self, site: Site):
        return clumped(4, 9)


@pytest.mark.parametrize("order", ["survivors", "hard", "easy"])
def test_the_same_documents_go_however_the_input_is_cut_and_ordered(order):
    table = documents(300)
    stage = At(eps=0.02, order=order)
    shuffled = table.take(pa.array(np.random.default_rng(5).permutation(300)))

    def pairs(tables):
        found = pa.concat_tables(tables)
        return set(zip(found["dropped_id"].to_pylist(), found["kept_id"].to_pylist(), strict=True))

    expected = pairs(run_inline(stage, [table]))
    assert expected
    assert pairs(run_inline(stage, cut(shuffled, 5), 7)) == expected


def test_the_longest_stays_and_a_removal_names_a_document_that_stays():
    table = documents(300)

    removed = pa.concat_tables(run_inline(At(eps=0.02), [table]))

    lengths = dict(
        zip(table["doc_id"].to_pylist(), map(len, table["text"].to_pylist()), strict=True)
    )
    gone = set(removed["dropped_id"].to_pylist())
    for row in removed.to_pylist():
        assert row["kept_id"] not in gone
        assert lengths[row["kept_id"]] >= lengths[row["dropped_id"]]
        assert row["similarity"] > 0.98
    decided = similar_decisions(300, removed)
    assert decided["keep"].to_pylist().count(False) == len(gone)


def test_documents_without_vectors_stay(fitted):
    table = documents(3).set_column(0, "vector", pa.nulls(3, pa.list_(pa.float16())))

    narrow = SemanticDuplicates().emit(
        SemanticDuplicates().load(fitted),
        table.append_column("row", pa.array([0, 1, 2], pa.uint64())),
    )

    assert narrow.num_rows == 0


@pytest.mark.parametrize("eps", [0.0, 0.0005, 2.0, -1.0])
def test_a_distance_that_cannot_be_is_refused(eps):
    with pytest.raises(RecipeError, match="eps"):
        SemanticDuplicates(eps=eps)


@given(st.integers(1, 1999))
@settings(deadline=None, max_examples=200)
def test_a_pair_exactly_at_the_limit_stays_and_one_a_step_nearer_goes(step):
    eps = step / 1000

    def goes(cosine: float) -> bool:
        pair = np.array([[1, 0], [cosine, np.sqrt(1 - cosine**2)]], np.float32)
        return similar(pair, 1 - eps, kept_only=True).original[1] == 0

    assert not goes((1000 - step) / 1000)
    assert goes((1001 - step) / 1000)
