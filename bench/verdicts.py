"""Many small runs through the product's own trainer and bits, and verdicts resampled from them.

A run is named by all that its numbers depend on, so a bench that is cut goes on where it stopped
and benches over one folder share their runs. Verdicts are resampled: any five seeds, any draws.
Such verdicts share runs, so their rate gets its interval from leaving out one seed at a time
(Arvesen 1969, Ann. Math. Statist. 40:2076: the jackknife of a statistic over subsets).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from curator.evaluate import VERSION as EVALUATE_VERSION
from curator.evaluate.statistics import Effect
from curator.identity import file_digest, fingerprint, settings_of
from curator.shards import write_atomically
from curator.train import VERSION as TRAIN_VERSION
from curator.train.conduct import Conduct
from curator.train.pick import Pick
from curator.train.proxy import find_proxy

NICE = 5
DONE = "bits.json"


@dataclass(frozen=True)
class Job:
    """One run: a proxy on a draw from a seed, measured on the pool's held-out text."""

    mixture: Path
    heldout: Path
    proxy: str
    tokens: int
    seed: int
    runs: Path
    pick: Pick | None = None

    @property
    def folder(self) -> Path:
        """Where the run lies."""
        described = json.loads((self.mixture / "mixture.json").read_text())
        identity = {
            "versions": [TRAIN_VERSION, EVALUATE_VERSION],
            "draw": [described["draw_hash"], described["n_tokens"]],
            "heldout": file_digest(self.heldout),
            "proxy": settings_of(find_proxy(self.proxy)),
            "tokens": self.tokens,
            "seed": self.seed,
            **({"pick": settings_of(self.pick)} if self.pick else {}),
        }
        return self.runs / fingerprint(identity)


def run(job: Job) -> dict[str, Any]:
    """Return bits per byte of every held-out source after training, and the run's window."""
    done = job.folder / DONE
    if done.exists():
        found: dict[str, Any] = json.loads(done.read_text())
        return found
    # Only workers need torch.
    from curator.evaluate.bits import bits_per_byte, by_source
    from curator.shards import read_shard
    from curator.train.loop import train

    begun = time.process_time()
    record = train(
        job.mixture,
        find_proxy(job.proxy),
        tokens=job.tokens,
        seed=job.seed,
        order_seed=job.seed,
        out=job.folder,
        conduct=Conduct(pick=job.pick),
    )
    if not record.finished:
        raise RuntimeError(f"{job.folder}: {record.reason}")
    trained = time.process_time()
    texts = read_shard(job.heldout, ("doc_id", "source", "text"))
    bits = bits_per_byte(job.folder, texts, job.mixture / "tokenizer.json")
    found = {
        "bits": by_source(bits),
        "window": list(record.window),
        "cpu_seconds": {
            "train": round(trained - begun, 2),
            "bits": round(time.process_time() - trained, 2),
        },
    }
    write_atomically(done, json.dumps(found, indent=1).encode())
    return found


def run_all(jobs: Sequence[Job], workers: int = 2) -> dict[Path, dict[str, Any]]:
    """Return what every run gave, by its folder; runs that are done are read, others made."""
    distinct = {job.folder: job for job in jobs}
    todo = {folder: job for folder, job in distinct.items() if not (folder / DONE).exists()}
    print(f"{len(distinct)} runs, {len(distinct) - len(todo)} there", file=sys.stderr, flush=True)
    begun = time.monotonic()
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=os.nice, initargs=(NICE,)
    ) as pool:
        for number, each in enumerate(as_completed([pool.submit(run, j) for j in todo.values()])):
            each.result()
            rate = (time.monotonic() - begun) / (number + 1)
            left = rate * (len(todo) - number - 1) / 60
            if number % 10 == 9:
                print(f"{number + 1}/{len(todo)}, {left:.1f} min left", file=sys.stderr, flush=True)
    return {folder: run(job) for folder, job in distinct.items()}


def macro(found: Mapping[str, Any], sources: Sequence[str]) -> float:
    """Return the mean over sources of bits per byte."""
    return float(np.mean([found["bits"][source] for source in sources]))


@dataclass(frozen=True)
class Rate:
    """How often something came out, with a 95 % interval that knows what verdicts share."""

    rate: float
    low: float
    high: float
    comparisons: int
    clusters: int

    def __str__(self) -> str:
        percent = [f"{100 * value:.1f}" for value in (self.rate, self.low, self.high)]
        return f"{percent[0]} % ({percent[1]} to {percent[2]}) of {self.comparisons} comparisons"


def rate_of(hits: NDArray[np.bool_], members: NDArray[np.int64], clusters: int) -> Rate:
    """Return the share of hits with the interval of a jackknife by cluster.

    Args:
        hits: (C,) which comparisons came out so.
        members: (C, k) the clusters (seeds, draws) that each comparison is made of.
        clusters: how many there are.
    """
    without = []
    for cluster in range(clusters):
        rest = hits[~(members == cluster).any(1)]
        if len(rest):
            without.append(float(rest.mean()))
    n, rate = len(without), float(hits.mean())
    if n < 2:
        return Rate(rate, 0.0, 1.0, len(hits), clusters)
    error = np.sqrt((n - 1) * np.var(without))
    reach = float(stdtrit(n - 1, 0.975)) * float(error)
    return Rate(rate, max(0.0, rate - reach), min(1.0, rate + reach), len(hits), clusters)


def several(
    draws: NDArray[np.float64],
    judge: Callable[[NDArray[np.float64], NDArray[np.float64]], Effect],
    *,
    comparisons: int,
    pairs: int = 5,
    seed: int = 0,
    paired: bool = False,
) -> tuple[list[Effect], NDArray[np.int64]]:
    """Return effects between two arms of `pairs` seeds each, and the seeds of every comparison.

    Args:
        draws: (S, J) the metric: of J different draws of every seed; any two make a pair. With
            `paired`, (S, 2): the arm and its baseline.
        judge: arm and baseline, (pairs,) each, to the product's effect.
        comparisons: how many to draw.
        pairs: seeds in a comparison.
        seed: of the resampling.
        paired: whether column 0 is always the arm.
    """
    chance = np.random.default_rng(seed)
    of, width = draws.shape
    members = np.argsort(chance.random((comparisons, of)), axis=1)[:, :pairs]
    columns = np.argsort(chance.random((comparisons, pairs, width)), axis=2)
    if paired:
        columns = np.broadcast_to(np.arange(width), columns.shape)
    arm, base = (draws[members, columns[:, :, column]] for column in (0, 1))
    return [judge(one, other) for one, other in zip(arm, base, strict=True)], members


def distinct(effects: Sequence[Effect]) -> NDArray[np.bool_]:
    """Return which effects were called "better" or "worse"."""
    return np.array([effect.verdict in ("better", "worse") for effect in effects])
