from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.score.arpa import write_arpa
from curator.score.kneser_ney import FALLBACK, discounts_of, estimate
from tests.support.kneser_ney_reference import Arpa, KneserNey
from tests.support.ngram_models import sentences, trained


def assert_like_the_definition(
    lines: list[str], asked: list[str], order: int, prune: tuple[int, ...] = ()
) -> None:
    told = trained(lines, order, prune).tally(pa.array(asked, pa.large_string()))
    by_definition = KneserNey(lines, order, prune)
    for line, found in zip(asked, told.log10, strict=True):
        context, expected = ("<s>",), 0.0
        for word in [*line.split(), "</s>"] if line.split() else []:
            expected += np.log10(by_definition.prob(word, context))
            context = (*context, word if word in by_definition.words else "<unk>")
        assert found == pytest.approx(expected, rel=2e-6, abs=1e-6)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_probabilities_follow_the_definition(order: int):
    assert_like_the_definition(sentences(), [*sentences(40, seed=1), "ba unheard ba be", ""], order)


@pytest.mark.parametrize("prune", [(0, 1), (0, 0, 1), (0, 1, 2)])
def test_pruned_probabilities_follow_the_definition(prune: tuple[int, ...]):
    assert_like_the_definition(sentences(), sentences(40, seed=1), 3, prune)


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.lists(st.sampled_from("abcde"), max_size=6).map(" ".join), max_size=12),
    order=st.integers(1, 5),
    threshold=st.integers(0, 2),
)
def test_small_corpora_follow_the_definition(lines: list[str], order: int, threshold: int):
    known = [*lines, "a b"]

    assert_like_the_definition(
        known, ["a b c", "e d f a", *known[:3]], order, (0, threshold)[:order]
    )


@pytest.mark.parametrize("prune", [(), (0, 1)])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_probabilities_of_all_words_sum_to_one(order: int, prune: tuple[int, ...], tmp_path: Path):
    lines = sentences()
    write_arpa(trained(lines, order, prune[:order]), tmp_path / "m.arpa")
    asked = Arpa(tmp_path / "m.arpa")
    contexts = [(), ("<s>",), ("ba", "be"), ("bi", "never"), ("<s>", *lines[0].split()[:2])]

    for context in contexts:
        total = sum(10 ** asked.log10(word, context) for word in asked.words)
        assert total == pytest.approx(1.0, abs=1e-5)


def test_discounts_are_equation_26_of_chen_and_goodman():
    counts = np.repeat([1, 2, 3, 4], [40, 20, 10, 6])
    y = 40 / (40 + 2 * 20)

    found, fell_back = discounts_of(counts)

    assert not fell_back
    assert found == pytest.approx((1 - 2 * y / 2, 2 - 3 * y / 2, 3 - 4 * y * 6 / 10))


@pytest.mark.parametrize("counts", [[1, 1, 2], [2, 3, 4], [1, 1, 1, 1, 1, 1, 2, 3, 3, 3]])
def test_counts_that_give_no_discounts_get_those_of_lmplz(counts: list[int]):
    assert discounts_of(np.array(counts)) == (FALLBACK, True)


def test_a_discount_of_nothing_leaves_room_for_what_was_not_seen():
    # 12, 6, 6 and 9 bigrams that occur 1, 2, 3 and 4 times: equation 26 gives 3 or more exactly 0.
    often = [1] * 4 + [2] * 2 + [3] * 2 + [4] * 3
    lines = [
        f"{'bcdfghklmnp'[n]}a {'bcdfghklmnp'[n]}e" for n, k in enumerate(often) for _ in range(k)
    ]
    model = trained(lines, 2)

    assert model.about["discounts_fell_back"] == [True, True]
    assert np.isfinite(model.tally(pa.array(["pa unheard"], pa.large_string())).log10).all()


def test_pruning_leaves_out_what_is_rare():
    lines = sentences()
    whole, pruned = trained(lines, 3), trained(lines, 3, (0, 0, 1))

    assert pruned.about["ngrams"][:2] == whole.about["ngrams"][:2]
    assert pruned.about["ngrams"][2] < whole.about["ngrams"][2]
    assert pruned.about["discounts"] == whole.about["discounts"]


@pytest.mark.parametrize("prune", [(1,), (0, 2, 1), (0, 0, 0, 0)])
def test_thresholds_that_fall_or_touch_unigrams_are_refused(prune: tuple[int, ...]):
    with pytest.raises(RecipeError, match="do not fall"):
        trained(["a b"], 3, prune)


def test_a_reference_without_words_is_refused():
    with pytest.raises(RecipeError, match="no words"):
        estimate(np.zeros(0, np.int32), 0, 3)
