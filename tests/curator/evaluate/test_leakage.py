"""Leakage: a file learned in order is found, an unseen one gives uniform p, misuse is refused."""

from __future__ import annotations

import numpy as np
import pytest

from curator.errors import RecipeError
from curator.evaluate.leakage import option_test, ordering_test
from tests.support.learned import learned

WORDS = [
    *("ash", "bee", "cat", "dog", "elm", "fig", "gum", "hen"),
    *("ivy", "jay", "kit", "lark", "moth", "newt", "oak", "pig"),
]


def item(random):
    return " ".join(random.choice(WORDS, 4))


@pytest.fixture(scope="module")
def seen_order(tmp_path_factory):
    """Return items, and a model that read them 30 times in their order."""
    random = np.random.default_rng(0)
    items = [item(random) for _ in range(60)]
    texts = ["\n\n".join(items)] * 30
    return items, *learned(texts, tmp_path_factory.mktemp("order"), steps=130)


def test_a_file_learned_in_its_order_is_found(seen_order):
    items, model, tokenizer = seen_order

    found = ordering_test(model, tokenizer, items, shards=10, shuffles=8)

    assert found.p < 1e-3
    assert len(found.advantage) == 10


def test_files_the_model_never_saw_are_called_leaked_as_rarely_as_p_says(seen_order):
    _, model, tokenizer = seen_order
    p = []
    for seed in range(24):
        random = np.random.default_rng(100 + seed)
        fresh = [item(random) for _ in range(25)]
        p.append(ordering_test(model, tokenizer, fresh, shards=5, shuffles=6).p)

    assert (np.array(p) < 0.05).sum() <= 5  # 1.2 expected; 6 or more has a chance of 0.1 %
    assert 0.3 < np.mean(p) < 0.7


def test_the_p_value_is_students(seen_order):
    items, model, tokenizer = seen_order
    from scipy.stats import ttest_1samp

    found = ordering_test(model, tokenizer, items, shards=6, shuffles=5)

    expected = ttest_1samp(found.advantage, 0, alternative="greater")
    assert found.t == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue)


def test_options_learned_in_their_order_are_found_and_others_are_not(tmp_path):
    random = np.random.default_rng(1)

    def questions(count):
        return [
            (f"Which {item(random)}?", random.choice(WORDS, 3, replace=False).tolist())
            for _ in range(count)
        ]

    known, fresh = questions(30), questions(60)
    texts = ["\n".join([q, *(f"{c}. {o}" for c, o in zip("ABC", options, strict=True))])
             for q, options in known] * 20  # fmt: skip
    model, tokenizer = learned(texts, tmp_path, steps=150)

    leaked = option_test(model, tokenizer, known, options=3)
    clean = option_test(model, tokenizer, fresh, options=3)

    assert leaked.preferred > 0.8
    assert leaked.p < 1e-6
    assert leaked.expected == pytest.approx(1 / 6)
    assert clean.p > 1e-3


def test_options_that_cannot_change_places_are_refused_and_counted(seen_order):
    _, model, tokenizer = seen_order
    items = [
        ("a?", ["ash", "bee", "cat"]),
        ("b?", ["ash", "ash ", "cat"]),
        ("c?", ["ash", "bee", "all of the above"]),
        ("d?", ["ash", "bee", "both a and b"]),
        ("e?", ["ash", "bee"]),
    ]

    found = option_test(model, tokenizer, items, options=3)

    assert (found.items, found.refused) == (1, 4)


@pytest.mark.parametrize(
    ("items", "says"),
    [
        (["a"] * 9, "9 items in 2 shards"),
        ([f"{n:02d}" for n in range(20)], "sorted"),
        (["b " * 300, *(f"{n % 7} x" for n in range(20))], "longest item"),
    ],
)
def test_a_file_the_test_cannot_judge_is_refused(seen_order, items, says):
    _, model, tokenizer = seen_order

    with pytest.raises(RecipeError, match=says):
        ordering_test(model, tokenizer, items, shards=2)
