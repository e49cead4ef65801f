"""Decay branches: many short runs that begin from one warm checkpoint, the low-variance mode.

A trunk is trained at a constant rate on one mixture and keeps weights and optimizer state; each
branch goes on from there on a mixture of its own while the rate decays. What varies between
branches is their text alone: they share first weights and the noise of early training, and cost
a fraction of whole runs (MATES, NeurIPS 2024, arXiv:2406.06046, decays so to probe documents).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from curator.errors import LedgerError, RecipeError
from curator.identity import settings_of
from curator.train.checkpoint import TRUNK, read_record, restore_checkpoint
from curator.train.loader import Mixture
from curator.train.optim import Optimizer
from curator.train.proxy import Proxy
from curator.train.record import Seeds


@dataclass(frozen=True)
class Trunk:
    """A finished run that branches begin from, opened and checked."""

    folder: Path
    record: dict[str, Any]
    is_model: bool = False  # runs of all seeds go on from it, not those of its own alone

    @property
    def seed(self) -> int:
        """Seed of the first weights."""
        return int(self.record["seed"])

    @property
    def steps(self) -> int:
        """Steps before the first one of a branch."""
        return int(self.record["steps"])

    @property
    def first_loss(self) -> float:
        """Loss of the untrained model, in nats a token: what no branch may end above."""
        return float(self.record["first_loss"])

    def read_share(self, order_seed: int) -> float:
        """Return how much of the circle of documents it has read from the point of a seed on.

        Branches begin behind that: on the trunk's own mixture with documents it did not see. On
        another mixture the documents that both hold stand at about the same places, so a few of
        them may be read again; so may any by a branch of another seed, or one so long that it
        comes round the circle.
        """
        piece = self.record.get("piece")
        share = float(piece["read"] if piece else self.record["window"][1])
        return share if share < 1 and order_seed == self.record["order_seed"] else 0.0

    def summary(self) -> dict[str, Any]:
        """Return what a branch's record tells of its trunk."""
        kept = ("identity", "mixture", "tokens", "steps", "flops", "window")
        told = {key: self.record[key] for key in kept}
        return told | ({"is_model": True} if self.is_model else {})

    def begin(self, model: nn.Module, optimizer: Optimizer) -> None:
        """Put the trunk's weights and optimizer state into a branch's."""
        restore_checkpoint(self.folder / TRUNK, self.record["identity"], model, optimizer)


def open_trunk(folder: str | Path, mixture: Mixture, proxy: Proxy, seed: int | None) -> Trunk:
    """Return the trunk in `folder` for a branch with these settings.

    Args:
        folder: of a finished run that was trained as a trunk.
        mixture: that the branch reads.
        proxy: of the branch.
        seed: of the branch's first weights; None: the trunk is a model for all seeds.

    Raises:
        LedgerError: it is not a finished trunk, or its proxy, tokenizer or seed of first weights
            are not the branch's own. The seeds of order and dropout may differ.
    """
    place = Path(folder)
    record = read_record(place)
    if record is None or record["status"] != "finished" or not (place / TRUNK).is_file():
        found = "no run.json" if record is None else f"status {record['status']!r}"
        raise LedgerError(
            f"not a finished trunk ({found}, {TRUNK} {_presence(place / TRUNK)}); train one with "
            "as_trunk=True",
            where=str(place),
        )
    digest = mixture.identity()["tokenizer_digest"]
    pairs = {
        "proxy": (record["proxy"], settings_of(proxy)),
        "tokenizer": (record["mixture"]["tokenizer_digest"], digest),
        "vocabulary": (record["vocab_size"], mixture.vocab_size),
        "seed of first weights": (record["seed"], record["seed"] if seed is None else seed),
    }
    differing = [f"{what} {a!r}, not {b!r}" for what, (a, b) in pairs.items() if a != b]
    if differing:
        raise LedgerError(
            f"the trunk has {'; '.join(differing)}; train a trunk with the branch's settings",
            where=str(place),
        )
    return Trunk(place, record, is_model=seed is None)


def seeds_of(
    seed: int | None, order_seed: int, dropout_seed: int | None, trunk: Trunk | None
) -> Seeds:
    """Return the three seeds of a run, from the arguments of `train`.

    Raises:
        RecipeError: nothing says which first weights.
    """
    if seed is None and trunk is None:
        raise RecipeError("a run from first weights has no seed for them; give `seed`")
    own = order_seed if seed is None else seed
    init = own if trunk is None else trunk.seed
    return Seeds(init, order_seed, own if dropout_seed is None else dropout_seed)


def _presence(path: Path) -> str:
    return "there" if path.is_file() else "missing"
