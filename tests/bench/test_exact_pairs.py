"""The slow truth about pairs of documents, against comparing every two of them."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from bench.duplicates import edited
from bench.exact_pairs import graded, jaccard, shingle_numbers, similar_pairs, words_of
from tests.support.copies import random_words, shingles


def corpus(seed: int = 3) -> list[str]:
    rng, chance = np.random.default_rng(seed), random.Random(seed)
    originals = [" ".join(random_words(rng, int(n))) for n in rng.integers(5, 120, 40)]
    strangers = [random_words(rng, 80) for _ in range(3)]
    copies = [edited(chance, text, strangers) for text in originals for _ in range(3)]
    return [*originals, *copies, "two words", "two words", ""]


def exact(left: str, right: str) -> float:
    a, b = shingles(left), shingles(right)
    return len(a & b) / len(a | b)


@pytest.mark.parametrize("least", [0.3, 0.6, 0.8, 1.0])
def test_no_pair_is_missed_and_none_made_up(least):
    texts = corpus()
    found = similar_pairs(shingle_numbers(texts), least)
    expected = {
        (a, b): exact(texts[a], texts[b]) for a, b in itertools.combinations(range(len(texts)), 2)
    }
    expected = {pair: alike for pair, alike in expected.items() if alike >= least - 1e-9}

    named = zip(found.first.tolist(), found.second.tolist(), found.jaccard.tolist(), strict=True)
    assert {(a, b): alike for a, b, alike in named} == pytest.approx(expected)
    assert len(expected) > 3


def test_words_are_runs_of_letters_digits_and_marks_without_case_and_accents():
    assert words_of("Hello, Wörld_x 中文 नमस्ते ﬁn 3.5") == [
        "hello", "world", "x", "中", "文", "नमस्ते", "fin", "3", "5",
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_noise_gives_the_similarities_that_it_is_for(seed):
    rng, chance = np.random.default_rng(seed), random.Random(seed)
    text = " ".join(random_words(rng, 400))
    strangers = [random_words(rng, 300)]
    alike = [exact(text, edited(chance, text, strangers)) for _ in range(30)]

    assert 0.65 < min(alike) < 0.8
    assert 0.9 < max(alike) <= 1


def test_grades_take_every_value_once():
    values = np.array([0.6, 0.7, 0.79, 0.8, 0.99, 1.0])
    masks = [mask for _, mask in graded(values, (0.6, 0.7, 0.8, 1.0))]

    assert np.sum(masks, axis=0).tolist() == [1] * 6
    assert jaccard(np.array([1, 2, 3]), np.array([2, 3, 4])) == 0.5
