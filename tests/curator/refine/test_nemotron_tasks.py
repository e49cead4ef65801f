"""Segments, answers and buckets of Nemotron-CC's five tasks."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.refine import nemotron_tasks as tasks


def count(text):
    return len(text.split())


def test_lines_are_joined_up_to_the_limit_and_no_further():
    assert tasks.segments("a b\nc d\ne f", 4, 1, count) == (["a b\nc d", "e f"], False)


def test_a_line_above_the_limit_goes_and_parts_what_stands_around_it():
    assert tasks.segments("a\nb c d e f\ng", 4, 1, count) == (["a", "g"], True)


def test_short_segments_go():
    assert tasks.segments("a b c\nd", 3, 2, count) == (["a b c"], False)


@given(st.lists(st.text("ab \n", max_size=12), max_size=8), st.integers(1, 6))
def test_every_segment_keeps_to_the_limit_and_the_order(parts, most):
    text = "\n".join(parts)
    found, over = tasks.segments(text, most, 1, count)

    assert all(1 <= count(one) <= most for one in found)
    assert over == any(count(f"{line}\n") > most for line in text.split("\n"))
    place = 0
    for one in found:
        place = text.index(one, place) + len(one)


def test_an_answer_must_begin_as_it_was_asked_to():
    opening = tasks.PARAPHRASE_OPENING

    assert tasks.after_opening(f'{opening}\n\n"Bees **fly**."', opening) == "Bees fly."
    assert tasks.after_opening(f"**{opening}** Bees fly.", opening) == "Bees fly."
    assert tasks.after_opening("Bees fly.", opening) is None


ANSWER = "\n".join(f"- Question: q{n}? Answer: a{n}." for n in range(8))


def test_the_number_of_pairs_is_uniform_up_to_what_the_text_allows():
    chances = (np.random.default_rng(seed) for seed in range(2000))
    made = [tasks.with_pairs("Text.", ANSWER, 60, chance) for chance in chances]
    kept = Counter(text.count("Question:") for text in made)

    assert sorted(kept) == [1, 2, 3, 4]  # 10 * 60 / 150
    assert all(abs(n / 2000 - 0.25) < 0.05 for n in kept.values())  # 5 standard errors
    assert all(text.startswith("Text.\n\nQuestion: q") for text in made)


def test_a_short_text_keeps_one_pair_and_a_long_one_all_at_most():
    chance = np.random.default_rng(1)

    assert tasks.with_pairs("T.", ANSWER, 3, chance).count("Question:") == 1
    assert (
        max(tasks.with_pairs("", ANSWER, 10_000, chance).count("Question:") for _ in range(50)) == 8
    )


def test_pairs_are_shuffled_by_the_chance_given_and_by_nothing_else():
    made = [tasks.with_pairs("T.", ANSWER, 600, np.random.default_rng(7)) for _ in range(2)]
    other = {tasks.with_pairs("T.", ANSWER, 600, np.random.default_rng(n)) for n in range(20)}

    assert made[0] == made[1]
    assert len(other) > 10


def test_an_answer_without_a_pair_makes_nothing():
    assert tasks.with_pairs("T.", "Bees fly.", 600, np.random.default_rng(1)) is None


def test_numbers_of_passages_go():
    assert tasks.passages("Passage 1:\nBees fly.\n\nPassage 2:\nThey *sing*.") == (
        "Bees fly.\n\nThey sing."
    )
    assert tasks.passages("Passage: of time") == "Passage: of time"


def test_a_list_loses_its_bullets_and_what_announces_it():
    assert tasks.listed("Facts:\n- Bees fly.\n  They sing.\nEnd") == "Bees fly.\nThey sing.\nEnd"
    assert tasks.listed("- Bees fly.") == "Bees fly."
    assert tasks.listed("No bullet") == ""


@pytest.mark.parametrize("name", tasks.TASKS)
def test_a_task_may_write_less_than_it_may_read(name):
    task = tasks.TASKS[name]

    assert task.least_made < task.most_kept < task.most_written <= task.most_read
