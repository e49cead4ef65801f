"""Do gradients foretell what training on half of a pool does to a target? Against embeddings.

    python -m bench.datamodel [--seed 1] [--dimensions 8192 4096] [--warm 0] [--out /tmp/datamodel]

The linear datamodelling score (Ilyas et al. 2022, arXiv:2202.00622; Park et al. 2023,
arXiv:2303.14186, section 2.1): a pool of documents of equal length from eight sources, 32 random
halves of it; the 0.2M-parameter model that is trained on each half loses so much on each target
example, and a method foretells it by the sum of its scores over the half. Printed: the mean over
examples of the Spearman correlation of the two, with a 95 % interval from resampling halves and
examples, and its difference from the cosine of MiniLM's embeddings. `placebo` is LESS with the
pool's documents interchanged; `ceiling` is what half of the seeds foretell of the other half.

Halves are trained on as branches of one warm model, whose gradients and moments are the features;
`--warm 0` trains them from first weights, and takes the features from a model trained on the
whole pool. Runs are kept in --out, so that a bench that is cut goes on where it stopped.

What was chosen by one seed's numbers is confirmed by another's, which has other documents in its
pool, other examples, halves, first weights and orders (`bench.datamodel_pool`).
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from bench.datamodel_pool import Material, Sizes, drawn_halves, drawn_material, home
from bench.draws import write_draw
from curator.shards import write_atomically
from curator.train.proxy import Proxy, Rates

# Shapes: S halves, N documents of the pool, Z target examples.
BATCH_TOKENS = 2048
PROXY = Proxy(
    depth=2, width=64, heads=2, context=256, batch_tokens=BATCH_TOKENS, arch="gpt",
    rates=Rates(optimizer="adamw", matrix=0.003, weight_decay=0.1),
)  # fmt: skip
EMBEDDED = ("cosine of minilm", "cosine of wordllama")  # methods without a sketch
RESAMPLED = 2000


@dataclass(frozen=True)
class Job:
    """One run: a mixture, from first weights or a trunk, asked for its losses on the targets."""

    mixture: Path
    out: Path
    tokens: int
    init: int  # seed of the first weights
    order: int  # seed of the order
    start: Path | None
    targets: Path  # .npz: offsets and ids


def main() -> None:
    asked = arguments()
    sizes = Sizes(asked.units, asked.unit_tokens, asked.examples, asked.warm)
    tokenizer, material = drawn_material(asked.corpora, asked.out, sizes, asked.seed)
    asked.out = home(asked.out, asked.seed)
    halves = drawn_halves(asked.units, asked.subsets, asked.seed)
    targets = kept_targets(material["targets"], asked.out)
    references, start = reference_runs(asked, material, tokenizer, targets)
    scores = kept_scores(asked, material, references)
    losses = trained_losses(asked, material["pool"], halves, tokenizer, targets, start)
    report(scores, halves, losses, asked)


def kept_scores(
    asked: argparse.Namespace, material: Mapping[str, Material], references: list[Path]
) -> dict[str, NDArray[np.float64]]:
    """Return (N, Z) scores of every method, made now or found, told apart by their dimensions."""
    found: dict[str, NDArray[np.float64]] = {}
    for dimensions in asked.dimensions:
        name = f"scores-{asked.units}x{asked.unit_tokens}-{asked.warm}-{dimensions}.npz"
        if not (asked.out / name).exists():
            from bench.datamodel_scores import method_scores  # torch and encoders

            scores = method_scores(
                material["pool"].texts, material["targets"].texts, references, dimensions,
                asked.seed,
            )  # fmt: skip
            with (asked.out / name).open("wb") as file:
                np.savez(file, allow_pickle=False, **scores)
        told = f", k {dimensions}" if len(asked.dimensions) > 1 else ""
        with np.load(asked.out / name) as kept:
            found |= {
                method if method in EMBEDDED else method + told: score_NZ
                for method, score_NZ in kept.items()
            }
    return found


def first_seed(asked: argparse.Namespace) -> int:
    """Return the reference run's seed; those of the orders of halves follow it."""
    return 1 + int(asked.seed) * (1 + int(asked.seeds))


def kept_targets(targets: Material, out: Path) -> Path:
    """Return the file that runs read target examples from."""
    documents = targets.documents
    path = out / "targets.npz"
    np.savez(path, offsets=np.r_[documents.offsets, documents.n_tokens], ids=documents.tokens)
    return path


def reference_runs(
    asked: argparse.Namespace, material: Mapping[str, Material], tokenizer: Path, targets: Path
) -> tuple[list[Path], Path | None]:
    """Return the runs that features come from, with state, and what halves begin from."""
    kind = "warm" if asked.warm else "pool"
    documents = material[kind].documents
    mixture = write_draw(documents, tokenizer, asked.out / f"mixture-{kind}-{asked.warm}")
    out = asked.out / f"reference-{kind}-{documents.n_tokens}"
    seed = first_seed(asked)
    run(Job(mixture, out, documents.n_tokens, seed, seed, None, targets), as_trunk=True)
    return [out], out if asked.warm else None


