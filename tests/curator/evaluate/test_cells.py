"""Patterns of a table against loops over its cells."""

from __future__ import annotations

import numpy as np
import pytest

from curator.errors import BudgetError
from curator.evaluate.cells import cell_bits, mismatch, own_loss, slope


def table(groups: int, seeds: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(3.0, 0.2, (groups, groups, seeds))


def test_with_two_groups_twice_the_mismatch_is_the_interaction():
    bits = table(2, 4)
    interaction = bits[0, 1] + bits[1, 0] - bits[0, 0] - bits[1, 1]

    assert mismatch(bits).mean == pytest.approx(interaction.mean() / 2)


def test_the_mismatch_is_the_mean_over_cells_off_the_diagonal():
    bits = table(4, 3)
    costs = [
        bits[i, j] - bits[j, j] for i in range(4) for j in range(4) if i != j
    ]  # fmt: skip
    found = mismatch(bits)

    assert found.mean == pytest.approx(np.mean(costs))
    assert found.low < found.mean < found.high
    assert (found.holds, found.cells) == (sum(c.mean() > 0 for c in costs), 12)


def test_the_slope_is_found_where_every_year_costs_the_same():
    years = [1800.0, 1850.0, 1990.0]
    gap = np.abs(np.subtract.outer(years, years))
    easy = np.array([2.5, 3.0, 2.0])
    bits = np.repeat((easy[None] + 0.001 * gap)[..., None], 2, axis=2)

    assert slope(bits, years).mean == pytest.approx(0.001)


def test_own_loss_is_the_diagonal_less_the_rest():
    differences = np.zeros((3, 3, 2))
    differences[np.eye(3, dtype=bool)] = 0.3
    differences[0, 1] = 0.4
    found = own_loss(differences)

    assert found.mean == pytest.approx(0.3 - 0.4 / 6)
    assert (found.holds, found.cells) == (2, 3)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 2, 1)])
def test_one_group_or_one_seed_has_no_pattern(shape):
    with pytest.raises(BudgetError, match="wanted two or more of both"):
        mismatch(np.zeros(shape))


def test_bits_of_a_group_are_those_of_all_its_bytes():
    found = cell_bits(np.array([10.0, 20.0, 99.0]), np.array([10, 10, 1]), ["late", "late", None])

    assert found == {"late": (1.5, 2, 20)}
