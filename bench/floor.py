"""How far each part of the filters is from what the machine can do, as a table.

    python -m bench.floor FILE.jsonl[.zst] ... [--whole-mb 40] [--rounds 5] [--cold]

One core, kernels compiled beforehand; the least CPU seconds of some rounds. A row says which bytes
a part reads, how fast, how many cycles of the processor a byte costs, and how many times as long it
takes as two floors over the same texts: summing their bytes up (nothing can be faster that reads
them from memory) and parsing the JSON they stand in with pyarrow. Parts of the one pass are what it
takes longer with them than without them, so small ones may come out at nothing or below.

Cycles are nanoseconds times the clock, which a chain of dependent additions measures: virtual
machines seldom let programs read the processor's own counters.
`--cold` also compiles everything anew and says how long that takes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from bench.filters import CHAIN, compile_anew, decide, parse, read_lines, rounds, timed
from curator.clean.rules import first_failure, parse_rules
from curator.clean.statistics import measure
from curator.text.affixes import affixes
from curator.text.blocks import SLACK
from curator.text.buffers import Utf8, utf8
from curator.text.c4 import BEGIN, Again, Draft, edit_lines, phrases
from curator.text.contractions import exceptions
from curator.text.lines import count_stretches, mark_lines
from curator.text.masks import scan
from curator.text.minhash import minhash_signatures
from curator.text.ngrams import ngram_hashes
from curator.text.normalized import normalized_hash
from curator.text.repetition import repeated_ngrams
from curator.text.statistics import count_texts, count_words, first_room, larger_room, stop_table
from curator.text.tokens import Language, tokenize

PARTS: Final = (
    "scan for white space, breaks, letters",
    "lines and paragraphs",
    "tokens",
    "C4's edits, edited lines",
    "words and stop words",
    "repeated n-grams",
)
_CHAIN: Final = 100_000_000  # links
_OUT: Final = 64  # counts of a part: any number that is large enough


@dataclass(frozen=True)
class Row:
    """One line of the table: a part, the bytes it reads, its seconds of CPU."""

    name: str
    size: int
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--whole-mb", type=float, default=40.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cold", action="store_true")
    asked = parser.parse_args()
    pa.set_cpu_count(1)
    lines = [line for path in asked.files for line in read_lines(path)]
    raw = b"".join(rounds(lines, asked.whole_mb * 1e6))
    texts = parse(raw)["text"].combine_chunks()
    column = utf8(texts.chunk(0) if isinstance(texts, pa.ChunkedArray) else texts)
    clock = min(timed(lambda: chained(_CHAIN)) for _ in range(3)) / _CHAIN / 2
    print(f"{1e-9 / clock:.2f} GHz measured; {len(raw) / 1e6:.0f} MB of JSON, one core")
    print_table(measured(raw, column, asked.rounds), clock)
    if asked.cold:
        print(f"compiling all kernels anew: {compile_anew():.0f} s of CPU")


def measured(raw: bytes, column: Utf8, turns: int) -> list[Row]:
    """The rows: both floors first."""
    texts = parse(raw)["text"]
    size = int(column.offsets[-1] - column.offsets[0])
    numbers = column.data[: size // 8 * 8].view(np.uint64)
    table = pl.DataFrame(pl.from_arrow(measure(texts).table))
    rules = parse_rules(CHAIN)
    work: list[tuple[str, int, Callable[[], Any]]] = [
        ("summing the bytes up", size, numbers.sum),
        ("pyarrow: parse", len(raw), lambda: parse(raw)),
        ("the one pass, all parts", size, lambda: count_texts(texts)),
        ("rules", size, lambda: first_failure(table, rules)),
        ("JSON in, decisions out", len(raw), lambda: decide(raw)),
        ("exact hash", size, lambda: normalized_hash(texts)),
        ("minhash signatures, 112 of 5-grams", size, lambda: minhash_signatures(texts)),
        ("n-gram hashes, n = 13", size, lambda: ngram_hashes(texts, 13)),
    ]
    found = [Row(name, read, least(does, turns)) for name, read, does in work]
    return [*found[:2], *parts(column, turns), *found[2:]]


def parts(column: Utf8, turns: int) -> list[Row]:
    """What each part adds to the pass."""
    size = int(column.offsets[-1] - column.offsets[0])
    edited = np.empty(len(column.data) + SLACK, np.uint8)
    language = Language(affixes(), exceptions())
    whole = int(np.searchsorted(column.offsets[1:], len(column.data) - SLACK, "right"))
    known = (column.offsets[: whole + 1], column.data, language, phrases(), stop_table(), edited)
    seconds = [least(partial(up_to, *known, last), turns) for last in range(len(PARTS))]
    steps = np.diff(seconds, prepend=0.0)
    return [Row(f"  {name}", size, step) for name, step in zip(PARTS, steps, strict=True)]


def least(work: Callable[[], Any], turns: int) -> float:
    """The least CPU seconds of some rounds, after one that does not count."""
    work()
    return min(timed(work) for _ in range(turns))


@numba.njit(nogil=True)
def chained(links: int) -> np.uint64:
    """A number that takes two cycles a link to find: each operation waits for the one before."""
    value, added = np.uint64(links), np.uint64(links * 7 + 1)
    for _ in range(links):
        value = (value + added) ^ added
    return value


@numba.njit(nogil=True)
def up_to(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    language: Language,
    searched: Any,
    stops: npt.NDArray[np.uint64],
    edited: npt.NDArray[np.uint8],
    upto: int,
) -> None:
    """The pass over all texts, without the parts after `upto`; counts go nowhere."""
    room = larger_room(first_room(), 1 << 22, 1 << 18, 1 << 20)
    state, out = np.zeros(4, np.int64), np.zeros(_OUT, np.int64)
    draft = Draft(edited, state, room.kept)
    again = Again(room.run, room.memo, room.masks, room.scanned, room.line)
    tokens = room.tokens
    for row in range(len(offsets) - 1):
        at, end = offsets[row], offsets[row + 1]
        if end - at > 1 << 22:  # there is no room, and no need to measure every text
            continue
        state[BEGIN] = 0
        scan(data, at, end, room.masks, room.scanned)
        if upto >= 1:
            count_stretches(
                data, at, end, room.masks, language.affixes, room.scanned, room.stretches, out[:14]
            )
        if upto < 2:
            continue
        words, lines = tokenize(
            data, at, end, room.masks, language, room.run, room.memo, tokens, 0, room.lines
        )
        if upto >= 3:
            mark_lines(data, room.lines, lines, out[:3])
            edit_lines(
                data, room.lines, lines, language, searched, again, tokens, draft, out[:16],
                out[16:24],
            )  # fmt: skip
        if upto >= 4:
            count_words(tokens, words, stops, out[:5])
        if upto >= 5:
            repeated_ngrams(tokens.hashes, tokens.lengths, words, room.grams, out[:9])


def print_table(rows: Sequence[Row], clock: float) -> None:
    """Print the rows; the first two are the floors."""
    reading, parsing = (row.seconds for row in rows[:2])
    print(f"{'':37}{'MB':>6}{'MB/s':>8}{'ns/B':>8}{'cycles/B':>10}{'x sum':>8}{'x parse':>9}")
    for row in rows:
        cost = row.seconds / row.size
        speed = 1e-6 / cost if cost > 0 else float("inf")
        print(
            f"{row.name:37}{row.size / 1e6:6.0f}{speed:8.0f}{cost * 1e9:8.2f}{cost / clock:10.1f}"
            f"{row.seconds / reading:8.1f}{row.seconds / parsing:9.2f}"
        )


if __name__ == "__main__":
    main()