def trained_losses(
    asked: argparse.Namespace,
    pool: Material,
    halves: NDArray[np.bool_],
    tokenizer: Path,
    targets: Path,
    start: Path | None,
) -> NDArray[np.float64]:
    """Return each example's loss in nats a token after each half, (seeds, S, Z)."""
    name = f"{asked.units}x{asked.unit_tokens}-{asked.warm}"
    first = first_seed(asked)
    jobs = []
    for number, half in enumerate(halves):
        documents = pool.documents.take(np.flatnonzero(half)).whole()
        mixture = write_draw(documents, tokenizer, asked.out / f"half-{name}-{number}")
        jobs += [
            Job(
                mixture, asked.out / f"run-{name}-{number}-{seed}", documents.n_tokens,
                first if start else seed, seed, start, targets,
            )
            for seed in range(first + 1, first + 1 + asked.seeds)
        ]  # fmt: skip
    context = get_context("spawn")
    with ProcessPoolExecutor(
        asked.workers, mp_context=context, initializer=os.nice, initargs=(asked.nice,)
    ) as workers:
        found = list(workers.map(run, jobs))
    return np.array(found).reshape(len(halves), asked.seeds, -1).transpose(1, 0, 2)


def run(job: Job, *, as_trunk: bool = False) -> list[float]:
    """Return the loss of each target example after a run, made now or found finished."""
    done = job.out / "losses.json"
    if done.exists():
        found: list[float] = json.loads(done.read_text())
        return found
    # Only workers need torch.
    from curator.evaluate.bits import document_bits
    from curator.train.checkpoint import load_model
    from curator.train.loop import train

    tokens = job.tokens // BATCH_TOKENS * BATCH_TOKENS
    record = train(
        job.mixture, PROXY, tokens=tokens, seed=job.init, order_seed=job.order, out=job.out,
        start=job.start, as_trunk=as_trunk,
    )  # fmt: skip
    if not record.finished:
        raise RuntimeError(f"{job.out}: {record.reason}")
    with np.load(job.targets) as kept:
        bits = document_bits(load_model(job.out), kept["offsets"], kept["ids"])
        nats = bits * np.log(2) / (np.diff(kept["offsets"]) - 1)
    write_atomically(done, json.dumps(nats.tolist()).encode())
    return list(nats.tolist())


def correlations(
    foretold_SZ: NDArray[np.float64], losses_SZ: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return Spearman's correlation over halves of what was foretold with minus the loss, (Z,)."""
    one, other = (rankdata(each, axis=0) for each in (foretold_SZ, -losses_SZ))
    one, other = (each - each.mean(axis=0) for each in (one, other))
    spread = np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
    found: NDArray[np.float64] = (one * other).sum(axis=0) / np.where(spread > 0, spread, 1)
    return found


def resampled(
    foretold: Mapping[str, NDArray[np.float64]], losses_SZ: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Return each method's score in samples of halves and examples with replacement, the same for
    all methods."""
    chance = np.random.default_rng(0)
    found: dict[str, list[float]] = {name: [] for name in foretold}
    subsets, examples = losses_SZ.shape
    for _ in range(RESAMPLED):
        rows = chance.integers(0, subsets, subsets)
        columns = chance.integers(0, examples, examples)
        part = np.ix_(rows, columns)
        for name, each in foretold.items():
            found[name].append(float(correlations(each[part], losses_SZ[part]).mean()))
    return {name: np.array(values) for name, values in found.items()}


def report(
    scores: Mapping[str, NDArray[np.float64]],
    halves: NDArray[np.bool_],
    losses: NDArray[np.float64],
    asked: argparse.Namespace,
) -> None:
    """Print each method's linear datamodelling score."""
    mean_SZ = losses.mean(axis=0)
    foretold = {name: halves @ score_NZ for name, score_NZ in scores.items()}
    if asked.seeds > 1:
        foretold["ceiling"] = -losses[::2].mean(axis=0)
        of_others = correlations(foretold["ceiling"], losses[1::2].mean(axis=0)).mean()
        del foretold["ceiling"]
        print(f"ceiling {of_others:.3f} (half of the seeds against the other half)")
    print(
        f"loss {mean_SZ.mean():.3f} nats a token; its sd over halves "
        f"{mean_SZ.std(axis=0).mean():.4f}, over seeds {losses.std(axis=0).mean():.4f}"
    )
    drawn = resampled(foretold, mean_SZ)
    base = drawn["cosine of minilm"]
    print(f"{'method':<36}{'score':>8}{'95 %':>18}{'over minilm':>14}{'95 %':>18}")
    for name, each in foretold.items():
        score = correlations(each, mean_SZ).mean()
        over = score - correlations(foretold["cosine of minilm"], mean_SZ).mean()
        low, high = np.quantile(drawn[name], (0.025, 0.975))
        less, more = np.quantile(drawn[name] - base, (0.025, 0.975))
        print(
            f"{name:<36}{score:>8.3f}{f'{low:.3f} to {high:.3f}':>18}{over:>14.3f}"
            f"{f'{less:.3f} to {more:.3f}':>18}"
        )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--corpora", type=Path, default=Path("../shared/data/corpora"))
    parser.add_argument("--out", type=Path, default=Path("/tmp/datamodel"))
    parser.add_argument("--units", type=int, default=400, help="documents of the pool")
    parser.add_argument("--unit-tokens", type=int, default=512)
    parser.add_argument("--examples", type=int, default=10, help="targets of each source")
    parser.add_argument("--subsets", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=2, help="of the order, for every half")
    parser.add_argument("--warm", type=int, default=400_000, help="tokens before halves; 0: none")
    parser.add_argument("--dimensions", type=int, nargs="+", default=[8192])
    parser.add_argument("--seed", type=int, default=0, help="of documents, halves and orders")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--nice", type=int, default=5, help="of the workers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
