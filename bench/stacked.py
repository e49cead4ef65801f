"""Many tiny proxies in one stack against the same proxies one after another, tokens a second.

    python -m bench.stacked [--proxies 32] [--proxy d4] [--vocabulary 4096] [--compile]

Both go through what users call (`train_stack`, `train`) on random tokens, data and optimizer
included, on a GPU where there is one; steps that warm up are not counted. The target, 8 times for
32 proxies of 1M parameters, is meant for a GPU: d4 has 0.8M in its blocks and 0.5M in a head of
4,096 tokens. On a CPU, where a process a proxy is the default, --proxies 4 --proxy d2 shows that
it runs. `--one` proxies (2) stand for all: one after another, they take equal times.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from curator.identity import document_ids
from curator.shards import write_shard
from curator.train.loop import Progress, compute_dtype, train
from curator.train.proxy import Proxy, find_proxy
from curator.train.stacked import Member, train_stack

DOCUMENT_TOKENS = 500
WARM_STEPS = 40


@dataclass
class Clock:
    """Seconds of the steps after the warm-up, as a run's progress tells them.

    On a CPU they are of the processor, so that other work on the machine counts little.
    """

    times: list[tuple[int, float]] = field(default_factory=list)

    def __call__(self, progress: Progress) -> None:
        if progress.step >= WARM_STEPS:
            now = time.perf_counter if torch.cuda.is_available() else time.process_time
            self.times.append((progress.step, now()))

    @property
    def step_seconds(self) -> float:
        (first, began), (last, ended) = self.times[0], self.times[-1]
        return (ended - began) / (last - first)


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--proxies", type=int, default=32)
    parser.add_argument("--one", type=int, default=2)
    parser.add_argument("--proxy", default="d4")
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=200, help="of the stack, after the warm-up")
    parser.add_argument("--compile", action="store_true")
    asked = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    proxy = find_proxy(asked.proxy)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        mixture = random_mixture(place / "mixture", asked.vocabulary)
        tokens = (WARM_STEPS + asked.steps) * proxy.batch_tokens

        def alone(number: int, clock: Clock) -> None:
            train(
                mixture, proxy, tokens=tokens, seed=number, order_seed=number,
                out=place / f"one-{number}", device=device, compiled=asked.compile, progress=clock,
            )  # fmt: skip

        def together(clock: Clock) -> None:
            members = [Member(mixture, n, n, place / f"stack-{n}") for n in range(asked.proxies)]
            train_stack(
                members, proxy, tokens=tokens, device=device, compiled=asked.compile,
                progress=clock,
            )  # fmt: skip

        single = [timed(lambda clock, n=n: alone(n, clock)) for n in range(asked.one)]
        stacked = timed(together)
    print(json.dumps(told(proxy, asked.proxies, device, single, stacked, asked.vocabulary)))


def timed(run: Callable[[Clock], None]) -> float:
    """Seconds of one step of a run."""
    clock = Clock()
    run(clock)
    return clock.step_seconds


def told(
    proxy: Proxy, proxies: int, device: str, single: list[float], stacked: float, vocabulary: int
) -> dict[str, float | int | str]:
    """What is printed."""
    one, shape = sum(single) / len(single), proxy.shape(vocabulary)
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "precision": str(compute_dtype(proxy.precision, device)),
        "proxies": proxies,
        "block_parameters": shape.block_parameters,
        "all_parameters": shape.block_parameters + 2 * vocabulary * shape.width,
        "one_ms_a_step": round(1e3 * one, 3),
        "stack_ms_a_step": round(1e3 * stacked, 3),
        "one_tokens_per_second": round(proxy.batch_tokens / one),
        "stack_tokens_per_second": round(proxies * proxy.batch_tokens / stacked),
        "ratio": round(one * proxies / stacked, 2),
    }


def random_mixture(folder: Path, vocabulary: int, documents: int = 4000) -> Path:
    """Write a mixture of random tokens: the time of a step does not depend on what they say."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    tokens = chance.integers(1, vocabulary, (documents, DOCUMENT_TOKENS), dtype=np.uint16)
    tokens[:, 0] = 0
    (folder / "tokens.bin").write_bytes(tokens.tobytes())
    names = pa.array([str(number) for number in range(documents)])
    index = pa.table(
        {
            "doc_id": document_ids("random", names),
            "source": pa.array(["random"] * documents),
            "epoch": pa.array([0] * documents, pa.uint16()),
            "offset": np.arange(documents, dtype=np.int64) * DOCUMENT_TOKENS,
            "length": np.full(documents, DOCUMENT_TOKENS, dtype=np.int64),
        }
    )
    write_shard(index, folder / "index.arrow", name="index")
    described = {
        "tokenizer_digest": "0" * 32,
        "vocab_size": vocabulary,
        "bos_id": 0,
        "dtype": "uint16",
        "draw_hash": f"{vocabulary:032x}",
    }
    (folder / "mixture.json").write_text(json.dumps(described))
    return folder


if __name__ == "__main__":
    main()
