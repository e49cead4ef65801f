from __future__ import annotations

import email.utils
import json
import time

import pytest

from curator.errors import CuratorError, RecipeError, ShardError
from curator.generate.exchange import Server
from tests.support.judges import dripping, served

KEY = "sk-secret-of-the-test"
OK = (200, {}, b'{"said": 1}')


def server(url: str, **changes: object) -> Server:
    return Server(url, **{"pause_seconds": 0.001, "timeout_seconds": 5.0, "attempts": 4} | changes)


def asked(url: str, **changes: object) -> object:
    open_server = server(url, **changes)
    try:
        return open_server.post("/ask", {"question": 1})
    finally:
        open_server.close()


@pytest.mark.parametrize(
    "fault",
    [
        (429, {}, b""),
        (500, {}, b"oops"),
        (503, {"Retry-After": "0.01"}, b""),
        (200, {}, b'{"said": '),  # JSON cut short
        (200, {}, b"[" * 100_000),
        (200, {"Content-Length": "50"}, b'{"said": 1}'),  # fewer bytes than announced
        None,  # hangs up
    ],
)
def test_a_server_that_recovers_is_asked_again(fault: tuple | None):
    with served(lambda number, *_: fault if number < 2 else OK) as url:
        assert asked(url, timeout_seconds=1.0) == {"said": 1}


def test_a_server_that_stays_broken_is_given_up_with_what_it_said():
    numbers = []

    def reply(number: int, *_: object):
        numbers.append(number)
        return 500, {}, b""

    with served(reply) as url, pytest.raises(ShardError, match=r"no answer in 4 tries.*HTTP 500"):
        asked(url)
    assert numbers == [0, 1, 2, 3]


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(ShardError, match=r"127\.0\.0\.1:9.*no answer in 4 tries"):
        asked("http://127.0.0.1:9/v1")


def test_a_slow_server_is_not_waited_for():
    def reply(*_: object):
        time.sleep(0.6)
        return OK

    begun = time.monotonic()
    with served(reply) as url, pytest.raises(ShardError, match="took too long"):
        asked(url, timeout_seconds=0.05, attempts=2)
    assert time.monotonic() - begun < 3  # twice .05 s, and what the server still had to do


@pytest.mark.parametrize(
    ("begin", "drip"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"a"),  # a header that never ends
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"A: b\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n1", b" "),  # a body that is JSON wherever it is cut off
    ],
)
def test_a_server_that_drips_is_not_waited_for(begin: bytes, drip: bytes):
    begun = time.monotonic()
    with dripping(begin, drip) as url, pytest.raises(ShardError, match="took too long"):
        asked(url, timeout_seconds=0.3, attempts=1)
    assert time.monotonic() - begun < 3


def test_a_huge_answer_is_not_read_to_its_end():
    body = b'"' + b"a" * (6 << 20) + b'"'

    refused = pytest.raises(ShardError, match="more than 4,194,304 bytes")
    with served(lambda *_: (200, {}, body)) as url, refused:
        asked(url, attempts=1)


def test_a_redirect_is_not_followed():
    reached = []

    def elsewhere(*_: object):
        reached.append(1)
        return OK

    with served(elsewhere) as other:
        location = {"Location": f"{other}/ask"}
        refused = pytest.raises(RecipeError, match="not followed")
        with served(lambda *_: (307, location, b"")) as url, refused:
            asked(url)
    assert reached == []


def test_a_question_that_the_server_refuses_is_not_asked_again():
    numbers = []

    def reply(number: int, *_: object):
        numbers.append(number)
        return 400, {}, b'{"error": "the prompt exceeds the context"}'

    with served(reply) as url, pytest.raises(RecipeError, match="exceeds the context"):
        asked(url)
    assert numbers == [0]


