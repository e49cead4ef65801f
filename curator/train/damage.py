"""A model with part of its weights taken away: what recovery has to mend.

In every matrix of the blocks the smallest weights by magnitude become 0 (Han et al. 2015,
arXiv:1506.02626); embedding, head, gates' scales and tables stay. A model with its optimizer's
state keeps it, so that training can go on from there: nothing holds the zeros at 0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from curator.errors import LedgerError, RecipeError
from curator.identity import file_digest, fingerprint
from curator.shards import write_atomically
from curator.train.checkpoint import (
    RECORD,
    TOKENIZER,
    TRUNK,
    WEIGHTS,
    in_order,
    keep_tokenizer,
    read_record,
    save_tensors,
)

_MODEL = "model."  # what weights' names begin with in a state


def prune_model(source: Path, share: float, out: Path) -> None:
    """Write into the folder `out` the finished run in `source` with `share` of its weights 0.

    The record is the original's, with an identity of its own and what was taken under `pruned`.

    Raises:
        RecipeError: a share that is none.
        LedgerError: `source` is no finished run of a proxy, or its files are damaged.
    """
    if not 0 < share < 1:
        raise RecipeError(f"share={share!r}; wanted a share of weights above 0 and below 1")
    record = read_record(source)
    if record is None or record["status"] != "finished":
        found = "no run.json" if record is None else f"status {record['status']!r}"
        raise LedgerError(f"{found}; only a finished proxy can be pruned", where=str(source))
    identity = fingerprint({"pruned": record["identity"], "share": share})
    try:
        weights = load_file(source / WEIGHTS)
        save_tensors(out / WEIGHTS, pruned(weights, share))
        if (source / TRUNK).is_file():
            _prune_state(source / TRUNK, out / TRUNK, identity, share)
    except (SafetensorError, FileNotFoundError) as error:
        raise LedgerError(
            f"cannot read the weights of a finished run ({error}); delete the folder and rerun",
            where=str(source),
        ) from error
    keep_tokenizer(source, out)
    zeros = {"share": share, "of": record["identity"], "matrices": sum(map(_loses, weights))}
    told = {**record, "identity": identity, "pruned": zeros}
    write_atomically(out / RECORD, (json.dumps(told, indent=2, sort_keys=True) + "\n").encode())


def content_of(source: Path) -> dict[str, str]:
    """Return what names a finished run by content: digests of weights, tokenizer and state.

    Its record is none of it: that also says how long the run took.
    """
    names = (WEIGHTS, TOKENIZER, TRUNK)
    return {name: file_digest(source / name) for name in names if (source / name).is_file()}


def pruned(weights: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Return the weights with the smallest `share` of every block's matrix 0, a matrix for itself.

    Of equal magnitudes the first go.
    """
    return {
        name: _without_smallest(weight, share) if _loses(name) else weight
        for name, weight in weights.items()
    }


def _loses(name: str) -> bool:
    return name.startswith("blocks.") and name.endswith(".weight") and "value_gate" not in name


def _without_smallest(weight: Tensor, share: float) -> Tensor:
    left = weight.clone().flatten()
    smallest = torch.argsort(left.abs(), stable=True)[: round(share * left.numel())]
    left[smallest] = 0
    return left.view_as(weight)


def _prune_state(source: Path, out: Path, identity: str, share: float) -> None:
    with safe_open(source, framework="pt") as file:
        header = file.metadata() or {}
    tensors = load_file(source)
    model = {n.removeprefix(_MODEL): t for n, t in tensors.items() if n.startswith(_MODEL)}
    tensors |= {f"{_MODEL}{name}": weight for name, weight in pruned(model, share).items()}
    write_atomically(out, in_order(save(tensors, metadata={**header, "identity": identity})))
