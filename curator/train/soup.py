"""Soups: one model whose weights are the mean of the weights of several finished runs.

Averaging works where the runs lie in one basin, which branches of one trunk do and runs from
different first weights do not: those are refused. Means of runs on the parts of a mixture rank
mixtures (modular training and merging, github.com/clarana/ez-data-ablations), but the mean's loss
is not that of a run trained on all parts: compare means with means.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from curator.errors import LedgerError, RecipeError
from curator.identity import fingerprint
from curator.train import VERSION
from curator.train.checkpoint import WEIGHTS, keep_tokenizer, read_record, save_tensors
from curator.train.record import RunRecord, write_record

# What the runs must have in common, by its place in their records.
SHARED = ("vocab_size", "precision", "seed")


def soup(
    runs: Sequence[str | Path], out: str | Path, *, weights: Sequence[float] | None = None
) -> RunRecord:
    """Return the record of the mean of some runs' weights, made now or found in `out`.

    Its folder is that of a finished run; tokens and FLOPs are those of all runs, a shared trunk
    counted once.

    Args:
        runs: folders of at least two finished runs with one shape, tokenizer and trunk.
        out: the new run's folder.
        weights: of each run in the mean, above 0, in proportion; None: equal. For runs on parts
            of unequal size they are the sizes of the parts.

    Raises:
        RecipeError: fewer than two runs, one run twice, or weights that give no mean.
        LedgerError: a run is not finished, they do not fit together, or `out` holds another run.
    """
    shares = _shares(weights, len(runs))
    records = [_finished(run) for run in runs]
    _check(records, runs)
    parents = [record["identity"] for record in records]
    identity = fingerprint(["soup", VERSION, sorted(zip(parents, shares, strict=True))])
    existing = read_record(out)
    if existing is not None:
        if existing["identity"] != identity:
            raise LedgerError("holds another run; mix into another folder", where=str(out))
        return RunRecord(**existing)
    # In the order of identities: the sum must not depend on the order the runs are named in.
    order = sorted(range(len(runs)), key=lambda i: parents[i])
    mean: dict[str, Tensor] = {}
    for i in order:
        for name, tensor in load_file(Path(runs[i]) / WEIGHTS).items():
            part = tensor.double() * shares[i]
            mean[name] = mean[name] + part if name in mean else part
    place = Path(out)
    place.mkdir(parents=True, exist_ok=True)
    save_tensors(place / WEIGHTS, {name: part.to(torch.float32) for name, part in mean.items()})
    keep_tokenizer(Path(runs[0]), place)
    record = _record(identity, records, shares)
    write_record(place, record)
    return record


def _shares(weights: Sequence[float] | None, count: int) -> list[float]:
    given = [1.0] * count if weights is None else [float(weight) for weight in weights]
    if count < 2 or len(given) != count:
        raise RecipeError(
            f"{count} runs and {len(given)} weights; wanted two runs or more and a weight for each"
        )
    if not all(0 < weight < math.inf for weight in given):
        raise RecipeError(f"weights are {given!r}; wanted finite numbers above 0")
    return [weight / math.fsum(given) for weight in given]


def _finished(run: str | Path) -> dict[str, Any]:
    record = read_record(run)
    if record is None or record["status"] != "finished":
        found = "no run.json" if record is None else f"status {record['status']!r}"
        raise LedgerError(f"{found}; only finished runs have weights to average", where=str(run))
    return record


def _check(records: Sequence[Mapping[str, Any]], runs: Sequence[str | Path]) -> None:
    first = records[0]
    if len({record["identity"] for record in records}) < len(records):
        raise RecipeError(f"one run is there twice among {[str(run) for run in runs]}; drop one")
    for run, record in zip(runs, records, strict=True):
        if record["trunk"] is None:
            raise LedgerError(
                "has no trunk; only branches of one trunk lie near enough to be averaged",
                where=str(run),
            )
        compared = {
            "trunk": (record["trunk"]["identity"], first["trunk"]["identity"]),
            "shape": (_shape(record), _shape(first)),
            "tokenizer": tuple(each["mixture"]["tokenizer_digest"] for each in (record, first)),
            **{key: (record[key], first[key]) for key in SHARED},
        }
        differing = [f"{what} {a!r}, not {b!r}" for what, (a, b) in compared.items() if a != b]
        if differing:
            raise LedgerError(
                f"has {'; '.join(differing)} as {runs[0]}; average runs that share them",
                where=str(run),
            )


def _shape(record: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("depth", "width", "heads", "context", "arch")
    return {key: record["proxy"][key] for key in kept}


def _record(identity: str, records: Sequence[dict[str, Any]], shares: Sequence[float]) -> RunRecord:
    """Return the record: the first parent's, with what the runs do not share in its own words."""
    first, trunk = records[0], records[0]["trunk"]
    once = (len(records) - 1) * trunk["tokens"]
    return RunRecord(
        **{
            **first,
            "identity": identity,
            "mixture": {
                "draw_hash": fingerprint([record["mixture"]["draw_hash"] for record in records]),
                "tokenizer_digest": first["mixture"]["tokenizer_digest"],
            },
            "tokens": sum(record["tokens"] for record in records) - once,
            "steps": max(record["steps"] for record in records),
            "flops": sum(record["flops"] for record in records)
            - (len(records) - 1) * trunk["flops"],
            "first_loss": None,
            "final_loss": None,
            "curve": [],
            "coverage": {},
            "evaluations": [],
            "window": [0.0, 1.0],
            "hooks": {},
            "mixing": None,
            "parents": [
                {"identity": record["identity"], "share": share}
                for record, share in zip(records, shares, strict=True)
            ],
            "circumstances": {},
        }
    )
