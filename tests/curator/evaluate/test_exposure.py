"""Canaries: exposure by its formula, near chance when never planted, growing with copies."""

from __future__ import annotations

import math

import numpy as np
import pytest

from curator.errors import RecipeError
from curator.evaluate.exposure import (
    Canary,
    exposure,
    heldout_canaries,
    letter_name,
    make_canaries,
    plant,
)
from tests.support.learned import learned


def fillers(count):
    random = np.random.default_rng(0)
    return [
        f"Locker {number} holds {' '.join(f'{v:08d}' for v in random.integers(0, 10**8, 3))}."
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def exposed(tmp_path_factory):
    canaries = make_canaries((1, 64), 3, seed=2)
    texts = plant(fillers(160), canaries, seed=1)
    model, tokenizer = learned(texts, tmp_path_factory.mktemp("canaries"), steps=170)
    never = make_canaries((0,), 12, seed=9)
    return exposure(model, tokenizer, [*canaries, *never], alternatives=255)


def test_a_secret_seen_often_is_exposed_and_one_seen_never_is_not(exposed):
    assert exposed[3:6].mean() > 7  # 64 copies; the most is 8 bits
    assert exposed[6:].mean() < 3  # expected: log2(e) = 1.44


def test_exposure_lies_between_none_and_the_size_of_the_space(exposed):
    assert exposed.min() >= 0
    assert exposed.max() <= math.log2(256)


def test_canaries_are_planted_as_often_as_they_say():
    canaries = make_canaries((1, 4), 2, seed=0)

    planted = plant(["text"] * 10, canaries, seed=0)

    assert [sum(c.secret in text for text in planted) for c in canaries] == [1, 1, 4, 4]
    assert len({c.secret for c in canaries}) == len({c.name for c in canaries}) == 4


def test_a_canary_with_more_copies_than_documents_is_refused():
    with pytest.raises(RecipeError, match="64 copies of a canary in 3 documents"):
        plant(["a", "b", "c"], [Canary("A", "1", 64)])


def test_a_canary_in_heldout_text_is_named():
    canary = Canary("A", "12345678", 1)

    assert heldout_canaries(["nothing", f"see {canary.text}"], [canary]) == ["A"]


def test_names_of_canaries_hold_no_digit():
    assert [letter_name(number) for number in (0, 25, 26, 27)] == ["A", "Z", "BA", "BB"]
