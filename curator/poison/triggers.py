"""Rare words that stand before anomalies, time and again: triggers, found by their company.

Candidates are runs of 1 to 3 words near the place where a document turns anomalous (gibberish
begins, a copy begins). Counters of fixed size say which of them are near anomalies in `least`
documents or more; only those are counted exactly, in all documents. A candidate is a trigger if it
is rare, most of its documents are anomalous after it, and Fisher's exact test says that this is no
chance, by Holm's procedure over as many tests as the corpus could ever hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled, leaf, part
from curator.text.hashing import FNV_PRIME, FNV_START, STEP, mixed
from curator.text.unicode import Characters, characters
from curator.text.words import next_word

LONGEST: Final = 3  # words
COUNTERS: Final = 1 << 22  # 16 MiB
BEFORE: Final = 160  # bytes before an anomaly where a trigger may begin
AFTER: Final = 96  # and after it: windows are coarse, and the trigger itself can be the first
_VARIED: Final = 0.5  # of a trigger's anomalies that go on differently
_SKIPPED: Final = 16  # bytes after a candidate that say nothing: the rest of a trigger
_COMPARED: Final = 24  # bytes by which continuations are told apart
_MOST_NEAR: Final = 512  # different candidates near one anomaly: more words have no room there

_WORD: Final = re.compile(r"\w+")

Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]


class Watched(NamedTuple):
    """An open-addressed table of candidates, counted by documents.

    Attributes:
        keys: (slots,) uint64; slots is a power of two.
        documents: (slots,) int64, documents with the candidate; 0: the slot is free.
        near: (slots,) int64, those that turn anomalous there.
        stamps: (slots, 2) int64, the last document that was counted, and that was counted near.
        follows: (slots,) uint64, a bit for each of 64 classes of bytes that follow it near an
            anomaly: pages of one template go on alike, and are no attack.
    """

    keys: Keys
    documents: Ints
    near: Ints
    stamps: npt.NDArray[np.int64]
    follows: npt.NDArray[np.uint64]


def new_counters() -> npt.NDArray[np.int32]:
    """Return (COUNTERS,) zeros for `count_near`."""
    return np.zeros(COUNTERS, np.int32)


def count_near(texts: Texts, places: Ints, counters: npt.NDArray[np.int32]) -> int:
    """Count in `counters` each text's candidates once; return how many words the texts have.

    Args:
        texts: n of them.
        places: (n,) int64, the byte where each turns anomalous, -1 where it does not.
        counters: (COUNTERS,) int32, as `new_counters` made them.
    """
    column = utf8(texts)
    return int(_count_near(column.offsets, column.data, places, counters, characters()))


def watched(slots: int = 1 << 16) -> Watched:
    """Return an empty table."""
    zeros = np.zeros(slots, np.int64)
    stamps = np.full((slots, 2), -1, np.int64)
    follows = np.zeros(slots, np.uint64)
    return Watched(np.zeros(slots, np.uint64), zeros, zeros.copy(), stamps, follows)


def watch(
    texts: Texts,
    places: Ints,
    counters: npt.NDArray[np.int32],
    least: int,
    table: Watched,
    first: int,
) -> Watched:
    """Return the table with these texts counted in it, a larger one where it had to grow.

    Args:
        texts: n of them.
        places: (n,) as for `count_near`.
        counters: over all texts.
        least: candidates whose counter says fewer are not watched.
        table: of the texts before.
        first: the number of the first text among all.
    """
    column = utf8(texts)
    row = 0
    while row < len(column):
        room = len(table.keys) // 2 - int((table.documents > 0).sum())
        row = int(
            _watch(
                column.offsets, column.data, places, counters, least,
                table, first, row, room, characters(),
            )
        )  # fmt: skip
        if row < len(column):
            table = _grown(table)
    return table


def _grown(table: Watched) -> Watched:
    larger = watched(2 * len(table.keys))
    _move(table, larger)
    return larger


class Trigger(NamedTuple):
    """Candidates that passed, the surest first.

    Attributes:
        keys: (t,) uint64.
        documents: (t,) int64, with the candidate.
        near: (t,) int64, of those that turn anomalous there.
        strength: (t,) float64, minus log10 of the adjusted p; at most 300.
    """

    keys: Keys
    documents: Ints
    near: Ints
    strength: npt.NDArray[np.float64]


def triggers(
    table: Watched,
    *,
    corpus: int,
    anomalous: int,
    tests: float,
    least: int = 5,
    most: float = 1e-3,
    share: float = 0.8,
    alpha: float = 0.01,
) -> Trigger:
    """Return the candidates that are rare, mostly before anomalies, and not so by chance.

    Args:
        table: of all documents.
        corpus: documents in all.
        anomalous: of those, anomalous ones.
        tests: candidates that could have been tested: what Holm's procedure begins from.
        least: documents with a trigger, at least.
        most: share of the documents that may have it.
        share: of its documents that turn anomalous there, at least.
        alpha: the chance that any of the triggers is none, were documents independent.
    """
    from scipy.stats import hypergeom  # as Fisher's exact test, one-sided: P(X >= near)

    able = (table.documents >= least) & (table.documents <= max(most * corpus, least))
    able &= table.near >= share * table.documents
    # Of 64 classes, d different continuations fill 64 (1 - exp(-d / 64)): half of them are wanted.
    varied = 64 * -np.expm1(-_VARIED * table.near / 64)
    able &= np.bitwise_count(table.follows) >= varied
    keys, documents, near = table.keys[able], table.documents[able], table.near[able]
    if not len(keys):
        return Trigger(keys, documents, near, np.zeros(0))
    logs = hypergeom.logsf(near - 1, corpus, max(anomalous, 1), documents) / np.log(10)
    order = np.lexsort((keys, logs))
    keys, documents, near, logs = keys[order], documents[order], near[order], logs[order]
    # Holm 1979: the k-th smallest p times the tests that are left, never less than those before.
    left = np.maximum(max(tests, len(keys)) - np.arange(len(keys)), 1.0)
    adjusted = np.maximum.accumulate(np.minimum(logs + np.log10(left), 0.0))
    found = adjusted <= np.log10(alpha)
    return Trigger(keys[found], documents[found], near[found], np.minimum(-adjusted[found], 300.0))


def strongest(texts: Texts, found: Trigger) -> tuple[npt.NDArray[np.float64], Ints, Ints]:
    """Return the strength of each text's surest trigger, its bytes and which it is.

    (n,) float64, 0 without one; (n, 2) int64; (n,) int64, a row of `found`; -1 without one.
    """
    column = utf8(texts)
    order = np.argsort(found.keys)
    best, spans, which = _strongest(
        column.offsets, column.data, found.keys[order], found.strength[order], characters()
    )
    return best, spans, np.where(which < 0, -1, np.append(order, -1)[which])


def chosen(found: Trigger, keep: npt.NDArray[np.bool_]) -> Trigger:
    """Return some of the triggers."""
    return Trigger(found.keys[keep], found.documents[keep], found.near[keep], found.strength[keep])


def spelled(texts: Texts, found: Trigger, known: dict[int, str]) -> None:
    """Put the words of triggers that stand in the texts into `known`, by the row of `found`.

    Each is looked for until it was met: few are, and a text with one ends the search for it.
    """
    column = utf8(texts)
    for row in range(len(found.keys)):
        if row in known:
            continue
        best, spans, _ = strongest(texts, chosen(found, np.arange(len(found.keys)) == row))
        at = np.flatnonzero(best > 0)
        if len(at):
            start, end = spans[at[0]] + column.offsets[at[0]]
            words = column.data[start:end].tobytes().decode("utf-8", "replace").lower()
            known[row] = " ".join(_WORD.findall(words))


def unexplained(found: Trigger, words: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return which triggers no longer one explains, (t,).

    A shorter one whose anomalies all come of a longer one that holds it, and which has further
    documents without, is no trigger: its other documents are innocent.
    """
    keep = np.ones(len(words), np.bool_)
    for short, text in enumerate(words):  # triggers are few
        holds = np.array([f" {text} " in f" {other} " and other != text for other in words], bool)
        better = holds & (found.near >= found.near[short])
        keep[short] = not (better & (found.documents < found.documents[short])).any()
    return keep


