"""A made-up report with the proportions of a real run on the embedded corpus, and small ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from curator.report.content import (
    Arm,
    ArtifactLine,
    Cluster,
    Comparison,
    Contamination,
    Drop,
    Excerpt,
    Lineage,
    LossCurve,
    Match,
    Measure,
    MixtureShare,
    Overlap,
    Quarantined,
    Report,
    ScoreColumn,
    SourceLoss,
    StageCount,
)

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


def stages() -> tuple[StageCount, ...]:
    """Return a chain of stages that adds up."""
    alive = dict(SOURCES)
    made = [
        _stage("ingest", alive, {}, {}, {"invalid UTF-8": 9, "truncated gzip": 1}, 3.9),
        _stage(
            "clean",
            alive,
            {"tests": 0.35, "py-source": 0.22, "dep-source": 0.24, "headers": 0.4, "readmes": 0.08},
            {
                "gopher_quality.words": 0.31,
                "gopher_quality.symbol_word_ratio": 0.22,
                "gopher_repetition.dup_line_chars": 0.17,
                "c4.too_few_sentences": 0.12,
                "fineweb.short_line_ratio": 0.08,
                "gopher_quality.stop_words": 0.05,
                "language": 0.03,
                "gopher_repetition.top_2gram": 0.02,
            },
            {},
            12.4,
        ),
        _stage(
            "dedup.exact",
            alive,
            {"licenses": 0.71, "py-docstrings": 0.04, "headers": 0.06, "dep-docstrings": 0.11},
            {"exact": 1.0},
            {},
            0.8,
        ),
        _stage(
            "dedup.minhash",
            alive,
            {
                "licenses": 0.42,
                "dep-docstrings": 0.13,
                "tests": 0.12,
                "py-source": 0.03,
                "dep-source": 0.07,
            },
            {"near": 1.0},
            {},
            6.1,
        ),
        _stage(
            "decontaminate",
            alive,
            {"py-docstrings": 0.006, "docs-text": 0.011},
            {"benchmark overlap": 1.0},
            {},
            1.7,
        ),
        _stage("heldout", alive, dict.fromkeys(SOURCES, 0.03), {"heldout": 1.0}, {}, 0.1),
        _stage("tokens", alive, {}, {}, {}, 5.0, tokens=True),
        _stage("score.sim", alive, {}, {}, {}, 8.8, tokens=True),
        _stage("score.quality", alive, {}, {}, {}, 4.2, tokens=True, cached=True),
    ]
    return tuple(made)


def _stage(
    name: str,
    alive: dict[str, int],
    losses: Mapping[str, float],
    reasons: Mapping[str, float],
    quarantined: Mapping[str, int],
    seconds: float,
    tokens: bool = False,
    cached: bool = False,
) -> StageCount:
    before = sum(alive.values()) + sum(quarantined.values())
    for source, part in losses.items():
        alive[source] -= round(alive[source] * part)
    gone = before - sum(alive.values()) - sum(quarantined.values())
    dropped = {reason: round(gone * part) for reason, part in reasons.items()}
    if dropped:
        first = next(iter(dropped))
        dropped[first] += gone - sum(dropped.values())
    out = sum(alive.values())
    return StageCount(
        name,
        before,
        out,
        dropped,
        quarantined,
        dict(alive),
        out * 812,
        out * 193 if tokens else None,
        seconds,
        cached,
        f"{abs(len(name) * 7919):032x}",
    )


def excerpt(number: int, text: str = "", **numbers: float) -> Excerpt:
    """Return one document as shown to a reader."""
    body = text or "Return the number of non-overlapping occurrences of substring sub.\n" * 6
    return Excerpt(
        f"{number * 2654435761 % 2**64:032x}",
        "dep-docstrings",
        f"site-packages/numpy/strings.py#{number}",
        body,
        dict(numbers),
    )


def drops() -> tuple[Drop, ...]:
    """Return drops with documents for three of the reasons."""
    table = "| a | b |\n|---|---|\n" + "| 0.0 | 1.0 |\n" * 30
    return (
        Drop(
            "clean",
            "gopher_quality.words",
            1905,
            "words < 50 or words > 100000",
            (excerpt(1, "Deprecated.", words=1), excerpt(2, "See `foo`.", words=2)),
        ),
        Drop(
            "clean",
            "gopher_quality.symbol_word_ratio",
            1352,
            "symbol_word_ratio > 0.1",
            (excerpt(3, table, symbol_word_ratio=0.43, words=122),),
        ),
        Drop(
            "dedup.minhash",
            "near",
            1830,
            "jaccard ≥ 0.8 and containment ≥ 0.95",
            (excerpt(4, jaccard=0.914, containment=0.988),),
        ),
    )


def score_columns() -> tuple[ScoreColumn, ...]:
    """Return two histograms: a normal one in 0..1 and one over a logarithmic axis."""
    rng = np.random.default_rng(4)
    sim = np.clip(rng.normal(0.42, 0.13, 24000), 0, 1)
    taken = sim + rng.gumbel(0, 0.05, len(sim)) > 0.62
    edges = np.linspace(0, 1, 33)
    perplexity = rng.lognormal(0.6, 0.5, 24000)
    wide = np.geomspace(0.2, 20, 33)
    low = perplexity < 1.4
    return (
        ScoreColumn(
            "sim",
            "cosine",
            "higher",
            tuple(edges.tolist()),
            _bins(sim, edges),
            {
                "random": _bins(sim[::6], edges),
                "similar": _bins(sim[taken], edges),
                "both-ranked": _bins(sim[taken & low], edges),
            },
            {"similar": 0.55},
            "mean cosine of the 8 nearest examples of the target",
            12,
        ),
        ScoreColumn(
            "ppl",
            "bits/byte",
            "lower",
            tuple(wide.tolist()),
            _bins(perplexity, wide),
            {"random": _bins(perplexity[::6], wide), "classified": _bins(perplexity[low], wide)},
            {"classified": 1.4},
            "bits per byte under the reference proxy",
            log=True,
        ),
    )


def _bins(values: np.ndarray, edges: np.ndarray) -> tuple[int, ...]:
    return tuple(np.histogram(values, edges)[0].tolist())


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


def lineage() -> Lineage:
    """Return what made the run."""
    lines = [stage.name for stage in stages()]
    return Lineage(
        "9f3c1f0a5b7d4c2e8a6b0d1f3e5c7a9b",
        "name: demo\nseed: 17\narms:\n  random: {select: {method: random, tokens: 400_000}}\n",
        "curator run configs/recipes/demo.yaml --workers 2",
        tuple(
            ArtifactLine(
                name,
                f"{place * 48271 + 7:016x}",
                30000 - 900 * place,
                (lines[place - 1],) if place else (),
            )
            for place, name in enumerate(lines)
        ),
        {"curator": "0.1.0", "numpy": "2.4.0", "pyarrow": "22.0.0", "torch": "2.13.0"},
        "2 cores, 8 GB, CPU only",
    )


def full_report(**changes: object) -> Report:
    """Return a report with every part filled; `changes` replace parts."""
    parts: dict[str, object] = {
        "name": "demo",
        "run_id": "3e1fd2c07a55",
        "about": "Documentation and code that the installation carries; target: the language "
        "reference and held-out docstrings.",
        "headline_metric": METRIC,
        "sources": tuple(SOURCES),
        "stages": stages(),
        "drops": drops(),
        "quarantined": (
            Quarantined(
                "readmes",
                "data/readmes.jsonl.gz@1048576",
                "truncated gzip",
                1,
                "compressed file ended before the end-of-stream marker",
            ),
            Quarantined(
                "headers",
                "include/legacy.h@0",
                "invalid UTF-8",
                9,
                "byte 0xe9 at 214 starts no character",
            ),
        ),
        "clusters": (
            Cluster(
                excerpt(5, "MIT License\n\nPermission is hereby granted, free of charge, ..."),
                148,
                {"licenses": 146, "readmes": 2},
            ),
            Cluster(excerpt(6), 37, {"dep-docstrings": 37}),
        ),
        "losses": tuple(
            SourceLoss(source, number, round(number * part))
            for (source, number), part in zip(
                SOURCES.items(), (0.04, 0.03, 0.23, 0.07, 0.01, 0.83, 0.06, 0.0, 0.12), strict=True
            )
        ),
        "contamination": (
            Contamination(
                "reference/test",
                240,
                9,
                76,
                (
                    Match(
                        "reference/test",
                        "expressions.rst#14",
                        f"{77:032x}",
                        "docs-text",
                        "the conversion from one floating-point type to another keeps",
                        0.61,
                    ),
                ),
            ),
        ),
        "scores": score_columns(),
        "arms": arms(),
        "overlap": Overlap(
            ARMS,
            (
                (1, 0.19, 0.21, 0.18),
                (0.19, 1, 0.46, 0.78),
                (0.21, 0.46, 1, 0.63),
                (0.18, 0.78, 0.63, 1),
            ),
        ),
        "curves": curves(),
        "measures": measures(),
        "comparison": comparison(),
        "lineage": lineage(),
        "proxy": "d2, 0.1M parameters",
        "seconds": 214.0,
    }
    return Report(**(parts | changes))  # type: ignore[arg-type]
