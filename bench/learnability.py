"""Picking rows while a proxy trains, on text with a fifth of planted junk, at equal arithmetic.

    python -m bench.learnability --pool RUN [--tokens 400000] [--seeds 3] [--keep 0.25]

RUN is a finished run of bench/recipes/pool.yaml. Each seed draws clean text of its own from all of
its sources and replaces a fifth of the tokens: a third by shuffled words, a third by boilerplate, a
third by documents copied four times more. A reference of the same size is trained four times as
long on a clean draw that no run reads. Every arm of a seed reads the same mixture in the same order
and may spend the arithmetic of `--tokens` tokens of plain training, scoring included; all are
measured by bits per byte of held-out clean text, the mean over sources, against plain training.
`--target NAME ...` trains the reference on these sources alone and measures on them.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench.draws import Documents, Pool, dose, joined, pieces, shuffled
from bench.verdicts import Job, macro, run_all
from curator.evaluate.metrics import BITS, KINDS
from curator.evaluate.overlap import APART
from curator.evaluate.statistics import compare
from curator.identity import document_ids, file_digest, id_matrix
from curator.shards import write_atomically
from curator.train.checkpoint import WEIGHTS
from curator.train.pick import METHODS, REFERENCE, Pick, cost_of
from curator.train.proxy import find_proxy

JUNK = 0.2  # of a mixture's tokens
COPIES = 4  # beside the document itself
LONGER = 4  # times the tokens of a run that the reference is trained on
SPARE = 1.1  # whole documents, and a reserve
BOILERPLATE = (
    "Click here to subscribe to our newsletter and never miss an update again.",
    "We use cookies to improve your experience; by continuing you accept our cookie policy.",
    "All rights reserved. No part of this site may be reproduced without permission.",
    "Share this page on your favorite network, or print it for later.",
    "Log in or create a free account to leave a comment below.",
    "Sign up today and save ten percent on your first order.",
    "Home | About us | Products | Support | Contact | Terms of use | Privacy policy",
    "You may also like: related articles, popular posts, and editor's picks.",
    "Please enable scripts in your browser to view this content.",
    "Your session has expired. Please refresh the page and try again.",
    "This page was last updated on Monday. Report a problem with this page.",
    "Back to top. Next page. Previous page. View all results.",
)


@dataclass(frozen=True)
class Line:
    """One arm: bits per byte against plain training, and what it trained on for its arithmetic."""

    arm: str
    bits: float
    effect: float
    low: float
    high: float
    verdict: str
    tokens: int
    arithmetic: float  # of plain training's
    junk: float  # share of the tokens trained on
    cpu_seconds: float


def main() -> None:
    asked = arguments()
    pool = Pool(asked.pool, 8_000)
    texts = pool.texts(asked.text, asked.out / f"texts-{asked.text}.arrow")
    shape = find_proxy(asked.proxy).shape(pool.mixture.vocab_size)
    folder = asked.out / f"draws-{asked.tokens}-{asked.keep:g}-{'-'.join(asked.target) or 'all'}"
    reference, clean = draws(asked, pool)

    learned = pool.write(reference, folder / "reference")
    teacher = Job(learned, texts, asked.reference, LONGER * asked.tokens, 101, asked.out / "runs")
    run_all([teacher], 1)
    picks = picks_of(asked, teacher)
    jobs = {
        arm: [
            Job(mixture, texts, asked.proxy, asked.tokens, seed + 1, asked.out / "runs", pick)
            for seed, each in enumerate(clean)
            for mixture in [pool.write(spoiled(each, seed, pool), folder / f"seed-{seed}")]
        ]
        for arm, pick in picks.items()
    }
    found = run_all([job for row in jobs.values() for job in row], asked.workers)
    sources = asked.target or sorted(next(iter(found.values()))["bits"])
    bits = {arm: [macro(found[job.folder], sources) for job in row] for arm, row in jobs.items()}
    plain = shape.flops_per_token * asked.tokens
    lines = [line(arm, bits, jobs[arm], found, plain) for arm in picks]
    report(asked, lines, bits)


def draws(asked: argparse.Namespace, pool: Pool) -> tuple[Documents, list[Documents]]:
    """Return the clean text of the reference and of each seed; no document is in two of them."""
    read = round(asked.tokens * SPARE * max(1.0, _read(asked, pool)))
    cut = pool.cut([LONGER * asked.tokens, *[read] * asked.seeds], stratified=True)
    if not asked.target:
        return cut[0], cut[1:]
    # What the seeds did not draw, of the target's sources alone.
    taken = np.unique(np.concatenate([each.doc_ids for each in cut[1:]]).view("V16"))
    documents = pool.documents
    free = ~np.isin(np.ascontiguousarray(documents.doc_ids).view("V16")[:, 0], taken)
    mine = free & np.isin(documents.sources.astype(str), asked.target)
    return documents.take(mine).whole(), cut[1:]


def _read(asked: argparse.Namespace, pool: Pool) -> float:
    """Return how many times its budget the arm reads that reads most."""
    proxy, vocabulary = find_proxy(asked.proxy), pool.mixture.vocab_size
    costs = [
        cost_of(_pick(asked, method, "any"), proxy, proxy.shape(vocabulary),
                find_proxy(asked.reference).shape(vocabulary))
        for method in asked.methods
    ]  # fmt: skip
    return float(max(1 / (cost.factor * asked.keep) for cost in costs))


def picks_of(asked: argparse.Namespace, teacher: Job) -> dict[str, Pick | None]:
    """Return the pick of every arm; none is plain training."""
    picks: dict[str, Pick | None] = {"uniform": None}
    for method in asked.methods:
        pick = _pick(asked, method, str(teacher.folder))
        if pick.reference:
            pick = replace(pick, reference_digest=file_digest(teacher.folder / WEIGHTS))
        picks[method] = pick
    if asked.temperature and "learnability" in asked.methods:
        soft = picks["learnability"]
        assert soft is not None
        picks["learnability, drawn"] = replace(soft, temperature=asked.temperature)
    return picks


def _pick(asked: argparse.Namespace, method: str, reference: str) -> Pick:
    named = reference if REFERENCE in METHODS[method] else ""
    return Pick(method=method, keep=asked.keep, scored_tokens=asked.scored, reference=named)


def spoiled(clean: Documents, seed: int, pool: Pool) -> Documents:
    """Return clean text with `JUNK` of its tokens replaced by three kinds of junk."""
    part = round(JUNK / 3 * clean.n_tokens)
    rest, taken = dose(clean, 3 * part, seed)
    words, _ = dose(taken, taken.n_tokens - part, seed)
    chance = random.Random(seed)
    lines = [" ".join(chance.sample(BOILERPLATE, 8)) for _ in range(part // 100)]
    filler = pieces(lines, pool.tokenizer, "boilerplate")
    filler = filler.take(np.cumsum(filler.lengths) <= part).whole()
    return joined([rest, shuffled(words, pool.tokenizer, seed), filler, copied(rest, part)]).whole()


def copied(documents: Documents, tokens: int) -> Documents:
    """Return `COPIES` copies of the first documents, of about `tokens` tokens in all."""
    first = documents.take(np.cumsum(documents.lengths) <= tokens / COPIES).whole()
    names = [row.tobytes().hex() for row in first.doc_ids]
    copies = [
        replace(
            first,
            doc_ids=id_matrix(document_ids(f"copied-{copy}", pa.array(names, pa.large_string()))),
            sources=np.full(len(names), "copied", dtype=object),
        )
        for copy in range(COPIES)
    ]
    return joined(copies)


def line(
    arm: str,
    bits: Mapping[str, Sequence[float]],
    jobs: Sequence[Job],
    found: Mapping[Path, Mapping[str, Any]],
    plain: int,
) -> Line:
    """Return what is told of one arm.

    Args:
        arm: its name.
        bits: of every arm, one number a seed.
        jobs: its runs.
        found: what each run gave.
        plain: arithmetic of plain training.
    """
    runs = [json.loads((job.folder / "run.json").read_text()) for job in jobs]
    seen: dict[str, int] = {}
    for run in runs:
        for source, part in run["coverage"].items():
            seen[source] = seen.get(source, 0) + part["seen"]
    junk = sum(seen.get(kind, 0) for kind in ("shuffled", "boilerplate", "copied"))
    effect = compare(bits[arm], bits["uniform"], KINDS[BITS], text=APART)
    return Line(
        arm,
        float(np.mean(bits[arm])),
        effect.effect,
        effect.low,
        effect.high,
        "" if arm == "uniform" else effect.verdict,
        runs[0]["tokens"],
        runs[0]["flops"] / plain,
        junk / sum(seen.values()),
        sum(found[job.folder]["cpu_seconds"]["train"] for job in jobs) / len(jobs),
    )


def report(asked: argparse.Namespace, lines: Sequence[Line], bits: Mapping[str, Any]) -> None:
    """Print a line an arm and write all numbers as JSON."""
    print(f"{'arm':20} {'bits/byte':>9} {'against uniform':>26} {'verdict':10} tokens  FLOPs  junk")
    for each in lines:
        interval = f"{each.effect:+.4f} ({each.low:+.4f} to {each.high:+.4f})"
        print(
            f"{each.arm:20} {each.bits:9.4f} {interval:>26} {each.verdict:10} {each.tokens:,} "
            f"{each.arithmetic:6.1%} {each.junk:5.1%}  {each.cpu_seconds:.0f} CPU s"
        )
    content = {
        "settings": {key: str(value) for key, value in vars(asked).items()},
        "lines": [asdict(each) for each in lines],
        "values": dict(bits),
    }
    path = asked.out / "learnability.json"
    write_atomically(path, json.dumps(content, indent=1).encode())
    print(path)


def arguments() -> argparse.Namespace:
    """Return the settings of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pool", type=Path, required=True, help="a run of bench/recipes/pool.yaml")
    parser.add_argument("--out", type=Path, default=Path("out/bench/learnability"))
    parser.add_argument("--proxy", default="d2")
    parser.add_argument("--reference", default="d2", help="proxy of the reference")
    parser.add_argument("--tokens", type=int, default=400_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keep", type=float, default=0.25)
    parser.add_argument("--scored", type=int, default=64, help="tokens of each row that are scored")
    parser.add_argument("--temperature", type=float, default=0.1, help="0: no arm is drawn")
    parser.add_argument("--text", type=int, default=20_000, help="characters a source measured on")
    parser.add_argument("--target", nargs="*", default=[], metavar="SOURCE")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=[*METHODS],
        default=["learnability", "easy_reference", "high_loss", "placebo"],
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