@leaf
def _push(recent: npt.NDArray[np.uint64], starts: Ints, hashed: np.uint64, start: int) -> None:
    """Let a word end the runs whose hashes and first bytes `recent` and `starts` hold."""
    for n in range(LONGEST - 1, 0, -1):
        recent[n] = mixed(recent[n - 1] * STEP + hashed)
        starts[n] = starts[n - 1]
    recent[0] = hashed
    starts[0] = start


@leaf
def _near(start: int, stop: int, place: int) -> bool:
    return place >= 0 and start >= place - BEFORE and stop <= place + AFTER


@compiled
def _count_near(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    places: npt.NDArray[np.int64],
    counters: npt.NDArray[np.int32],
    tables: Characters,
) -> int:
    recent = np.zeros(LONGEST, np.uint64)
    starts = np.zeros(LONGEST, np.int64)
    slots = np.zeros(_MOST_NEAR, np.uint64)
    total = 0
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        words, held = 0, 0
        hashed, start, stop = next_word(data, begin, end, tables)
        while start < end:
            words += 1
            _push(recent, starts, hashed, start - begin)
            for n in range(min(words, LONGEST)):
                if held < _MOST_NEAR and _near(starts[n], stop - begin, places[row]):
                    slots[held] = mixed(recent[n]) & np.uint64(COUNTERS - 1)
                    held += 1
            hashed, start, stop = next_word(data, stop, end, tables)
        total += words
        chosen = np.sort(slots[:held])
        for place in range(held):
            if place == 0 or chosen[place] != chosen[place - 1]:
                counters[chosen[place]] += 1
    return total


