"""A random projection of gradients that keeps inner products and is never written down.

Every number of a gradient is added, with a random sign, to one of k buckets: the count sketch of
Charikar, Chen and Farach-Colton 2002 as Weinberger et al. 2009 use it, arXiv:0902.2206. Inner
products are right on average, with the variance of a dense matrix of random signs,
(|u|^2 |v|^2 + <u, v>^2 - 2 sum u_i^2 v_i^2) / k, at one addition a number instead of k.

Numbers are dealt block by block: k neighbors go to k different buckets, turned by a random step,
so that a bucket's sum is a sum over blocks in a fixed order, on every device.
"""

# Shapes: D documents, P numbers of a weight, K buckets.
from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from curator.errors import RecipeError
from curator.identity import fingerprint


@dataclass(frozen=True)
class Projection:
    """Which random projection: two sketches compare only if it is the same.

    Attributes:
        dimensions: k.
        seed: of signs and steps.
        layers: whose weights are in the gradient.
    """

    dimensions: int
    seed: int
    layers: tuple[str, ...]

    def require(self, other: Projection, *, where: str) -> None:
        """Return only if `other` is the same projection.

        Raises:
            RecipeError: with what differs.
        """
        own, its = asdict(self), asdict(other)
        differing = [f"{key} {own[key]!r}, not {its[key]!r}" for key in own if own[key] != its[key]]
        if differing:
            raise RecipeError(
                f"gradients of two kinds of sketch: {'; '.join(differing)}; inner products of "
                "other projections mean nothing: sketch both with the same settings",
                where=where,
            )

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), sort_keys=True)


def projection_from(text: str) -> Projection:
    """Return the projection that `Projection.to_json` wrote."""
    found = json.loads(text)
    return Projection(**{**found, "layers": tuple(found["layers"])})


class Signs:
    """The part of a projection that belongs to one weight, ready on a device.

    Args:
        projection: which; its `layers` have no part in the signs of one weight.
        name: of the weight.
        size: P, numbers in it.
        device: where gradients are.
    """

    def __init__(self, projection: Projection, name: str, size: int, device: str) -> None:
        k = projection.dimensions
        key = fingerprint({"purpose": "gradient sketch", "seed": projection.seed, "weight": name})
        random = np.random.Generator(np.random.PCG64(int(key, 16)))
        blocks = -(-size // k)
        signs = 2.0 * random.integers(0, 2, blocks * k, dtype=np.int8).astype(np.float32) - 1
        signs[size:] = 0
        steps = random.integers(0, k, blocks)
        # Bucket j of a block gets the number at (j - step) mod k in it.
        within = (np.arange(k) - steps[:, None]) % k
        order = (np.arange(blocks)[:, None] * k + within).ravel()
        self.blocks, self.padding = blocks, blocks * k - size
        self.order = torch.from_numpy(order).to(device)
        self.signs = torch.from_numpy(signs[order]).to(device)

    def __call__(self, gradient_DP: Tensor) -> Tensor:
        """Return (D, K) float32: what a weight's gradients add to the buckets."""
        padded = functional.pad(gradient_DP, (0, self.padding))
        dealt = padded.index_select(1, self.order).mul_(self.signs)
        return dealt.view(len(gradient_DP), self.blocks, -1).sum(1)
