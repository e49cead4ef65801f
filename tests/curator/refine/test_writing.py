from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from curator.errors import BudgetError, CuratorError, RecipeError, ShardError
from curator.generate.client import Client, Cost, Limits
from curator.generate.templates import Template
from curator.generate.transcripts import read_kept, write_transcript
from curator.refine.refiner import Refined, children_of, outcome_of, refined
from curator.refine.writing import Ask, Writing
from curator.stage import Site
from curator.testing import documents
from tests.support.judges import served
from tests.support.writers import Block, Marked, Scripted, write_block

TITLE = Template("title", "1", "Give a title: {{text}}")
LONGER = Template("longer", "1", "{{title}}: tell more of {{text}}")
TEXTS = ["one text", "another text", "and a third"]


@dataclass(frozen=True)
class Titles(Writing):
    """Two rounds: a title, and for those that have one, more text."""

    name: ClassVar[str] = "titles"
    version: ClassVar[int] = 1

    @property
    def templates(self) -> tuple[Template, ...]:
        return TITLE, LONGER

    def write(self, ask: Ask, table: pa.Table) -> Refined:
        texts = table["text"].to_pylist()
        ids = [one.hex() for one in table["doc_id"].to_pylist()]
        drawn = {"temperature": self.temperature, "top_p": self.top_p, "seed": self.seed}
        titles = ask(
            [TITLE.request({"text": text}, documents=[one], max_tokens=5, **drawn)
             for text, one in zip(texts, ids, strict=True)]
        )  # fmt: skip
        rows = [row for row, title in enumerate(titles) if title.text]
        more = ask(
            [LONGER.request({"text": texts[row], "title": titles[row].text},
                            documents=[ids[row]], max_tokens=9, **drawn)
             for row in rows]
        )  # fmt: skip
        made = [(row, one.text) for row, one in zip(rows, more, strict=True) if one.text]
        reasons = [f"titles.{one.finish}" if not one.text else None for one in titles]
        children = children_of([row for row, _ in made], [text for _, text in made])
        return Refined(children, outcome_of([True] * len(texts), reasons))


