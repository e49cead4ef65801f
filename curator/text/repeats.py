"""Windows of k pieces that stand more than once in a corpus, and the bytes that they cover.

A window is known by 128 bits: two polynomials with different bases over two different hashes of
each of its pieces. Only windows whose seed (`curator.text.winnowing`) stands elsewhere too can
repeat, so only they are hashed.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled
from curator.text.hashing import STEP, mixed, power
from curator.text.ngrams import slide
from curator.text.pieces import OTHER, next_piece, skip_space
from curator.text.spans import Spans
from curator.text.unicode import Characters, characters
from curator.text.winnowing import NOTHING, choose, new_chooser, seed_key, seed_pieces

_FEW: Final = 1 << 12
_REPEATED, _KEPT = 1, 2
_Int64: TypeAlias = npt.NDArray[np.int64]
_Uint64: TypeAlias = npt.NDArray[np.uint64]
_Uint32: TypeAlias = npt.NDArray[np.uint32]
_Bool: TypeAlias = npt.NDArray[np.bool_]


class Windows(NamedTuple):
    """The windows of some seeds, seed after seed. Those of one seed follow each other piece by
    piece.

    Attributes:
        rows: (seeds,) int64, the text.
        keys: (seeds,) uint64, the seed's hash.
        firsts: (seeds,) uint32, the first piece of its first window.
        offsets: (seeds + 1,) int64; the windows of seed i are `offsets[i]:offsets[i + 1]`.
        hashes: (windows, 2) uint64.
    """

    rows: _Int64
    keys: _Uint64
    firsts: _Uint32
    offsets: _Int64
    hashes: _Uint64


class Stretches(NamedTuple):
    """Repeated windows that follow each other piece by piece and are alike.

    Attributes:
        seeds: int64, the place of the seed that they belong to.
        firsts: uint32, the first piece of the first window.
        stops: uint32, past the first piece of the last window.
        kept: bool, whether no better place has these windows.
    """

    seeds: _Int64
    firsts: _Uint32
    stops: _Uint32
    kept: _Bool


def windows_of(texts: Texts, k: int, offsets: _Int64, places: _Uint32) -> Windows:
    """The windows of `k` pieces of the given seeds.

    Args:
        texts: the column that the seeds were chosen in.
        k: what they were chosen with.
        offsets: (texts + 1,) int64; the seeds of text i are `places[offsets[i]:offsets[i + 1]]`.
        places: uint32, as in `curator.text.winnowing.Seeds`, rising within a text.
    """
    column = utf8(texts)
    found = _windows(column.offsets, column.data, k, seed_pieces(k), offsets, places, characters())
    return Windows(*found)


def repeated_windows(
    keys: _Uint64,
    firsts: _Uint32,
    offsets: _Int64,
    hashes: _Uint64,
) -> Stretches:
    """The windows that stand at two places or more; the first of these is kept.

    Args:
        keys: (seeds,) uint64, sorted; of equal ones the better place comes first.
        firsts: (seeds,) uint32, as in `Windows`.
        offsets: (seeds + 1,) int64, likewise.
        hashes: (windows, 2) uint64, likewise.
    """
    return Stretches(*_stretches(keys, firsts, offsets, hashes, _states(keys, offsets, hashes)))


def repeated_spans(
    texts: Texts,
    k: int,
    offsets: _Int64,
    firsts: _Uint32,
    stops: _Uint32,
    kept: _Bool,
) -> tuple[Spans, Spans]:
    """The bytes of repeated windows, and of what a text can lose because a better place has it.

    Pieces in a kept window are never lost, so that one whole occurrence of every window stays. All
    spans begin and end with a piece.

    Args:
        texts: the column.
        k: pieces in a window.
        offsets: (texts + 1,) int64; the stretches of text i are `offsets[i]:offsets[i + 1]`.
        firsts: of `Stretches`, rising within a text.
        stops: likewise.
        kept: likewise.
    """
    column = utf8(texts)
    tables = characters()
    given = (column.offsets, column.data, k, offsets, firsts, stops, kept, tables)
    found = []
    for surplus in (False, True):
        bounds, starts, ends = _spans(*given, surplus)
        found.append(Spans(bounds, starts, ends, np.zeros(len(starts), np.uint8)))
    return found[0], found[1]


@compiled
def _windows(
    offsets: _Int64,
    data: npt.NDArray[np.uint8],
    k: int,
    q: int,
    seed_offsets: _Int64,
    seeds: _Uint32,
    tables: Characters,
) -> tuple[
    _Int64,
    _Uint64,
    _Uint32,
    _Int64,
    _Uint64,
]:
    rows = np.zeros(len(seeds), np.int64)
    keys = np.zeros(len(seeds), np.uint64)
    firsts = np.zeros(len(seeds), np.uint32)
    bounds = np.zeros(len(seeds) + 1, np.int64)
    hashes = np.empty((_FEW, 2), np.uint64)
    chooser = new_chooser(k, q)
    ring = np.zeros((k, 2), np.uint64)
    top, other_top = power(STEP, k), power(OTHER, k)
    count = 0
    for row in range(len(offsets) - 1):
        seed, stop = seed_offsets[row], seed_offsets[row + 1]
        end = offsets[row + 1]
        ring[:] = 0
        one, two = np.uint64(0), np.uint64(0)
        n, state = 0, NOTHING
        at = skip_space(data, offsets[row], end, tables) if seed < stop else end
        while at < end and seed < stop:
            first, second, at = next_piece(data, at, end, tables)
            state = choose(first, n, k, q, state, chooser)
            slot = n % k
            one = slide(one, first, ring[slot, 0], top)
            two = two * OTHER + second - ring[slot, 1] * other_top
            ring[slot, 0], ring[slot, 1] = first, second
            n += 1
            while n >= k and seed < stop and seeds[seed] < state.place:
                seed += 1
            if n >= k and seed < stop and seeds[seed] == state.place:
                if bounds[seed + 1] == 0:
                    rows[seed], keys[seed] = row, seed_key(state.least)
                    firsts[seed] = n - k
                if count == len(hashes):
                    hashes = np.concatenate((hashes, np.empty_like(hashes)))
                hashes[count, 0], hashes[count, 1] = mixed(one), mixed(two)
                count += 1
                bounds[seed + 1] = count
            at = skip_space(data, at, end, tables)
    for seed in range(len(seeds)):  # one that nothing chose has no windows
        bounds[seed + 1] = max(bounds[seed + 1], bounds[seed])
    return rows, keys, firsts, bounds, hashes[:count].copy()


@compiled
def _states(
    keys: _Uint64,
    offsets: _Int64,
    hashes: _Uint64,
) -> npt.NDArray[np.uint8]:
    """(windows,) uint8: 0 for what stands once, else 1, and 2 more for the first of its kind."""
    states = np.zeros(len(hashes), np.uint8)
    table = np.empty(64, np.int64)
    start = 0
    while start < len(keys):
        stop = start + 1
        while stop < len(keys) and keys[stop] == keys[start]:
            stop += 1
        low, high = offsets[start], offsets[stop]
        if stop - start > 1:
            room = 64
            while room < 2 * (high - low):
                room *= 2
            if room > len(table):
                table = np.empty(room, np.int64)
            table[:room] = -1
            for window in range(low, high):
                slot = np.int64(hashes[window, 0] & np.uint64(room - 1))
                while True:
                    there = table[slot]
                    if there < 0:
                        table[slot] = window
                        break
                    same = hashes[there, 0] == hashes[window, 0]
                    if same and hashes[there, 1] == hashes[window, 1]:
                        states[there] = _REPEATED | _KEPT
                        states[window] = _REPEATED
                        break
                    slot = np.int64((slot + 1) & (room - 1))
        start = stop
    return states


@compiled
def _stretches(
    keys: _Uint64,
    firsts: _Uint32,
    offsets: _Int64,
    hashes: _Uint64,
    states: npt.NDArray[np.uint8],
) -> tuple[_Int64, _Uint32, _Uint32, _Bool]:
    total = 0
    for seed in range(len(keys)):
        before = 0
        for window in range(offsets[seed], offsets[seed + 1]):
            total += 1 if states[window] and states[window] != before else 0
            before = states[window]
    seeds = np.empty(total, np.int64)
    starts = np.empty(total, np.uint32)
    stops = np.empty(total, np.uint32)
    kept = np.empty(total, np.bool_)
    at = -1
    for seed in range(len(keys)):
        before = 0
        for window in range(offsets[seed], offsets[seed + 1]):
            state = states[window]
            place = firsts[seed] + (window - offsets[seed])
            if state and state != before:
                at += 1
                seeds[at], starts[at], kept[at] = seed, place, state & _KEPT != 0
            if state:
                stops[at] = place + 1
            before = state
    return seeds, starts, stops, kept


@compiled
def _spans(
    offsets: _Int64,
    data: npt.NDArray[np.uint8],
    k: int,
    bounds: _Int64,
    firsts: _Uint32,
    stops: _Uint32,
    kept: _Bool,
    tables: Characters,
    surplus: bool,  # noqa: FBT001 - kernels have no keywords
) -> tuple[_Int64, _Int64, _Int64]:
    """The pieces in a stretch; with `surplus`, those of them that are in no kept one."""
    out = np.zeros(len(offsets), np.int64)
    starts = np.empty(_FEW, np.int64)
    ends = np.empty(_FEW, np.int64)
    count = 0
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        stretch, last = bounds[row], bounds[row + 1]
        covered, held = 0, 0  # pieces before these are in a window, and in a kept one
        n, opened = 0, False
        at = skip_space(data, begin, end, tables) if stretch < last else end
        stop = begin
        while at < end:
            while stretch < last and firsts[stretch] <= n:
                reach = stops[stretch] - 1 + k
                covered = max(covered, reach)
                held = max(held, reach) if kept[stretch] else held
                stretch += 1
            inside = n < covered and not (surplus and n < held)
            if inside and not opened:
                if count == len(starts):
                    starts = np.concatenate((starts, np.empty_like(starts)))
                    ends = np.concatenate((ends, np.empty_like(ends)))
                starts[count] = at - begin
            if opened and not inside:
                ends[count] = stop - begin
                count += 1
            opened = inside
            if not opened and stretch == last and n >= covered:
                break
            _, _, stop = next_piece(data, at, end, tables)
            n += 1
            at = skip_space(data, stop, end, tables)
        if opened:
            ends[count] = stop - begin
            count += 1
        out[row + 1] = count
    return out, starts[:count].copy(), ends[:count].copy()
