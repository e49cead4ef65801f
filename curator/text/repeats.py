"""Windows of k pieces that stand more than once in a corpus, and the bytes that they cover.

A window is known by 128 bits: two polynomials with different bases over two different hashes of
each of its pieces. Only windows whose seed (`curator.text.winnowing`) stands elsewhere too can
repeat, so only they are hashed.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled, leaf, part
from curator.text.hashing import OTHER, STEP, mixed, power
from curator.text.ngrams import slide
from curator.text.pieces import next_piece, skip_space
from curator.text.spans import Spans
from curator.text.unicode import Characters, characters
from curator.text.winnowing import NOTHING, choose, new_chooser, seed_key, seed_pieces

_FEW: Final = 1 << 12
_Int64: TypeAlias = npt.NDArray[np.int64]
_Uint64: TypeAlias = npt.NDArray[np.uint64]
_Uint32: TypeAlias = npt.NDArray[np.uint32]


class Windows(NamedTuple):
    """The windows of some seeds, seed after seed. Those of one seed follow each other piece by
    piece.

    Attributes:
        rows: (seeds,) int64, the text.
        keys: (seeds,) uint64, the seed's hash.
        firsts: (seeds,) uint32, the first piece of its first window.
        lows: (seeds,) uint32, and
        highs: (seeds,) uint32: pieces [low, high) that follow only say again what the text has said
            before them, more than k pieces earlier; nothing else is told of their windows. 0: none.
        offsets: (seeds + 1,) int64; the windows of seed i are `offsets[i]:offsets[i + 1]`.
        hashes: (windows, 2) uint64.
    """

    rows: _Int64
    keys: _Uint64
    firsts: _Uint32
    lows: _Uint32
    highs: _Uint32
    offsets: _Int64
    hashes: _Uint64


class Stretches(NamedTuple):
    """Repeated windows that follow each other piece by piece and are alike, as runs of pieces.

    Attributes:
        seeds: int64, the place of the seed that they belong to.
        lows: uint32, their first piece.
        highs: uint32, past their last piece.
        cuts: uint32, the first of their pieces that a better place has too; `highs` if this is the
            best place.
    """

    seeds: _Int64
    lows: _Uint32
    highs: _Uint32
    cuts: _Uint32


def windows_of(texts: Texts, k: int, offsets: _Int64, places: _Uint32) -> Windows:
    """The windows of `k` pieces of the given seeds.

    Args:
        texts: the column that the seeds were chosen in.
        k: what they were chosen with.
        offsets: (texts + 1,) int64; the seeds of text i are `places[offsets[i]:offsets[i + 1]]`.
        places: uint32, as in `curator.text.winnowing.Seeds`, rising within a text.
    """
    column = utf8(texts)
    rows, keys, runs, bounds, hashes = _windows(
        column.offsets, column.data, k, seed_pieces(k), offsets, places, characters()
    )
    firsts, lows, highs = np.ascontiguousarray(runs.T)
    return Windows(rows, keys, firsts, lows, highs, bounds, hashes)


def repeated_windows(
    keys: _Uint64, rows: _Uint64, firsts: _Uint32, offsets: _Int64, hashes: _Uint64, k: int
) -> Stretches:
    """The windows that stand at two places or more, and what of them a better place has.

    The best place of a window is the first. Where a text says the same over and over, equal windows
    overlap: of the later one, what goes past the end of the first is cut, so that this stays whole.

    Args:
        keys: (seeds,) uint64, sorted; of equal ones the better place comes first.
        rows: (seeds,) uint64, the text; seeds of one text and key are sorted by place.
        firsts: (seeds,) uint32, as in `Windows`.
        offsets: (seeds + 1,) int64, likewise.
        hashes: (windows, 2) uint64, likewise.
        k: pieces in a window.
    """
    best = _best(keys, offsets, hashes)
    seeds = np.repeat(np.arange(len(keys)), np.diff(offsets))
    places = firsts.astype(np.int64)[seeds] + np.arange(len(best)) - offsets[seeds]
    repeated = best >= 0
    ahead = places - places[best]
    near = (rows[seeds] == rows[seeds[best]]) & (ahead < k)
    shift = np.where(near, ahead, k)  # 0 at the best place
    follows = repeated[1:] & repeated[:-1] & (seeds[1:] == seeds[:-1]) & (shift[1:] == shift[:-1])
    begins = np.flatnonzero(
        repeated & ~np.concatenate([np.zeros(1, np.bool_), follows])[: len(best)]
    )
    ends = np.flatnonzero(repeated & ~np.concatenate([follows, np.zeros(1, np.bool_)])[: len(best)])
    lows, highs = places[begins], places[ends] + k
    cuts = np.where(shift[begins] == 0, highs, lows + k - shift[begins])
    return Stretches(
        seeds[begins], lows.astype(np.uint32), highs.astype(np.uint32), cuts.astype(np.uint32)
    )


def piece_spans(texts: Texts, offsets: _Int64, lows: _Uint32, highs: _Uint32) -> Spans:
    """The bytes of runs of pieces; runs that overlap or touch are one span.

    Args:
        texts: the column.
        offsets: (texts + 1,) int64; the runs of text i are `lows[offsets[i]:offsets[i + 1]]`.
        lows: uint32, a run's first piece, rising within a text.
        highs: uint32, past its last piece.
    """
    column = utf8(texts)
    bounds, starts, ends = _spans(column.offsets, column.data, offsets, lows, highs, characters())
    return Spans(bounds, starts, ends, np.zeros(len(starts), np.uint8))


class _Past(NamedTuple):
    """The last k of a text's pieces and windows, place n at n modulo k.

    Attributes:
        pieces: (k, 2) uint64, both hashes of the piece.
        windows: (k, 2) uint64, both hashes of the window.
        origins: (k,) int64, the first of the equal windows that lead to this one step by step.
    """

    pieces: _Uint64
    windows: _Uint64
    origins: _Int64


@leaf
def _origin(past: _Past, window: int, step: int, first: np.uint64, second: np.uint64) -> int:
    """Remember a window, and return the origin of the one `step` pieces before if it is equal."""
    k = len(past.origins)
    origin, slot = window, (window - step) % k
    if step and window >= step and past.windows[slot, 0] == first:
        origin = past.origins[slot] if past.windows[slot, 1] == second else window
    slot = window % k
    past.windows[slot, 0], past.windows[slot, 1], past.origins[slot] = first, second, origin
    return origin


@part
def _longer(array: Any) -> Any:
    """A copy of the array with twice the room; what is new is 0."""
    return np.concatenate((array, np.zeros_like(array)))


@compiled
def _windows(
    offsets: _Int64,
    data: npt.NDArray[np.uint8],
    k: int,
    q: int,
    seed_offsets: _Int64,
    seeds: _Uint32,
    tables: Characters,
) -> tuple[_Int64, _Uint64, _Uint32, _Int64, _Uint64]:
    rows, keys = np.zeros(_FEW, np.int64), np.zeros(_FEW, np.uint64)
    runs, bounds = np.zeros((_FEW, 3), np.uint32), np.zeros(_FEW, np.int64)
    hashes = np.zeros((_FEW, 2), np.uint64)
    chooser = new_chooser(k, q)
    past = _Past(np.zeros((k, 2), np.uint64), np.zeros((k, 2), np.uint64), np.zeros(k, np.int64))
    top, other_top = power(STEP, k), power(OTHER, k)
    count, windows = 0, 0
    for row in range(len(offsets) - 1):
        seed, stop, end = seed_offsets[row], seed_offsets[row + 1], offsets[row + 1]
        past.pieces[:] = 0
        one, two, key = np.uint64(0), np.uint64(0), np.uint64(0)
        n, state, place, step = 0, NOTHING, -1, 0
        shared, opened = False, False  # the seed stands elsewhere too; it has a row
        at = skip_space(data, offsets[row], end, tables) if seed < stop else end
        while at < end and (seed < stop or shared):
            first, second, at = next_piece(data, at, end, tables)
            state = choose(first, n, k, q, state, chooser)
            one = slide(one, first, past.pieces[n % k, 0], top)
            two = two * OTHER + second - past.pieces[n % k, 1] * other_top
            past.pieces[n % k, 0], past.pieces[n % k, 1] = first, second
            n += 1
            at = skip_space(data, at, end, tables)
            if n < k:
                continue
            if state.place != place:
                step = state.place - place if place >= 0 and state.least == key else 0
                place, key, opened = state.place, state.least, False
                while seed < stop and seeds[seed] < place:
                    seed += 1
                shared = step > 0 or (seed < stop and seeds[seed] == place)
            window = n - k
            if window - _origin(past, window, step, mixed(one), mixed(two)) > k:
                runs[count - 1, 1] = runs[count - 1, 1] or window
                runs[count - 1, 2], opened = n, False
            elif shared:
                if not opened:
                    if count + 1 == len(rows):
                        rows, keys, bounds = _longer(rows), _longer(keys), _longer(bounds)
                        runs = _longer(runs)
                    rows[count], keys[count], runs[count, 0] = row, seed_key(key), window
                    count, opened = count + 1, True
                if windows == len(hashes):
                    hashes = _longer(hashes)
                hashes[windows, 0], hashes[windows, 1] = mixed(one), mixed(two)
                windows += 1
                bounds[count] = windows
    shape = (rows[:count].copy(), keys[:count].copy(), runs[:count].copy())
    return (*shape, bounds[: count + 1].copy(), hashes[:windows].copy())


@compiled
def _best(keys: _Uint64, offsets: _Int64, hashes: _Uint64) -> _Int64:
    """(windows,) int64: the first window that is equal, -1 for one that stands once."""
    best = np.full(len(hashes), -1, np.int64)
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
                        best[there] = best[window] = there
                        break
                    slot = np.int64((slot + 1) & (room - 1))
        start = stop
    return best


@compiled
def _spans(
    offsets: _Int64,
    data: npt.NDArray[np.uint8],
    bounds: _Int64,
    lows: _Uint32,
    highs: _Uint32,
    tables: Characters,
) -> tuple[_Int64, _Int64, _Int64]:
    out = np.zeros(len(offsets), np.int64)
    starts = np.empty(_FEW, np.int64)
    ends = np.empty(_FEW, np.int64)
    count = 0
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        run, last = bounds[row], bounds[row + 1]
        covered = 0  # pieces before this one are in a run
        n, opened = 0, False
        at = skip_space(data, begin, end, tables) if run < last else end
        stop = begin
        while at < end:
            while run < last and lows[run] <= n:
                covered = max(covered, int(highs[run]))
                run += 1
            inside = n < covered
            if inside and not opened:
                if count == len(starts):
                    starts = np.concatenate((starts, np.empty_like(starts)))
                    ends = np.concatenate((ends, np.empty_like(ends)))
                starts[count] = at - begin
            if opened and not inside:
                ends[count] = stop - begin
                count += 1
            opened = inside
            if not opened and run == last:
                break
            _, _, stop = next_piece(data, at, end, tables)
            n += 1
            at = skip_space(data, stop, end, tables)
        if opened:
            ends[count] = stop - begin
            count += 1
        out[row + 1] = count
    return out, starts[:count].copy(), ends[:count].copy()
