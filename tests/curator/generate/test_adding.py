from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import BudgetError, RecipeError
from curator.generate.adding import RETRIES, Grown, Growth, grow
from curator.generate.client import Client, Limits
from curator.generate.prompts import find_prompt
from curator.identity import document_ids, id_matrix
from tests.support.choosers import best, best_and_new, chooser, planted, said
from tests.support.judges import Rule

N, SUBJECTS = 240, 24
TEXTS = planted(N, SUBJECTS)
SMALL = Growth(take=32, parts=2, seeds=4, context=4, options=6, windows=1)


def grown(rule: Rule, growth: Growth = SMALL, texts: list[str] = TEXTS) -> Grown:
    ids = id_matrix(document_ids("s", pa.array([f"{n} {text}" for n, text in enumerate(texts)])))
    return grow(Client(rule), find_prompt("add_one"), ids, texts, growth)


def qualities(found: Grown) -> np.ndarray:
    return np.array([said(TEXTS[row])[0] for row in found.chosen]) / N


def subjects(found: Grown) -> int:
    return len({said(TEXTS[row])[1] for row in found.chosen})


def test_a_set_has_as_many_as_asked_for_each_once_and_seeds_first():
    found = grown(chooser(best))

    assert len(found.chosen) == len(set(found.chosen)) == 32
    assert [len(rows) for rows in found.order] == [16, 16]
    assert (found.shown[[row for rows in found.order for row in rows[:4]]] == 0).all()


def test_a_choice_is_the_best_of_those_shown_and_of_no_others():
    found = grown(chooser(best), Growth(take=20, parts=1, seeds=2, context=4, options=10))
    added = [said(TEXTS[row])[0] / N for row in found.order[0][2:]]

    # 10 of 11 in the mean, as the best of ten draws has it; sd of a mean of 18 is 0.02.
    assert np.mean(added) == pytest.approx(10 / 11, abs=0.06)


def test_a_judge_of_what_is_new_covers_more_subjects_than_one_of_quality_alone():
    growth = Growth(take=32, parts=1, seeds=2, context=16, options=8)
    alone, new = (grown(chooser(rule), growth) for rule in (best, best_and_new))

    assert subjects(new) > 1.3 * subjects(alone)
    assert qualities(alone).mean() > qualities(new).mean() > 0.5


def test_windows_of_one_round_show_no_document_twice_and_ask_at_once():
    rule = chooser(best)
    asked: list[int] = []
    before = rule.answers
    rule.answers = lambda requests: asked.append(len(requests)) or before(requests)
    found = grown(rule, Growth(take=40, parts=1, seeds=4, context=4, options=6, windows=6))

    assert asked == [6] * 6
    for start in range(0, 36, 6):
        shown = [name for one in rule.asked[start : start + 6] for name in one.documents[4:]]
        assert len(shown) == len(set(shown))
    assert len(found.chosen) == 40


def test_an_equal_text_is_not_added_twice():
    texts = [TEXTS[row % 20] for row in range(120)]
    found = grown(chooser(best), Growth(take=15, parts=1, seeds=2, options=4, windows=4), texts)
    chosen = [texts[row] for row in found.chosen]

    assert len(chosen[2:]) == len(set(chosen[2:]))
    assert found.conflicts > 0


def test_parts_do_not_see_each_other():
    both = grown(chooser(best_and_new))
    rule = chooser(best_and_new)
    grown(rule)
    part_of = {f"{row}": part for part, rows in enumerate(both.order) for row in rows}
    ids = {bytes(one).hex(): str(n) for n, one in enumerate(_ids())}
    for request in rule.asked:
        context = {part_of[ids[name]] for name in request.documents[:4]}
        assert len(context) == 1


def _ids() -> np.ndarray:
    return id_matrix(document_ids("s", pa.array([f"{n} {text}" for n, text in enumerate(TEXTS)])))


def test_a_liking_for_a_place_shows_in_the_positions():
    found = grown(chooser(lambda _, __: 2))
    fair = grown(chooser(best))

    assert found.positions.tolist() == [0, 0, 24, 0, 0, 0]
    assert fair.positions.max() < 12


def test_an_answer_that_names_nothing_is_tried_again_with_others_at_most_three_times():
    rule = chooser(lambda _, __: "I cannot say")
    found = grown(rule)

    assert len(rule.asked) == 2 * (1 + RETRIES)  # a round of each part; then both are stuck
    assert len({request.documents for request in rule.asked}) == len(rule.asked)
    assert len(found.chosen) == 8  # the seeds
    assert found.abstained == 2


def test_a_set_goes_on_after_an_abstention():
    turns = iter(range(10**6))
    found = grown(chooser(lambda _, o: "no" if next(turns) % 3 == 0 else best(_, o)))

    assert len(found.chosen) == 32


def test_the_same_documents_in_any_order_grow_the_same_set():
    ids = _ids()
    order = np.random.default_rng(0).permutation(N)
    wording = find_prompt("add_one")
    one = grow(Client(chooser(best)), wording, ids, TEXTS, SMALL)
    shuffled = [TEXTS[row] for row in order]
    other = grow(Client(chooser(best)), wording, ids[order], shuffled, SMALL)

    # Parts and draws belong to ids; only rows are numbered otherwise.
    assert [TEXTS[row] for row in one.chosen] == [shuffled[row] for row in other.chosen]


def test_limits_of_the_client_hold():
    ids = _ids()
    with pytest.raises(BudgetError, match="max_requests"):
        grow(
            Client(chooser(best), limits=Limits(max_requests=5)),
            find_prompt("add_one"),
            ids,
            TEXTS,
            SMALL,
        )


def test_a_part_without_enough_documents_is_refused():
    with pytest.raises(RecipeError, match="part 0 of 2 has 16 documents, of which 16"):
        grown(chooser(best), SMALL, TEXTS[:32])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"take": 0}, "take=0"),
        ({"options": 1}, "one option is no choice"),
        ({"windows": 0}, "windows=0"),
        ({"take": 30, "seeds": 10}, "less than 10 seeds for each of 4"),
    ],
)
def test_a_growth_of_nothing_is_refused(changes: dict, message: str):
    with pytest.raises(RecipeError, match=message):
        Growth(**({"take": 100} | changes))
