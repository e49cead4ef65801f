"""How noisy a comparison will be, before anything is trained: what it can find and what not.

The deviation of a difference between two arms is taken from finished comparisons of like proxies
if there are any, else from a table of our own measurements (configs/noise.yaml); of several budgets
the nearest counts, as it is. It is not scaled: four times the tokens, 100,000 to 400,000, took the
deviation from 0.035 to 0.032 (0.1M parameters, seven pairs each), where the root of tokens would
have halved it; so a larger budget than any measured is promised no more than was seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from curator.evaluate.metrics import kind_of
from curator.evaluate.overlap import APART, Sharing
from curator.evaluate.statistics import POWER, minimum_detectable_effect
from curator.strict_yaml import parse_yaml, read_text
from curator.train.proxy import find_proxy

TABLE = Path(__file__).parents[2] / "configs" / "noise.yaml"
MEAN, SINGLE = "mean", "single"  # rows of the table for bits per byte: over sources, of one text


@dataclass(frozen=True, slots=True)
class Noise:
    """One measured standard deviation of the difference between two arms of a comparison.

    Attributes:
        blocks: weights in the proxy's blocks: what tells proxies apart here.
        tokens: that a run trained on.
        metric: its name; in the table, "mean" or "single" for bits, "#KIND" for other kinds.
        sd: of one pair, in the metric's unit.
        pairs: how many pairs it was found from.
    """

    blocks: int
    tokens: int
    metric: str
    sd: float
    pairs: int


@dataclass(frozen=True, slots=True)
class Detectable:
    """What a comparison will find: the smallest difference in `metric` with 80 % power.

    `sd` is what is expected of one pair's difference; `origin` says how it is known.
    """

    metric: str
    effect: float
    sd: float
    origin: str


def expected_mde(
    proxy: str,
    tokens: int,
    seeds: int,
    metrics: Iterable[str],
    *,
    observed: Sequence[Noise] = (),
    text: Sharing = APART,
) -> list[Detectable]:
    """Return what `seeds` pairs of a proxy will find, a row a metric of which anything is known.

    Args:
        proxy: its name or path.
        tokens: that a run trains on.
        seeds: pairs, at least 2.
        metrics: names as in an evaluation ("heldout", "arc_easy/test#accuracy").
        observed: what finished comparisons showed; comes before the table.
        text: what the runs of an arm will share.

    Raises:
        BudgetError: fewer than two pairs.
        RecipeError: no such proxy, or a metric of an unknown kind.
    """
    blocks = find_proxy(proxy).shape(1).block_parameters
    rows = []
    for metric in metrics:
        found = _expected(blocks, tokens, metric, observed)
        if found is not None:
            sd, origin = found
            threshold = kind_of(metric).threshold
            effect = minimum_detectable_effect(sd, seeds, threshold=threshold, text=text)
            rows.append(Detectable(metric, effect, sd, origin))
    return rows


def sentence(row: Detectable, proxy: str, tokens: int, seeds: int) -> str:
    """Return what will be found, in words."""
    size = f"{tokens / 1e6:g}M" if tokens >= 100_000 else f"{tokens:,}"
    return (
        f"{seeds} pairs of {proxy} x {size} tokens find differences of {row.effect:.2g} "
        f"{kind_of(row.metric).unit} in {row.metric} ({POWER:.0%} power; {row.origin})"
    )


def noise_of_run(record: Mapping[str, Any]) -> list[Noise]:
    """Return the deviations that a finished run's comparisons showed; none if it trained nothing.

    Args:
        record: the content of its run.json.
    """
    found = []
    for row in record.get("comparison", ()):
        proxies = record["arms"].get(row["arm"], {}).get("proxies", ())
        if proxies and row.get("sd") and "parameters" in proxies[0]:
            blocks = proxies[0]["parameters"]["blocks"]
            tokens = proxies[0].get("budget", proxies[0]["tokens"])  # less if it picks
            found.append(Noise(blocks, tokens, row["metric"], row["sd"], row["seeds"]))
    return found


@cache
def measured_table() -> tuple[Noise, ...]:
    """Return our own measurements, which come with the project."""
    rows = parse_yaml(read_text(TABLE), str(TABLE))
    return tuple(Noise(**row) for row in rows)


def _expected(
    blocks: int, tokens: int, metric: str, observed: Sequence[Noise]
) -> tuple[float, str] | None:
    """Return the deviation to expect and how it is known; None if nothing is."""
    same = [each for each in observed if each.metric == metric and each.blocks == blocks]
    if same:
        nearest = _nearest(same, tokens)
        count = "a finished comparison" if len(nearest) == 1 else f"{len(nearest)} comparisons"
        return _pooled(nearest), f"as in {count} of {nearest[0].tokens:,} tokens"
    kind = metric.partition("#")[2]
    row = f"#{kind}" if kind else MEAN if metric == "heldout" else SINGLE
    known = [each for each in measured_table() if each.metric == row]
    if not known:
        return None
    distance = min(abs(math.log(each.blocks / blocks)) for each in known)
    alike = [each for each in known if abs(math.log(each.blocks / blocks)) <= distance]
    nearest = _nearest(alike, tokens)
    other = "" if nearest[0].blocks == blocks else f" of {nearest[0].blocks / 1e6:.1f}M parameters"
    return _pooled(nearest), f"as we measured{other} at {nearest[0].tokens:,} tokens"


def _nearest(known: Sequence[Noise], tokens: int) -> list[Noise]:
    """Return those whose budget is nearest."""
    distance = min(abs(math.log(each.tokens / tokens)) for each in known)
    return [each for each in known if abs(math.log(each.tokens / tokens)) <= distance]


def _pooled(known: Sequence[Noise]) -> float:
    """Return their common deviation: variances weighted by degrees of freedom."""
    weights = [max(1, each.pairs - 1) for each in known]
    total = sum(weight * each.sd**2 for weight, each in zip(weights, known, strict=True))
    return math.sqrt(total / sum(weights))
