"""The four published quality filters, ours against datatrove's, side by side in one run.

    python -m bench.filters FILE.jsonl[.zst] ... [--peer-venv DIR] [--sample-mb 2]

Both read JSON lines and say keep or the reason of the drop, on one core, warmed up; seconds are of
CPU, so other work on the machine counts little. Ours runs over all of the files, datatrove over a
sample of whole documents spread over them. The floor is reading the same JSON with pyarrow and
doing nothing. datatrove gets the advantage of its pipeline: a dropped document goes no further,
while ours takes every statistic of every document.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.json as pj
import zstandard

from bench.peer import DATATROVE, ask_peer, peer_python
from curator.clean.rules import RULES, first_failure, parse_rules
from curator.clean.statistics import measure

CHAIN = ("gopher_quality", "gopher_repetition", "c4", "fineweb")
# datatrove's reason for each of our rules.
THEIRS = {
    "gopher_quality": {
        "min_words": "gopher_short_doc",
        "max_words": "gopher_long_doc",
        "min_mean_word_length": "gopher_below_avg_threshold",
        "max_mean_word_length": "gopher_above_avg_threshold",
        "hash_ratio": "gopher_too_many_hashes",
        "ellipsis_ratio": "gopher_too_many_ellipsis",
        "bullet_lines": "gopher_too_many_bullets",
        "ellipsis_lines": "gopher_too_many_end_ellipsis",
        "alphabetic_words": "gopher_below_alpha_threshold",
        "stop_words": "gopher_enough_stop_words",
    },
    "gopher_repetition": {f"dup_{n}_grams": f"duplicated_{n}_n_grams" for n in range(5, 11)},
    "c4": {"min_sentences": "too_few_sentences"},
    "fineweb": {},
}


@dataclass(frozen=True)
class Ours:
    """What our side found in one corpus."""

    chain: list[str | None]
    each: dict[str, list[str | None]]
    edited: list[str]


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


def main() -> None:
    python, lines, sample = beginning(__doc__.splitlines()[0])

    cold = timed(lambda: decide(b"".join(lines[:2])))
    whole = b"".join(lines)
    ours = min(timed(lambda: decide(whole)) for _ in range(3))
    floor = min(timed(lambda: parse(whole)) for _ in range(3))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.jsonl"
        path.write_bytes(b"".join(sample))
        peer = ask_peer(python, "datatrove_filters.py", str(path))
    report(len(whole) / 1e6, cold, ours, floor, sum(map(len, sample)) / 1e6, peer)
    agree(verdicts(b"".join(sample)), peer)


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


def parse(raw: bytes) -> pa.Table:
    schema = pa.schema([("text", pa.large_string())])
    return pj.read_json(
        io.BytesIO(raw),
        pj.ReadOptions(use_threads=False, block_size=1 << 26),
        pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )


def decide(raw: bytes) -> pl.Series:
    """JSON lines in, the first failing rule of each document out."""
    statistics = measure(parse(raw)["text"]).table
    return first_failure(pl.DataFrame(pl.from_arrow(statistics)), parse_rules(CHAIN))


def verdicts(raw: bytes) -> Ours:
    measured = measure(parse(raw)["text"])
    frame = pl.DataFrame(pl.from_arrow(measured.table))
    each = {name: first_failure(frame, parse_rules([name])).to_list() for name in CHAIN}
    offsets, data = measured.edited
    edited = [data[low:high] for low, high in pairwise(offsets)]
    digests = [hashlib.blake2b(text, digest_size=8).hexdigest() for text in edited]
    return Ours(first_failure(frame, parse_rules(CHAIN)).to_list(), each, digests)


def timed(work: Callable[[], Any]) -> float:
    """Seconds of CPU."""
    start = time.process_time()
    work()
    return time.process_time() - start


def report(
    size: float, cold: float, ours: float, floor: float, sample: float, peer: dict[str, Any]
) -> None:
    chain, each = sample / peer["chain_seconds"], sample / peer["each_seconds"]
    speed = size / ours
    print(f"ours       {speed:8.1f} MB/s   {size:.1f} MB of JSON, first call {cold:.1f} s")
    print(
        f"floor      {size / floor:8.1f} MB/s   pyarrow parse only: ours takes "
        f"{ours / floor:.1f} times as long"
    )
    print(
        f"datatrove  {chain:8.2f} MB/s   chain of four on {sample:.1f} MB: "
        f"ratio {speed / chain:.0f}x"
    )
    print(f"datatrove  {each:8.2f} MB/s   all four on every document: ratio {speed / each:.0f}x")


def agree(ours: Ours, peer: dict[str, Any]) -> None:
    """Print on which share of the documents both sides say the same."""
    documents = len(ours.chain)
    print(f"\nagreement on {documents} documents, percent")
    theirs_kept = [reason is None for reason in peer["chain"]]
    same = sum((a is None) == b for a, b in zip(ours.chain, theirs_kept, strict=True))
    print(f"  {100 * same / documents:7.2f}  chain: keep or drop")
    for name in CHAIN:
        their = [found[name] for found in peer["each"]]
        our = [reason and reason.partition(".")[2] for reason in ours.each[name]]
        kept = sum((a is None) == (b is None) for a, b in zip(our, their, strict=True))
        print(f"  {100 * kept / documents:7.2f}  {name}: keep or drop")
        for rule in RULES[name]:
            reason = THEIRS[name].get(rule.name, rule.name)
            hits = [(a == rule.name, b == reason) for a, b in zip(our, their, strict=True)]
            both = sum(a == b for a, b in hits)
            fired = sum(b for _, b in hits)
            print(f"  {100 * both / documents:7.2f}    {rule.name} (theirs fires on {fired})")
    kept_lines = [
        a == b["edited"] for a, b in zip(ours.edited, peer["each"], strict=True) if b["c4"] is None
    ]
    share = 100 * sum(kept_lines) / max(1, len(kept_lines))
    print(f"  {share:7.2f}  text after C4's edits, byte for byte ({len(kept_lines)} documents)")


if __name__ == "__main__":
    main()
