"""How many different words a text has, and the entropy of their distribution."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from curator.text.compile import part
from curator.text.hashing import mixed
from curator.text.seen import Seen, add, cleared

COUNTS: Final = ("different_words", "entropy_millionths")
MILLION: Final = 1_000_000


@part
def diversity(
    hashes: npt.NDArray[np.uint64], words: int, seen: Seen, out: npt.NDArray[np.int64]
) -> Seen:
    """Fill `out` (2,) in the order of `COUNTS`; returns the set, which may have grown.

    The entropy is in nats: minus the sum of p * ln p over different words, p being a word's share
    of all (togethercomputer/RedPajama-Data, app/src/core/quality_signals/natural_language.py),
    in millionths, so that the last bits of a machine's logarithm do not show.
    """
    seen, mask = cleared(seen, words)
    different = 0
    for place in range(words):
        slot = add(seen, mask, mixed(hashes[place]))
        different += 1 if seen.counts[slot] == 1 else 0
    weighed = 0.0  # the sum of c ln c; the entropy is ln n minus this over n
    for slot in range(int(mask) + 1):
        count = seen.counts[slot]
        if count > 1:
            weighed += count * math.log(count)
    out[0] = different
    out[1] = round((math.log(words) - weighed / words) * MILLION) if words else 0
    return seen
