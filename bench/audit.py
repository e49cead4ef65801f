"""What a proxy gives away of text that was planted once, 4, 16 and 64 times.

Secrets and blocks of a benchmark in its published order go into random draws of a pool of real
text; a proxy is trained on each draw and asked: how exposed are the secrets, does it prefer the
published order of items and of options, how much of a planted block does it continue word for
word. Blocks and secrets that were not planted are the control.

    curator run bench/recipes/pool.yaml --store /tmp/pool/store --out /tmp/pool/run
    python -m bench.audit --pool /tmp/pool/run --benchmark FILE.jsonl --out /tmp/audit
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from bench.draws import Documents, Pool, joined
from curator.evaluate.exposure import exposure, make_canaries
from curator.evaluate.leakage import SEPARATOR, option_test, ordering_test, posed
from curator.evaluate.memorization import CONTINUATION, PREFIX, matched_share
from curator.identity import document_ids, id_matrix
from curator.train.checkpoint import load_model
from curator.train.loop import train
from curator.train.proxy import find_proxy
from curator.train.tokenizer import encode, load_tokenizer

COPIES = (0, 1, 4, 16, 64)
SECRETS = 8  # of each number of copies
Item = tuple[str, list[str]]


@dataclass(frozen=True)
class Plan:
    """One run of the bench."""

    pool: Path
    benchmark: Path
    proxy: str
    tokens: int
    items: int
    out: Path


def main() -> None:
    """Train, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pool", type=Path, required=True, help="a run of bench/recipes/pool.yaml")
    parser.add_argument("--benchmark", type=Path, required=True, help="items with query, choices")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--proxy", default="d2")
    parser.add_argument("--tokens", type=int, default=1_000_000, help="of clean text a run")
    parser.add_argument("--items", type=int, default=60, help="in a block of the benchmark")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    plan = Plan(given.pool, given.benchmark, given.proxy, given.tokens, given.items, given.out)
    seeds = range(1, given.seeds + 1)
    with ProcessPoolExecutor(2) as workers:
        found = list(workers.map(audit, repeat(plan), seeds, repeat(given.seeds)))
    show(found)


def audit(plan: Plan, seed: int, seeds: int) -> dict[str, Any]:
    """Return what one proxy gives away, by number of copies; kept in a file."""
    kept = plan.out / f"{plan.proxy}-{plan.tokens}-{seed}.json"
    if kept.exists():
        found: dict[str, Any] = json.loads(kept.read_text())
        return found
    torch.set_num_threads(1)
    pool = Pool(plan.pool)
    clean = pool.cut([plan.tokens] * seeds)[seed - 1]
    blocks = blocks_of(plan.benchmark, plan.items, seed)
    canaries = make_canaries(COPIES, SECRETS, seed=seed)
    planted = [(SEPARATOR.join(posed(*item) for item in blocks[n]), n) for n in COPIES]
    planted += [(canary.text, canary.copies) for canary in canaries]
    whole = joined([clean, repeated(planted, pool.tokenizer)])
    folder = plan.out / f"{plan.proxy}-{plan.tokens}-{seed}"
    mixture = pool.write(whole, folder / "mixture")
    train(
        mixture, find_proxy(plan.proxy), tokens=whole.n_tokens, seed=seed, order_seed=seed,
        out=folder / "proxy",
    )  # fmt: skip
    model, tokenizer = load_model(folder / "proxy"), load_tokenizer(pool.tokenizer)
    exposed = exposure(model, tokenizer, canaries, alternatives=511).reshape(len(COPIES), -1)
    rows = {}
    for number, copies in enumerate(COPIES):
        items = blocks[copies]
        texts = [posed(*item) for item in items]
        order = ordering_test(model, tokenizer, texts, shards=plan.items // 5, seed=seed)
        options = option_test(model, tokenizer, items, seed=seed)
        _, ids = encode(tokenizer, pa.array([SEPARATOR.join(texts)], pa.large_string()))
        length = PREFIX + CONTINUATION
        cut = ids[1 : 1 + (len(ids) - 1) // length * length].reshape(-1, length).astype(np.int64)
        rows[copies] = {
            "exposure": float(exposed[number].mean()),
            "order_p": order.p,
            "options_preferred": options.preferred,
            "options_p": options.p,
            "matched": float(matched_share(model, cut).mean()),
        }
    plan.out.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(rows))
    return json.loads(json.dumps(rows))  # type: ignore[no-any-return]  # keys as when read back


def blocks_of(benchmark: Path, items: int, seed: int) -> dict[int, list[Item]]:
    """Return a block of different items for each number of copies, another cut for every seed."""
    with benchmark.open() as lines:
        read = [json.loads(line) for line in lines]
    usable = [(one["query"], one["choices"]) for one in read if len(set(one["choices"])) == 4]
    short = [item for item in usable if len(posed(*item)) < 300]
    start = seed * len(COPIES) * items
    wanted = [short[(start + place) % len(short)] for place in range(len(COPIES) * items)]
    return {n: wanted[k * items : (k + 1) * items] for k, n in enumerate(COPIES)}


def repeated(texts: Sequence[tuple[str, int]], tokenizer: Path) -> Documents:
    """Return every text as so many documents of its own."""
    copies = [(text, f"{row}/{copy}") for row, (text, n) in enumerate(texts) for copy in range(n)]
    offsets, ids = encode(
        load_tokenizer(tokenizer), pa.array([text for text, _ in copies], pa.large_string())
    )
    return Documents(
        id_matrix(document_ids("planted", pa.array([name for _, name in copies]))),
        np.full(len(copies), "planted", dtype=object),
        offsets[:-1],
        np.diff(offsets),
        ids,
    )


def show(found: Sequence[dict[str, dict[str, float]]]) -> None:
    """Print a row for each number of copies, over all seeds."""
    print("copies  exposure (of 9 bits)  p of the order  options: share, p  continued")
    for copies in map(str, COPIES):
        rows = [one[copies] for one in found]
        order = " ".join(f"{row['order_p']:.1g}" for row in rows)
        options = " ".join(f"{row['options_p']:.1g}" for row in rows)
        mean = {key: np.mean([row[key] for row in rows]) for key in rows[0]}
        print(
            f"{copies:>6}  {mean['exposure']:.2f}  {order}  "
            f"{mean['options_preferred']:.1%}, {options}  {mean['matched']:.1%}"
        )


if __name__ == "__main__":
    main()
