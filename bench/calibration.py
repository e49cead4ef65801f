"""A/A: how often two random selections of one pool are called "better" or "worse".

    python -m bench.calibration --pool /tmp/pool/run --out /tmp/bench/calibration

The pool is cut into disjoint draws of documents of at most `--longest` tokens (one in twenty is
longer, and those hold more than half of the text: a draw could be mostly one of them). Seed s
trains on J draws; a comparison takes any five seeds and two draws of each as the two arms, and
asks the product's `compare` with the default threshold on the mean over held-out sources of bits
per byte. Nominal: 5 %.

Two contrasts show why the text must be another one for every seed. "fixed": all seeds of an arm
read one and the same draw. "shared": an arm is a mixture of which every seed reads a part (the
product's own windows), judged with and without the widening for the text that seeds share.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from bench.draws import Documents, Pool
from bench.verdicts import Job, Rate, distinct, macro, rate_of, run_all, several
from curator.evaluate.metrics import BITS, KINDS
from curator.evaluate.overlap import APART, sharing
from curator.evaluate.statistics import compare
from curator.shards import write_atomically

KIND = KINDS[BITS]
PAIRS = 5
SPARE = 1.02  # a draw holds a little more than a run reads, so that no text is read twice


class Bench:
    """The draws, the jobs over them, and the verdicts."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.pool = Pool(asked.pool, asked.longest)
        sizes = [int(asked.tokens * SPARE)] * (asked.seeds * asked.draws)
        cut = self.pool.cut(sizes, asked.cut, stratified=asked.stratified)
        self.texts = self.pool.texts(asked.text, asked.out / f"texts-{asked.text}.arrow")
        self.draws = self.written(cut, "draw")
        self.mixtures = self.written(
            self.pool.cut(
                [int(asked.tokens / asked.share)] * asked.shared,
                asked.cut + 1,
                stratified=asked.stratified,
            ),
            "shared",
        )
        held = sum(draw.n_tokens for draw in cut)
        print(f"{len(cut)} disjoint draws, {held:,} of {self.pool.documents.n_tokens:,} tokens")

    def written(self, cut: list[Documents], name: str) -> list[Path]:
        """Return the mixtures of draws on disk."""
        asked = self.asked
        folder = (
            asked.out
            / "draws"
            / f"{asked.cut}-{asked.longest}-{asked.tokens}{'-even' * asked.stratified}"
        )
        return [
            self.pool.write(draw, folder / f"{name}-{number}") for number, draw in enumerate(cut)
        ]

    def job(self, mixture: Path, seed: int) -> Job:
        asked = self.asked
        return Job(mixture, self.texts, asked.proxy, asked.tokens, seed, asked.out / "runs")

    def apart(self) -> list[list[Job]]:
        """Every seed on draws of its own, [S][J]."""
        seeds, draws = self.asked.seeds, self.asked.draws
        return [
            [self.job(self.draws[seed * draws + turn], seed + 1) for turn in range(draws)]
            for seed in range(seeds)
        ]

    def fixed(self) -> list[list[Job]]:
        """The first draw of the first seeds, each read by all of five seeds, [D][5]."""
        return [
            [self.job(self.draws[arm * self.asked.draws], seed + 1) for seed in range(PAIRS)]
            for arm in range(self.asked.fixed)
        ]

    def shared(self) -> list[list[Job]]:
        """Mixtures of which five seeds read a part each, [A][5]."""
        return [[self.job(mixture, seed + 1) for seed in range(PAIRS)] for mixture in self.mixtures]


def main() -> None:
    asked = arguments()
    bench = Bench(asked)
    groups = {"apart": bench.apart(), "fixed": bench.fixed(), "shared": bench.shared()}
    found = run_all(
        [job for group in groups.values() for row in group for job in row], asked.workers
    )
    sources = sorted(next(iter(found.values()))["bits"])
    values = {
        name: np.array([[macro(found[job.folder], sources) for job in row] for row in group])
        for name, group in groups.items()
    }
    effects, members = several(
        values["apart"],
        lambda arm, base: compare(arm, base, KIND, text=APART),
        comparisons=asked.comparisons,
    )
    told = {"apart": rate_of(distinct(effects), members, asked.seeds)}
    if asked.fixed:
        told["fixed"] = between(values["fixed"])
    if asked.shared:
        windows = [found[job.folder]["window"] for job in groups["shared"][0]]
        told["shared"] = between(values["shared"])
        told["shared, widened"] = between(values["shared"], windows)
    report(asked, told, values, noise_of(found, groups["apart"], sources))


