"""A model as its training left it: weights, Adam's moments, the step, the rate of every weight.

What a document would do to a model depends on more than its weights: the optimizer divides each
gradient by what it has met so far. A run that was trained as a trunk keeps all of it on disk.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from curator.errors import LedgerError, RecipeError
from curator.identity import file_digest, fingerprint
from curator.train.checkpoint import TOKENIZER, TRUNK, read_record
from curator.train.model import Gpt
from curator.train.optim import Optimizer, outer_rate
from curator.train.proxy import Proxy, proxy_from

_MODEL, _ADAM, _MUON = "model.", "optimizer.adam.", "optimizer.muon."
_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class State:
    """A model and what its next step depends on.

    Attributes:
        model: float32, in evaluation.
        proxy: its settings.
        first: Adam's mean of gradients by weight name, not corrected for its beginning.
        second: Adam's mean of squared gradients, likewise.
        step: steps done.
        factor: of the schedule at the last one: what highest rates are multiplied by.
        missing: weights whose moments were not kept and are zeros: Muon's matrices.
    """

    model: Gpt
    proxy: Proxy
    first: Mapping[str, Tensor]
    second: Mapping[str, Tensor]
    step: int
    factor: float
    missing: tuple[str, ...] = ()

    def rate(self, name: str) -> float:
        """Return the learning rate of a weight at the last step."""
        outer = outer_rate(name, self.proxy.rates)
        return (self.proxy.rates.matrix if outer is None else outer) * self.factor


def open_state(folder: str | Path, device: str = "cpu", *, without_moments: bool = False) -> State:
    """Return the state in the folder of a finished run.

    Args:
        folder: of the run.
        device: where its tensors are wanted.
        without_moments: take one that Muon trained too: its matrices have moments of zeros then,
            to be estimated (`curator.influence.moments`), and a rate at which AdamW moves them as
            far as Muon does.

    Raises:
        RecipeError: it was kept without its optimizer's state, or trained by Muon, which has no
            second moments.
        LedgerError: state, record and tokenizer are not of one run.
    """
    place = Path(folder)
    record = read_record(place)
    if record is None or record["status"] != "finished":
        found = "no run.json" if record is None else f"status {record['status']!r}"
        raise LedgerError(f"{found}; wanted a finished run with its state", where=str(place))
    proxy = proxy_from(record["proxy"])
    header, tensors = _read(place, record, device)
    _check(place, record, header)
    muon = sorted(name for name in tensors if name.startswith(_MUON))
    if muon and not without_moments:
        raise RecipeError(
            f"Missing optimizer state: {len(muon)} matrices were trained by Muon, which keeps no "
            "second moments; train a proxy with `rates: {optimizer: adamw}`, such as "
            "configs/proxies/probe.yaml, or let `influence` estimate them (`moments_from`)",
            where=str(place),
        )
    for name in muon:
        kept = name.removeprefix(_MUON)
        tensors |= {f"{_ADAM}{kept}.{kind}": torch.zeros_like(tensors[name]) for kind in _MOMENTS}
    model = Gpt(proxy.shape(record["vocab_size"])).to(device)
    try:
        model.load_state_dict(
            {n.removeprefix(_MODEL): part for n, part in tensors.items() if n.startswith(_MODEL)}
        )
        names = [name for name, _ in model.named_parameters()]
        first, second = (
            {name: tensors[f"{_ADAM}{name}.{kind}"] for name in names} for kind in _MOMENTS
        )
        step = int(tensors[f"{_ADAM}{names[0]}.step"].item())  # the embedding's: Adam's always
    except (KeyError, RuntimeError) as error:
        raise LedgerError(
            f"{TRUNK} does not fit run.json ({error}); delete the folder and rerun",
            where=str(place),
        ) from error
    factor = _last_factor(proxy, record)
    missing = tuple(name.removeprefix(_MUON) for name in muon)
    return State(model.eval(), _by_adam(proxy), first, second, step, factor, missing)


def state_digest(folder: str | Path) -> str:
    """Return what names a state by content: weights, moments, step and tokenizer.

    Raises:
        RecipeError: the folder has no state.
    """
    place = Path(folder)
    _require(place)
    return fingerprint([file_digest(place / TRUNK), file_digest(place / TOKENIZER)])


def _require(place: Path) -> None:
    if not (place / TRUNK).is_file():
        raise RecipeError(
            f"Missing optimizer state: there is no {TRUNK}; a model keeps it with `state: true` "
            "beside its `tokens` in `models`",
            where=str(place),
        )


def _read(
    place: Path, record: Mapping[str, Any], device: str
) -> tuple[Mapping[str, str], dict[str, Tensor]]:
    """Return header and tensors of the state's file."""
    _require(place)
    try:
        with safe_open(place / TRUNK, framework="pt", device=device) as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 # no iter
            return file.metadata() or {}, tensors
    except SafetensorError as error:
        raise LedgerError(
            f"damaged {TRUNK} ({error}); delete the folder and rerun", where=str(place)
        ) from error


