"""Loops that train on what their models wrote: what each policy trains on, what is foretold of it.

Gerstgrasser et al. 2024, "Is Model Collapse Inevitable? Breaking the Curse of Recursion by
Accumulating Real and Synthetic Data" (arXiv:2404.01413): with D_0 real and D_n written by the
model trained before, `replace` trains on D_n alone and its error grows without end; `accumulate`
trains on D_0 to D_n and its error stays bounded. `accumulate_subsample` draws of that as much as
D_0 is (Kazdan et al. 2024, "Collapse or Thrive?", arXiv:2410.16713).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError

KINDS: Final = ("original", "edited", "synthetic")


@dataclass(frozen=True)
class Policy:
    """What the model of a generation is trained on.

    Attributes:
        name: one of `POLICIES`.
        real: whether D_0 stays.
        grows: whether a generation trains on all of the union, or on as much as D_0.
    """

    name: str
    real: bool
    grows: bool

    def parts(self, generation: int) -> tuple[int, ...]:
        """Return the numbers of the data sets that generation `generation` trains on."""
        return tuple(range(generation + 1)) if self.real else (generation,)

    def size(self, generation: int) -> int:
        """Return how much it trains on, in units of D_0."""
        return len(self.parts(generation)) if self.grows else 1


POLICIES: Final[dict[str, Policy]] = {
    "replace": Policy("replace", real=False, grows=False),
    "accumulate": Policy("accumulate", real=True, grows=True),
    "accumulate_subsample": Policy("accumulate_subsample", real=True, grows=False),
}


def find_policy(name: str, *, acknowledged: bool = False) -> Policy:
    """Return a policy by its name.

    Raises:
        RecipeError: there is none; or it is `replace`, which collapses, and nobody acknowledged it.
    """
    if name not in POLICIES:
        raise RecipeError(f"policy={name!r}; wanted one of {', '.join(POLICIES)}")
    if name == "replace" and not acknowledged:
        raise RecipeError(
            "policy: replace trains on nothing but a model's own text, by which models collapse; "
            "write `acknowledged: true` to do it all the same, or `policy: accumulate`"
        )
    return POLICIES[name]


def require_kinds(table: pa.Table) -> None:
    """Return only if every document of a manifest says whether it is real or made.

    Raises:
        RecipeError: the column `kind` is missing, empty in places, or has another word.
    """
    if "kind" not in table.column_names:
        raise RecipeError(
            "the manifest has no column `kind`, so real and synthetic text cannot be told apart "
            "and no policy can be kept; refine by `curator run`, which writes it"
        )
    counts = Counter(table["kind"].to_pylist())
    strange = {str(kind): n for kind, n in counts.items() if kind not in KINDS}
    if strange:
        raise RecipeError(f"documents of kinds {strange}; wanted each one of {', '.join(KINDS)}")


def foretold(policy: Policy, fits: int, *, d: int, samples: int, sigma: float) -> float:
    """Return the expected squared error of a linear model's weights after `fits` fits.

    The linear theory of arXiv:2404.01413, for isotropic Gaussian inputs: n sigma^2 d / (T - d - 1)
    under `replace`, which is exact; at most pi^2 / 6 of the first fit's under `accumulate`.

    Raises:
        RecipeError: nothing is known of the policy, or of as few samples.
    """
    if samples <= d + 1:
        raise RecipeError(f"samples={samples}, d={d}; wanted more than d + 1 samples")
    once = sigma**2 * d / (samples - d - 1)
    if policy.name == "replace":
        return fits * once
    if policy.name == "accumulate":
        return math.pi**2 / 6 * once
    raise RecipeError(f"nothing is foretold of {policy.name!r}; wanted replace or accumulate")


def linear_errors(
    policy: Policy, fits: int, *, d: int, samples: int, sigma: float, runs: int, seed: int
) -> NDArray[np.float64]:
    """Return the squared error of the weights of every run after every fit, (runs, fits).

    The first fit is on real data, y = X w + noise; each later one on data that the model before it
    labelled, with new X and new noise. The true weights are 0, which loses nothing.

    Args:
        policy: what each fit is on.
        fits: how many.
        d: inputs.
        samples: T, rows of each data set.
        sigma: of the noise.
        runs: independent ones.
        seed: of chance.
    """
    chance = np.random.default_rng(seed)
    weights: NDArray[np.float64] = np.zeros((runs, d))
    squares, products = np.zeros((runs, d, d)), np.zeros((runs, d))
    kept_x, kept_y = np.zeros((runs, 0, d)), np.zeros((runs, 0))
    errors = np.zeros((runs, fits))
    for fit in range(fits):
        x = chance.standard_normal((runs, samples, d))
        y = np.einsum("rtd,rd->rt", x, weights) + sigma * chance.standard_normal((runs, samples))
        if policy.real and not policy.grows:
            kept_x, kept_y = np.concatenate([kept_x, x], 1), np.concatenate([kept_y, y], 1)
            order = np.argsort(chance.random(kept_y.shape), axis=1)[:, :samples]
            x = np.take_along_axis(kept_x, order[:, :, None], 1)
            y = np.take_along_axis(kept_y, order, 1)
        if not policy.grows:
            squares[:], products[:] = 0, 0
        squares += np.einsum("rti,rtj->rij", x, x)
        products += np.einsum("rti,rt->ri", x, y)
        weights = np.linalg.solve(squares, products[:, :, None])[:, :, 0].astype(np.float64)
        errors[:, fit] = (weights**2).sum(1)
    return errors


def distinct(texts: Sequence[str], n: int = 4) -> float:
    """Return different n-grams of words over all n-grams, 0 where there are none.

    Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models"
    (arXiv:1510.03055), section 5, has it for 1 and 2 words.
    """
    seen: set[tuple[str, ...]] = set()
    total = 0
    for text in texts:  # some hundreds of samples
        words = text.split()
        grams = [tuple(words[at : at + n]) for at in range(len(words) - n + 1)]
        total += len(grams)
        seen.update(grams)
    return len(seen) / total if total else 0.0


def types(texts: Sequence[str], words: int) -> int:
    """Return how many different words stand among the first `words` words of the texts.

    Of equally many, because types grow with the text.
    """
    every = [word for text in texts for word in text.split()][:words]
    return len(set(every))
