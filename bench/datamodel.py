"""Do gradients foretell what training on half of a pool does to a target? Against embeddings.

    python -m bench.datamodel [--corpora ../shared/data/corpora] [--out /tmp/datamodel] [--warm 0]

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
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import rankdata

from bench.draws import Documents, read_texts, write_draw
from curator.identity import document_ids, id_matrix
from curator.shards import write_atomically
from curator.train.proxy import Proxy, Rates
from curator.train.tokenizer import FILE, encode, load_tokenizer, train_bpe

# Shapes: S halves, N documents of the pool, Z target examples.
SOURCES = (
    "books", "code", "encyclopedia", "law", "math", "reviews", "synthetic_textbooks", "tech_docs",
)  # fmt: skip
VOCABULARY = 768  # with 0.1M block parameters 0.2M in all
BATCH_TOKENS = 2048
PROXY = Proxy(
    depth=2, width=64, heads=2, context=256, batch_tokens=BATCH_TOKENS, arch="gpt",
    rates=Rates(optimizer="adamw", matrix=0.003, weight_decay=0.1),
)  # fmt: skip
RESAMPLED = 2000


@dataclass(frozen=True)
class Material:
    """Text of a kind: pieces of equal length, sorted by source."""

    documents: Documents
    texts: list[str]


@dataclass(frozen=True)
class Job:
    """One run: a mixture, from first weights or a trunk, asked for its losses on the targets."""

    mixture: Path
    out: Path
    tokens: int
    seed: int
    start: Path | None
    targets: Path  # .npz: offsets and ids


def main() -> None:
    asked = arguments()
    tokenizer, material = prepared(asked)
    halves = drawn_halves(asked.units, asked.subsets)
    targets = kept_targets(material["targets"], asked.out)
    references, start = reference_runs(asked, material, tokenizer, targets)
    scores = kept_scores(asked, material, references)
    losses = trained_losses(asked, material["pool"], halves, tokenizer, targets, start)
    report(scores, halves, losses, asked)


def kept_scores(
    asked: argparse.Namespace, material: Mapping[str, Material], references: list[Path]
) -> dict[str, NDArray[np.float64]]:
    """Return (N, Z) scores of every method, made now or found."""
    name = f"scores-{asked.units}x{asked.unit_tokens}-{asked.warm}-{asked.dimensions}.npz"
    if not (asked.out / name).exists():
        from bench.datamodel_scores import method_scores  # torch and encoders

        texts = (material[kind].texts for kind in ("pool", "targets"))
        np.savez(asked.out / name, **method_scores(*texts, references, asked.dimensions))
    with np.load(asked.out / name) as kept:
        return dict(kept)


def prepared(asked: argparse.Namespace) -> tuple[Path, dict[str, Material]]:
    """Return the tokenizer and the material: the pool, the targets, and the text to warm up on."""
    texts = {source: list(first_texts(asked, source)) for source in SOURCES}
    folder = asked.out / "tokenizer"
    if not (folder / FILE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        train_bpe(
            [pa.array(some, pa.large_string()) for some in texts.values()], VOCABULARY, folder
        )
    tokenizer = folder / FILE
    each = asked.units // len(SOURCES)
    warm = -(-asked.warm // (asked.unit_tokens * len(SOURCES)))
    cut: dict[str, list[tuple[str, NDArray[np.uint16]]]] = {"pool": [], "targets": [], "warm": []}
    for source, some in texts.items():
        rows = cut_pieces(some, tokenizer, asked.unit_tokens)
        counts = {"pool": each, "targets": asked.examples, "warm": warm}
        for kind, count in counts.items():
            taken, rows = rows[:count], rows[count:]
            if len(taken) < count:
                raise SystemExit(f"{source}: {len(taken)} pieces of {count} for {kind}")
            cut[kind] += [(source, row) for row in taken]
    return tokenizer, {kind: material_of(found, tokenizer) for kind, found in cut.items()}


def first_texts(asked: argparse.Namespace, source: str) -> list[str]:
    """Return so many long texts of a source, cut to what a piece can need."""
    longest = 12 * asked.unit_tokens  # characters: more than so many tokens
    wanted = asked.units // len(SOURCES) + asked.examples
    wanted += asked.warm // (asked.unit_tokens * len(SOURCES)) + 1
    long = (
        text[:longest] for text in read_texts(asked.corpora / source) if len(text) > longest / 3
    )
    return list(itertools.islice(long, int(1.3 * wanted)))


def cut_pieces(texts: list[str], tokenizer: Path, size: int) -> list[NDArray[np.uint16]]:
    """Return the first `size` tokens of every text that has as many, one piece a text."""
    offsets, ids = encode(load_tokenizer(tokenizer), pa.array(texts, pa.large_string()))
    return [
        ids[begin : begin + size].astype(np.uint16)
        for begin, end in itertools.pairwise(offsets.tolist())
        if end - begin >= size
    ]


def material_of(pieces: list[tuple[str, NDArray[np.uint16]]], tokenizer: Path) -> Material:
    """Return pieces as documents, and as text."""
    model = load_tokenizer(tokenizer)
    texts = [model.decode(row[1:].tolist()) for _, row in pieces]
    lengths = np.array([len(row) for _, row in pieces], np.int64)
    names = np.array([source for source, _ in pieces], dtype=object)
    numbered = pa.array([f"{i} {text}" for i, text in enumerate(texts)], pa.large_string())
    return Material(
        Documents(
            id_matrix(document_ids("datamodel", numbered)), names, np.cumsum(lengths) - lengths,
            lengths, np.concatenate([np.zeros(0, np.uint16), *(row for _, row in pieces)]),
        ),
        texts,
    )  # fmt: skip


def drawn_halves(units: int, subsets: int) -> NDArray[np.bool_]:
    """Return which documents each random half holds, (S, N)."""
    chance = np.random.default_rng(0)
    halves = np.zeros((subsets, units), np.bool_)
    for half in halves:
        half[chance.permutation(units)[: units // 2]] = True
    return halves


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
    run(Job(mixture, out, documents.n_tokens, 1, None, targets), as_trunk=True)
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
    jobs = []
    for number, half in enumerate(halves):
        documents = pool.documents.take(np.flatnonzero(half)).whole()
        mixture = write_draw(documents, tokenizer, asked.out / f"half-{name}-{number}")
        jobs += [
            Job(
                mixture, asked.out / f"run-{name}-{number}-{seed}", documents.n_tokens, seed, start,
                targets,
            )
            for seed in range(2, 2 + asked.seeds)
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
    init = 1 if job.start else job.seed
    record = train(
        job.mixture, PROXY, tokens=tokens, seed=init, order_seed=job.seed, out=job.out,
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
    print(f"{'method':<28}{'score':>8}{'95 %':>18}{'over minilm':>14}{'95 %':>18}")
    for name, each in foretold.items():
        score = correlations(each, mean_SZ).mean()
        over = score - correlations(foretold["cosine of minilm"], mean_SZ).mean()
        low, high = np.quantile(drawn[name], (0.025, 0.975))
        less, more = np.quantile(drawn[name] - base, (0.025, 0.975))
        print(
            f"{name:<28}{score:>8.3f}{f'{low:.3f} to {high:.3f}':>18}{over:>14.3f}"
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
    parser.add_argument("--dimensions", type=int, default=8192)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--nice", type=int, default=5, help="of the workers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
