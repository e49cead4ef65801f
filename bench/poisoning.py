"""What detectors of poison find: recall by attack and rate, and how often clean text looks like it.

    python -m bench.poisoning [--data ../shared/data] [--documents N] [--generated 2_000_000]
        [--only-generated] [--threads 2]
    python -m bench.poisoning --proxies RUN [--data ../shared/data]

1. Clean text: all corpora under `--data` in pieces of at most 2,048 bytes. Half of them, by chance
   of their ids, say at which score one in 10,000 is flagged (`limit`); on the other half flags at
   the built-in limits are counted, and at these.
2. Recall of each attack, all four planted in one pool at rates of 1e-3 and then 1e-4 each: at the
   built-in limits, by the detectors that read one document alone, by those of the corpus, by any.
3. The same at a rate of 1e-5 in documents generated from sentences of that text.
4. With `--proxies`, of a run of bench/recipes/claims/poisoning.yaml: how much less likely a proxy
   finds a text's continuation with the trigger before it than without, by arm and seed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.poisoned import SHARD, Generated, Pool, poison, real
from curator.identity import id_matrix, uniform
from curator.poison.attacks import ATTACKS
from curator.poison.scan import LIMITS, scan
from curator.poison.survey import READ, Learned, survey

RATES = (1e-3, 1e-4)
ALONE = ("template", "gibberish", "copy")
TOGETHER = ("trigger", "burst")
TARGET = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--documents", type=int, help="of the clean ones, by chance; all if not")
    parser.add_argument("--generated", type=int, default=2_000_000)
    parser.add_argument("--only-generated", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--proxies", type=Path)
    told = parser.parse_args()
    if told.proxies:
        from bench.poisoned_proxies import proxies

        proxies(told.proxies, told.data)
        return
    table = real(told.data)
    if told.documents:
        chance = np.random.default_rng(0).permutation(table.num_rows)[: told.documents]
        table = table.take(pa.array(np.sort(chance)))
    print(f"{table.num_rows:,} clean documents, {table['text'].nbytes / 1e6:.0f} MB", flush=True)
    if not told.only_generated:
        clean(table, told.threads)
        for rate in RATES:
            planted(table, rate, told.threads)
    if told.generated:
        generated(table, told.generated, told.threads)


def clean(table: pa.Table, threads: int) -> None:
    """Print false alarms among documents in which nothing is planted."""
    pool = Pool(table, {})
    begun = time.monotonic()
    learned = survey(pool, threads=threads)
    seconds = time.monotonic() - begun
    scores = scores_of(learned, pool)
    held = uniform(id_matrix(table["doc_id"]), "bench.poisoning", 0) < 0.5
    n = int(held.sum())
    size = table["text"].nbytes / 1e6
    print(f"survey {seconds:.0f} s ({size / seconds:.1f} MB/s), triggers {learned.words}")
    print(
        f"{'detector':12} {'limit':>6} {'flagged of':>10} {n:>7,} | {'limit at 1e-4':>13}  flagged"
    )
    every = np.zeros(n, bool)
    for kind, limit in LIMITS.items():
        own, other = scores[kind][held], np.sort(scores[kind][~held])
        found = own >= limit
        every |= found
        most = int(TARGET * len(other))
        found_at = float(np.nextafter(max(other[-most - 1], 1e-9), np.inf))
        calibrated = int((own >= found_at).sum())
        print(
            f"{kind:12} {limit:6.2f} {found.sum():10} {found.mean():7.1e} | {found_at:13.2f}  "
            f"{calibrated} ({calibrated / n:.1e})"
        )
    print(f"{'any':12} {'':6} {every.sum():10} {every.mean():7.1e}", flush=True)


def planted(table: pa.Table, rate: float, threads: int) -> None:
    """Print what is found of every attack at one rate each, planted in one pool."""
    chance = uniform(id_matrix(table["doc_id"]), "bench.plant", 0)
    parts = {
        attack: np.flatnonzero((chance >= number * rate) & (chance < (number + 1) * rate))
        for number, attack in enumerate(ATTACKS)
    }
    changed: dict[int, str] = {}
    for attack, rows in parts.items():
        texts = {int(row): table["text"][int(row)].as_py() for row in rows}
        changed |= poison(texts, attack, gibberish_of(table, chance), 0)
    report(rate, Pool(table, changed), parts, threads)


def generated(table: pa.Table, rows: int, threads: int) -> None:
    """Print what is found at a rate of 1e-5 each among generated documents."""
    made = Generated(table, rows, 0)
    count = max(int(1e-5 * rows), 1)
    chosen = np.random.default_rng(1).choice(rows, len(ATTACKS) * count, replace=False)
    parts = dict(zip(ATTACKS, map(np.sort, np.array_split(chosen, len(ATTACKS))), strict=True))
    for attack, part in parts.items():
        texts = {
            int(row): made.plain(int(row - row % SHARD))["text"][int(row % SHARD)].as_py()
            for row in part
        }
        made.changed |= poison(texts, attack, made.plain(0)["text"].to_pylist()[:512], 0)
    report(1e-5, made, parts, threads)


def report(
    rate: float,
    pool: Pool | Generated,
    parts: Mapping[str, NDArray[np.int64]],
    threads: int,
) -> None:
    """Print recall at the built-in limits, and innocents that the corpus-wide detectors accuse."""
    begun = time.monotonic()
    learned = survey(pool, threads=threads)
    seconds = time.monotonic() - begun
    every = np.sort(np.concatenate(list(parts.values())))
    scores = scores_of(learned, pool, alone=every)
    flags = {kind: scores[kind] >= limit for kind, limit in LIMITS.items()}
    alone = np.any([flags[kind] for kind in ALONE], axis=0)
    together = np.any([flags[kind] for kind in TOGETHER], axis=0)
    for attack, rows in parts.items():
        shares = [("alone", alone), ("together", together), ("any", alone | together)]
        recall = "  ".join(f"{name} {found[rows].mean():.3f}" for name, found in shares)
        print(f"{attack:10} {rate:.0e}  planted {len(rows):4}  recall: {recall}", flush=True)
    together[every] = False
    print(
        f"of {pool.rows - len(every):,} others accused by triggers and bursts: {together.sum()}; "
        f"survey {seconds:.0f} s; found {list(learned.words)} {list(learned.bursts.pairs)}",
        flush=True,
    )


def scores_of(
    learned: Learned, pool: Pool | Generated, alone: NDArray[np.int64] | None = None
) -> dict[str, NDArray[np.float64]]:
    """Scores of all documents by detector; of those that read one alone, only for rows `alone`."""
    from curator.poison.statements import comparisons, strengths
    from curator.poison.triggers import strongest

    found = {kind: np.zeros(pool.rows) for kind in LIMITS}
    start = 0
    for shard in pool.tables(READ):
        end = start + shard.num_rows
        if alone is None:
            told = scan(learned, shard)
            for kind in LIMITS:
                found[kind][start:end] = np.nan_to_num(told.scores[kind])
        else:
            found["trigger"][start:end] = strongest(shard["text"], learned.found)[0]
            said = comparisons(shard["text"])
            found["burst"][start:end] = strengths(said, learned.bursts, shard.num_rows)[0]
            here = alone[(alone >= start) & (alone < end)]
            if len(here):
                told = scan(learned, shard.take(pa.array(here - start)))
                for kind in ALONE:
                    found[kind][here] = np.nan_to_num(told.scores[kind])
        start = end
    return found


def gibberish_of(table: pa.Table, chance: NDArray[np.float64]) -> list[Any]:
    """Texts to cut gibberish from: 512 by chance."""
    return table["text"].take(pa.array(np.argsort(chance)[-512:])).to_pylist()


if __name__ == "__main__":
    main()