def test_the_key_is_sent_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JUDGE_KEY", KEY)
    sent = {}

    def reply(_: int, path: str, content: dict, headers: dict):
        sent.update(headers, path=path, content=content)
        return OK

    with served(reply) as url:
        asked(url, key_variable="JUDGE_KEY")
    assert sent["Authorization"] == f"Bearer {KEY}"
    assert (sent["path"], sent["content"]) == ("/v1/ask", {"question": 1})


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("status", [200, 400, 401, 403, 500])
def test_the_key_is_in_no_message_even_if_the_server_repeats_it(
    monkeypatch: pytest.MonkeyPatch, status: int, end: str
):
    monkeypatch.setenv("JUDGE_KEY", KEY + end)
    body = (json.dumps({"error": f"incorrect key {KEY}"}) + "no JSON").encode()

    with served(lambda *_: (status, {}, body)) as url:
        open_server = server(url, key_variable="JUDGE_KEY", attempts=1)
        with pytest.raises(CuratorError) as caught:
            open_server.post("/ask", {})
        open_server.close()
    assert KEY not in str(caught.value) + repr(caught.value) + repr(open_server)


def test_a_key_in_the_first_line_of_an_answer_is_not_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JUDGE_KEY", KEY)
    begin = f"HTTP/1.1 500 {KEY}\r\nContent-Length: 0\r\n\r\n".encode()

    with dripping(begin, b"") as url, pytest.raises(ShardError, match="HTTP 500") as caught:
        asked(url, key_variable="JUDGE_KEY", attempts=1)
    assert KEY not in str(caught.value)


def test_a_missing_key_is_refused_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("JUDGE_KEY", raising=False)

    with pytest.raises(RecipeError, match="JUDGE_KEY is empty or not set"):
        asked("http://127.0.0.1:9/v1", key_variable="JUDGE_KEY")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "ftp://host/v1"}, "wanted http"),
        ({"url": "file:///etc/passwd"}, "wanted http"),
        ({"url": "https://user:secret@host/v1"}, "has a user"),
        ({"url": "https://host/v1?key=secret"}, "a user, query or fragment"),
        ({"url": "http://example.org/v1", "key_variable": "KEY"}, "can be read; use https"),
        ({"url": "https://host/v1", "key_variable": "sk-abc-123"}, "never the key itself"),
        ({"url": "https://host/v1", "attempts": 0}, "attempts=0"),
        ({"url": "https://host/v1", "timeout_seconds": 1e300}, r"timeout_seconds=1e\+300"),
        ({"url": "https://host/v1", "timeout_seconds": float("nan")}, "timeout_seconds=nan"),
        ({"url": "https://host/v1", "attempts": 10**6}, "attempts=1000000"),
        ({"url": "user:secret@host/v1"}, "wanted http"),
        ({"url": "https://host:99999/v1"}, "out of range"),
        ({"url": "https://[host/v1"}, "wanted scheme, host"),
    ],
)
def test_a_place_that_should_not_be_asked_is_refused(settings: dict, message: str):
    with pytest.raises(RecipeError, match=message) as caught:
        Server(**settings)

    assert "secret" not in str(caught.value)
    assert "sk-abc" not in str(caught.value)


@pytest.mark.parametrize(
    ("told", "least", "most"),
    [
        ("0.2", 0.2, 0.2),
        ("600", 60.0, 60.0),  # longer than anyone waits
        ("nan", 0.0, 0.0),
        ("soon", 0.0, 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0, 0.0),
        (email.utils.formatdate(time.time() + 9000, usegmt=True), 60.0, 60.0),
        ("Wed, 21 Oct 999999 07:28:00 GMT", 0.0, 60.0),
    ],
)
def test_a_server_is_left_alone_for_as_long_as_it_asks(
    monkeypatch: pytest.MonkeyPatch, told: str, least: float, most: float
):
    pauses: list[float] = []
    monkeypatch.setattr("curator.generate.exchange.time.sleep", pauses.append)
    busy = (429, {"Retry-After": told}, b"")
    with served(lambda number, *_: busy if number < 1 else OK) as url:
        assert asked(url, pause_seconds=0.0) == {"said": 1}

    assert least <= pauses[0] <= most


def test_pauses_double_and_are_not_in_step(monkeypatch: pytest.MonkeyPatch):
    pauses: list[float] = []
    monkeypatch.setattr("curator.generate.exchange.time.sleep", pauses.append)
    with served(lambda *_: (500, {}, b"")) as url, pytest.raises(ShardError):
        asked(url, pause_seconds=8.0, attempts=6)

    assert all(min(60, 8 * 2**n) / 2 <= pause <= 60 for n, pause in enumerate(pauses))
    assert len(set(pauses)) > 2
