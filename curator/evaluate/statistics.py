"""Paired comparison of runs: an effect with its interval, a verdict, the seeds that would decide.

Seed s of the arm and seed s of the baseline share first weights and order of documents, so most
noise cancels in their difference: pairing shrank the standard deviation of a difference 3 to 5
times where we measured it (0.33M parameters, 410k tokens, 4 seeds). The metric's kind says which
way is better and which difference matters. Each is compared at the end of training only.

What an interval speaks of depends on the text that runs of an arm share (`curator.evaluate.
overlap`): the mixture's other text as well, or only other seeds on the same text.

Intervals are Student's t on the differences (for fewer than eight seeds a percentile bootstrap
is too narrow); equivalence is two one-sided tests (Schuirmann 1987, J. Pharmacokinet. Biopharm.
15:657); several comparisons are adjusted after Holm (1979, Scand. J. Statist. 6:65).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, stdtr, stdtrit

from curator.errors import BudgetError, RecipeError
from curator.evaluate.metrics import BITS, KINDS, Kind
from curator.evaluate.overlap import APART, Covers, Sharing, Window, sharing, wider

Verdict = Literal["better", "worse", "equivalent", "undecided"]
CONFIDENCE = 0.95
POWER = 0.8
ROUNDING = 1e-9  # a deviation so much smaller than its mean is none
MOST_SEEDS = 1000  # beyond this the answer is "too many to be worth it": None


@dataclass(frozen=True, slots=True)
class Effect:
    """What an arm changes, in the unit of its metric: mean difference, interval, verdict.

    Attributes:
        effect: mean over seeds of arm - baseline.
        low: lower end of the confidence interval.
        high: upper end.
        sd: standard deviation of the differences.
        n: pairs.
        p: two-sided, of no difference at all.
        verdict: "better" or "worse" when the interval excludes 0 and the effect passes the
            threshold; "equivalent" when it lies inside the threshold with the same confidence.
        seeds_needed: pairs that would decide with 80 % power if undecided; None if over 1000, if
            no number would (the mixture has too little text), or if the verdict was lost in
            `adjust`, for being one of several.
        threshold: below which a difference was taken not to matter.
        overlap: mean share of text that two runs of an arm have in common, the larger arm's.
        covers: what the interval and the verdict speak of: "text", other draws of text as well as
            other seeds; "seeds", other seeds on the same text only.
        sign_p: two-sided, by how many pairs went which way alone: no word on how far. Below 5 %
            from six pairs on.
    """

    effect: float
    low: float
    high: float
    sd: float
    n: int
    p: float
    verdict: Verdict
    seeds_needed: int | None
    threshold: float
    overlap: float
    covers: Covers
    sign_p: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run's number and what must be equal for it to be compared with another's.

    `tokens` is the run's budget: what it was trained on, or could have been for the arithmetic that
    it spent on choosing what to train on as well.
    `window` is the part of its mixture that the run read: start and share, on a circle of
    length 1 that all runs on that mixture have in common.
    """

    seed: int
    value: float
    tokens: int
    tokenizer: str  # digest
    evaluation: str  # digest of the text it was measured on
    precision: str = ""  # what matrices were multiplied in
    proxy: str = ""  # name of all settings of the model that was trained
    status: str = "finished"
    window: Window | None = None


def compare(
    arm: ArrayLike,
    baseline: ArrayLike,
    kind: Kind = KINDS[BITS],
    *,
    text: Sharing = APART,
    confidence: float = CONFIDENCE,
) -> Effect:
    """Return the effect of `arm` over `baseline`, paired by position.

    Args:
        arm: (S,) the metric, one number a seed.
        baseline: (S,) the same seeds in the same order.
        kind: which way is better, and the difference below which no one would act.
        text: what the runs of one arm share.
        confidence: of the interval and of both verdicts, in (0, 1).

    Raises:
        BudgetError: fewer than two seeds, or not as many in both.
        RecipeError: a number is not finite, or a setting is out of range.
    """
    differences = _differences(arm, baseline)
    if not 0 < confidence < 1 or kind.threshold < 0:
        raise RecipeError(
            f"confidence is {confidence!r}, wanted inside (0, 1); the threshold is "
            f"{kind.threshold!r}, wanted at least 0"
        )
    n = len(differences)
    effect, sd = float(differences.mean()), float(differences.std(ddof=1))
    error = sd * math.sqrt(float(text.widening(n)))
    reach = error * float(stdtrit(n - 1, (1 + confidence) / 2))
    p = _two_sided(effect, error, n)
    verdict = _verdict(effect, p, error, n, kind, confidence)
    seeds = None
    if verdict == "undecided":
        seeds = seeds_to_decide(
            effect, sd, threshold=kind.threshold, text=text, confidence=confidence
        )
    return Effect(
        effect, effect - reach, effect + reach, sd, n, p, verdict, seeds, kind.threshold,
        text.overlap, text.covers, sign_test(differences),
    )  # fmt: skip


