from __future__ import annotations

import numpy as np
import pytest

from curator.errors import RecipeError
from curator.generate.asking import Answer
from curator.generate.prompts import find_prompt, spellings
from curator.generate.verdicts import read_answers, refuse_unread

QUALITY, INFORMATIVE = find_prompt("quality"), find_prompt("informative")
RUBRIC, EXPLAINED = find_prompt("educational"), find_prompt("educational_explained")


def test_p_yes_is_summed_over_spellings():
    forms = spellings(("yes",))
    odds = dict.fromkeys(forms, 0.1) | {"no": 0.2}
    (p,) = read_answers(INFORMATIVE, [Answer(odds=odds)]).grades

    assert p == pytest.approx(0.1 * len(forms))


def test_only_a_prompt_that_normalizes_divides_by_all_answers():
    answer = Answer(odds={"yes": 0.3, " No": 0.3})

    assert read_answers(INFORMATIVE, [answer]).grades == pytest.approx([0.3])
    assert read_answers(QUALITY, [answer]).grades == pytest.approx([0.5])


def test_a_rubric_gives_the_expected_grade():
    odds = {"0": 0.1, "2": 0.3, " 4": 0.4}
    (grade,) = read_answers(RUBRIC, [Answer(odds=odds)]).grades

    assert grade == pytest.approx((0.3 * 2 + 0.4 * 4) / 0.8)


def test_an_answer_that_cannot_be_read_has_no_grade_and_not_zero():
    verdicts = read_answers(QUALITY, [Answer(odds={"yes": 0.1, "no": 0.1}), Answer(odds={"no": 1})])

    assert verdicts.parsed.tolist() == [False, True]
    assert np.isnan(verdicts.grades[0])
    assert verdicts.grades[1] == 0


def test_no_answer_at_all_is_not_read_whatever_the_least_mass():
    assert not read_answers(QUALITY, [Answer(odds={"yes": 0.0})], least_mass=0).parsed.any()


@pytest.mark.parametrize("odds", [{"yes": 1.2}, {"yes": -0.1}, {"yes": 0.7, "no": 0.7}])
def test_odds_that_are_no_probabilities_are_refused(odds: dict):
    with pytest.raises(RecipeError, match="outside its range"):
        read_answers(QUALITY, [Answer(odds=odds)])


def test_a_generated_grade_is_the_last_number_of_its_form():
    said = ["Points: 1 at first sight.\nPoints: 4", "no number", "Points: 7", "Points: -1"]
    verdicts = read_answers(EXPLAINED, [Answer(text=one) for one in said])

    assert verdicts.grades[0] == 4
    assert verdicts.parsed.tolist() == [True, False, False, False]
    assert verdicts.outside == ("7", "-1")


def test_a_judge_with_grades_outside_the_range_is_refused_and_they_are_shown():
    with pytest.raises(RecipeError, match="12 of them are outside 0 to 5, such as '7'"):
        refuse_unread(88, 100, least=0.95, prompt=EXPLAINED, outside=["7"] * 12)


def test_a_judge_of_whose_answers_too_few_are_read_is_refused():
    with pytest.raises(RecipeError, match=r"94 of 100 answers .* \(94\.0%\); wanted 95%"):
        refuse_unread(94, 100, least=0.95, prompt=QUALITY)

    refuse_unread(95, 100, least=0.95, prompt=QUALITY)
