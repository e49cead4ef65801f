"""The published quality filters, ours against every peer's, side by side in one run.

    python -m bench.filters FILE.jsonl[.zst] ... [--whole-mb 300] [--sample-mb 3] [--cold]
        [--peers datatrove,nemo-curator,data-juicer,dolma] [--peer-venvs /tmp/peers]

JSON lines in, keep or the reason of the drop out, on one core, warmed up; seconds are of CPU, so
other work on the machine counts little. Ours takes every statistic of every document, always, and
decides by Gopher quality, Gopher repetition, C4 and FineWeb, over `--whole-mb` of the files: if
they have less, their documents come again in other orders (no kernel remembers a document, so
that a repeat is no easier). Peers get a sample of whole documents spread over the files and run
only the rules that have a counterpart in ours (`bench.shared_rules`), printed with their seconds:
as their pipeline does, where a dropped document goes no further, and each on every document.
Process start and loading are not counted for anybody. The floor is reading the same JSON with
pyarrow and doing nothing. Against dolma, which counts in units of its own, ours also takes those
counts and decides by `dolma_gopher` and `dolma_c4`. `--cold` also compiles our kernels anew and
says how long that takes.
Whether the verdicts are the same is asked by `bench.agreement_filters`.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.json as pj
import zstandard

from bench.peer import DATATROVE, peer_python
from bench.shared_rules import PEERS, Peer, Speed, speeds
from curator.clean.rules import first_failure, groups_of, parse_rules
from curator.clean.statistics import measure

CHAIN = ("gopher_quality", "gopher_repetition", "c4", "fineweb")
BLOCK = 32e6  # bytes of JSON at once, about a shard


@dataclass(frozen=True)
class Spent:
    """Seconds of CPU of our side and of only parsing, over so many megabytes of JSON."""

    megabytes: float
    ours: float
    floor: float

    @property
    def speed(self) -> float:
        """MB/s of our side."""
        return self.megabytes / self.ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--whole-mb", type=float, default=300.0)
    parser.add_argument("--sample-mb", type=float, default=3.0)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--peer-venvs", type=Path, default=Path("/tmp/peers"))
    parser.add_argument("--cold", action="store_true")
    asked = parser.parse_args()
    pa.set_cpu_count(1)
    chosen = [PEERS[name] for name in asked.peers.split(",") if name]
    pythons = {peer.name: peer.python(asked.peer_venvs) for peer in chosen}
    if asked.cold:
        print(f"ours, compiling all kernels: {compile_anew():.0f} s of CPU, once an installation")
    lines = [line for path in asked.files for line in read_lines(path)]
    sample = spread(lines, asked.sample_mb * 1e6)
    first = timed(lambda: decide(b"".join(lines[:2])))
    size = asked.whole_mb * 1e6
    whole = spent(rounds(lines, size))
    again = [spent([b"".join(sample)]) for _ in range(3)]
    report(whole, min(again, key=lambda each: each.ours), first, sum(map(len, lines)) / 1e6)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.jsonl"
        path.write_bytes(b"".join(sample))
        for peer in chosen:
            told = peer.ask(pythons[peer.name], path, Path(folder))
            ours = spent(rounds(lines, size), peer.sets) if peer.sets else whole
            print_peer(peer, speeds(peer, told, sum(map(len, sample)) / 1e6), ours.speed)


def beginning(about: str) -> tuple[Path, list[bytes], list[bytes]]:
    """The peer's Python, all lines of the files asked for, and the sample that the peer gets."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--peer-venv", type=Path, default=Path("/tmp/peers/datatrove"))
    parser.add_argument("--sample-mb", type=float, default=2.0)
    asked = parser.parse_args()
    pa.set_cpu_count(1)
    python = peer_python(asked.peer_venv, DATATROVE)
    lines = [line for path in asked.files for line in read_lines(path)]
    return python, lines, spread(lines, asked.sample_mb * 1e6)


