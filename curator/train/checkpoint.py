"""Weights and training state on disk, without pickle: one safetensors file each, whole or absent.

A finished run's folder holds `model.safetensors` and `run.json`. While it trains it holds
`checkpoint.safetensors`: weights, optimizer state and, as JSON in the file's header, the losses
so far and the identity of the run, so no other run can be continued by mistake. A trunk keeps
such a file as `trunk.safetensors`, for branches to begin from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from curator.errors import LedgerError
from curator.shards import write_atomically
from curator.train.average import Average
from curator.train.model import Gpt
from curator.train.optim import Optimizer
from curator.train.proxy import proxy_from
from curator.train.pruning import PruneState

CHECKPOINT = "checkpoint.safetensors"
TRUNK = "trunk.safetensors"
WEIGHTS = "model.safetensors"
RECORD = "run.json"
TOKENIZER = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What an evaluation found after so many steps, by name."""

    steps: int
    losses: dict[str, float]


@dataclass
class Position:
    """How far a run is: the loss of each step done, in nats a token, and what else was measured.

    `statistics` is step (from 0) -> name -> value; `evaluations` are of the model as it was after
    so many steps; `picks` are the rows that each step took of its super-batch, if the run picks;
    `pruned` is what a run that prunes has chosen and met.
    """

    losses: list[float] = field(default_factory=list)
    statistics: dict[int, dict[str, float]] = field(default_factory=dict)
    evaluations: list[Evaluated] = field(default_factory=list)
    picks: list[NDArray[np.int32]] = field(default_factory=list)
    pruned: PruneState = field(default_factory=PruneState)

    @property
    def step(self) -> int:
        """How many steps are done."""
        return len(self.losses)


def save_checkpoint(
    path: Path,
    identity: str,
    position: Position,
    model: nn.Module,
    optimizer: Optimizer,
    average: Average | None = None,
) -> None:
    """Write everything the next step depends on; the file before stays until this one is whole."""
    tensors = {f"model.{name}": weight for name, weight in model.state_dict().items()}
    tensors |= {f"optimizer.{name}": part for name, part in optimizer.state().items()}
    if average is not None:
        tensors |= {f"average.{name}": mean for name, mean in average.state().items()}
    if position.picks:
        tensors["picks"] = torch.from_numpy(np.stack(position.picks))
    for name, array in position.pruned.arrays().items():
        tensors[f"prune.{name}"] = torch.from_numpy(array)
    header = {
        "identity": identity,
        # repr of a float reads back to the same float.
        "losses": json.dumps(position.losses),
        "statistics": json.dumps(list(position.statistics.items())),
        "evaluations": json.dumps([[each.steps, each.losses] for each in position.evaluations]),
    }
    write_atomically(path, in_order(save(_plain(tensors), metadata=header)))


def in_order(content: bytes) -> bytes:
    """Return a safetensors file with its metadata in the order of keys, not in one of chance.

    The library keeps metadata in a hash map seeded by chance, so equal states would differ in
    bytes, and runs that begin from them in identity.
    """
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    padded = text + b" " * (-len(text) % 8)
    return len(padded).to_bytes(8, "little") + padded + content[8 + size :]


def restore_checkpoint(
    path: Path,
    identity: str,
    model: nn.Module,
    optimizer: Optimizer,
    average: Average | None = None,
) -> Position:
    """Return where a run stopped, its state now in `model`, `optimizer` and `average`.

    Without a file at `path` that is before the first step.

    Raises:
        LedgerError: the checkpoint is another run's or is damaged.
    """
    if not path.exists():
        return Position()
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
        tensors = load_file(path)
    except SafetensorError as error:
        raise LedgerError(
            f"damaged checkpoint ({error}); delete it and rerun", where=str(path)
        ) from error
    if header.get("identity") != identity:
        raise LedgerError(
            "belongs to a run with other settings; delete it or train into another folder",
            where=str(path),
        )
    model.load_state_dict(_part(tensors, "model."))
    optimizer.restore(_part(tensors, "optimizer."))
    if average is not None:
        average.restore(_part(tensors, "average."))
    return Position(
        json.loads(header["losses"]),
        dict(map(tuple, json.loads(header["statistics"]))),
        [Evaluated(*each) for each in json.loads(header["evaluations"])],
        [*tensors["picks"].numpy()] if "picks" in tensors else [],
        PruneState.restored({n: t.numpy() for n, t in _part(tensors, "prune.").items()}),
    )


def save_weights(out: Path, model: nn.Module) -> None:
    """Write the finished weights."""
    save_tensors(out / WEIGHTS, model.state_dict())


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors as one safetensors file, whole or not at all."""
    write_atomically(path, save(_plain(tensors)))


def keep_tokenizer(source: Path, out: Path) -> None:
    """Copy a folder's tokenizer, if it has one, beside weights: they read no text without it."""
    tokenizer = source / TOKENIZER
    if tokenizer.is_file():
        write_atomically(out / TOKENIZER, tokenizer.read_bytes())


def read_record(out: str | Path) -> dict[str, Any] | None:
    """Return a finished run's record, or None if there is none yet.

    Raises:
        LedgerError: the record is not JSON.
    """
    path = Path(out) / RECORD
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise LedgerError(
            f"not readable as JSON ({error}); delete it and rerun", where=str(path)
        ) from error
    return dict(found)


def load_model(
    run: str | Path, *, device: str = "cpu", compute: torch.dtype = torch.float32
) -> Gpt:
    """Return the trained model of a finished run, ready to be asked.

    Raises:
        LedgerError: the run is not finished, failed, or its weights do not fit its record.
    """
    record = read_record(run)
    if record is None or record["status"] != "finished":
        status = "no run.json" if record is None else f"status {record['status']!r}"
        raise LedgerError(f"{status}; only a finished run has a model", where=str(run))
    shape = proxy_from(record["proxy"]).shape(record["vocab_size"])
    model = Gpt(shape, compute=compute)
    try:
        model.load_state_dict(load_file(Path(run) / WEIGHTS))
    except (SafetensorError, FileNotFoundError, RuntimeError) as error:
        raise LedgerError(
            f"{WEIGHTS} does not fit run.json ({error}); delete the folder and rerun",
            where=str(run),
        ) from error
    return model.to(device).eval()


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
