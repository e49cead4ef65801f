"""How much of what a writer rewrites passes, and why the rest does not.

    python -m bench.writers --files ../shared/data/corpora/web_text/slimpajama_web.jsonl.zst \
        [--passages 100] [--style medium] [--url URL --model NAME] [--minutes 20]

One passage of each of so many documents, drawn evenly from the files, is rewritten by SmolLM2-135M
through llama.cpp on loopback, or by the model that an endpoint serves; every fault is counted, and
so are words said again. Stops asking after so many minutes and says how many were asked.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.families import records
from curator.generate.asking import Answer, Request
from curator.generate.endpoint import Endpoint
from curator.generate.exchange import Server
from curator.refine.faithfulness import copied_share
from curator.refine.passages import guessed_tokens, passages_of
from curator.refine.wrap import Wrap
from curator.testing import documents
from tests.support.judges import SMOLLM2, llama_server

_LEAST_TOKENS = 60  # of a passage: shorter ones are headings and menus


def main() -> None:
    """Ask, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=Path, nargs="+", required=True)
    parser.add_argument("--passages", type=int, default=100)
    parser.add_argument("--style", default="medium")
    parser.add_argument("--url", default="")
    parser.add_argument("--model", default=SMOLLM2)
    parser.add_argument("--minutes", type=float, default=20.0)
    asked = parser.parse_args()
    passages = drawn(asked.files, asked.passages)
    with contextlib.ExitStack() as stack:
        url = asked.url or stack.enter_context(llama_server())
        refiner = Wrap(styles=(asked.style,), url=url, model=asked.model)
        backend = Endpoint(Server(url, timeout_seconds=600), asked.model, concurrency=1)
        print_table(refiner, passages, dict(answered(refiner, passages, backend, asked.minutes)))


def drawn(files: list[Path], count: int) -> list[str]:
    """Return one passage of each of so many documents, evenly spaced over the files."""
    texts = [one["text"] for file in files for one in records(file)]
    places = np.linspace(0, len(texts) - 1, min(len(texts), 3 * count)).astype(int)
    found: list[str] = []
    for text in (texts[place] for place in places):
        fit = [one.text for one in passages_of(text, 300) if not one.over]
        fit = [one for one in fit if guessed_tokens(one) >= _LEAST_TOKENS]
        found += fit[len(fit) // 2 :][:1]
    return [found[place] for place in np.linspace(0, len(found) - 1, count).astype(int)]


def answered(
    refiner: Wrap, passages: list[str], backend: Endpoint, minutes: float
) -> Iterator[tuple[str, Answer]]:
    """Yield passages and answers until the time is over."""
    until = time.monotonic() + 60 * minutes
    for passage in passages:
        requests: list[Request] = []
        refiner.write(functools.partial(kept, requests), documents([passage]))
        if requests and time.monotonic() < until:
            yield passage, next(iter(backend.answers(requests[:1])))[1]


def kept(into: list[Request], requests: Sequence[Request]) -> list[Answer]:
    """Keep what is asked; answer nothing."""
    into += requests
    return [Answer()] * len(requests)


def print_table(refiner: Wrap, passages: list[str], said: dict[str, Answer]) -> None:
    """Print what became of the answers."""
    made, texts = Counter[str](), []
    for passage, answer in said.items():
        found = refiner.write(lambda _, one=answer: [one], documents([passage]))
        reason = found.outcome["reason"][0].as_py()
        made[(reason or "accepted").removeprefix("wrap.")] += 1
        texts += [(passage, text) for text in found.children["text"].to_pylist()]
    print(f"{len(said)} of {len(passages)} passages asked about")
    for reason, count in made.most_common():
        print(f"| {reason} | {count} | {count / len(said):.0%} |")
    tokens = sum(answer.tokens for answer in said.values())
    print(f"{tokens} tokens generated")
    if texts:
        before, after = (pa.array(one, pa.large_string()) for one in zip(*texts, strict=True))
        copied = copied_share(after, before)
        print(f"5-grams of accepted texts that are their passage's: median {np.median(copied):.0%}")


if __name__ == "__main__":
    main()
