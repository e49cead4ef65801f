"""A set of 64-bit hashes inside kernels: open addressing, cleared in one stroke."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.compile import leaf, part


class Seen(NamedTuple):
    """Room for hashes and how often each was seen.

    Attributes:
        keys: (slots,) uint64; slots is a power of two.
        counts: (slots,) int32; 0: the slot is free.
    """

    keys: npt.NDArray[np.uint64]
    counts: npt.NDArray[np.int32]


@part
def room(entries: int) -> Seen:
    """Cleared room for this many different hashes, at most half filled."""
    slots = 16
    while slots < 2 * entries:
        slots *= 2
    return Seen(np.empty(slots, np.uint64), np.zeros(slots, np.int32))


@part
def cleared(seen: Seen, entries: int) -> tuple[Seen, np.uint64]:
    """The set emptied, larger if it has to be, and the mask to `add` with."""
    slots = 16
    while slots < 2 * entries:
        slots *= 2
    if slots > len(seen.keys):
        seen = room(entries)
    else:
        seen.counts[:slots] = 0
    return seen, np.uint64(slots - 1)


@leaf
def holds(seen: Seen, entries: int) -> bool:
    """True if there is room for this many different hashes."""
    return 4 * entries <= len(seen.keys)


@leaf
def emptied(seen: Seen, entries: int) -> np.uint64:
    """Empty the set, which must hold so many; the mask to `add` with."""
    slots = 16
    while slots < 2 * entries:
        slots *= 2
    seen.counts[:slots] = 0
    return np.uint64(slots - 1)


@leaf
def add(seen: Seen, mask: np.uint64, key: np.uint64) -> int:
    """Count the hash once more; its slot."""
    slot = key & mask
    while (seen.counts[slot] != 0) & (seen.keys[slot] != key):  # one jump, nearly always foreseen
        slot = (slot + np.uint64(1)) & mask
    seen.keys[slot] = key
    seen.counts[slot] += 1
    return int(slot)


@leaf
def seen_again(seen: Seen, mask: np.uint64, key: np.uint64) -> bool:
    """Count the hash once more; True if it was there before."""
    return bool(seen.counts[add(seen, mask, key)] > 1)
