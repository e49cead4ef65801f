"""How much of a mixture each source gets: published schemes as weights, and their epoch limits."""

from __future__ import annotations

from collections.abc import Mapping

from curator.errors import RecipeError

SCHEMES = ("natural", "uniform", "temperature", "unimax")


def uniform(sizes: Mapping[str, int]) -> dict[str, float]:
    """Return equal shares for all sources that have anything."""
    return _normalized({name: float(size > 0) for name, size in sizes.items()})


def temperature(sizes: Mapping[str, int], tau: float) -> dict[str, float]:
    """Return shares proportional to size ** (1 / tau): 1 is natural, large is uniform.

    Raises:
        RecipeError: `tau` is not above 0.
    """
    if not tau > 0:
        raise RecipeError(f"temperature is {tau!r}; wanted a number above 0 (1 is natural)")
    # Relative to the largest, so that a small tau cannot overflow.
    top = max(sizes.values(), default=0)
    return _normalized(
        {name: (size / top) ** (1 / tau) if size else 0.0 for name, size in sizes.items()}
    )


def unimax(sizes: Mapping[str, int], budget: int, max_epochs: float) -> dict[str, float]:
    """Return shares as even as `max_epochs` over each source allows.

    From the smallest source up: each takes an equal part of what is left of the budget, or all
    its tokens `max_epochs` times if that is less (Chung et al. 2023, UniMax, arXiv:2304.09151).

    Args:
        sizes: tokens of each source.
        budget: tokens of the mixture.
        max_epochs: how often a source may be repeated.

    Raises:
        RecipeError: the budget cannot be met within `max_epochs`.
    """
    left = float(budget)
    taken: dict[str, float] = {}
    for name in sorted(sizes, key=lambda each: (sizes[each], each)):
        taken[name] = min(left / (len(sizes) - len(taken)), max_epochs * sizes[name])
        left -= taken[name]
    if left > budget * 1e-9:
        raise RecipeError(
            f"unimax: {budget:,} tokens cannot be drawn from {sum(sizes.values()):,} within "
            f"{max_epochs:g} epochs; raise `max_epochs`, ask for less, or add sources"
        )
    return _normalized(taken)


def _normalized(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights[name] for name in sorted(weights))
    if not total > 0:
        raise RecipeError(f"no source of {sorted(weights)} has any tokens to mix")
    return {name: weights[name] / total for name in sorted(weights)}
