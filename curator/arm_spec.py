"""An arm as data: what it selects, refines and mixes, and how its proxies read that."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from curator.section import Name, Section, Seed, Share

SOURCE = "{source}"  # in a prefix: the source of the text that it is put before


class PickSpec(Section):
    """Which rows an arm's proxies train on, of those they read: chosen while they train."""

    method: str
    keep: float = Share
    reference: Name | None = None  # one of `models`
    temperature: PositiveFloat | None = None
    scored_tokens: PositiveInt | None = None
    seed: Seed = 0


class PruneSpec(Section):
    """Which rows each of several epochs visits, chosen by the losses of earlier ones."""

    method: str
    epochs: PositiveInt
    keep: float | None = Field(default=None, gt=0, le=1)
    rate: float | None = Field(default=None, gt=0, lt=1)
    groups: PositiveInt = 10
    window: float = Field(default=0.5, gt=0, le=1)
    annealing: float = Field(default=0.125, ge=0, lt=1)
    placebo: bool = False
    seed: Seed = 0


class ReweightSpec(Section):
    """How much each row of a batch counts by its loss beside the others."""

    rule: str = "lin_upper"
    temperature: PositiveFloat = 1.0
    delta: PositiveFloat = 1.0
    uniform: float = Field(default=0.05, ge=0, lt=1)
    placebo: bool = False
    seed: Seed = 0


class OrderSpec(Section):
    """In which order an arm's proxies read the documents that they would read by chance."""

    by: str  # a score, or a further column NAME.COLUMN
    strategy: str = "sorted"
    hard: str = "higher"
    reverse: bool = False
    start: float = Field(default=0.2, gt=0, le=1)
    power: PositiveFloat = 1.0
    sweeps: int = Field(default=5, ge=2)
    warmup: float = Field(default=0.2, gt=0, lt=1)
    grow: float = Field(default=0.05, gt=0, le=1)
    every: PositiveInt = 20
    patience: PositiveInt = 1
    least_gain: float = Field(default=0.0, ge=0)
    held_back: PositiveInt = 8192
    placebo: bool = False
    seed: Seed = 0


class StagedSpec(Section):
    """How an arm chooses again while its proxies train, each from the state that it has reached."""

    stages: int = Field(ge=1, le=100)
    model: Name | None = None  # what scores call the run's own state
    warmup: float = Field(default=0.2, ge=0, lt=1)
    candidates: Literal["fresh", "all"] = "fresh"
    probed: float = Field(default=0.1, ge=0, lt=1)


class ArmSpec(Section):
    """One way to choose, refine and mix, and to read the mixture while training."""

    select: dict[str, Any]
    # Left out where there is nothing, as `prefix` is: recipes without keep their digests.
    refine: list[dict[str, Any]] = Field(default=[], exclude_if=lambda entries: not entries)
    mix: list[dict[str, Any]] | dict[str, Any] | None = None
    pick: PickSpec | None = None
    prune: PruneSpec | None = None
    reweight: ReweightSpec | None = None
    order: OrderSpec | None = None
    staged: StagedSpec | None = None
    # Tags put before what its proxies are measured on.
    prefix: list[str] = Field(default=[], exclude_if=lambda tags: not tags)
    prefix_by: Literal["document", "line", "sentence"] = Field(
        default="document", exclude_if=lambda by: by == "document"
    )
