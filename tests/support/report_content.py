"""A made-up report with the proportions of a real run on the embedded corpus, and small ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from curator.report.content import (
    ArtifactLine,
    Cluster,
    Contamination,
    Drop,
    Excerpt,
    FoundIn,
    Lineage,
    Match,
    Overlap,
    Quarantined,
    Report,
    ScoreColumn,
    SourceLoss,
    StageCount,
)
from tests.support.report_results import (
    ARMS,
    METRIC,
    SOURCES,
    arms,
    comparison,
    curves,
    measures,
)


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
                        9,
                    ),
                ),
                {"by_ngrams": 228, "as_run": 9, "as_document": 2, "unguarded": 1},
                (FoundIn("docs-text", 7, 74, True), FoundIn("readmes", 2, 2, False)),
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
