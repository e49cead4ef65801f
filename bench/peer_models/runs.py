"""Runs of the systems: one process a run, its numbers in a JSON file that a repeat reuses."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from bench.peer_models.system import Plan, System
from bench.peer_models.systems import BATCH_TOKENS, CONTEXT, build, shape_of
from curator.evaluate.windows import cut_windows
from curator.identity import file_digest, fingerprint, id_matrix, uniform
from curator.shards import read_shard, write_atomically
from curator.train.loader import Batches, open_mixture
from curator.train.tokenizer import encode, load_tokenizer

SPLITS = ("dev", "test")
SPLIT_BYTES = 150_000  # of text in a split, evenly over its sources
SCORED_ROWS = 32
DOCUMENT_CHARACTERS = 4000  # so that no source is one long document


@dataclass(frozen=True)
class Held:
    """Where everything lies: the mixture, the held-out documents, the results."""

    mixture: Path
    texts: Path
    out: Path

    def split(self, name: str) -> pa.Table:
        """Return source and text of one split: half of the documents, by their ids alone."""
        table = read_shard(self.texts, ("doc_id", "source", "text")).combine_chunks()
        chance = uniform(id_matrix(table["doc_id"]), "bench.parity", 0)
        low = 0.5 * SPLITS.index(name)
        order = np.argsort(chance)
        order = order[(chance[order] >= low) & (chance[order] < low + 0.5)]
        sources, texts = table["source"].to_pylist(), table["text"].to_pylist()
        share = SPLIT_BYTES / len(set(sources))
        taken: dict[str, int] = {}
        rows = []
        for row in order:
            text = (texts[row] or "")[:DOCUMENT_CHARACTERS]
            if text and taken.get(sources[row], 0) < share:
                taken[sources[row]] = taken.get(sources[row], 0) + len(text.encode())
                rows.append({"source": sources[row], "text": text})
        return pa.Table.from_pylist(
            rows, pa.schema([("source", pa.string()), ("text", pa.large_string())])
        )


@dataclass(frozen=True)
class Job:
    """One training run."""

    system: str
    size: str
    tokens: int
    seed: int
    rate: float = 1.0
    decay: float = 1.0

    def plan(self, vocab_size: int) -> Plan:
        """Return what the system is built by."""
        return Plan(
            shape=shape_of(self.size, vocab_size),
            steps=self.tokens // BATCH_TOKENS,
            batch_tokens=BATCH_TOKENS,
            seed=self.seed,
            rate=self.rate,
            decay=self.decay,
        )


def behavior(system: str, size: str) -> str:
    """Return a digest of the losses of a few steps: results of older code are not reused."""
    plan = Plan(shape=shape_of(size, 512), steps=8, batch_tokens=512, seed=1)
    tokens = torch.randint(512, (2, CONTEXT + 1), generator=torch.Generator().manual_seed(0))
    built = build(system, plan)
    losses = []
    for step in range(plan.steps):
        loss = built.compute_loss(tokens[:, :-1], tokens[:, 1:])
        loss.backward()
        built.move(step)
        losses.append(round(loss.item(), 3))
    return fingerprint(losses)


def result_path(held: Held, job: Job, behaves: dict[tuple[str, str], str]) -> Path:
    """Return where the run's numbers lie: a name of all that they depend on."""
    identity = fingerprint(
        {
            "job": dataclasses.asdict(job),
            "mixture": json.loads((held.mixture / "mixture.json").read_text())["draw_hash"],
            "texts": file_digest(held.texts),
            "code": behaves[job.system, job.size],
        }
    )
    name = f"{job.system}-{job.tokens}-rate{job.rate:g}-decay{job.decay:g}-seed{job.seed}"
    return held.out / job.size / f"{name}-{identity[:8]}.json"


_BEHAVES: dict[tuple[str, str], str] = {}


def find(held: Held, job: Job) -> Path:
    """Return where the run's numbers lie, or will."""
    cell = (job.system, job.size)
    if cell not in _BEHAVES:
        torch.set_num_threads(1)
        _BEHAVES[cell] = behavior(*cell)
    return result_path(held, job, _BEHAVES)


