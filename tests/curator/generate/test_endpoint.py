from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from curator.errors import PluginError, RecipeError, ShardError
from curator.generate.client import Client
from curator.generate.endpoint import Endpoint
from curator.generate.exchange import Server
from curator.generate.prompts import find_prompt
from curator.generate.verdicts import read_answers
from tests.support.judges import chat_reply, llama_server, request, served

ASKED = [request(f"text {n}") for n in range(8)]


def endpoint(url: str, **changes: object) -> Endpoint:
    server = Server(url, pause_seconds=0.001, attempts=2, timeout_seconds=60)
    return Endpoint(server, "served-model", **changes)


@pytest.fixture(scope="module")
def llama() -> Iterator[str]:
    with llama_server() as url:
        yield url


def test_odds_are_read_from_a_chat_answer():
    asked = []

    def reply(_: int, path: str, content: dict, __: dict):
        asked.append((path, content))
        return chat_reply({"yes": 0.5, " yes": 0.2, "maybe": 0.1})

    with served(reply) as url:
        ((place, answer),) = endpoint(url).answers(ASKED[:1])
    assert place == 0
    assert answer.odds == pytest.approx({"yes": 0.5, "no": 0.0})
    assert (answer.prompt_tokens, answer.tokens, answer.text) == (7, 1, "")
    assert asked[0][0] == "/v1/chat/completions"
    assert asked[0][1]["max_tokens"] == 1
    assert asked[0][1]["temperature"] == 0


def test_odds_are_read_from_a_completion_as_older_servers_write_it():
    choice = {"text": "yes", "logprobs": {"top_logprobs": [{"yes": -0.1, "no": -3.0}]}}

    def reply(_: int, path: str, content: dict, __: dict):
        assert (path, content["prompt"]) == ("/v1/completions", "Good? raw")
        return 200, {}, json.dumps({"choices": [choice]}).encode()

    with served(reply) as url:
        ((_, answer),) = endpoint(url).answers([request("raw", chat=False)])
    assert answer.odds["yes"] == pytest.approx(0.905, abs=0.001)


def test_no_more_questions_are_under_way_than_allowed():
    running, most = [0], [0]
    lock = threading.Lock()

    def reply(*_: object):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.02)
        with lock:
            running[0] -= 1
        return chat_reply({"yes": 0.9})

    with served(reply) as url:
        found = dict(endpoint(url, concurrency=3).answers(ASKED))
    assert sorted(found) == list(range(8))
    assert 2 <= most[0] <= 3


def test_answers_before_a_failure_are_kept(tmp_path: Path):
    def reply(number: int, *_: object):
        return chat_reply({"yes": 0.9}) if number < 5 else (500, {}, b"")

    with served(reply) as url, pytest.raises(ShardError):
        Client(endpoint(url, concurrency=1), cache=tmp_path).ask(ASKED)
    with served(lambda *_: chat_reply({"yes": 0.9})) as url:
        client = Client(endpoint(url), cache=tmp_path)
        assert client.cost(ASKED).requests == 3
        assert len(client.ask(ASKED)) == 8


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b'{"choices": []}',
        b'{"choices": [{"message": {"content": "yes"}, "logprobs": null}]}',
        b'{"choices": [{"message": null}]}',
    ],
)
def test_a_server_without_odds_is_refused(body: bytes):
    refused = pytest.raises(PluginError, match="serve the model with log probabilities")
    with served(lambda *_: (200, {}, body)) as url, refused:
        list(endpoint(url).answers(ASKED[:1]))


def test_what_is_being_answered_beside_a_failure_is_kept(tmp_path: Path):
    failed = threading.Event()

    def reply(number: int, *_: object):
        if number:
            failed.wait(5)
            threading.Event().wait(0.05)
            return chat_reply({"yes": 0.9})
        failed.set()
        return 400, {}, b""

    with served(reply) as url, pytest.raises(RecipeError, match="HTTP 400"):
        Client(endpoint(url, concurrency=3), cache=tmp_path).ask(ASKED)
    with served(lambda *_: chat_reply({"yes": 0.9})) as url:
        assert Client(endpoint(url), cache=tmp_path).cost(ASKED).requests == 6


@pytest.mark.parametrize(
    ("logprob", "usage"),
    [
        ("NaN", "{}"),
        ("0.5", "{}"),
        ("-1", '{"prompt_tokens": -5}'),
        ("-1", '{"prompt_tokens": Infinity}'),
    ],
)
def test_numbers_that_are_no_odds_or_counts_are_refused(logprob: str, usage: str):
    listed = f'{{"content": [{{"top_logprobs": [{{"token": "yes", "logprob": {logprob}}}]}}]}}'
    choice = f'{{"message": {{"content": ""}}, "logprobs": {listed}}}'
    body = f'{{"choices": [{choice}], "usage": {usage}}}'.encode()
    with (
        served(lambda *_: (200, {}, body)) as url,
        pytest.raises(PluginError, match="not OpenAI's"),
    ):
        list(endpoint(url).answers(ASKED[:1]))


def test_a_key_that_a_server_repeats_is_in_no_message_and_no_answer(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("JUDGE_KEY", "sk-secret-of-the-test")

    def reply(number: int, _: str, __: dict, headers: dict):
        said = {"choices": [{"message": {"content": headers["Authorization"]}}]}
        return 200, {}, json.dumps(said if number else headers).encode()

    with served(reply) as url:
        judge = Endpoint(Server(url, "JUDGE_KEY", attempts=1), "served-model")
        with pytest.raises(PluginError) as caught:
            list(judge.answers(ASKED[:1]))
        ((_, answer),) = judge.answers([request("", forms=(), max_tokens=9)])
    assert "secret" not in str(caught.value) + answer.text


@pytest.mark.parametrize("settings", [{"model": ""}, {"model": "m", "concurrency": 0}])
def test_an_endpoint_without_model_or_room_is_refused(settings: dict):
    with pytest.raises(RecipeError, match=r"wanted 1 or more|the name that its server"):
        Endpoint(Server("http://127.0.0.1:9/v1"), **settings)


def test_llama_cpp_gives_odds_of_an_answer(llama: str):
    prompt = find_prompt("quality")
    asked = [
        request(
            "",
            prompt=prompt.ask(text),
            version=prompt.digest,
            shown=text,
            forms=prompt.forms(),
        )
        for text in ("The sea is salt because rivers carry salt into it.", "buy buy buy")
    ]
    found = dict(endpoint(llama, concurrency=2).answers(asked))
    verdicts = read_answers(prompt, [found[0], found[1]], least_mass=0.05)

    assert verdicts.parsed.all()
    assert ((verdicts.grades > 0) & (verdicts.grades < 1)).all()
    assert all(one.prompt_tokens > 50 and one.tokens == 1 for one in found.values())


def test_llama_cpp_goes_on_with_raw_text(llama: str):
    forms = (" Paris", " London")
    asked = request("", prompt="The capital of France is", chat=False, forms=forms)
    ((_, answer),) = endpoint(llama).answers([asked])

    assert answer.odds[" Paris"] > 0.5 > answer.odds[" London"] > 0


def test_llama_cpp_generates_no_more_than_asked(llama: str):
    asked = request("", prompt="Name three colors.", forms=(), max_tokens=8)
    ((_, answer),) = endpoint(llama).answers([asked])

    assert answer.text
    assert answer.tokens <= 8


def test_llama_cpp_refuses_what_its_context_does_not_hold(llama: str):
    with pytest.raises(RecipeError, match="HTTP 400"):
        list(endpoint(llama).answers([request("word " * 9000)]))
