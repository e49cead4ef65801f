"""An arm as data: what it selects and mixes, and how its proxies read what it has mixed."""

from __future__ import annotations

from typing import Any

from pydantic import PositiveFloat, PositiveInt

from curator.section import Name, Section, Seed, Share


class PickSpec(Section):
    """Which rows an arm's proxies train on, of those they read: chosen while they train."""

    method: str
    keep: float = Share
    reference: Name | None = None  # one of `models`
    temperature: PositiveFloat | None = None
    scored_tokens: PositiveInt | None = None
    seed: Seed = 0


class ArmSpec(Section):
    """One way to choose and mix, and to pick from the mixture while training."""

    select: dict[str, Any]
    mix: list[dict[str, Any]] | dict[str, Any] | None = None
    pick: PickSpec | None = None