def compare_runs(
    arm: Sequence[Measurement],
    baseline: Sequence[Measurement],
    kind: Kind = KINDS[BITS],
    *,
    confidence: float = CONFIDENCE,
) -> Effect:
    """Return the effect of `arm` over `baseline`, paired by seed.

    Raises:
        BudgetError: fewer than two common seeds, a failed run, or unequal token counts.
        RecipeError: a seed twice, another proxy, tokenizer, evaluation text or precision.
    """
    ours, theirs = _by_seed(arm), _by_seed(baseline)
    seeds = sorted(ours.keys() & theirs.keys())
    if len(seeds) < 2:
        raise BudgetError(
            f"{len(seeds)} seeds in common ({sorted(ours)} and {sorted(theirs)}); a claim needs "
            "at least 2: train the arm and the baseline from the same seeds"
        )
    pairs = [(ours[seed], theirs[seed]) for seed in seeds]
    _comparable([run for pair in pairs for run in pair])
    return compare(
        [run.value for run, _ in pairs],
        [run.value for _, run in pairs],
        kind,
        text=wider(
            sharing([run.window for run, _ in pairs]), sharing([run.window for _, run in pairs])
        ),
        confidence=confidence,
    )


def compare_all(
    arms: Mapping[str, Sequence[Measurement]], baseline: str, kind: Kind = KINDS[BITS]
) -> dict[str, Effect]:
    """Return the effect of every other arm over the arm `baseline`, adjusted for their number.

    Raises:
        BudgetError: as `compare_runs`.
        RecipeError: as `compare_runs`.
    """
    base = arms[baseline]
    return adjust(
        {arm: compare_runs(runs, base, kind) for arm, runs in arms.items() if arm != baseline}
    )


