"""Tokens a second of curator's trainer and two peers', side by side in one run.

python -m bench.throughput --sizes 0.1M 0.8M 2M --layouts 2x1 1x2

Systems take turns within one process (A B C A B C ...), a few whole training steps each, so that
whatever else the machine does meets all of them; a ratio is the median over turns. A layout is
processes x threads: 2x1 is two runs at once, one core each, and its speed is their sum. Every peer
runs in each precision that it knows and is judged by its fastest; --compiled adds torch.compile,
which both peers use by default (it takes a minute to begin with).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.peer_models.system import Plan, System
from bench.peer_models.systems import BATCH_TOKENS, CONTEXT, PEERS, SIZES, build, shape_of

VARIANTS = (
    "ours/autocast",
    "nanochat/autocast",
    "nanochat/fp32",
    "nanogpt/autocast",
    "nanogpt/fp32",
)
ON_A_GPU = ("ours/autocast", "nanochat/autocast", "nanochat/bf16", "nanogpt/autocast")
WARMUP_STEPS = 2
CLOCKS = ("wall", "cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--layouts", nargs="+", default=["2x1", "1x2"], help="processes x threads")
    parser.add_argument("--variants", nargs="+", help="as nanogpt/fp32")
    parser.add_argument("--compiled", action="store_true", help="the peers by torch.compile too")
    parser.add_argument("--vocab", type=int, default=2048)
    parser.add_argument("--context", type=int, default=CONTEXT)
    parser.add_argument("--batch-tokens", type=int, default=BATCH_TOKENS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one turn, about")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="a JSON file for all turns")
    asked = parser.parse_args()
    if asked.variants is None:
        asked.variants = list(ON_A_GPU if asked.device == "cuda" else VARIANTS)
        if asked.compiled:
            asked.variants += [f"{each}/compiled" for each in asked.variants[1:]]
    layouts = asked.layouts if asked.device == "cpu" else ["1x1"]
    found = {}
    for size in asked.sizes:
        for layout in layouts:
            processes, threads = map(int, layout.split("x"))
            turns = side_by_side(asked, size, processes, threads)
            found[f"{size} {layout}"] = turns
            report(size, layout, turns, asked.variants)
    if asked.out:
        asked.out.write_text(json.dumps(found))


Turns = dict[str, list[dict[str, float]]]


def side_by_side(asked: argparse.Namespace, size: str, processes: int, threads: int) -> list[Turns]:
    """Return every process's turns: variant -> tokens a second by wall and by CPU, a turn each."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    with context.Pool(processes, _share, (barrier,)) as pool:
        work = [(vars(asked), size, threads)] * processes
        return pool.map(_measure, work, chunksize=1)


_BARRIER: Any = None


def _share(barrier: Any) -> None:
    global _BARRIER
    _BARRIER = barrier


def _measure(given: tuple[dict[str, Any], str, int]) -> Turns:
    asked, size, threads = given
    torch.set_num_threads(threads)
    shape = shape_of(size, asked["vocab"], asked["context"])
    batch = torch.randint(
        asked["vocab"],
        (asked["batch_tokens"] // shape.context, shape.context + 1),
        generator=torch.Generator().manual_seed(0),
    ).to(asked["device"])
    systems = {}
    for variant in asked["variants"]:
        name, precision, *compiled = variant.split("/")
        plan = Plan(
            shape=shape,
            steps=10_000,
            batch_tokens=asked["batch_tokens"],
            precision=precision,
            device=asked["device"],
            compiled=bool(compiled),
        )
        systems[variant] = build(name, plan)
    lengths = {}
    for variant, system in systems.items():
        _steps(system, batch, WARMUP_STEPS)
        second, _ = _steps(system, batch, WARMUP_STEPS)
        lengths[variant] = max(1, round(asked["seconds"] * WARMUP_STEPS / second))
    turns: Turns = {variant: [] for variant in systems}
    _BARRIER.wait()
    for _ in range(asked["rounds"]):
        for variant, system in systems.items():
            wall, cpu = _steps(system, batch, lengths[variant])
            tokens = lengths[variant] * asked["batch_tokens"]
            turns[variant].append({"wall": tokens / wall, "cpu": tokens / cpu})
    return turns


def _steps(system: System, batch: torch.Tensor, steps: int) -> tuple[float, float]:
    """Return the seconds of so many training steps, by the wall and of this process's CPU."""
    _settle(batch)
    wall, cpu = time.perf_counter(), time.process_time()
    for step in range(steps):
        system.compute_loss(batch[:, :-1], batch[:, 1:]).backward()
        system.move(step)
    _settle(batch)
    return time.perf_counter() - wall, max(1e-9, time.process_time() - cpu)


def _settle(batch: torch.Tensor) -> None:
    if batch.is_cuda:
        torch.cuda.synchronize()


def report(size: str, layout: str, processes: list[Turns], variants: list[str]) -> None:
    """Print speeds and ratios; ratios turn by turn in each process, then the median."""
    print(f"\n{size}, {layout} (processes x threads)", flush=True)
    ours = variants[0]
    ratios = {}
    for clock in ("wall", "cpu"):
        for variant in variants:
            ratios[clock, variant] = np.concatenate(
                [
                    [a[clock] / b[clock] for a, b in zip(turns[ours], turns[variant], strict=True)]
                    for turns in processes
                ]
            )
    for variant in variants:
        speed = sum(np.median([turn["wall"] for turn in turns[variant]]) for turns in processes)
        wall, cpu = (np.quantile(ratios[clock, variant], (0.5, 0.25, 0.75)) for clock in CLOCKS)
        print(
            f"  {variant:26s} {speed:9,.0f} tokens/s   ours / it: {wall[0]:5.2f} by the wall "
            f"[{wall[1]:.2f}, {wall[2]:.2f}], {cpu[0]:5.2f} by CPU seconds"
        )
    peers = [variant for variant in variants if variant.split("/")[0] in PEERS]
    for clock in CLOCKS:
        worst = min(peers, key=lambda each: float(np.median(ratios[clock, each])))
        least = float(np.median(ratios[clock, worst]))
        print(f"  against the fastest peer by {clock}: {least:.2f} times ({worst})", flush=True)


if __name__ == "__main__":
    main()
