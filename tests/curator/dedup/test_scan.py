"""The scan against looking up every n-gram of every length, one length at a time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from curator.dedup.scan import ending_length, make_sieve, scan
from curator.text.ngrams import ngram_hashes

WORDS = ["a", "bb", "Über", "漢字", "x-y", "12", "...", "é"]


def made_up(n: int) -> pa.Array:
    rng = np.random.default_rng(n)
    return pa.array(
        [" ".join(rng.choice(WORDS, size)) for size in rng.integers(0, 60, n)], pa.large_string()
    )


def sieve_of(texts: pa.Array, lengths: list[int], hashes: list, shortest: int):
    """The sieve, with every run of the texts as a possible ending."""
    ending = ending_length(lengths, shortest)
    endings = ngram_hashes(texts, ending).hashes if ending else np.zeros(0, np.uint64)
    return make_sieve(lengths, hashes, shortest, endings)


@pytest.mark.parametrize("lengths", [[13, 8, 2], [5], [16, 1], [13, 12, 11, 10, 9, 8, 7]])
def test_every_guarded_run_passes_with_its_place_and_hash(lengths):
    texts = made_up(200)
    every = [ngram_hashes(texts, n) for n in lengths]
    guarded = [np.unique(grams.hashes[::3]) for grams in every]
    suspects = scan(texts, sieve_of(texts, lengths, guarded, 0))

    for place, grams in enumerate(every):
        document = np.repeat(np.arange(len(texts)), np.diff(grams.offsets))
        word = np.arange(len(document)) - grams.offsets[document]
        columns = [document, word, grams.byte_starts, grams.byte_ends, grams.hashes]
        known = np.isin(grams.hashes, guarded[place])
        mine = suspects.length == place
        found = [suspects.document, suspects.word, suspects.start, suspects.end, suspects.hashes]
        certain = np.isin(suspects.hashes[mine], guarded[place])
        for expected, column in zip(columns, found, strict=True):
            assert column[mine][certain].tolist() == expected[known].tolist()


def test_runs_below_the_shortest_pass_only_where_they_are_all_there_is():
    texts = pa.array(["one two", "one two three", "One, two!", "zero one two"], pa.large_string())
    guarded = ngram_hashes(texts.slice(0, 1), 2).hashes

    assert scan(texts, sieve_of(texts, [2], [guarded], 3)).document.tolist() == [0, 2]
    assert scan(texts, sieve_of(texts, [2], [guarded], 2)).document.tolist() == [0, 1, 2, 3]


def test_few_strangers_pass():
    rng = np.random.default_rng(1)
    texts = pa.array([" ".join(map(str, rng.integers(0, 10**9, 20_000)))], pa.large_string())
    guarded = rng.integers(0, 2**63, 5_000).astype(np.uint64) * np.uint64(2)
    suspects = scan(texts, make_sieve([13], [guarded], 8, guarded))

    assert len(suspects.hashes) < 20_000 / 12  # one bit in 16 or fewer is set
    assert len(scan(texts, make_sieve([13], [guarded], 8, guarded[:0])).hashes) == 0