def load_result(held: Held, job: Job) -> dict[str, Any]:
    """Return the numbers of a finished run."""
    found: dict[str, Any] = json.loads(find(held, job).read_text())
    return found


def run_all(held: Held, jobs: Sequence[Job], *, split: str, workers: int) -> None:
    """Run what is not finished, so many at a time, one thread each."""
    missing = [
        (held, job, find(held, job), split)
        for job in jobs
        if split not in (_read(find(held, job)) or {})
    ]
    # Long ones first, so that no worker waits at the end.
    missing.sort(key=lambda each: -shape_of(each[1].size, 1).block_parameters * each[1].tokens)
    if not missing:
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    with multiprocessing.get_context("spawn").Pool(workers, maxtasksperchild=1) as pool:
        for job, number, seconds in pool.imap_unordered(_run, missing):
            print(f"  {job}: {split} {number:.4f}, {seconds:.0f} s of CPU", flush=True)


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text()) if path.exists() else None


def _run(given: tuple[Held, Job, Path, str]) -> tuple[Job, float, float]:
    held, job, path, split = given
    os.nice(5)
    torch.set_num_threads(1)
    mixture = open_mixture(held.mixture)
    plan = job.plan(mixture.vocab_size)
    batches = Batches(
        mixture,
        rows=BATCH_TOKENS // CONTEXT,
        context=CONTEXT,
        order_seed=job.seed,
        steps=plan.steps,
    )
    system = build(job.system, plan)
    began = time.process_time()
    losses = [system.train_step(batches, step) for step in range(plan.steps)]
    seconds = time.process_time() - began
    found = {
        **dataclasses.asdict(job),
        "steps": plan.steps,
        "block_parameters": system.block_parameters(),
        "parameters": system.parameters(),
        "cpu_seconds": round(seconds, 1),
        "curve": [round(loss, 4) for loss in losses[:: max(1, plan.steps // 50)]],
    }
    system.model.eval()
    for name in {split, "dev"}:
        by_source = bits_per_byte(system, held, name)
        found[name] = sum(by_source.values()) / len(by_source)
        found[f"{name}_by_source"] = by_source
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(found, indent=1).encode())
    return job, found[split], seconds


def bits_per_byte(system: System, held: Held, split: str) -> dict[str, float]:
    """Return bits per byte of every source of a split."""
    texts = held.split(split)
    text = texts["text"].combine_chunks()
    offsets, ids = encode(load_tokenizer(held.mixture / "tokenizer.json"), text)
    bits = document_bits(system, offsets, ids)
    sizes = np.array([len(each.encode()) for each in text.to_pylist()])
    sources = np.array(texts["source"].to_pylist())
    return {
        str(source): float(bits[sources == source].sum() / sizes[sources == source].sum())
        for source in np.unique(sources)
    }


@torch.no_grad()
def document_bits(
    system: System, offsets: NDArray[np.int64], ids: NDArray[np.unsignedinteger[Any]]
) -> NDArray[np.float64]:
    """Return the bits of each document by curator's windows, (n,), for any system."""
    windows = cut_windows(offsets, system.plan.shape.context)
    lengths = windows.inputs
    order = np.argsort(-lengths, kind="stable")  # like lengths together
    total = np.zeros(len(offsets) - 1)
    for begin in range(0, len(order), SCORED_ROWS):
        batch = order[begin : begin + SCORED_ROWS]
        column = np.arange(int(lengths[batch].max()))
        inside = column < lengths[batch, None]
        place = np.where(inside, windows.start[batch, None] + column, windows.start[batch, None])
        scored = inside & (place + 1 >= windows.first[batch, None])
        # Right padding cannot reach earlier positions.
        tokens, targets = (
            torch.from_numpy(ids[where].astype(np.int64)).to(system.plan.device)
            for where in (place, place + inside)
        )
        bits = system.bits(tokens, targets).double().cpu().numpy()
        np.add.at(total, windows.document[batch], np.where(scored, bits, 0.0).sum(axis=1))
    return total
