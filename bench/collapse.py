"""Generations of proxies that train on what earlier ones wrote: collapse by policy, on real text.

    python -m bench.collapse [--corpus bench/recipes/claims/poisoning_corpus.yaml] [--proxy d2]
        [--tokens 200_000] [--generations 4] [--seeds 1 2 3] [--policies replace accumulate ...]

Generation 0 is trained on real documents, D_0. Each later one is a recipe like
configs/recipes/collapse.yaml whose refiner `sample` is asked with the models of the generations
before, and a proxy trained from scratch on what its policy takes: `accumulate` on all of it,
the others on as many tokens as D_0. `edit` writes nothing: it puts D_0 through ToEdit, once by each
model so far (methods, part R4, check B). Printed for every generation, the mean over seeds with the
standard deviation: bits a byte of real held-out text; of what its model writes, distinct 4-grams
and different words among the first thousands. Last the share of documents that the last step
made anew.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curator.errors import RecipeError
from curator.identity import document_ids, id_matrix
from curator.refine.collapse import POLICIES, distinct, find_policy, require_kinds, types

SLACK = 2.0  # tokens selected for each that is trained on: models write shorter documents
WRITTEN = 200  # documents of each model that diversity is measured on
WORDS = 4000  # of them
LONGEST = 512  # tokens of a document that a model writes
EDIT = "edit"
# A proxy is never as sure as the published .99 wants; at 1.5 it would draw the same token again.
SURE, SPREAD, CANDIDATES = 0.5, 3.0, 64


@dataclass(frozen=True)
class Settings:
    """What all generations share."""

    corpus: Path
    proxy: str
    tokens: int
    folder: Path


@dataclass(frozen=True)
class Generation:
    """One trained model: its run, bits a byte on real text, and the diversity of what it writes.

    Attributes:
        changed: share of the documents it was trained on that the last edit changed.
    """

    model: Path
    bits: float
    distinct_4: float
    types: int
    changed: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    here = Path("bench/recipes/claims/poisoning_corpus.yaml")
    parser.add_argument("--corpus", type=Path, default=here)
    parser.add_argument("--proxy", default="d2")
    parser.add_argument("--tokens", type=int, default=200_000)
    parser.add_argument("--generations", type=int, default=4)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    known = [*POLICIES, EDIT]
    parser.add_argument("--policies", nargs="+", default=known, choices=known)
    parser.add_argument("--out", type=Path, default=Path("/tmp/curator-collapse"))
    told = parser.parse_args()
    settings = Settings(told.corpus.resolve(), told.proxy, told.tokens, told.out)
    first = [trained(settings, "real", 0, [], seed) for seed in told.seeds]
    show("real", 0, first)
    for policy in told.policies:
        chains = [[one] for one in first]
        for number in range(1, told.generations + 1):
            for chain, seed in zip(chains, told.seeds, strict=True):
                models = [one.model for one in chain]
                chain.append(trained(settings, policy, number, models, seed))
            show(policy, number, [chain[-1] for chain in chains])


def trained(
    settings: Settings, policy: str, number: int, models: Sequence[Path], seed: int
) -> Generation:
    """The model of one generation, policy and seed; a finished one is served from the store."""
    name = f"{policy}-{number}-{seed}"
    arm: dict[str, Any] = {
        "select": {"method": "random", "tokens": int(SLACK * settings.tokens), "seed": seed}
    }
    tokens = settings.tokens
    if models and policy == EDIT:
        arm["refine"] = [edited(model, turn, seed) for turn, model in enumerate(models, 1)]
    elif models:
        known = find_policy(policy, acknowledged=True)
        tokens *= known.size(number)
        asked = {"models": [str(one) for one in models], "policy": policy, "seed": seed}
        asked |= {"acknowledged": not known.real, "beside": known.real, "max_tokens": LONGEST}
        arm["refine"] = [{"use": "sample", **asked}]
    recipe = {
        "name": name,
        "seed": 17,
        "corpus": str(settings.corpus),
        "arms": {policy: arm},
        "baseline": policy,
        "train": {"proxy": settings.proxy, "tokens": tokens, "seeds": [seed]},
    }
    told = run(recipe, settings.folder)["arms"][policy]
    if models:
        check_kinds(told)
    model = Path(told["proxies"][0]["folder"])
    texts = written(model, seed)
    return Generation(model, bits_of(told), distinct(texts), types(texts, WORDS), changed_by(told))


def edited(model: Path, turn: int, seed: int) -> dict[str, Any]:
    """An entry of `refine` that puts text through ToEdit by a model of some turn."""
    settings = {"threshold": SURE, "beta": SPREAD, "candidates": CANDIDATES, "least_changed": 0}
    return {"use": "toedit", "as": f"turn{turn}", "model": str(model), "seed": seed, **settings}


def run(recipe: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What `curator run` says of a recipe; all that earlier ones made is served.

    Raises:
        RecipeError: it failed; the message is its last lines.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{recipe['name']}.yaml"
    path.write_text(json.dumps(recipe, indent=1))  # JSON is YAML
    out = folder / "runs" / recipe["name"]
    command = [sys.executable, "-m", "pipelines.cli", "run", str(path), "--out", str(out)]
    command += ["--store", str(folder / "store"), "--workers", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RecipeError(f"{path}: {(done.stderr or done.stdout)[-2000:]}")
    found: dict[str, Any] = json.loads((out / "run.json").read_text())
    return found


def check_kinds(told: dict[str, Any]) -> None:
    """Refuse a loop in which real and made text could not be told apart any more."""
    kinds = told.get("refined", {}).get("kinds")
    if not kinds:
        raise RecipeError("the account of what was refined has no kinds; refine again")
    require_kinds(pa.table({"kind": list(kinds)}))


def bits_of(told: dict[str, Any]) -> float:
    """Bits a byte on all real held-out text."""
    return float(np.mean(told["evaluation"]["heldout"]))


def changed_by(told: dict[str, Any]) -> float:
    """Share of the documents of an arm that its last step made anew; 0 where there was none."""
    steps = told.get("refined", {}).get("steps")
    return float(steps[-1]["refined"] / max(steps[-1]["documents_in"], 1)) if steps else 0.0


def written(model: Path, seed: int) -> list[str]:
    """What a model writes from nothing."""
    from curator.train.sample import Sampling, sample_texts

    names = pa.array([f"collapse {number}" for number in range(WRITTEN)], pa.large_string())
    sampling = Sampling(max_tokens=LONGEST, seed=1_000_003 + seed)
    texts, _ = sample_texts(model, id_matrix(document_ids("bench", names)), sampling)
    return list(texts.to_pylist())


def show(policy: str, number: int, found: Sequence[Generation]) -> None:
    """Print a line for one generation of one policy."""
    columns = [
        ("bits/byte", "bits", ".4f"),
        ("distinct-4", "distinct_4", ".3f"),
        ("types", "types", ".0f"),
        ("changed", "changed", ".2f"),
    ]
    shown = []
    for head, name, form in columns:
        values = np.array([getattr(one, name) for one in found], float)
        spread = values.std(ddof=1) if len(values) > 1 else 0.0
        shown.append(f"{head} {values.mean():{form}} ± {spread:{form}}")
    print(f"{policy:21} generation {number}: {'  '.join(shown)}", flush=True)


if __name__ == "__main__":
    main()
