"""Bits per byte of curator's trainer and two peers' at equal tokens and equal block parameters.

python -m bench.parity --mixture FOLDER --texts documents.arrow --sizes 0.1M 0.8M 2M --tune

Every system reads the same batches and is measured on the same windows. Each peer's rate is tuned
by factors of two on one held-out split until the best lies inside the grid; ours is the shipped
dial unless --tune-ours is given. Then three seeds are trained and measured on the other split.
Finished runs lie as JSON in --out and are reused, so the command can be cut and repeated.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.peer_models.runs import Held, Job, load_result, run_all
from bench.peer_models.systems import PEERS, SIZES, SYSTEMS
from curator.evaluate.metrics import BITS, KINDS
from curator.evaluate.statistics import compare

# Where tuning begins; a factor of two apart.
START = {
    "ours": (0.5, 1.0, 2.0),
    "nanochat": (4.0, 8.0, 16.0),
    "nanogpt": (8.0, 16.0, 32.0),
}
TUNING_SEED = 11  # not among the seeds of the comparison
MARGIN = 0.005  # bits per byte: the equivalence margin
WITH_MARGIN = dataclasses.replace(KINDS[BITS], threshold=MARGIN)
LIMIT = 4096.0  # a rate this far from the rules means that something else is wrong


def main() -> None:
    asked = arguments()
    held = Held(asked.mixture, asked.texts, asked.out)
    rates = {
        (size, name): asked.rates.get((size, name), 1.0)
        for size in asked.sizes
        for name in asked.systems
    }
    if asked.tune:
        tuned = [name for name in asked.systems if name in PEERS or asked.tune_ours]
        rates |= tune(held, asked, [(size, name) for size in asked.sizes for name in tuned])
    jobs = [
        Job(name, size, asked.tokens, seed, rate=rate, decay=decay_of(name, rate, asked))
        for (size, name), rate in rates.items()
        for seed in asked.seeds
    ]
    if asked.seeds:
        run_all(held, jobs, split="test", workers=asked.workers)
        for size in asked.sizes if "ours" in asked.systems else ():
            report(held, size, [job for job in jobs if job.size == size])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mixture", type=Path, required=True)
    parser.add_argument("--texts", type=Path, required=True, help="held-out doc_id, source, text")
    parser.add_argument("--out", type=Path, default=Path("runs/parity"))
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["0.1M"])
    parser.add_argument(
        "--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS), help="compared with ours"
    )
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2, 3])
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--tune-ours", action="store_true")
    parser.add_argument("--tune-tokens", type=int, help="of a tuning run; as --tokens")
    parser.add_argument("--decay", choices=("rule", "held"), default="held", help=DECAY_HELP)
    parser.add_argument("--rates", nargs="*", type=fixed_rate, default=[], help="0.8M:nanogpt=16")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    asked.rates = dict(asked.rates)
    asked.tune_tokens = asked.tune_tokens or asked.tokens
    return asked


DECAY_HELP = "of nanochat's matrices: as its rules say, or held at rate x decay as they say"


def fixed_rate(text: str) -> tuple[tuple[str, str], float]:
    """Return ((size, system), rate) of SIZE:SYSTEM=RATE."""
    where, _, rate = text.partition("=")
    size, _, name = where.partition(":")
    if size not in SIZES or name not in SYSTEMS:
        raise argparse.ArgumentTypeError(f"{text!r}; write it as 0.8M:nanogpt=16")
    return (size, name), float(rate)


def decay_of(name: str, rate: float, asked: argparse.Namespace) -> float:
    """Return what multiplies a peer's decay: nanochat's rules hold rate x decay x steps."""
    return 1 / rate if name == "nanochat" and asked.decay == "held" else 1.0


def tune(
    held: Held, asked: argparse.Namespace, cells: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], float]:
    """Return the best rate of every (size, system) by the development split."""
    grids = {cell: list(START[cell[1]]) for cell in cells}
    best: dict[tuple[str, str], float] = {}
    while True:
        jobs = {
            (cell, rate): Job(
                cell[1], cell[0], asked.tune_tokens, TUNING_SEED,
                rate=rate, decay=decay_of(cell[1], rate, asked),
            )
            for cell, grid in grids.items()
            for rate in grid
        }  # fmt: skip
        run_all(held, list(jobs.values()), split="dev", workers=asked.workers)
        open_cells = 0
        for cell, grid in grids.items():
            found = {rate: load_result(held, jobs[cell, rate])["dev"] for rate in sorted(grid)}
            best[cell] = min(found, key=found.__getitem__)
            row = "  ".join(f"{rate:g}: {bits:.4f}" for rate, bits in found.items())
            print(f"tune {cell[0]} {cell[1]:9s} {row}   best {best[cell]:g}", flush=True)
            if best[cell] in (min(grid), max(grid)) and 1 / LIMIT < best[cell] < LIMIT:
                grid.append(best[cell] * (2 if best[cell] == max(grid) else 0.5))
                open_cells += 1
        if not open_cells:
            return best


def report(held: Held, size: str, jobs: Sequence[Job]) -> None:
    """Print each system's numbers and ours against each peer, paired by seed."""
    rows = {name: [job for job in jobs if job.system == name] for name in SYSTEMS}
    rows = {name: found for name, found in rows.items() if found}
    results = {name: [load_result(held, job) for job in found] for name, found in rows.items()}
    blocks = {name: found[0]["block_parameters"] for name, found in results.items()}
    if max(blocks.values()) > 1.03 * min(blocks.values()):
        raise SystemExit(f"block parameters differ by more than 3 %: {blocks}")
    print(f"\n{size}: {jobs[0].tokens:,} tokens, {len(rows['ours'])} seeds, bits per byte")
    bits = {name: np.array([found["test"] for found in each]) for name, each in results.items()}
    for name, each in results.items():
        tuned = rows[name][0]
        print(
            f"  {name:9s} {bits[name].mean():.4f} (sd {bits[name].std(ddof=1):.4f})"
            f"  rate x{tuned.rate:g}  {blocks[name]:,} in blocks, {each[0]['parameters']:,} in all"
            f"  {np.mean([found['cpu_seconds'] for found in each]):.0f} s of CPU a run"
        )
    for peer in (name for name in PEERS if name in bits):
        effect = compare(bits["ours"], bits[peer], WITH_MARGIN)
        print(
            f"  ours - {peer:9s} {effect.effect:+.4f} [{effect.low:+.4f}, {effect.high:+.4f}]"
            f"  {effect.verdict} at a margin of {MARGIN}"
        )
    (held.out / f"table-{size}.json").write_text(
        json.dumps({name: found.tolist() for name, found in bits.items()}, indent=1)
    )


if __name__ == "__main__":
    main()