def reply(text: str, finish: str = "stop", tokens: int = 3) -> tuple[int, dict, bytes]:
    choice = {"message": {"content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": 7, "completion_tokens": tokens}
    return 200, {}, json.dumps({"choices": [choice], "usage": usage}).encode()


def answered(content: dict[str, Any]) -> str:
    return "So " + content["messages"][-1]["content"][-20:]


def test_what_is_written_becomes_children_of_their_documents():
    writer = Scripted(lambda one: f"about {one.prompt[-6:]}")
    found = Titles(model="m", url="http://localhost:1/v1").refine(Client(writer), documents(TEXTS))

    assert found.children["row"].to_pylist() == [0, 1, 2]
    assert found.children["text"][0].as_py() == "about e text"
    assert len(writer.asked) == 6


def test_the_cost_is_rehearsed_and_nothing_is_asked():
    writer = Scripted(lambda one: "words")
    client = Client(writer, limits=Limits(max_tokens=10_000))
    refiner = Titles(model="m", url="http://localhost:1/v1")

    # Without an answer there is no second round to count yet.
    assert refiner.cost(client, documents(TEXTS)).requests == 3
    assert refiner.cost(client, documents(TEXTS)).tokens == 3 * 5 + (5 + 5 + 6)
    assert writer.asked == []
    refiner.refine(client, documents(TEXTS))
    assert refiner.cost(client, documents(TEXTS)) == Cost()


@pytest.mark.parametrize("limit", [{"max_requests": 5}, {"max_tokens": 50}])
def test_more_than_the_limits_is_refused_by_name(limit: dict):
    refiner = Titles(model="m", url="http://localhost:1/v1", **limit)

    refiner.afford(Cost(5, 50))
    with pytest.raises(BudgetError, match=r"titles takes 6 requests .* smaller pieces"):
        refiner.afford(Cost(6, 51))


class Counting:
    """Serves titles; counts the questions; has faults before the answers to some."""

    def __init__(self, *faults: Any) -> None:
        self.faults = list(faults)
        self.answers = 0

    def __call__(self, number: int, _: str, content: dict[str, Any], __: dict) -> Any:
        if self.faults and number % 2 == 0:
            return self.faults.pop(0)
        self.answers += 1
        return reply(answered(content))


def titles(url: str, **settings: Any) -> Titles:
    return Titles(model="served", url=url, **({"attempts": 3, "timeout_seconds": 0.5} | settings))


@pytest.fixture(autouse=True)
def _hardly_a_pause(monkeypatch: pytest.MonkeyPatch):
    real = time.sleep
    monkeypatch.setattr("curator.generate.exchange.time.sleep", lambda s: real(min(s, 0.01)))


HUGE = (200, {}, b'"' + b"a" * (5 << 20) + b'"')


@pytest.mark.parametrize(
    "fault",
    [
        (429, {"Retry-After": "0.01"}, b""),
        (429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, b""),
        (500, {}, b"oops"),
        (503, {}, b"<html>"),
        (200, {"Content-Length": "900"}, b'{"choices": [{"mess'),  # a stream that breaks off
        (200, {}, b'{"choices": [{"message": {"content": "half of'),
        HUGE,
        None,  # hangs up
    ],
)
def test_a_faulty_server_costs_a_pause_and_no_answer(tmp_path: Path, fault: Any):
    counting = Counting(fault, fault)
    with served(counting) as url:
        refiner = titles(url, concurrency=1)
        found = refined(refiner, refiner.load(Site(cache=tmp_path)), documents(TEXTS), name="t")

    assert found.children.num_rows == 3
    assert counting.answers == 6


def test_a_killed_run_never_pays_twice(tmp_path: Path):
    def down_after(number: int, _: str, content: dict[str, Any], __: dict) -> Any:
        return reply(answered(content)) if number < 4 else (500, {}, b"")

    with served(down_after) as url:
        refiner = titles(url, concurrency=1)
        with pytest.raises(ShardError, match="answers so far are kept"):
            refiner.refine(refiner.load(Site(cache=tmp_path)), documents(TEXTS))
    counting = Counting()
    with served(counting) as url:
        refiner = titles(url)
        client = refiner.load(Site(cache=tmp_path))
        assert refiner.cost(client, documents(TEXTS)).requests == 2
        found = refiner.refine(client, documents(TEXTS))

    assert counting.answers == 2
    assert found.children.num_rows == 3


def test_kept_answers_are_a_transcript_that_replays_the_run(tmp_path: Path):
    with served(Counting()) as url:
        refiner = titles(url, temperature=0.7, seed=5)
        first = refiner.refine(refiner.load(Site(cache=tmp_path)), documents(TEXTS))
    (kept,) = tmp_path.glob("answers-*.jsonl")
    write_transcript(read_kept(kept), tmp_path / "ledger.jsonl")
    again = Titles(transcript=str(tmp_path / "ledger.jsonl"), temperature=0.7, seed=5)
    door = again.load(Site(cache=tmp_path / "none"))

    assert again.refine(door, documents(TEXTS)).children == first.children
    assert again.cost(door, documents(TEXTS)) == Cost()
    other = Titles(transcript=again.transcript, temperature=0.7, seed=6)
    with pytest.raises(RecipeError, match="have no recorded answer"):
        other.refine(other.load(Site()), documents(TEXTS))
    with pytest.raises(RecipeError, match="have no recorded answer"):
        again.refine(door, documents(["a text that was never asked about"]))


def test_what_is_cut_or_refused_says_so(tmp_path: Path):
    def some(number: int, _: str, content: dict[str, Any], __: dict) -> Any:
        said = content["messages"][-1]["content"]
        if "another" in said:
            return 400, {}, b'{"error": "too long"}'
        return reply("" if "third" in said else "a title", "content_filter")

    with served(some) as url:
        refiner = titles(url, skip_refused=True)
        found = refiner.refine(refiner.load(Site()), documents(TEXTS))
        strict = titles(url)
        with pytest.raises(RecipeError, match="too long"):
            strict.refine(strict.load(Site()), documents(TEXTS))

    assert found.outcome["reason"].to_pylist() == [None, "titles.refused", "titles.refused"]


def test_a_server_that_refuses_everything_ends_the_run_anyway():
    with served(lambda *_: (422, {}, b'{"error": "no such field"}')) as url:
        refiner = titles(url, skip_refused=True)
        with pytest.raises(RecipeError, match="no such field"):
            refiner.refine(refiner.load(Site()), documents([f"text {n}" for n in range(8)]))


@pytest.mark.parametrize(
    "text",
    ["\ud800 half a character", "a" * 200_000, "<|im_end|>\x00{{text}}", "\U0001f600" * 140_000],
)
def test_whatever_a_model_writes_can_be_kept_and_read_again(tmp_path: Path, text: str):
    with served(lambda *_: reply(text)) as url:
        refiner = titles(url)
        first = refiner.refine(refiner.load(Site(cache=tmp_path)), documents(TEXTS))
        again = titles(url, max_requests=0)
        second = again.refine(again.load(Site(cache=tmp_path)), documents(TEXTS))

    assert second.children == first.children
    assert all(len(one) <= 1 << 17 for one in first.children["text"].to_pylist())


def test_how_tokens_are_drawn_is_sent(tmp_path: Path):
    sent: list[dict] = []

    def watched(_: int, path: str, content: dict[str, Any], __: dict) -> Any:
        sent.append(content)
        return reply("a title")

    with served(watched) as url:
        refiner = titles(url, temperature=0.7, top_p=0.9, seed=3)
        refiner.refine(refiner.load(Site()), documents(TEXTS[:1]))

    assert [sent[0][name] for name in ("temperature", "top_p", "seed")] == [0.7, 0.9, 3]
    assert "seed" not in _sent_without_temperature()


def _sent_without_temperature() -> dict[str, Any]:
    sent: list[dict] = []
    with served(lambda _, __, content, ___: (sent.append(content), reply("t"))[1]) as url:
        refiner = titles(url)
        refiner.refine(refiner.load(Site()), documents(TEXTS[:1]))
    return sent[0]


def test_the_wording_and_the_writer_name_the_work_but_how_it_is_asked_does_not():
    names = [
        json.dumps(one.identity(), sort_keys=True)
        for one in (
            titles("http://localhost:1/v1"),
            titles("http://localhost:2/v1", concurrency=9, max_requests=4),
            titles("http://localhost:1/v1", temperature=1.0),
            Titles(model="other", url="http://localhost:1/v1"),
        )
    ]

    assert len(set(names)) == 3
    assert TITLE.digest in names[0]


def test_a_model_on_disk_is_not_opened_while_answers_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    weights = tmp_path / "model"
    weights.mkdir()
    (weights / "config.json").write_text("{}")  # nothing that could be opened
    refiner = Titles(model=str(weights))
    client = refiner.load(Site(cache=tmp_path))

    assert refiner.cost(client, documents(TEXTS)).requests == 3
    with pytest.raises(CuratorError, match="cannot read a causal language model"):
        refiner.refine(client, documents(TEXTS))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "no writer; give `model`"),
        ({"model": "m", "transcript": "t"}, "wanted one writer"),
        ({"model": "m", "url": "ftp://x"}, "wanted http"),
        ({"model": "m", "temperature": -1.0}, "temperature=-1.0"),
        ({"model": "m", "temperature": float("nan")}, "temperature=nan"),
        ({"model": "m", "top_p": 0.0}, "top_p=0.0"),
        ({"model": "m", "max_requests": -1}, "max_requests=-1"),
    ],
)
def test_a_writer_that_is_nobody_or_draws_from_nothing_is_refused(settings: dict, message: str):
    with pytest.raises(RecipeError, match=message):
        Titles(**settings)


