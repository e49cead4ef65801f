"""How much junk in an arm's text is found: doses against P(worse), five paired seeds.

    python -m bench.power --pool /tmp/pool/run --junk ../shared/data/corpora/noise \
        --out /tmp/bench/calibration

Each seed has a clean draw of its own; the dosed arm is that draw with a share of its tokens
replaced, by pieces of real junk or by its own words in random order. Verdicts are the product's
`compare` with the default threshold on the mean over held-out sources of bits per byte, for any
five of the seeds. Clean runs are those of `bench.calibration` over the same folder.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.special import nctdtr, stdtrit

from bench.calibration import KIND, PAIRS, SPARE, add_draws, label
from bench.draws import Documents, Pool, dose, joined, pieces, portion, read_texts, shuffled
from bench.verdicts import Job, Rate, macro, rate_of, run_all, several
from curator.evaluate.overlap import APART
from curator.evaluate.statistics import compare
from curator.shards import write_atomically

BOOTSTRAPS = 2000


@dataclass(frozen=True)
class Point:
    """One dose: the effect in bits a byte, how often it is called worse, and what theory says."""

    kind: str
    dose: float
    effect: float
    sd: float
    worse: Rate
    other: float  # share of verdicts that are "better": wrong ones
    expected: tuple[float, float, float]  # power of a t-test at this effect, with its interval


def main() -> None:
    asked = arguments()
    pool = Pool(asked.pool, asked.longest)
    texts = pool.texts(asked.text, asked.out / f"texts-{asked.text}.arrow")
    sizes = [int(asked.tokens * SPARE)] * (asked.seeds * asked.draws)
    clean = pool.cut(sizes, asked.cut, stratified=asked.stratified)[:: asked.draws]
    junk = pieces(list(read_texts(asked.junk)), pool.tokenizer, "junk")
    print(f"junk: {junk.n_tokens:,} tokens in {len(junk.lengths):,} pieces")

    folder = (
        asked.out
        / "draws"
        / f"{asked.cut}-{asked.longest}-{asked.tokens}{'-even' * asked.stratified}"
    )

    def job(documents: Documents, name: str, seed: int) -> Job:
        mixture = pool.write(documents, folder / name)
        return Job(mixture, texts, asked.proxy, asked.tokens, seed + 1, asked.out / "runs")

    jobs: dict[tuple[str, float], list[Job]] = {
        ("clean", 0.0): [
            job(each, f"draw-{seed * asked.draws}", seed) for seed, each in enumerate(clean)
        ]
    }
    for kind in asked.kinds:
        for share in asked.doses:
            jobs[kind, share] = [
                job(dosed(each, kind, share, seed, junk, pool, asked.seeds), name, seed)
                for seed, each in enumerate(clean)
                for name in [f"{kind}-{share:g}-{seed}"]
            ]
    found = run_all([each for row in jobs.values() for each in row], asked.workers)
    sources = sorted(next(iter(found.values()))["bits"])
    values = {
        f"{kind} {share:g}": [macro(found[each.folder], sources) for each in row]
        for (kind, share), row in jobs.items()
    }
    points = [
        point(kind, share, values[f"{kind} {share:g}"], values["clean 0"], asked.comparisons)
        for kind, share in jobs
        if kind != "clean"
    ]
    report(asked, points, values)


def dosed(
    clean: Documents, kind: str, share: float, seed: int, junk: Documents, pool: Pool, seeds: int
) -> Documents:
    """Return a draw with `share` of its tokens replaced by junk of its own seed."""
    kept, taken = dose(clean, round(share * clean.n_tokens), seed)
    if kind == "shuffled":
        return joined([kept, shuffled(taken, pool.tokenizer, seed)]).whole()
    return joined([kept, portion(junk, taken.n_tokens, seed, seeds)]).whole()


def point(
    kind: str, share: float, arm: Sequence[float], clean: Sequence[float], comparisons: int
) -> Point:
    """Return what is said of one dose."""
    pairs = np.array([arm, clean]).T
    effects, members = several(
        pairs,
        lambda one, other: compare(one, other, KIND, text=APART),
        comparisons=comparisons,
        paired=True,
    )
    called = np.array([each.verdict for each in effects])
    differences = pairs[:, 0] - pairs[:, 1]
    chance = np.random.default_rng(0)
    rows = chance.integers(0, len(differences), (BOOTSTRAPS, len(differences)))
    spread = np.quantile(power(differences[rows]), [0.025, 0.975])
    return Point(
        kind,
        share,
        float(differences.mean()),
        float(differences.std(ddof=1)),
        rate_of(called == "worse", members, len(pairs)),
        float((called == "better").mean()),
        (float(power(differences[None])[0]), float(spread[0]), float(spread[1])),
    )


def power(differences: np.ndarray) -> np.ndarray:
    """Return the chance that a t-test of five pairs finds the mean of each row above 0."""
    shift = differences.mean(1) / differences.std(1, ddof=1) * np.sqrt(PAIRS)
    found: np.ndarray = 1 - nctdtr(PAIRS - 1, shift, stdtrit(PAIRS - 1, 0.975))
    return found


def found_in(points: Sequence[Point], wanted: float) -> float | None:
    """Return the dose called worse with chance `wanted`, between doses on a log scale."""
    doses = np.log([each.dose for each in points])
    rates = np.maximum.accumulate([each.worse.rate for each in points])
    if rates[-1] < wanted:
        return None
    at = int(np.argmax(rates >= wanted))
    if at == 0:
        return points[0].dose
    part = (wanted - rates[at - 1]) / (rates[at] - rates[at - 1])
    return float(np.exp(doses[at - 1] + part * (doses[at] - doses[at - 1])))


def report(
    asked: argparse.Namespace, points: Sequence[Point], values: Mapping[str, Sequence[float]]
) -> None:
    """Print the curve of every kind and write all numbers as JSON."""
    content: dict[str, object] = {
        "settings": {key: str(value) for key, value in vars(asked).items()},
        "points": [asdict(each) for each in points],
        "values": dict(values),
    }
    found: dict[str, float | None] = {}
    for kind in asked.kinds:
        curve = sorted((each for each in points if each.kind == kind), key=lambda each: each.dose)
        print(f"{kind}, {asked.proxy} x {asked.tokens:,} tokens, {PAIRS} of {asked.seeds} pairs")
        print("  dose    effect      sd  called worse                        t-test's power")
        for each in curve:
            low, high = (100 * value for value in each.expected[1:])
            print(
                f"  {100 * each.dose:4.1f} % {each.effect:+.4f}  {each.sd:.4f}  {each.worse!s:35} "
                f"{100 * each.expected[0]:.1f} % ({low:.1f} to {high:.1f})"
            )
        ninety = found[kind] = found_in(curve, 0.9)
        print("  found in 90 %: " + ("none of these" if ninety is None else f"{ninety:.2%}"))
    path = asked.out / f"power-{label(asked)}.json"
    content["dose_found_in_90_percent"] = found
    write_atomically(path, json.dumps(content, indent=1).encode())
    print(path)


def arguments() -> argparse.Namespace:
    """Return the settings of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_draws(parser)
    parser.add_argument("--junk", type=Path, required=True, help="folder of .jsonl.zst files")
    parser.add_argument(
        "--doses", type=float, nargs="+", default=[0.005, 0.01, 0.02, 0.05, 0.1], metavar="SHARE"
    )
    parser.add_argument(
        "--kinds", nargs="+", default=["junk"], choices=["junk", "shuffled"], metavar="KIND"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
