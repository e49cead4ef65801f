"""The made-up table and those who answer about it, in bench/metadata.py."""

from __future__ import annotations

from bench.metadata import OPENINGS, commonest, made, measured, oracle


def test_missing_and_wrong_values_are_planted_and_the_truth_is_kept():
    table = made(100, seed=3)

    assert (len(table.missing), len(table.wrong)) == (20, 10)
    for row, truth in zip(table.rows, table.truth, strict=True):
        assert row["beginning"].startswith(OPENINGS[truth])
    wrong = [n for n, row in enumerate(table.rows) if row["language"] not in (None, table.truth[n])]
    assert wrong == table.wrong


def test_an_oracle_that_skips_and_shifts_is_brought_to_full_marks_by_keys_and_second_questions():
    table = made(60, seed=3)

    told = measured(table, lambda asked: [oracle(one) for one in asked], 10)

    assert "imputed 1.00 rightly" in told
    assert "precision 1.00, recall 1.00, F1 1.00" in told


def test_the_commonest_value_finds_no_mistake():
    table = made(60, seed=3)

    assert "recall 0.00" in measured(table, commonest(table), 10)
