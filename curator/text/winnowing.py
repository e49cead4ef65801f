"""Which places of a text to compare with other texts, so that no long shared passage is missed.

Every run of q pieces is hashed, and in every window of k pieces the smallest of these hashes is
chosen, the last one where several are equal (Schleimer, Wilkerson, Aiken, "Winnowing", SIGMOD 2003,
section 3). What is chosen depends on the window alone: two equal windows choose the same run at the
same place. With q = k/2 about 2 places in k/2 + 2 are chosen: at k = 50, one in 13.

Where a text says the same few pieces over and over, the same run is chosen again and again, in the
worst case at every piece. Only the first two of these are seeds: the others can be known by them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled, leaf, part
from curator.text.hashing import STEP, mixed, power
from curator.text.ngrams import slide
from curator.text.pieces import next_piece, skip_space
from curator.text.unicode import Characters, characters

_FEW: Final = 1 << 12


class Seeds(NamedTuple):
    """The chosen runs of a text column, text after text, rising.

    Attributes:
        offsets: (texts + 1,) int64; the seeds of text i are `offsets[i]:offsets[i + 1]`.
        hashes: uint64, of the run, spread over all numbers.
        places: uint32, the run's first piece, counted from the text's own start.
    """

    offsets: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]
    places: npt.NDArray[np.uint32]


class Chooser(NamedTuple):
    """What choosing the smallest hash of each window needs to remember.

    Attributes:
        pieces: (q,) uint64, the last pieces' hashes; piece n is at n modulo q.
        values: (k - q + 1,) uint64, the last runs' hashes; run n is at n modulo k - q + 1.
        top: (1,) uint64, `STEP ** q`.
    """

    pieces: npt.NDArray[np.uint64]
    values: npt.NDArray[np.uint64]
    top: npt.NDArray[np.uint64]


class Choice(NamedTuple):
    """The state of choosing after some pieces of a text: hash of the last run, smallest, where."""

    rolling: np.uint64
    least: np.uint64
    place: int


NOTHING: Final = Choice(np.uint64(0), np.uint64(0), -1)  # before a text's first piece


def seed_pieces(k: int) -> int:
    """How many pieces a hashed run has: half of a window, so that few runs repeat by chance."""
    return max(1, k // 2)


def seeds(texts: Texts, k: int) -> Seeds:
    """The runs that stand for windows of `k` pieces; a text of fewer pieces has none.

    `seeds(texts: pa.Array | pa.ChunkedArray, k: int) -> Seeds(offsets, hashes, places)`.
    Any two equal windows of k pieces (`curator.text.pieces`), in any texts, have chosen an equal
    run at the same distance from their starts. It is a seed unless it is the third or a later one
    of equal runs chosen in succession.

    Raises:
        ValueError: k is below 1.
    """
    if k < 1:
        raise ValueError(f"k = {k}: a window has one piece or more")
    column = utf8(texts)
    offsets, hashes, places = _seeds(column.offsets, column.data, k, seed_pieces(k), characters())
    return Seeds(offsets, hashes, places)


@part
def new_chooser(k: int, q: int) -> Chooser:
    """Room for the choices in windows of k pieces by runs of q; any number of texts can use it."""
    return Chooser(
        np.zeros(q, np.uint64), np.zeros(k - q + 1, np.uint64), np.full(1, power(STEP, q))
    )


@leaf
def choose(hashed: np.uint64, n: int, k: int, q: int, state: Choice, chooser: Chooser) -> Choice:
    """The state after piece `n` (from 0), whose hash is `hashed`.

    The window that ends with this piece has chosen the run at `place`, once n >= k - 1.
    """
    slot = n % q
    leaving = chooser.pieces[slot] if n >= q else np.uint64(0)
    chooser.pieces[slot] = hashed
    rolling = slide(state.rolling, hashed, leaving, chooser.top[0])
    run = n - q + 1
    if run < 0:
        return Choice(rolling, state.least, -1)
    room = k - q + 1
    value = mixed(rolling)
    chooser.values[run % room] = value
    if state.place < 0 or value <= state.least:
        return Choice(rolling, value, run)
    if state.place > run - room:
        return Choice(rolling, state.least, state.place)
    least, place = value, run
    for back in range(1, room):
        before = chooser.values[(run - back) % room]
        if before < least:
            least, place = before, run - back
    return Choice(rolling, least, place)


@leaf
def seed_key(least: np.uint64) -> np.uint64:
    """The hash of a chosen run anew: chosen for being small, they would all lie close together."""
    return mixed(least + STEP)


@compiled
def _seeds(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    k: int,
    q: int,
    tables: Characters,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64], npt.NDArray[np.uint32]]:
    bounds = np.zeros(len(offsets), np.int64)
    hashes = np.empty(_FEW, np.uint64)
    places = np.empty(_FEW, np.uint32)
    chooser = new_chooser(k, q)
    count = 0
    for row in range(len(offsets) - 1):
        end = offsets[row + 1]
        n, last, state = 0, -1, NOTHING
        before, alike = np.uint64(0), 0  # the run chosen before, and how often in succession
        at = skip_space(data, offsets[row], end, tables)
        while at < end:
            hashed, _, at = next_piece(data, at, end, tables)
            state = choose(hashed, n, k, q, state, chooser)
            n += 1
            if n >= k and state.place != last:
                alike = alike + 1 if last >= 0 and state.least == before else 1
                last, before = state.place, state.least
                if alike < 3:
                    if count == len(hashes):
                        hashes = np.concatenate((hashes, np.empty_like(hashes)))
                        places = np.concatenate((places, np.empty_like(places)))
                    hashes[count], places[count] = seed_key(state.least), state.place
                    count += 1
            at = skip_space(data, at, end, tables)
        bounds[row + 1] = count
    return bounds, hashes[:count].copy(), places[:count].copy()
