"""Find a refiner by its name and make it from an entry of an arm's `refine`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from curator.refine.refiner import Refiner
from curator.registry import Plugins

# What an entry says beside its refiner's settings: who, under what name, from what; whether the
# originals stay, at what share of the mixture, how often.
RESERVED: Final = ("use", "as", "learns_from", "beside", "share", "max_epochs")
REFINERS: Final = Plugins("curator.refiners", "refiner", (Refiner,), RESERVED)


def make_refiner(entry: Mapping[str, Any]) -> Refiner:
    """Return the refiner that one entry describes; raises as `Plugins.make`."""
    refiner: Refiner = REFINERS.make(entry, "refine")
    return refiner


def stands_beside(entry: Mapping[str, Any], refiner: Refiner) -> bool:
    """Return whether the originals of an entry stay: `beside`, or what its refiner's kind means."""
    told = entry.get("beside")
    return refiner.kind == "synthetic" if told is None else bool(told)


def refiner_name(entry: Mapping[str, Any]) -> str:
    """Return what an entry is called: `as`, or the refiner's own name."""
    return str(entry.get("as") or str(entry["use"]).split(":")[-1].lower())
