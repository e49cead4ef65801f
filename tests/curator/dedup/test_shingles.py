"""Verified copies against comparing every document with every survivor, set by set."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.dedup import shingles as kernels
from curator.dedup.shingles import ShingleSets, match_copies, shingle_sets
from tests.support.copies import random_words, shingles

SETS = st.lists(
    st.tuples(st.integers(0, 2), st.sets(st.integers(0, 25), min_size=1, max_size=25)), max_size=12
)
SHARES = st.sampled_from([0.05, 0.3, 0.5, 0.8, 0.95, 1.0])


def end_to_end(sets: list[set[int]]) -> ShingleSets:
    sizes = [len(each) for each in sets]
    values = [value for each in sets for value in sorted(each)]
    return ShingleSets(np.cumsum([0, *sizes]), np.array(values, np.uint64))


def naive_matches(
    sets: list[set[int]], cluster: list[int], threshold: float, containment: float
) -> list[int]:
    original: list[int] = []
    for here, mine in enumerate(sets):
        survivors = [
            there
            for there in range(here)
            if original[there] < 0 and cluster[there] == cluster[here]
        ]
        copies = (
            there
            for there in survivors
            if len(mine & sets[there]) >= threshold * len(mine | sets[there]) - 1e-9
            and len(mine & sets[there]) >= containment * len(mine) - 1e-9
        )
        original.append(next(copies, -1))
    return original


@settings(max_examples=300, deadline=None)  # the first call compiles
@given(SETS, SHARES, st.sampled_from([0.0, 0.5, 0.95, 1.0]))
def test_the_rarest_shingles_find_every_copy_that_comparing_all_finds(rows, threshold, containment):
    rows = sorted(rows, key=lambda row: row[0])
    cluster, sets = [row[0] for row in rows], [row[1] for row in rows]
    found = match_copies(
        end_to_end(sets),
        np.array(cluster, np.uint64),
        threshold=threshold,
        containment=containment,
    )
    expected = naive_matches(sets, cluster, threshold, containment)

    assert found.original.tolist() == expected
    assert found.shared.tolist() == [
        len(sets[here] & sets[there]) if there >= 0 else 0 for here, there in enumerate(expected)
    ]


def test_portions_hold_whole_clusters_and_do_not_change_the_answer(monkeypatch):
    rng = np.random.default_rng(2)
    sets = [set(rng.integers(0, 12, 8).tolist()) for _ in range(60)]
    cluster = np.sort(rng.integers(0, 9, 60)).astype(np.uint64)
    whole = match_copies(end_to_end(sets), cluster, threshold=0.5, containment=0.6)
    monkeypatch.setattr(kernels, "_PORTION", 40)
    cut = match_copies(end_to_end(sets), cluster, threshold=0.5, containment=0.6)

    assert (whole.original >= 0).sum() > 20
    assert cut.original.tolist() == whole.original.tolist()
    assert cut.shared.tolist() == whole.shared.tolist()


def test_sets_have_each_shingle_of_a_text_once():
    rng = np.random.default_rng(2)
    texts = [" ".join(random_words(rng, n)) for n in (3, 5, 6, 40)] + ["a b a b a b a b a b a b"]
    sets = shingle_sets(pa.array(texts, pa.large_string()), 5)

    assert np.diff(sets.offsets).tolist() == [len(shingles(text)) for text in texts]
    for begin, end in zip(sets.offsets[:-1], sets.offsets[1:], strict=True):
        assert (np.diff(sets.values[begin:end]) > 0).all()


def test_short_texts_have_one_shingle_that_punctuation_does_not_change():
    sets = shingle_sets(pa.array(["one two", "One, two.", "one three"], pa.large_string()), 5)

    assert np.diff(sets.offsets).tolist() == [1, 1, 1]
    assert sets.values[0] == sets.values[1] != sets.values[2]
