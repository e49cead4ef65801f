"""Sentence vectors a second: ours against sentence-transformers' `encode`, on the same documents.

    python -m bench.embedding FILE.jsonl[.zst] ... [--documents 1000] [--device cuda]

Documents are drawn evenly from the files and shuffled. `encode` runs as it comes (float32, one
process, as many threads as torch takes); ours as the engine runs it, one process and one thread a
core, in each precision. They take turns, `--turns` slices of the documents each, so that whatever
else the machine does meets both. Printed for each: documents, tokens and megabytes of the texts a
second of wall clock, documents a CPU second, the share of the best matrix product of its precision
that was measured in the same turns (per CPU second; products of the model only), how many times as
fast as `encode` (median over turns, by wall and by CPU), and recall@10: the share of the ten
nearest other documents by float32 `encode` that its vectors find. With --device cuda all run in
one process on the GPU.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.filters import read_lines

ENCODE = "encode"
NEIGHBORS = 10
SQUARE = 2048  # rows of the products that stand for the peak; four times as many on a GPU
_held: dict[str, Any] = {}  # a worker's models


class Turn(NamedTuple):
    """What one slice of the documents took, and the peak beside it."""

    wall: float
    cpu: float
    documents: int
    peak: float  # operations a CPU second, a second on a GPU


def main() -> None:
    """Print a table, and what it was measured on."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--precisions", nargs="+", default=["bfloat16", "float32"])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    texts = documents(asked.files, asked.documents)
    cores = asked.cores if asked.device == "cpu" else 1
    slices = [part.tolist() for part in np.array_split(np.arange(len(texts)), asked.turns)]
    turns: dict[str, list[Turn]] = {name: [] for name in (ENCODE, *asked.precisions)}
    vectors: dict[str, list[NDArray[np.float32]]] = {name: [] for name in turns}
    with _workers(1, 0) as peers, _workers(cores, 1) as ours:
        for rows in (slices[0][:32], *slices):  # the first is to warm up
            part = [texts[row] for row in rows]
            for name in turns:
                pool, count = (peers, 1) if name == ENCODE else (ours, cores)
                turn, found = take_turn(pool, count, name, part, asked)
                if rows in slices:
                    turns[name].append(turn)
                    vectors[name].append(found)
        tokens, operations = next(ours.map(_measure_model, [(asked.encoder, texts)]))
    print(f"{processor()}, {asked.cores} cores, load {os.getloadavg()[0]:.1f}; {asked.device}")
    size = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts)} documents, {size:.1f} MB, {tokens} tokens seen by the model")
    report(turns, {name: np.concatenate(found) for name, found in vectors.items()}, tokens, size)
    print(f"model: {operations / tokens / 1e6:.1f}M operations a token")
    share = {name: of_peak(turns[name], operations, cores) for name in turns}
    print("share of the best product:", {name: f"{value:.0%}" for name, value in share.items()})


def documents(files: list[Path], count: int) -> list[str]:
    """Distinct texts, equally many of each file as far as it has them, shuffled."""
    chance = np.random.default_rng(0)
    drawn: list[list[str]] = []
    for path in files:
        texts = list(dict.fromkeys(json.loads(line)["text"] for line in read_lines(path)))
        drawn.append([texts[at] for at in chance.permutation(len(texts))[:count].tolist()])
    chosen = list(
        dict.fromkeys(texts[at] for at in range(count) for texts in drawn if at < len(texts))
    )
    return [chosen[at] for at in chance.permutation(min(count, len(chosen))).tolist()]


def take_turn(
    pool: ProcessPoolExecutor, count: int, name: str, texts: list[str], asked: argparse.Namespace
) -> tuple[Turn, NDArray[np.float32]]:
    """Let a system embed a slice: what it took, and the vectors."""
    jobs = [(name, asked.encoder, asked.device, texts[at::count]) for at in range(count)]
    begun = time.perf_counter()
    answers = list(pool.map(_embed, jobs))
    wall = time.perf_counter() - begun
    vectors = np.empty((len(texts), answers[0][0].shape[1]), np.float32)
    for at, answer in enumerate(answers):
        vectors[at::count] = answer[0]
    peak = next(pool.map(_peak, [(name, asked.device)]))
    return Turn(wall, sum(cpu for _, cpu in answers), len(texts), peak), vectors


