"""Answers from a server that speaks as OpenAI's does: llama.cpp, vLLM, SGLang, Ollama, and others.

Odds of the next token are read from `top_logprobs`, the 20 likeliest: what a server does not list
counts as 0, and their sum is checked where answers are read. Answers are decoded greedily unless a
request has a temperature; a seed is sent with it, and what a server makes of one is its own affair.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from curator.errors import PluginError, RecipeError, shown
from curator.generate.asking import LENGTH, REFUSED, STOP, Answer, Request, whole_text
from curator.generate.exchange import RefusedError, Server

_TOP = 20  # as many as OpenAI and vLLM list
# To guess a budget by where only the server can count; English has 4 to 5 with most tokenizers.
_CHARACTERS_A_TOKEN = 4
_ROUNDED = 0.01  # a logarithm may lie above 0 by what half precision rounds
# Servers say why an answer ended in these words; an unknown one is no reason to lose the answer.
_FINISHES = {"length": LENGTH, "max_tokens": LENGTH, "content_filter": REFUSED}
_MISTAKEN = 8  # questions, all of them refused: the fault is the settings', not a document's


class Endpoint:
    """A model behind a server.

    Args:
        server: whose url ends before /chat/completions, as in http://localhost:8080/v1.
        model: the server's name for it.
        concurrency: questions under way at most.
        skip_refused: whether a question that the server refuses by itself (HTTP 400, 413, 422: too
            long, not allowed) has the answer "" with the finish "refused"; else it ends the run.
    """

    def __init__(
        self, server: Server, model: str, *, concurrency: int = 4, skip_refused: bool = False
    ) -> None:
        if not model:
            raise RecipeError("an endpoint needs `model`: the name that its server knows it by")
        if concurrency < 1:
            raise RecipeError(f"concurrency={concurrency!r}; wanted 1 or more")
        self.model = f"endpoint {model}"
        self._name = model
        self._server = server
        self._concurrency = concurrency
        self._skip_refused = skip_refused

    def prompt_tokens(self, request: Request) -> int:
        """Return a guess: only the server counts."""
        return -(-len(request.prompt) // _CHARACTERS_A_TOKEN)

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """Yield answers as they come, with so many questions under way.

        Raises:
            RecipeError: the server refuses, or gives no odds.
            ShardError: it does not answer.
        """
        refused: list[tuple[int, RefusedError]] = []
        some = False
        for place, answer in self._answers(requests):
            if isinstance(answer, RefusedError):
                refused.append((place, answer))
            else:
                some = True
                yield place, answer
        if refused and not some and len(refused) >= _MISTAKEN:
            raise refused[0][1]
        for place, _ in refused:
            yield place, Answer(finish=REFUSED)

    def _answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer | RefusedError]]:
        pool = ThreadPoolExecutor(self._concurrency)
        waiting = iter(enumerate(requests))
        try:
            running = {
                pool.submit(self._ask, request): place
                for place, request in itertools.islice(waiting, self._concurrency)
            }
            failed: Future[Answer | RefusedError] | None = None
            while running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in sorted(done, key=running.__getitem__):
                    place = running.pop(future)
                    if future.exception() is None:
                        yield place, future.result()
                    else:
                        failed = failed or future
                # After a failure nothing is asked, but what is being answered is paid for.
                for place, request in itertools.islice(waiting, 0 if failed else len(done)):
                    running[pool.submit(self._ask, request)] = place
            if failed:
                failed.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            self._server.close()

    def _ask(self, request: Request) -> Answer | RefusedError:
        path, content = self._question(request)
        try:
            said = self._server.post(path, content)
        except RefusedError as refusal:
            if self._skip_refused and request.max_tokens:
                return refusal
            raise
        try:
            answer = _answer(said, request)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            why = self._server.without_key(f"{type(error).__name__}: {error}")
            quoted = shown(self._server.without_key(json.dumps(said)))
            raise PluginError(
                f"the server's answer is not OpenAI's ({why}): {quoted}; wanted choices with a "
                "message or text"
                + (" and logprobs: serve the model with log probabilities" * bool(request.forms)),
                where=self._server.url,
            ) from None
        return dataclasses.replace(answer, text=self._server.without_key(answer.text))

    def _question(self, request: Request) -> tuple[str, dict[str, Any]]:
        """Return the path and the JSON that ask it."""
        content: dict[str, Any] = {
            "model": self._name,
            "max_tokens": request.max_tokens or 1,
            "temperature": request.temperature or 0,
        }
        if request.temperature:
            content |= {"top_p": request.top_p, "seed": request.seed}
        if request.stop:
            content["stop"] = list(request.stop)
        if request.chat:
            told = [{"role": "system", "content": request.system}] if request.system else []
            content["messages"] = [*told, {"role": "user", "content": request.prompt}]
            if request.forms:
                content |= {"logprobs": True, "top_logprobs": _TOP}
            return "/chat/completions", content
        content["prompt"] = request.prompt
        if request.forms:
            content["logprobs"] = _TOP
        return "/completions", content


def _answer(said: Any, request: Request) -> Answer:
    choice = said["choices"][0]
    usage = said.get("usage") or {}
    text = choice["message"]["content"] if request.chat else choice["text"]
    finish = _FINISHES.get(str(choice.get("finish_reason")), STOP)
    if request.chat and choice["message"].get("refusal"):
        finish = REFUSED
    text, cut = ("", False) if request.forms else whole_text(str(text or ""))
    return Answer(
        text=text,
        odds=_odds(choice["logprobs"], request.forms) if request.forms else {},
        prompt_tokens=_count(usage.get("prompt_tokens")),
        tokens=_count(usage.get("completion_tokens")),
        finish=LENGTH if cut else STOP if request.forms else finish,
    )


def _count(told: Any) -> int:
    """Return how many tokens a server counted; 0 where it does not count."""
    if told is None:
        return 0
    if isinstance(told, bool) or not isinstance(told, int) or told < 0:
        raise ValueError(f"{shown(told)} tokens")
    return told


def _odds(logprobs: Mapping[str, Any], forms: Sequence[str]) -> dict[str, float]:
    """Return the probability of each spelling; tokens that print alike are summed."""
    found = dict.fromkeys(forms, 0.0)
    for token, logarithm in _listed(logprobs):
        if not logarithm <= _ROUNDED:  # NaN is not, either
            raise ValueError(f"{logarithm!r} is no logarithm of a probability")
        if token in found:
            found[token] += math.exp(min(0.0, logarithm))
    return {form: min(1.0, value) for form, value in found.items()}


def _listed(logprobs: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return the first token's alternatives; servers write them in two ways."""
    if "content" in logprobs:
        first = logprobs["content"][0]["top_logprobs"]
        return [(str(one["token"]), float(one["logprob"])) for one in first]
    return [(str(token), float(value)) for token, value in logprobs["top_logprobs"][0].items()]
