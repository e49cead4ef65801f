"""The systems by name, and the sizes at which they are compared."""

from __future__ import annotations

from bench.peer_models.nanochat import NanoChat
from bench.peer_models.nanogpt import NanoGpt
from bench.peer_models.ours import Ours
from bench.peer_models.system import Plan, System
from curator.train.proxy import Shape

SYSTEMS: dict[str, type[System]] = {"ours": Ours, "nanochat": NanoChat, "nanogpt": NanoGpt}
PEERS = ("nanochat", "nanogpt")
# Depth and width; 12 depth width^2 block parameters: 98k, 786k, 1.84M.
SIZES = {"0.1M": (2, 64), "0.8M": (4, 128), "2M": (6, 160)}
CONTEXT = 256
BATCH_TOKENS = 2048
HEAD_WIDTH = 32


def shape_of(size: str, vocab_size: int, context: int = CONTEXT) -> Shape:
    """Return the shape that all systems share at a size."""
    depth, width = SIZES[size]
    return Shape(
        vocab_size=vocab_size,
        context=context,
        depth=depth,
        width=width,
        heads=width // HEAD_WIDTH,
    )


def build(name: str, plan: Plan) -> System:
    """Return the system called `name`."""
    return SYSTEMS[name](plan)
