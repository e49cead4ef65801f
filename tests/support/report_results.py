"""Made-up arms, loss curves and comparisons, with the proportions of a real small run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from curator.report.content import Arm, Comparison, LossCurve, Measure, MixtureShare

SOURCES = {
    "py-docstrings": 9120,
    "py-source": 6410,
    "dep-docstrings": 11870,
    "dep-source": 7240,
    "readmes": 412,
    "licenses": 388,
    "headers": 1904,
    "docs-text": 2233,
    "tests": 3120,
}
ARMS = ("random", "similar", "classified", "both-ranked")
SEEDS = (1, 2, 3)
METRIC = "held-out mean"


def arms() -> tuple[Arm, ...]:
    """Return four arms whose mixtures differ, one with a source that ran short."""
    weights = {
        "random": (9, 5, 10, 5.5, 0.4, 0.1, 1.1, 2.2, 1.8),
        "similar": (18, 1, 9, 1, 0.5, 0.05, 0.2, 5, 0.2),
        "classified": (12, 2, 12, 2, 1.2, 0.1, 0.4, 4, 0.6),
        "both-ranked": (16, 1.5, 10, 1.3, 0.8, 0.05, 0.3, 4.6, 0.4),
    }
    methods = ("random", "gumbel by sim", "top-k by quality", "top-k by rank of sim and quality")
    made = []
    for (name, parts), method in zip(weights.items(), methods, strict=True):
        whole = sum(parts)
        shares = tuple(
            MixtureShare(
                source,
                round(400_000 * part / whole),
                round(2100 * part / whole),
                part / whole,
                0.2 if name == "classified" and source == "docs-text" else None,
                4.0 if name == "classified" and source == "docs-text" else 1.0,
                12_400 if name == "classified" and source == "docs-text" else 0,
            )
            for source, part in zip(SOURCES, parts, strict=True)
        )
        made.append(
            Arm(
                name,
                method,
                2104,
                399_874,
                name == "random",
                f"{len(name) * 99991:040x}"[::-1],
                shares,
                1_200_000,
                2.2e12,
                41.5,
            )
        )
    return tuple(made)


def curves(names: Sequence[str] = ARMS, seeds: Sequence[int] = SEEDS) -> tuple[LossCurve, ...]:
    """Return loss curves that fall as a power of tokens, with noise of their own."""
    gains = {"random": 0.0, "similar": 0.11, "classified": 0.06, "both-ranked": 0.13}
    grid = np.unique(np.geomspace(8000, 400_000, 60).astype(int))
    made = []
    for arm in names:
        for seed in seeds:
            rng = np.random.default_rng(seed * 100 + len(arm))
            noise = np.cumsum(rng.normal(0, 0.006, len(grid))) + np.random.default_rng(seed).normal(
                0, 0.03, len(grid)
            )
            drop = gains[arm] * np.linspace(0, 1, len(grid))
            loss = 2.3 + 6.5 * (grid / 8000) ** -0.42 - drop + noise
            made.append(LossCurve(arm, seed, tuple(grid.tolist()), tuple(loss.tolist())))
    return tuple(made)


def comparison() -> tuple[Comparison, ...]:
    """Return every verdict at least once, in two units."""
    lines = []
    rows: list[tuple[str, tuple[tuple[float, float, str, int | None], ...]]] = [
        (
            METRIC,
            (
                (-0.0312, 0.007, "better", None),
                (-0.009, 0.014, "undecided", 8),
                (-0.0391, 0.0062, "better", None),
            ),
        ),
        (
            "py-docstrings",
            (
                (-0.061, 0.009, "better", None),
                (-0.022, 0.008, "better", None),
                (-0.066, 0.011, "better", None),
            ),
        ),
        (
            "docs-text",
            (
                (-0.044, 0.012, "better", None),
                (-0.031, 0.017, "better", None),
                (-0.049, 0.01, "better", None),
            ),
        ),
        (
            "readmes",
            (
                (0.001, 0.003, "equivalent", None),
                (-0.008, 0.021, "undecided", 12),
                (-0.002, 0.0028, "equivalent", None),
            ),
        ),
        (
            "headers",
            (
                (0.037, 0.012, "worse", None),
                (0.018, 0.01, "worse", None),
                (0.029, 0.017, "worse", None),
            ),
        ),
    ]
    for metric, effects in rows:
        for arm, (effect, half, verdict, needed) in zip(ARMS[1:], effects, strict=True):
            lines.append(
                Comparison(
                    arm,
                    metric,
                    effect,
                    effect - half,
                    effect + half,
                    verdict,
                    3,
                    0.005,
                    needed,
                    baseline_mean=2.114,
                )
            )
    for arm, effect in zip(ARMS[1:], (0.021, 0.004, 0.026), strict=True):
        lines.append(
            Comparison(
                arm,
                "continuation pairs",
                effect,
                effect - 0.012,
                effect + 0.012,
                "better" if effect > 0.02 else "undecided",
                3,
                0.01,
                None if effect > 0.02 else 9,
                "accuracy",
                "higher",
                0.58,
            )
        )
    return tuple(lines)


def measures() -> tuple[Measure, ...]:
    """Return the means that the comparison is made of."""
    base = {
        METRIC: 2.114,
        "py-docstrings": 1.931,
        "docs-text": 2.207,
        "readmes": 2.384,
        "headers": 1.871,
    }
    found = {(line.arm, line.metric): line.effect for line in comparison()}
    return tuple(
        Measure(
            arm,
            metric,
            mean + found.get((arm, metric), 0.0),
            mean + found.get((arm, metric), 0.0) - 0.018,
            mean + found.get((arm, metric), 0.0) + 0.018,
            3,
        )
        for metric, mean in base.items()
        for arm in ARMS
    )