def mean_interval(
    values: ArrayLike, *, confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """Return the mean of one arm over its seeds and the ends of its t-interval.

    For showing where an arm lies; arms are compared by `compare`, whose pairs are far less noisy.
    One seed has no interval: all three numbers are its value.
    """
    found = np.asarray(values, dtype=np.float64)
    n, mean = len(found), float(found.mean())
    if n < 2:
        return mean, mean, mean
    reach = float(stdtrit(n - 1, (1 + confidence) / 2)) * float(found.std(ddof=1)) / math.sqrt(n)
    return mean, mean - reach, mean + reach


def minimum_detectable_effect(
    sd: float,
    n: int,
    *,
    threshold: float = 0.0,
    text: Sharing = APART,
    confidence: float = CONFIDENCE,
    power: float = POWER,
) -> float:
    """Return the smallest difference that `n` pairs find with `power`, given their `sd`.

    The usual approximation (t of the confidence + t of the power) sd / sqrt(n), the root widened
    by the text that runs share. What is found must also pass the `threshold`, so where that is
    the higher bar it takes the place of the first term.
    """
    if n < 2:
        raise BudgetError(f"{n} seeds; an interval needs at least 2")
    error = sd * math.sqrt(float(text.widening(n)))
    bar = max(float(stdtrit(n - 1, (1 + confidence) / 2)) * error, threshold)
    return bar + float(stdtrit(n - 1, power)) * error


def seeds_to_decide(
    effect: float,
    sd: float,
    *,
    threshold: float = KINDS[BITS].threshold,
    text: Sharing = APART,
    confidence: float = CONFIDENCE,
    power: float = POWER,
) -> int | None:
    """Return the pairs that would settle `effect`, if it and `sd` are the true ones.

    An effect beyond the threshold has to be told from 0; a smaller one has to be shown to lie
    inside. None: more than 1000, as when the effect is as large as the threshold itself, or never,
    as when runs share text: then further seeds soon bring no further text.
    """
    beyond = abs(effect) > threshold
    distance = abs(effect) if beyond else threshold - abs(effect)
    level = (1 + confidence) / 2 if beyond else confidence
    n = np.arange(2, MOST_SEEDS + 1)
    reach = stdtrit(n - 1, level) + stdtrit(n - 1, power)
    enough = reach * sd * np.sqrt(text.widening(n)) <= distance
    return int(n[enough.argmax()]) if enough.any() and distance > 0 else None


def sign_test(differences: ArrayLike) -> float:
    """Return the two-sided p of as uneven a number of gains and losses; ties are left out."""
    found = np.sign(np.asarray(differences, dtype=np.float64))
    fewer = int(min((found > 0).sum(), (found < 0).sum()))
    return min(1.0, 2 * float(bdtr(fewer, int((found != 0).sum()), 0.5)))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p-values adjusted for being several, (k,), never below the ones given."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    factors = len(p) - np.arange(len(p))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * factors))
    return adjusted


def adjust(effects: Mapping[str, Effect], *, confidence: float = CONFIDENCE) -> dict[str, Effect]:
    """Return `effects` with Holm's p; a "better" or "worse" that does not survive is undecided."""
    adjusted = holm([effect.p for effect in effects.values()])
    found = {}
    for (name, effect), p in zip(effects.items(), adjusted, strict=True):
        lost = effect.verdict in ("better", "worse") and p > 1 - confidence
        verdict: Verdict = "undecided" if lost else effect.verdict
        found[name] = dataclasses.replace(effect, p=float(p), verdict=verdict)
    return found


def _differences(arm: ArrayLike, baseline: ArrayLike) -> NDArray[np.float64]:
    ours = np.asarray(arm, dtype=np.float64)
    theirs = np.asarray(baseline, dtype=np.float64)
    if ours.shape != theirs.shape or ours.ndim != 1:
        raise BudgetError(
            f"arm has shape {ours.shape}, baseline {theirs.shape}; give one number a seed in both"
        )
    if len(ours) < 2:
        raise BudgetError(f"{len(ours)} seeds; a claim needs at least 2, better 5")
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise RecipeError("some numbers are not finite; leave failed runs out")
    return ours - theirs


def _two_sided(effect: float, error: float, n: int) -> float:
    if error <= ROUNDING * abs(effect):
        # Equal differences, as coarse metrics have, tell nothing of their spread: signs count.
        return 1.0 if effect == 0 else 2.0 ** (1 - n)
    return float(2 * stdtr(n - 1, -abs(effect) / error))


def _verdict(
    effect: float, p: float, error: float, n: int, kind: Kind, confidence: float
) -> Verdict:
    if p < 1 - confidence and abs(effect) > kind.threshold:  # p: the interval excludes 0
        return "better" if (effect < 0) == (kind.better == "lower") else "worse"
    # Two one-sided tests at 1 - confidence: the (2 confidence - 1) interval lies inside.
    inside = abs(effect) + error * float(stdtrit(n - 1, confidence))
    return "equivalent" if inside < kind.threshold else "undecided"


def _by_seed(runs: Sequence[Measurement]) -> dict[int, Measurement]:
    found: dict[int, Measurement] = {}
    for run in runs:
        if run.seed in found:
            raise RecipeError(f"seed {run.seed} is there twice; give each seed once")
        if run.status != "finished":
            raise BudgetError(
                f"the run of seed {run.seed} is {run.status!r}; a failed run is never averaged in"
            )
        found[run.seed] = run
    return found


def _comparable(runs: Sequence[Measurement]) -> None:
    """Refuse runs that differ in anything but their training text and seed."""
    tokens = sorted({run.tokens for run in runs})
    if len(tokens) > 1:
        raise BudgetError(f"trained on {tokens} tokens; compare runs of equal budgets")
    for what in ("proxy", "tokenizer", "evaluation", "precision"):
        found = sorted({str(getattr(run, what)) for run in runs})
        if len(found) > 1:
            raise RecipeError(f"runs differ in {what}: {found}; compare like with like")