@pytest.mark.parametrize("engine", ["inline", pytest.param("ray", marks=pytest.mark.ray)])
def test_workers_open_a_writer_once_and_pay_for_nothing_twice(
    tmp_path: Path, engine: str, request: pytest.FixtureRequest
):
    if engine == "ray":
        from curator.engine.on_ray import OnRay as Engine

        request.getfixturevalue("ray_session")
    else:
        from curator.engine.run import Inline as Engine
    opened, cache = tmp_path / "opened", tmp_path / "cache"
    opened.mkdir()
    counting = Counting()
    with served(counting) as url:
        refiner = Marked(model="served", url=url, folder=str(opened))
        blocks = [Block(refiner, (f"{n} a", f"{n} b"), cache) for n in range(8)]
        runs = []
        for _ in range(2):
            workers = Engine(workers=2)
            runs.append(dict(workers.map(write_block, blocks)))
            workers.close()

    assert runs[0] == runs[1]
    assert runs[0][3] == ["So Go on: 3 a", "So Go on: 3 b"]
    assert counting.answers == 16
    assert len(list(opened.iterdir())) < 2 * len(blocks)


@pytest.fixture(scope="module")
def llama() -> Iterator[str]:
    from tests.support.judges import llama_server

    with llama_server() as url:
        yield url


@pytest.mark.slow
def test_llama_cpp_writes_and_a_seed_repeats_it(llama: str, tmp_path: Path):
    table = documents(["The sea is salt because rivers carry salt into it."])
    texts = []
    for run in range(2):
        refiner = titles(llama, temperature=0.8, seed=7, timeout_seconds=120.0, concurrency=1)
        made = refiner.refine(refiner.load(Site(cache=tmp_path / str(run))), table)
        texts.append(made.children["text"].to_pylist())

    assert texts[0] == texts[1]
    assert len(texts[0]) == 1