def _check(place: Path, record: Mapping[str, Any], header: Mapping[str, str]) -> None:
    """Refuse a state or a tokenizer of another run than the record's."""
    if header.get("identity") != record["identity"]:
        raise LedgerError(
            f"{TRUNK} is of run {header.get('identity')!r}, run.json of {record['identity']!r}; "
            "wanted one run's: delete the folder and rerun",
            where=str(place),
        )
    wanted = record["mixture"]["tokenizer_digest"]
    found = file_digest(place / TOKENIZER) if (place / TOKENIZER).is_file() else None
    if found != wanted:
        raise LedgerError(
            f"{TOKENIZER} has digest {found!r}, the model was trained on tokens of {wanted!r}; "
            "put its own tokenizer beside it, or delete the folder and rerun",
            where=str(place),
        )


def _by_adam(proxy: Proxy) -> Proxy:
    """Return a proxy with AdamW in place of Muon, at a rate of equal moves.

    Muon moves an R x C matrix, R <= C, by an orthogonal one: the root mean square of its numbers is
    C^-1/2, that of AdamW's about 1; with Muon's factor for tall ones it is about width^-1/2 for all
    but the one that lowers, which is half of that.
    """
    if proxy.rates.optimizer == "adamw":
        return proxy
    rate = proxy.rates.matrix / math.sqrt(proxy.width)
    return replace(proxy, rates=replace(proxy.rates, optimizer="adamw", matrix=rate))


def _last_factor(proxy: Proxy, record: Mapping[str, Any]) -> float:
    """Return what a trunk's highest rates were multiplied by at its last step."""
    if record.get("piece"):  # of a longer run, whose schedule may decay by then
        return float(record["piece"]["factor"])
    steps = int(record["steps"])
    return proxy.schedule.of_trunk().factor(steps - 1, steps)


def optimizer_of(state: State) -> Optimizer:
    """Return the optimizer of a state's model as its next step needs it; its tensors are copies."""
    tensors: dict[str, Tensor] = {}
    for name, first in state.first.items():
        tensors[f"adam.{name}.exp_avg"] = first
        tensors[f"adam.{name}.exp_avg_sq"] = state.second[name]
        tensors[f"adam.{name}.step"] = torch.tensor(float(state.step))
    optimizer = Optimizer(state.model, state.proxy.rates)
    optimizer.restore(tensors)
    return optimizer


def in_precision(model: Gpt, precision: str) -> Gpt:
    """Return a model of the same weights, the same memory, that multiplies in `precision`.

    Args:
        model: whose weights stay float32 and may be moved in place.
        precision: "float32" or "bfloat16".
    """
    other = Gpt(model.shape, compute=getattr(torch, precision)).to(model.head.weight.device)
    other.load_state_dict(model.state_dict(keep_vars=True), assign=True)
    return other.eval()
