"""The section of loss curves: each arm, and each arm minus the baseline, seed by seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from markupsafe import Markup

from curator.report.content import LossCurve, Report
from curator.report.markup import tag
from curator.report.plots import Curve, Line, averaged, curves, difference
from curator.report.tables import absent, arm_color, figure, legend, section


def training(report: Report, *, bands: bool = False) -> Markup:
    """Return the loss curves: each arm, and each arm's difference from the baseline.

    With `bands`, seeds are shown as the band from the lowest to the highest, for many arms.
    """
    if not any(_points(curve)[0] for curve in report.curves):
        return absent("training", "Training", "No proxies were trained.")
    report = replace(report, curves=tuple(c for c in report.curves if _points(c)[0]))
    arms = [arm.name for arm in report.arms] or list(dict.fromkeys(c.arm for c in report.curves))
    arms = [arm for arm in arms if any(curve.arm == arm for curve in report.curves)]
    plots = [
        figure(
            "Training loss",
            f"mean over seeds; {'bands reach' if bands else 'thin lines are'} "
            f"{'from the lowest to the highest' if bands else 'single seeds'}",
            curves(
                f"Training loss of {', '.join(arms)} against tokens",
                _loss_lines(report, arms, bands=bands),
                "tokens seen (logarithmic)",
                "nats per token",
                log_x=True,
            ),
        )
    ]
    against = _difference_lines(report, arms, bands=bands)
    if against:
        plots.append(
            figure(
                f"Training loss minus {report.baseline}",
                "same seed, same number of tokens; each arm trains on its own mixture, "
                "so the verdict rests on held-out text",
                curves(
                    f"Difference in training loss from {report.baseline}",
                    against,
                    "tokens seen (logarithmic)",
                    "nats per token",
                    log_x=True,
                    zero=True,
                ),
            )
        )
    names = legend((arm, arm_color(report, arm)) for arm in arms)
    lead = report.proxy and f"Proxy {report.proxy}."
    return section("training", "Training", lead, names, tag("div", *plots, class_="plots"))


def _points(curve: LossCurve) -> Curve:
    pairs = [
        (float(x), y)
        for x, y in zip(curve.tokens, curve.loss, strict=True)
        if x > 0 and math.isfinite(y)  # a logarithmic axis has no 0; a diverged loss has no place
    ]
    return tuple(x for x, _ in pairs), tuple(y for _, y in pairs)


def _loss_lines(report: Report, arms: Iterable[str], *, bands: bool) -> list[Line]:
    lines = []
    for arm in arms:
        runs = [(curve.seed, _points(curve)) for curve in report.curves if curve.arm == arm]
        lines += _lines(arm, arm_color(report, arm), runs, bands=bands)
    return lines


def _difference_lines(report: Report, arms: Iterable[str], *, bands: bool) -> list[Line]:
    base = {curve.seed: _points(curve) for curve in report.curves if curve.arm == report.baseline}
    lines = []
    for arm in arms:
        paired = [
            (curve.seed, difference(_points(curve), base[curve.seed]))
            for curve in report.curves
            if curve.arm == arm != report.baseline and curve.seed in base
        ]
        if paired:
            lines += _lines(arm, arm_color(report, arm), paired, bands=bands)
    return lines


def _lines(arm: str, color: str, runs: Sequence[tuple[int, Curve]], *, bands: bool) -> list[Line]:
    """Return an arm's mean curve, with its seeds as a band around it or as thin lines."""
    each = [curve for _, curve in runs]
    if bands:
        low, high = (averaged(each, how)[1] for how in (np.min, np.max))
        return [Line(arm, color, *averaged(each), low=low, high=high)]
    single = [Line(f"{arm}, seed {seed}", color, *curve, thin=True) for seed, curve in runs]
    return [*single, Line(arm, color, *averaged(each))]