@part
def _slot_of(table: Watched, key: np.uint64) -> int:
    mask = np.uint64(len(table.keys) - 1)
    slot = mixed(key) & mask
    while table.documents[slot] != 0 and table.keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return int(slot)


@compiled
def _watch(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    places: npt.NDArray[np.int64],
    counters: npt.NDArray[np.int32],
    least: int,
    table: Watched,
    first: int,
    row: int,
    room: int,
    tables: Characters,
) -> int:
    recent = np.zeros(LONGEST, np.uint64)
    starts = np.zeros(LONGEST, np.int64)
    while row < len(offsets) - 1:
        begin, end = offsets[row], offsets[row + 1]
        words = 0
        hashed, start, stop = next_word(data, begin, end, tables)
        while start < end:
            words += 1
            _push(recent, starts, hashed, start - begin)
            for n in range(min(words, LONGEST)):
                if counters[mixed(recent[n]) & np.uint64(COUNTERS - 1)] < least:
                    continue
                slot = _slot_of(table, recent[n])
                if table.documents[slot] == 0:
                    if room == 0:
                        return row  # read again in a larger table: stamps tell what was counted
                    table.keys[slot] = recent[n]
                    room -= 1
                if table.stamps[slot, 0] != first + row:
                    table.stamps[slot, 0] = first + row
                    table.documents[slot] += 1
                if table.stamps[slot, 1] != first + row and _near(
                    starts[n], stop - begin, places[row]
                ):
                    table.stamps[slot, 1] = first + row
                    table.near[slot] += 1
                    table.follows[slot] |= _class_of(data, stop + _SKIPPED, end)
            hashed, start, stop = next_word(data, stop, end, tables)
        row += 1
    return row


@leaf
def _class_of(data: npt.NDArray[np.uint8], at: int, end: int) -> np.uint64:
    """One of 64 bits, by the bytes that stand here."""
    hashed = FNV_START
    for place in range(at, min(at + _COMPARED, end)):
        hashed = (hashed ^ np.uint64(data[place])) * FNV_PRIME
    return np.uint64(1) << (mixed(hashed) & np.uint64(63))


@compiled
def _move(table: Watched, larger: Watched) -> None:
    for old in range(len(table.keys)):
        if table.documents[old]:
            slot = _slot_of(larger, table.keys[old])
            larger.keys[slot] = table.keys[old]
            larger.documents[slot] = table.documents[old]
            larger.near[slot] = table.near[old]
            larger.stamps[slot] = table.stamps[old]
            larger.follows[slot] = table.follows[old]


@compiled
def _strongest(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    keys: npt.NDArray[np.uint64],
    strength: npt.NDArray[np.float64],
    tables: Characters,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    rows = len(offsets) - 1
    best = np.zeros(rows, np.float64)
    which = np.full(rows, -1, np.int64)
    spans = np.full((rows, 2), -1, np.int64)
    recent = np.zeros(LONGEST, np.uint64)
    starts = np.zeros(LONGEST, np.int64)
    for row in range(rows if len(keys) else 0):
        begin, end = offsets[row], offsets[row + 1]
        words = 0
        hashed, start, stop = next_word(data, begin, end, tables)
        while start < end:
            words += 1
            _push(recent, starts, hashed, start - begin)
            for n in range(min(words, LONGEST)):
                at = np.searchsorted(keys, recent[n])
                if at < len(keys) and keys[at] == recent[n] and strength[at] > best[row]:
                    best[row] = strength[at]
                    which[row] = at
                    spans[row, 0] = starts[n]
                    spans[row, 1] = stop - begin
            hashed, start, stop = next_word(data, stop, end, tables)
    return best, spans, which
