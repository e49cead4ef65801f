"""Exact nearest neighbors beside the machine's fastest matrix product, FAISS, an inverted file.

    python -m bench.neighbors [FILE.jsonl.zst ...] [--stored 1000000] [--queries 2048]

Unit vectors around random middles. For each number of threads, in turns: the fastest large square
float32 product (NumPy's BLAS in as many threads, torch's own), our exact top-k, FAISS's
IndexFlatIP. Printed: 10^9 operations a second of wall clock and of CPU, and the share of the peak
(median over turns, by wall and by CPU). CPU seconds are what to read on a machine that does other
things too; BLAS threads that wait spin. Then inverted files over static vectors of real documents,
if files are given: the recall that they measured for themselves, the recall of other documents'
queries, and what they cost.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bench.embedding import documents, processor
from curator.embed.encoder import open_encoder
from curator.embed.index import Inverted, open_index
from curator.embed.neighbors import Found, Neighbors

SQUARE = 2048
K = 10


class Rate(NamedTuple):
    """Operations a second, by wall clock and by CPU."""

    wall: float
    cpu: float


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--stored", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--queries", type=int, default=2048)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--listed", type=int, default=30_000, help="documents of inverted files")
    parser.add_argument("--half", action="store_true", help="store float16")
    asked = parser.parse_args()
    stored = drawn(asked.stored, asked.dimensions, 1)
    queries = drawn(asked.queries, asked.dimensions, 2)
    print(f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{len(queries)} queries, {len(stored)} x {asked.dimensions}, k = {K}")
    threadpool_limits(1, "blas")  # ours takes one for each of its own threads
    print("threads  system   GF/s wall  GF/s CPU  of peak: wall   CPU")
    operations = 2.0 * len(queries) * stored.size
    for threads in asked.threads:
        side_by_side(stored, queries, threads, asked.turns, operations, half=asked.half)
    if asked.files:
        texts = documents(asked.files, asked.listed)
        vectors = open_encoder("wordllama").encode([text[:2048] for text in texts])
        vectors = vectors[vectors.any(axis=1)]
        inverted(vectors[2048:], vectors[:2048])


def drawn(count: int, dimensions: int, seed: int) -> NDArray[np.float32]:
    """Unit vectors around 1,000 middles, in portions."""
    middles = np.random.default_rng(0).standard_normal((1000, dimensions), np.float32)
    chance = np.random.default_rng(seed)
    vectors = np.empty((count, dimensions), np.float32)
    for start in range(0, count, 65_536):
        part = vectors[start : start + 65_536]
        part[:] = middles[chance.integers(0, len(middles), len(part))]
        part += chance.standard_normal(part.shape, np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return vectors


def side_by_side(
    stored: NDArray[np.float32],
    queries: NDArray[np.float32],
    threads: int,
    turns: int,
    operations: float,
    *,
    half: bool,
) -> None:
    """Print what ours and FAISS reach, turn by turn beside the peak."""
    import faiss

    kept = stored.astype(np.float16) if half else stored
    ours = Neighbors(kept, threads=threads)
    flat = faiss.IndexFlatIP(stored.shape[1])
    flat.add(stored)
    ours.top_k(queries[:1], K)  # compiles

    def ask_faiss() -> Found:
        faiss.omp_set_num_threads(threads)
        with threadpool_limits(threads, "blas"):
            products, rows = flat.search(queries, K)
        return products, rows

    rates: dict[str, list[Rate]] = {"peak": [], "ours": [], "faiss": []}
    answers: dict[str, Any] = {}
    for _ in range(turns):
        rates["peak"].append(peak(threads))
        for name, ask in (("ours", lambda: ours.top_k(queries, K)), ("faiss", ask_faiss)):
            rate, answers[name] = timed(ask, operations)
            rates[name].append(rate)
    for name, found in rates.items():
        wall, cpu = (float(np.median([rate[at] for rate in found])) / 1e9 for at in (0, 1))
        pairs = list(zip(found, rates["peak"], strict=True))
        shares = [float(np.median([mine[at] / best[at] for mine, best in pairs])) for at in (0, 1)]
        print(f"{threads:>7}  {name:7}{wall:>11.1f}{cpu:>10.1f}{shares[0]:>15.0%}{shares[1]:>6.0%}")
    same = (answers["ours"][1] == answers["faiss"][1]).mean()
    print(f"         rows equal to FAISS's: {same:.5f} (it rounds sums otherwise)")


def peak(threads: int) -> Rate:
    """The faster of NumPy's and torch's products, both clocks."""
    import torch

    square = np.random.default_rng(0).standard_normal((SQUARE, SQUARE), np.float32)
    tensor = torch.from_numpy(square)
    torch.set_num_threads(threads)
    outs = [np.empty_like(square) for _ in range(threads)]

    def by_numpy() -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda out: np.matmul(square, square, out=out), outs))

    single = 2.0 * SQUARE**3
    found = [timed(by_numpy, single * threads)[0] for _ in range(4)]
    found += [timed(lambda: torch.mm(tensor, tensor), single)[0] for _ in range(4)]
    return Rate(max(rate.wall for rate in found), max(rate.cpu for rate in found))


def timed(call: Callable[[], object], operations: float) -> tuple[Rate, object]:
    """Operations a second of a call, and what it returned."""
    wall, cpu = time.perf_counter(), time.process_time()
    answer = call()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Rate(operations / wall, operations / cpu), answer


def inverted(stored: NDArray[np.float32], queries: NDArray[np.float32]) -> None:
    """Print inverted files of rising recall beside the exact answer."""
    exact = Neighbors(stored)
    begun = time.process_time()
    wanted = exact.top_k(queries, K)[1]
    spent = time.process_time() - begun
    speed = len(queries) / spent
    print(f"\ninverted files of {len(stored)} vectors; exact: {speed:.0f} queries/CPU s")
    print("wanted  lists  probes  recall measured  of all queries  queries/CPU s  CPU s to make")
    for least in (0.5, 0.8, 0.9, 0.95, 0.99):
        begun = time.process_time()
        index = open_index(stored, "ivf", k=K, least_recall=least)
        making = time.process_time() - begun
        assert isinstance(index, Inverted)
        assert index.measured
        begun = time.process_time()
        found = index.top_k(queries, K)[1]
        speed = len(queries) / (time.process_time() - begun)
        recall = (wanted[:, :, None] == found[:, None, :]).any(axis=2).mean()
        print(
            f"{least:<8}{index.lists:>5}{index.measured.probes:>8}{index.measured.recall:>17.3f}"
            f"{recall:>16.3f}{speed:>15.0f}{making:>15.1f}"
        )


if __name__ == "__main__":
    main()