def report(
    turns: dict[str, list[Turn]],
    vectors: dict[str, NDArray[np.float32]],
    tokens: int,
    size: float,
) -> None:
    """Print a line a system."""
    wanted = nearest(vectors[ENCODE])
    print("system     docs/s  docs/CPU s  tokens/s   MB/s  x by wall  x by CPU  recall@10")
    for name, taken in turns.items():
        wall, cpu = sum(turn.wall for turn in taken), sum(turn.cpu for turn in taken)
        count = sum(turn.documents for turn in taken)
        pairs = list(zip(turns[ENCODE], taken, strict=True))
        by_wall = np.median([theirs.wall / mine.wall for theirs, mine in pairs])
        by_cpu = np.median([theirs.cpu / mine.cpu for theirs, mine in pairs])
        found = nearest(vectors[name])
        recall = (wanted[:, :, None] == found[:, None, :]).any(axis=2).mean()
        print(
            f"{name:9}{count / wall:8.1f}{count / cpu:12.1f}{tokens / wall:10.0f}{size / wall:7.3f}"
            f"{by_wall:11.2f}{by_cpu:10.2f}{recall:11.4f}"
        )


def nearest(vectors_ND: NDArray[np.float32]) -> NDArray[np.int64]:
    """The ten nearest other documents of each, in float64."""
    wide = vectors_ND.astype(np.float64)
    products = wide @ wide.T
    np.fill_diagonal(products, -np.inf)
    found: NDArray[np.int64] = np.argpartition(-products, NEIGHBORS, axis=1)[:, :NEIGHBORS]
    return found


def of_peak(taken: list[Turn], operations: float, cores: int) -> float:
    """The model's products as a share of the fastest large ones, over all turns."""
    peak = float(np.median([turn.peak for turn in taken]))
    spent = sum(turn.cpu for turn in taken) if cores > 1 else sum(turn.wall for turn in taken)
    return operations / spent / peak


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "?")


def _workers(count: int, threads: int) -> ProcessPoolExecutor:
    """Processes of so many threads each; 0: as the libraries like."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, context, _begin, (threads,))


def _begin(threads: int) -> None:
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ.pop(f"{library}_NUM_THREADS", None)
        if threads:
            os.environ[f"{library}_NUM_THREADS"] = str(threads)
    if threads:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"


def _embed(job: tuple[str, str, str, list[str]]) -> tuple[NDArray[np.float32], float]:
    name, encoder, device, texts = job
    encode = _model(name, encoder, device)
    begun = time.process_time()
    vectors = np.asarray(encode(texts), np.float32)
    return vectors, time.process_time() - begun


def _model(name: str, encoder: str, device: str) -> Callable[[list[str]], Any]:
    if name in _held:
        held: Callable[[list[str]], Any] = _held[name]
        return held
    if name == ENCODE:
        from sentence_transformers import SentenceTransformer

        from curator import weights

        model = SentenceTransformer(str(weights.find(encoder)), device=device)
        _held[name] = lambda texts: model.encode(texts, show_progress_bar=False)
    else:
        from curator.embed.encoder import open_encoder

        precision: Any = name
        threads = 1 if device == "cpu" else os.cpu_count() or 1  # a GPU waits for the tokenizer
        _held[name] = open_encoder(
            encoder, device=device, precision=precision, threads=threads
        ).encode
    return _model(name, encoder, device)


def _peak(job: tuple[str, str]) -> float:
    """Operations a second of the fastest of five large products, in the system's precision."""
    import torch

    name, device = job
    size = SQUARE if device == "cpu" else 4 * SQUARE
    dtype = torch.bfloat16 if name == "bfloat16" else torch.float32
    square = torch.ones((size, size), dtype=dtype, device=device)
    clock = time.process_time if device == "cpu" else time.perf_counter
    fastest = np.inf
    for _ in range(5):
        begun = clock()
        square @ square
        if device != "cpu":
            torch.cuda.synchronize()
        fastest = min(fastest, clock() - begun)
    return float(2 * size**3 / fastest)


def _measure_model(job: tuple[str, list[str]]) -> tuple[int, float]:
    """Tokens that the model sees of the texts, and operations of its products for all of them."""
    from sentence_transformers import SentenceTransformer

    from curator import weights

    model = SentenceTransformer(str(weights.find(job[0])), device="cpu")
    ids = model.tokenizer(job[1], truncation=True, max_length=model.max_seq_length)["input_ids"]
    lengths = np.array([len(one) for one in ids])
    shape = model[0].auto_model.config
    layers, width, inner = shape.num_hidden_layers, shape.hidden_size, shape.intermediate_size
    weights_used = layers * (4 * width * width + 2 * width * inner)
    products = 2.0 * weights_used * lengths.sum() + 4.0 * layers * width * (lengths**2).sum()
    return int(lengths.sum()), float(products)


if __name__ == "__main__":
    main()
