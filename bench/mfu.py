"""Model FLOPs utilization of one GPU: arithmetic that training needs over what the GPU could do.

    python -m bench.mfu [--depth 12] [--width 768] [--context 1024] [--rows 32] [--steps 50]

A model of 124M parameters in its products (85M in blocks, 39M in a head of 50,304 tokens; the
embedding's 39M multiply nothing), bfloat16, torch.compile, optimizer included, random tokens made
on the device. MFU counts 6 FLOPs a weight and token and attention's own as if not causal
(Chowdhery et al. 2022, arXiv:2204.02311, appendix B: `Shape.flops_per_token`); Muon's own products
are not counted. Without a GPU it runs a step of a miniature, which shows only that it runs.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import torch

from curator.train.loop import compute_dtype
from curator.train.model import Gpt
from curator.train.optim import Optimizer
from curator.train.proxy import Rates, Shape

HEAD_WIDTH = 128  # what attention kernels of Hopper are fastest at; nanochat's too
# Dense bfloat16 FLOP/s. NVIDIA's data sheets give figures with 2:4 sparsity, twice these:
# A100 624 TFLOP/s, H100 SXM 1,979, H100 PCIe 1,513, H200 SXM 1,979. Others: give --peak.
PEAKS = {
    "H100 PCIe": 756.5e12,
    "H200": 989.5e12,
    "H100": 989.5e12,
    "A100": 312e12,
}


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depth", type=int, default=12)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--context", type=int, default=1024)
    parser.add_argument("--vocabulary", type=int, default=50_304)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--warm-steps", type=int, default=10)
    parser.add_argument("--peak", type=float, help="of this device, FLOP/s, if it is not known")
    parser.add_argument("--eager", action="store_true", help="without torch.compile")
    asked = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        asked.depth, asked.width, asked.context, asked.vocabulary = 2, 64, 64, 512
        asked.rows, asked.steps, asked.warm_steps = 2, 3, 1
    shape = Shape(
        vocab_size=asked.vocabulary,
        context=asked.context,
        depth=asked.depth,
        width=asked.width,
        heads=max(1, asked.width // HEAD_WIDTH),
    )
    step = step_of(shape, asked.rows, device, compiled=not asked.eager)
    seconds = timed(step, asked.warm_steps, asked.steps, device)
    print(json.dumps(told(shape, asked.rows * asked.context, seconds, device, asked.peak)))


def step_of(shape: Shape, rows: int, device: str, *, compiled: bool) -> Callable[[], None]:
    """A function that takes one training step."""
    model = Gpt(shape, compute=compute_dtype("bf16", device)).to(device)
    if compiled:
        model.compile()
    optimizer = Optimizer(model, Rates())
    chance = torch.Generator(device).manual_seed(0)
    size = (rows, shape.context + 1)
    tokens = torch.randint(0, shape.vocab_size, size, generator=chance, device=device)

    def step() -> None:
        model.loss(tokens[:, :-1], tokens[:, 1:]).backward()
        optimizer.step(1.0)

    return step


def timed(step: Callable[[], None], warm: int, steps: int, device: str) -> float:
    """Seconds of one step, the device's work waited for."""
    for _ in range(warm):
        step()
    wait(device)
    began = time.perf_counter()
    for _ in range(steps):
        step()
    wait(device)
    return (time.perf_counter() - began) / steps


def wait(device: str) -> None:
    """Return when the device has done its work."""
    if device == "cuda":
        torch.cuda.synchronize()


def told(
    shape: Shape, tokens: int, seconds: float, device: str, peak: float | None
) -> dict[str, float | str | None]:
    """What is printed; `mfu` is null where the device's peak is not known."""
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    peak = peak or next(
        (flops for key, flops in PEAKS.items() if key in name and "NVL" not in name), None
    )
    rate = shape.flops_per_token * tokens / seconds
    return {
        "device": name,
        "parameters_in_products": shape.block_parameters + shape.width * shape.vocab_size,
        "tokens_a_step": tokens,
        "ms_a_step": round(1e3 * seconds, 2),
        "tokens_per_second": round(tokens / seconds),
        "tflops_per_second": round(rate / 1e12, 3),
        "peak_tflops_per_second": peak and peak / 1e12,
        "mfu": peak and round(rate / peak, 4),
    }


if __name__ == "__main__":
    main()
