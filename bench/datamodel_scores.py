"""What each method says a document does for a target example: the columns of bench.datamodel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.embed.encoder import open_encoder
from curator.influence.captured import Layers
from curator.influence.sketch import Sketch
from curator.schema import vector_matrix
from curator.stage import Site

# Shapes: N documents of the pool, Z target examples, K dimensions.
LAYERS: dict[tuple[Layers, ...], str] = {("blocks",): "", ("blocks", "head"): " + head"}
RIDGES = (0.1, 1.0, 10.0, 100.0)  # of TRAK
F64 = NDArray[np.float64]


def method_scores(
    pool: list[str], targets: list[str], runs: list[Path], dimensions: int, seed: int
) -> dict[str, F64]:
    """Return (N, Z) scores of every method; those of gradients are means over `runs`.

    `seed` is the placebo's.
    """
    found = {
        f"cosine of {name}": cosines(*(open_encoder(name).encode(x) for x in (pool, targets)))
        for name in ("minilm", "wordllama")
    }
    for layers, told in LAYERS.items():
        by_run = []
        for run in runs:
            plain = Sketch(str(run), dimensions, max_tokens=512, layers=layers)
            by_run.append(products(pool, targets, plain) | trak_scores(pool, targets, plain))
        found |= {name + told: np.mean([one[name] for one in by_run], axis=0) for name in by_run[0]}
    order = np.random.default_rng(seed).permutation(len(pool))
    return found | {"placebo": found["LESS"][order]}


def products(pool: list[str], targets: list[str], plain: Sketch) -> dict[str, F64]:
    """Return (N, Z) products of documents' gradients, or steps of Adam, with those of targets."""
    of_pool, of_targets = rows(plain, pool), rows(plain, targets)
    adam = replace(plain, precondition="adam")
    steps, released = rows(adam, pool), rows(replace(adam, compat="paper_repo"), pool)
    return {
        "dot": of_pool.astype(np.float64) @ of_targets.T,
        "cosine of gradients": cosines(of_pool, of_targets),
        "LESS": cosines(steps, of_targets),
        "LESS, as released": cosines(released, of_targets),
        "LESS, not normalized": steps.astype(np.float64) @ of_targets.T,
    }


def trak_scores(pool: list[str], targets: list[str], plain: Sketch) -> dict[str, F64]:
    """Return (N, Z) scores of TRAK by its ridge."""
    margin = replace(plain, output="margin")
    table, examples = sketched(margin, pool), rows(margin, targets).astype(np.float64)
    phi = vector_matrix(table["gradient"]).astype(np.float64)
    doubt = 1 - table["gradient_probability"].to_numpy()
    # By the kernel of documents, who are fewer than dimensions: what scorers/trak.py solves for.
    kernel = phi @ phi.T / len(phi)
    mean = np.trace(kernel) / len(kernel)
    return {
        f"TRAK, ridge {ridge:g}": np.linalg.solve(
            kernel + ridge * mean * np.eye(len(kernel)), phi @ examples.T
        )
        * doubt[:, None]
        for ridge in RIDGES
    }


def sketched(stage: Sketch, texts: list[str]) -> pa.Table:
    """Return what a stage makes of texts."""
    table = pa.table({"text": pa.array(texts, pa.large_string())})
    return stage.process(stage.load(Site()), table)


def rows(stage: Sketch, texts: list[str]) -> NDArray[np.float32]:
    """Return the sketched gradients of texts, (N, K)."""
    return vector_matrix(sketched(stage, texts)["gradient"])


def cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> F64:
    """Return (N, Z) cosines of the rows of two matrices."""
    units = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (one, other)]
    found: F64 = (units[0] @ units[1].T).astype(np.float64)
    return found
