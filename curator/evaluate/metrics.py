"""What a number measures: its unit, which way is better, and the smallest difference that matters.

A metric's name is SET for bits per byte ("heldout", "heldout/web", "arc_easy/test") and SET#KIND
for any other ("arc_easy/test#accuracy").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from curator.errors import RecipeError

BITS = ""  # the kind of a metric without "#"


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to measure a proxy.

    Attributes:
        title: what a table calls it.
        unit: of the number.
        better: which way is better.
        threshold: the difference below which no one would act, in `unit`; ours.
    """

    title: str
    unit: str
    better: Literal["lower", "higher"]
    threshold: float


KINDS = {
    # About the smallest that nine pairs resolve with 80 % power at the paired deviations that we
    # measured (0.0015 to 0.0018 at 0.33M parameters, 410k tokens).
    BITS: Kind("bits per byte", "bits/byte", "lower", 0.002),
    # About one standard deviation over seeds, of 1,000 items each of ARC easy and challenge, PIQA
    # and BLiMP (0.1M parameters, 400k tokens, 3 seeds): accuracy 0.004 to 0.019, accuracy_raw
    # 0.003 to 0.007, correct_prob 0.0009 to 0.0026, margin 0.0003 to 0.0010, norm_prob 0.0004 to
    # 0.0009; of gold_bits (0.018 to 0.029) and margin_nats (0.12) half of it.
    "accuracy": Kind("accuracy", "share", "higher", 0.01),
    "accuracy_raw": Kind("accuracy, options of any length alike", "share", "higher", 0.01),
    "correct_prob": Kind("probability of the answer", "probability", "higher", 0.002),
    "margin": Kind("lead of the answer", "probability", "higher", 0.001),
    "norm_prob": Kind("answer's share of probability", "share", "higher", 0.001),
    "gold_bits": Kind("bits per byte of the answer", "bits/byte", "lower", 0.01),
    "margin_nats": Kind("lead of the good text", "nats", "higher", 0.05),
    # Of what proxies write: ours, a tenth of the plain rate where a tenth of all text is bad.
    "bad_rate": Kind("bad stretches of drawn text", "share", "lower", 0.01),
}
# The kinds that questions with options and minimal pairs have, besides the bits of their text.
OF_CHOICES = ("accuracy", "accuracy_raw", "correct_prob", "margin", "norm_prob", "gold_bits")
OF_PAIRS = ("accuracy", "margin_nats")


def kind_of(metric: str) -> Kind:
    """Return what `metric` measures.

    Raises:
        RecipeError: its kind is none that is known.
    """
    name = metric.partition("#")[2]
    if name not in KINDS:
        known = sorted(kind for kind in KINDS if kind)
        raise RecipeError(f"metric {metric!r} is of the kind {name!r}; wanted one of {known}")
    return KINDS[name]