def noise_of(
    found: Mapping[Path, Mapping[str, Any]], group: Sequence[Sequence[Job]], sources: Sequence[str]
) -> dict[str, float]:
    """Return the deviation of one pair's difference: of the mean, of every source, of the median.

    Two draws of one seed differ by the root of twice their variance; seeds are pooled. These are
    the numbers of configs/noise.yaml.
    """

    def deviation(of: Sequence[str]) -> float:
        values = np.array([[macro(found[job.folder], of) for job in row] for row in group])
        return float(np.sqrt(2 * values.var(axis=1, ddof=1).mean()))

    each = {source: deviation([source]) for source in sources}
    return {"mean": deviation(sources), "single": float(np.median([*each.values()])), **each}


def between(values: np.ndarray, windows: list[list[float]] | None = None) -> Rate:
    """Return how often two of some arms, (A, 5), are told apart; each arm is a cluster."""
    text = sharing([(start, share) for start, share in windows]) if windows else APART
    members = np.array(list(combinations(range(len(values)), 2)))
    effects = [compare(values[one], values[other], KIND, text=text) for one, other in members]
    if windows:
        print(f"runs of an arm share {text.overlap:.2f} of their text: covers {text.covers}")
    return rate_of(distinct(effects), members, len(values))


def report(
    asked: argparse.Namespace,
    told: Mapping[str, Rate],
    values: Mapping[str, np.ndarray],
    noise: Mapping[str, float],
) -> None:
    """Print the rates and write all numbers as JSON."""
    rates = {name: vars(rate) for name, rate in told.items()}
    settings = {key: str(value) for key, value in vars(asked).items()}
    content: dict[str, Any] = {"settings": settings, "rates": rates, "sd": dict(noise)}
    content["values"] = {name: each.tolist() for name, each in values.items()}
    path = asked.out / f"calibration-{label(asked)}.json"
    write_atomically(path, json.dumps(content, indent=1).encode())
    labels = {
        "apart": "other text for every seed (the product's way)",
        "fixed": "the same text for every seed",
        "shared": "text shared in part, plain interval",
        "shared, widened": "text shared in part, widened interval",
    }
    print(
        f"{asked.proxy} x {asked.tokens:,} tokens, {PAIRS} pairs; one pair's difference varies by"
    )
    print("  " + ", ".join(f"{name} {sd:.4f}" for name, sd in noise.items()))
    for name, rate in told.items():
        print(f"  {labels[name]:46} better or worse in {rate}")
    print(path)


def add_draws(parser: argparse.ArgumentParser) -> None:
    """Add what says how a pool is cut and trained on: the same for benches that share runs."""
    parser.add_argument("--pool", type=Path, required=True, help="folder of a finished run")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--proxy", default="d2")
    parser.add_argument("--tokens", type=int, default=200_000, help="a run trains on")
    parser.add_argument("--seeds", type=int, default=25)
    parser.add_argument("--draws", type=int, default=3, help="of each seed, at least 2")
    parser.add_argument("--text", type=int, default=40_000, help="held-out characters a source")
    parser.add_argument(
        "--stratified", action=argparse.BooleanOptionalAction, default=True,
        help="every draw has all sources in their shares, as the product's windows have",
    )  # fmt: skip
    parser.add_argument("--comparisons", type=int, default=20_000)
    parser.add_argument("--longest", type=int, default=4096, help="tokens of a document; 0: any")
    parser.add_argument("--cut", type=int, default=0, help="seed of the cut into draws")
    parser.add_argument("--workers", type=int, default=2)


def label(asked: argparse.Namespace) -> str:
    """Return what names the results of these settings in a file's name."""
    return f"{Path(asked.proxy).stem}-{asked.tokens}{'-even' * asked.stratified}"


def arguments() -> argparse.Namespace:
    """Return the settings of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_draws(parser)
    parser.add_argument("--fixed", type=int, default=10, help="draws that five seeds read; 0: none")
    parser.add_argument("--shared", type=int, default=10, help="mixtures read in part; 0: none")
    parser.add_argument("--share", type=float, default=0.35, help="of a mixture a seed reads")
    return parser.parse_args()


if __name__ == "__main__":
    main()
