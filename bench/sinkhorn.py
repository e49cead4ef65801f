"""Our optimal transport beside POT's Sinkhorn in logarithms: time, marginal errors, memory.

    python -m bench.sinkhorn [FILE.jsonl.zst ...] [--full] [--threads 1 2]

Vectors of documents of FILEs, or points around random middles where none are given; 5,000 of them
are moved to 200 others (--full: 50,000 to 500) at eps 0.01 of the median cost until the marginals
are off by less than 0.001. POT (in a virtual environment of its own, --peer-venv, made if absent)
gets the same points as float32 and float64 in one thread of BLAS, and stops at the marginal error
that ours had, in the norm in which POT measures. Each runs in a process of its own; memory is what
its peak rose by once the vectors were there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg  # noqa: F401  # loaded with the first step: it is no memory of the plan
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bench.embedding import documents, processor
from bench.neighbors import drawn
from bench.peer import ask_peer, peer_python
from curator.embed.costs import Distances
from curator.embed.transport import transport

POT = ("POT==0.9.7.post1",)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--full", action="store_true", help="50,000 points to 500")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], help="of ours")
    parser.add_argument("--most", type=int, default=100_000, help="iterations of POT")
    parser.add_argument("--precision", nargs="+", default=["float32", "float64"], help="of POT")
    parser.add_argument("--peer-venv", type=Path, default=Path("/tmp/peers/pot"))
    parser.add_argument("--measure", nargs=3, help="for the processes that this starts")
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measured(*asked.measure)))
        return
    count, targets = (50_000, 500) if asked.full else (5_000, 200)
    python = peer_python(asked.peer_venv, POT)
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("from.npy", "to.npy")]
        for path, part in zip(paths, points(asked.files, count, targets), strict=True):
            np.save(path, part)
        dense = 4 * count * targets
        print(f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        print(f"{count} points to {targets}; all costs are {dense / 1e6:.0f} MB of float32")
        print(
            "system             seconds   CPU s  passes  L1 error  L2 error      cost  memory MB  "
            "of dense"
        )
        ours = {threads: _ours(paths, threads) for threads in asked.threads}
        for threads, told in ours.items():
            _show(f"ours, {threads} thread{'s'[: threads - 1]}", told, dense)
        first = ours[asked.threads[0]]
        for precision in asked.precision:
            arguments = [*paths, str(first["eps"]), str(first["l2"]), precision, str(asked.most)]
            told = ask_peer(python, "pot_sinkhorn.py", *arguments)
            _show(f"POT, {precision}", told, dense)
            print(
                f"  ours takes {first['seconds'] / told['seconds']:.3f} of its time, "
                f"{first['cpu'] / told['cpu']:.3f} of its CPU seconds, "
                f"{first['bytes'] / max(1, told['bytes']):.3f} of its memory"
            )


def points(files: list[Path], count: int, targets: int) -> list[NDArray[np.float32]]:
    """Unit vectors: of documents of files, equally many of each, in no order; or by chance."""
    if not files:
        return [drawn(count, 256, 1), drawn(targets, 256, 2)]
    from curator.embed.encoder import open_encoder

    each = -(-2 * (count + targets) // len(files))
    texts = [text[:2048] for file in files for text in documents([file], each)]
    vectors = open_encoder("wordllama").encode(texts)
    vectors = vectors[vectors.any(axis=1)]
    if len(vectors) < count + targets:
        sys.exit(
            f"{len(vectors)} documents with vectors; wanted {count + targets}: give more files"
        )
    order = np.random.default_rng(0).permutation(len(vectors))
    return [vectors[order[:count]], vectors[order[count : count + targets]]]


def measured(begin: str, end: str, threads: str) -> dict[str, Any]:
    """What ours takes, on the vectors of two files; marginals are those of the potentials."""
    threadpool_limits(1, "blas")
    x, y = np.load(begin), np.load(end)
    transport(Distances(x[:2000], y))  # what is loaded once
    before = resident()
    begun, spent = time.perf_counter(), time.process_time()
    found = transport(Distances(x, y), threads=int(threads))
    seconds, spent = time.perf_counter() - begun, time.process_time() - spent
    rose = resident("VmHWM") - before
    column = np.zeros(len(y))
    for start in range(0, len(x), 1000):
        products = x[start : start + 1000].astype(np.float64) @ y.T.astype(np.float64)
        inside = found.f[start : start + 1000, None].astype(np.float64) + found.g
        inside -= np.sqrt(np.maximum(0, 2 - 2 * products))
        column += np.exp(inside / found.eps).sum(axis=0) / len(x) / len(y)
    lacking = column - 1 / len(y)
    return {
        "seconds": seconds,
        "cpu": spent,
        "passes": found.iterations,
        "l1": float(np.abs(lacking).sum()),
        "l2": float(np.linalg.norm(lacking)),
        "value": found.value,
        "bytes": rose,
        "eps": found.eps,
    }


def resident(which: str = "VmRSS") -> int:
    """Bytes of this process in memory; asked for VmRSS, its peak VmHWM begins anew."""
    if which == "VmRSS":
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(which)).split()[1])


def _ours(paths: list[str], threads: int) -> dict[str, Any]:
    arguments = ["-m", "bench.sinkhorn", "--measure", *paths, str(threads)]
    done = subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.PIPE)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _show(system: str, told: dict[str, Any], dense: int) -> None:
    print(
        f"{system:18} {told['seconds']:8.2f} {told['cpu']:7.2f} {told['passes']:7d} "
        f"{told['l1']:9.2g} {told['l2']:9.2g} {told['value']:9.5f} {told['bytes'] / 1e6:10.1f} "
        f"{told['bytes'] / dense:9.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
