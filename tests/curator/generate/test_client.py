from __future__ import annotations

from pathlib import Path

import pytest

import curator.pulse
from curator.errors import BudgetError, RecipeError
from curator.generate.asking import Answer
from curator.generate.client import Client, Cost, Limits
from curator.pulse import told_in
from tests.support.judges import Rule, request

TEXTS = [f"text {n}" for n in range(6)]
ASKED = [request(text) for text in TEXTS]


def rule() -> Rule:
    return Rule(lambda one: Answer(odds={"yes": len(one.prompt) / 100}, prompt_tokens=10, tokens=1))


class Killed(Exception):
    pass


def failing(after: int) -> Rule:
    backend = rule()

    def answer(one):
        if len(backend.asked) > after:
            raise Killed
        return Answer(odds={"yes": 0.5}, prompt_tokens=10)

    backend.rule = answer
    return backend


def test_answers_come_in_the_order_of_the_questions():
    found = Client(rule()).ask(ASKED)

    assert [entry.shown for entry in found] == [one.shown for one in ASKED]


def test_the_same_question_is_asked_once_and_answered_for_every_document():
    backend = rule()
    same = [request("text", documents=(name,)) for name in ("a", "b")]
    found = Client(backend).ask(same)

    assert len(backend.asked) == 1
    assert [entry.documents for entry in found] == [("a",), ("b",)]


def test_how_far_it_has_come_can_be_seen_while_it_asks(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(curator.pulse, "_SECONDS", -1.0)
    seen = []
    backend = rule()

    def answer(one):
        seen.append(told_in(tmp_path))
        return Answer(odds={"yes": 0.5})

    backend.rule = answer
    Client(backend, cache=tmp_path).ask(ASKED)

    assert seen == pytest.approx([done / 6 for done in range(6)])
    assert told_in(tmp_path) == 0.0


def test_a_killed_run_asks_only_what_it_has_no_answer_to(tmp_path: Path):
    with pytest.raises(Killed):
        Client(failing(4), cache=tmp_path).ask(ASKED)
    again = rule()
    client = Client(again, cache=tmp_path)

    assert client.cost(ASKED) == Cost(2, 0)
    assert len(client.ask(ASKED)) == 6
    assert [one.prompt for one in again.asked] == [one.prompt for one in ASKED[4:]]


def test_another_models_answers_are_not_taken(tmp_path: Path):
    Client(rule(), cache=tmp_path).ask(ASKED)
    other = rule()
    other.model = "another"
    Client(other, cache=tmp_path).ask(ASKED)

    assert len(other.asked) == 6


def test_more_requests_than_allowed_are_refused_before_the_first():
    backend = rule()
    client = Client(backend, limits=Limits(max_requests=5))

    with pytest.raises(BudgetError, match=r"takes 6 requests of rule; max_requests is 5"):
        client.afford(ASKED)
    with pytest.raises(BudgetError, match="max_requests is 5"):
        client.ask(ASKED)
    assert backend.asked == []


def test_more_tokens_than_allowed_are_refused_before_the_first():
    client = Client(rule(), limits=Limits(max_tokens=20))

    with pytest.raises(BudgetError, match=r"about 24 tokens of rule; max_tokens is 20"):
        client.afford(ASKED)


def test_kept_answers_cost_nothing(tmp_path: Path):
    Client(rule(), cache=tmp_path).ask(ASKED)
    client = Client(rule(), limits=Limits(max_requests=0, max_tokens=0), cache=tmp_path)

    assert client.afford(ASKED) == Cost(0, 0)
    assert len(client.ask(ASKED)) == 6


def test_asking_stops_when_a_model_spends_more_than_was_guessed(tmp_path: Path):
    client = Client(rule(), limits=Limits(max_tokens=30), cache=tmp_path)
    client.afford(ASKED[:3])

    with pytest.raises(BudgetError, match="33 tokens spent on 3 answers"):
        client.ask(ASKED)
    assert Client(rule(), cache=tmp_path).cost(ASKED).requests == 3


def test_what_was_spent_is_counted():
    client = Client(rule())
    client.ask(ASKED)
    client.ask(ASKED)

    assert client.spent == Cost(6, 66)


@pytest.mark.parametrize("limits", [{"max_requests": -1}, {"max_tokens": -5}])
def test_limits_below_zero_are_refused(limits: dict):
    with pytest.raises(RecipeError, match="0 or more"):
        Limits(**limits)