def read_lines(path: Path) -> Iterator[bytes]:
    """The records of a JSON lines file that have text, cut down to that field."""
    with path.open("rb") as file:
        packed = path.suffix == ".zst"
        stream = zstandard.ZstdDecompressor().stream_reader(file) if packed else file
        for line in io.TextIOWrapper(stream, "utf-8"):
            text = json.loads(line).get("text")
            if text:
                yield json.dumps({"text": text}, ensure_ascii=False).encode() + b"\n"


def spread(lines: list[bytes], size: float) -> list[bytes]:
    """Whole documents at even distances, about `size` bytes of them together."""
    step = max(1, round(sum(map(len, lines)) / size))
    return lines[::step]


def rounds(lines: Sequence[bytes], size: float) -> Iterator[bytes]:
    """Blocks of whole lines, at least `size` bytes together; each round in another order.

    Every order is drawn, the first too: files differ, and each block is to be like the whole.
    """
    given, number = 0, 0
    while given < size:
        order = list(lines)
        random.Random(number).shuffle(order)
        number += 1
        block: list[bytes] = []
        held = 0
        for line in order:
            block.append(line)
            held += len(line)
            if held >= min(BLOCK, size - given):
                yield b"".join(block)
                given, held, block = given + held, 0, []
                if given >= size:
                    return
        if block:
            yield b"".join(block)
            given += held


def spent(blocks: Iterable[bytes], sets: Sequence[str] = CHAIN) -> Spent:
    """What we take for these blocks with these rule sets, and the floor, in turns."""
    size, ours, floor = 0, 0.0, 0.0
    for block in blocks:
        size += len(block)
        floor += timed(partial(parse, block))
        ours += timed(partial(decide, block, sets))
    return Spent(size / 1e6, ours, floor)


def parse(raw: bytes) -> pa.Table:
    schema = pa.schema([("text", pa.large_string())])
    return pj.read_json(
        io.BytesIO(raw),
        pj.ReadOptions(use_threads=False, block_size=1 << 26),
        pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )


def decide(raw: bytes, sets: Sequence[str] = CHAIN) -> pl.Series:
    """JSON lines in, the first failing rule of each document out."""
    rules = parse_rules(sets)
    statistics = measure(parse(raw)["text"], groups_of(rules)).table
    return first_failure(pl.DataFrame(pl.from_arrow(statistics)), rules)


def timed(work: Callable[[], Any]) -> float:
    """Seconds of CPU."""
    start = time.process_time()
    work()
    return time.process_time() - start


def compile_anew() -> float:
    """Seconds of CPU that the kernels' compiling takes where nothing is compiled yet."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder, "OMP_NUM_THREADS": "1"}
        before = os.times()
        subprocess.run([sys.executable, "-m", "curator.text"], check=True, env=environment)
        after = os.times()
    return after.children_user + after.children_system - before[2] - before[3]


def report(whole: Spent, again: Spent, first: float, corpus: float) -> None:
    turns = f", the files' {corpus:.0f} MB in several orders" if whole.megabytes > corpus else ""
    print(f"ours   {whole.speed:7.1f} MB/s  {whole.megabytes:.0f} MB of JSON{turns}")
    print(f"ours   {again.speed:7.1f} MB/s  the peers' sample of {again.megabytes:.1f} MB")
    print(f"       first call: {first:.2f} s, compiling what was not compiled yet")
    print(
        f"floor  {whole.megabytes / whole.floor:7.0f} MB/s  pyarrow parse only: "
        f"ours takes {whole.ours / whole.floor:.1f} times as long"
    )


def print_peer(peer: Peer, found: Sequence[Speed], ours: float) -> None:
    print(f"\n{peer.name}: {' '.join(peer.packages)}")
    if peer.sets:
        print(f"  {ours:8.2f} MB/s  ours with {' and '.join(peer.sets)} as well: the same units")
    for each in found:
        if each.whole:
            print(f"  {each.speed:8.2f} MB/s  ours / it {ours / each.speed:6.1f}  {each.what}")
        else:
            print(f"  {each.speed:8.1f} MB/s  {each.what}")


if __name__ == "__main__":
    main()
