"""Near-duplicate removal end to end, ours against four others, side by side in one run.

    python -m bench.minhash FILE.jsonl[.zst] ... [--sample-mb 4] [--peers /tmp/peers]

JSON lines in, removals out, on one core: signatures of 112 places over shingles of five words, 14
bands of 8, candidates joined and the removals decided. Seconds are of CPU, kernels compiled before.
The table says whether candidates were verified, and by what. Peers get a sample of whole documents
from all of the files: datatrove as many MB as asked for, the others four times that; ours is told
on all of the files and on each peer's sample. Ratios are of MB/s of JSON: ours on all of the files
against the peer on its sample, and in parentheses both on the peer's sample.

    ours, library    parse, document ids, `curator.dedup.in_memory.near_duplicates`: all in memory,
                     as datasketch and rensa work
    ours, pipeline   a run's own steps through the driver with one worker: ingest, then the shuffles
                     on disk with records and digests; told with ingest and without

Then both MinHashes, ours and datatrove's, estimate the similarity of the same pairs: parts of one
document that overlap by six eighths.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.json as pj

from bench.filters import read_lines, spread
from bench.peer import DATATROVE, ask_peer, peer_python
from curator.corpus_spec import CorpusSpec, DedupSpec, MinhashSpec
from curator.dedup.in_memory import near_duplicates
from curator.dedup.near import NearDuplicates
from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.identity import document_ids
from curator.ledger import Store
from curator.text.minhash import minhash_signatures
from curator.text.ngrams import ngram_hashes
from pipelines.deduplicating import dedup
from pipelines.ingesting import ingest

Speeds = tuple[float, float]  # MB/s of the library, of the pipeline


@dataclass(frozen=True)
class Peer:
    """Another tool: its environment, the script that its Python runs, and what it checks."""

    name: str
    packages: tuple[str, ...]
    target: float  # how many times faster ours should be
    verified: str  # what a candidate must pass to be removed
    times: int = 4  # its sample, in multiples of datatrove's
    alone: str = ""  # a package that is added without what it asks for


PEERS = (
    Peer("datatrove", DATATROVE, 100, "nothing", times=1, alone="orjson"),
    Peer("datasketch", ("datasketch==2.0.0",), 10, "signatures"),
    Peer(
        "text_dedup",
        ("numpy", "click", "click-option-group", "datasets", "rich", "psutil", "regex", "scipy",
         "tqdm", "xxhash", "zstandard", "ftfy", "bitarray", "setuptools"),
        10,
        "nothing",
        # It asks for pyspark, tensorflow and others, which this command of it never imports.
        alone="text-dedup==0.4.0",
    ),
    Peer("rensa", ("rensa==0.5.0", "numpy"), 3, "signatures"),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--peers", type=Path, default=Path("/tmp/peers"))
    parser.add_argument("--sample-mb", type=float, default=4.0)
    asked = parser.parse_args()
    pa.set_cpu_count(1)
    lines = numbered(line for path in asked.files for line in read_lines(path))
    with tempfile.TemporaryDirectory() as folder:
        whole = written(lines, Path(folder) / "whole.jsonl")
        samples = {
            times: written(
                spread(lines, times * asked.sample_mb * 1e6), Path(folder) / f"sample{times}.jsonl"
            )
            for times in {peer.times for peer in PEERS}
        }
        first = time.process_time()
        in_library(samples[1])
        print(f"first call (kernels compiled or loaded): {time.process_time() - first:.1f} s\n")
        ours = {path: told_of_ours(path) for path in (whole, *samples.values())}
        print(
            f"\n{'':18}{'MB/s':>9}{'MB':>7}{'removed':>9}  verified by      library       pipeline"
        )
        for peer in PEERS:
            against(peer, samples[peer.times], asked.peers, ours[whole], ours[samples[peer.times]])
        pairs = written(overlapping(lines[:: max(1, len(lines) // 400)]), Path(folder) / "pairs")
        compare(pairs, peer_python(asked.peers / "datatrove", DATATROVE))


def numbered(lines: Iterable[bytes]) -> list[bytes]:
    """Give every record an `id`, for peers that name documents by one."""
    return [b'{"id": "%d", ' % number + line[1:] for number, line in enumerate(lines)]


def written(lines: Sequence[bytes], path: Path) -> Path:
    path.write_bytes(b"".join(lines))
    return path


def parse(raw: bytes) -> pa.ChunkedArray:
    """The texts of JSON lines."""
    table = pj.read_json(
        pa.BufferReader(raw),
        pj.ReadOptions(use_threads=False, block_size=1 << 24),
        pj.ParseOptions(
            explicit_schema=pa.schema([("text", pa.large_string())]),
            unexpected_field_behavior="ignore",
        ),
    )
    return table["text"]


def in_library(path: Path) -> pa.Table:
    """What is removed from a file of JSON lines, nothing written to disk."""
    texts = parse(path.read_bytes())
    documents = pa.table(
        {
            "text": texts,
            "doc_id": document_ids("bench", texts),
            "source": pa.repeat("bench", len(texts)),
        }
    )
    return near_duplicates(documents, NearDuplicates())


def in_pipeline(path: Path) -> tuple[float, float, int]:
    """Seconds of ingest, seconds of deduplication and removals, by the steps of a run."""
    spec = CorpusSpec(ingest=[{"reader": "jsonl", "files": str(path), "source": "bench"}])
    with tempfile.TemporaryDirectory() as folder:
        driver = Driver(Store(Path(folder)), Inline(1), quiet=True)
        begun = time.process_time()
        pool = ingest(spec, driver)
        ingested = time.process_time()
        pool = dedup(DedupSpec(exact=False, minhash=MinhashSpec()), pool, driver)
        return ingested - begun, time.process_time() - ingested, pool.corpus.rows_out - pool.rows


def told_of_ours(path: Path) -> Speeds:
    """Print how fast ours is on a file; returns the MB/s of the library and of the pipeline."""
    size = path.stat().st_size / 1e6
    begun = time.process_time()
    removed = in_library(path).num_rows
    seconds = time.process_time() - begun
    reading, deciding, gone = in_pipeline(path)
    rows = (
        ("library", seconds, removed),
        ("pipeline", reading + deciding, gone),
        ("  after ingest", deciding, gone),
    )
    for name, spent, found in rows:
        print(f"ours, {name:16}{size / spent:9.1f} MB/s{size:8.1f} MB{found:8,} removed")
    return size / seconds, size / (reading + deciding)


def environment(peer: Peer, peers: Path) -> Path:
    """The Python of a peer's environment with all that its script needs."""
    python = peer_python(peers / peer.name, peer.packages)
    name = peer.alone.partition("==")[0]
    check = [str(python), "-c", f"import importlib.metadata as m; m.version({name!r})"]
    if name and subprocess.run(check, check=False, stderr=subprocess.DEVNULL).returncode:
        asked = [str(python), "-m", "pip", "install", "-q", "--no-deps", peer.alone]
        subprocess.run(asked, check=True)
    return python


def against(peer: Peer, sample: Path, peers: Path, ours: Speeds, here: Speeds) -> None:
    """Print how fast a peer is on its sample, each way of using it, and the ratios."""
    answer = ask_peer(environment(peer, peers), f"{peer.name}_dedup.py", str(sample))
    size = sample.stat().st_size / 1e6
    ways = {"": answer} if "seconds" in answer else answer
    for way, found in ways.items():
        seconds = found["seconds"]
        spent = sum(seconds.values()) if isinstance(seconds, dict) else seconds
        speed = size / spent
        checked = peer.verified if way in ("", "words") else "nothing"
        told = f"{peer.name} {way}".strip()
        print(
            f"{told:18}{speed:9.2f}{size:7.1f}{len(found['removed']):9,}  {checked:12}"
            + "".join(
                f"{a / speed:6.1f}x ({b / speed:.1f}x)" for a, b in zip(ours, here, strict=True)
            )
            + f"  target {peer.target:.0f}x"
        )


def overlapping(lines: Sequence[bytes]) -> list[bytes]:
    """For each document of 400 words or more, its first and its last seven eighths."""
    made = []
    for line in lines:
        words = json.loads(line)["text"].split()[:4000]
        if len(words) >= 400:
            cut = len(words) // 8
            halves = (" ".join(words[:-cut]), " ".join(words[cut:]))
            made += [json.dumps({"text": half}).encode() + b"\n" for half in halves]
    return made


def compare(path: Path, python: Path) -> None:
    """Print how far each side's estimates lie from the exact Jaccard similarity of the pairs."""
    theirs = ask_peer(python, "datatrove_minhash.py", str(path))["signatures"]
    texts = parse(path.read_bytes())
    grams = ngram_hashes(texts, 5)
    sets = [
        set(grams.hashes[low:high].tolist())
        for low, high in zip(grams.offsets[:-1], grams.offsets[1:], strict=True)
    ]
    exact = np.array([len(a & b) / len(a | b) for a, b in zip(sets[::2], sets[1::2], strict=True)])
    expected = np.sqrt(exact * (1 - exact) / 112).mean()
    print(f"\nerror of the estimated similarity on {len(exact)} pairs (expected {expected:.4f})")
    for name, signatures in (("ours", minhash_signatures(texts)), ("datatrove", np.array(theirs))):
        error = (signatures[::2] == signatures[1::2]).mean(axis=1) - exact
        square = np.sqrt((error**2).mean())
        print(f"  {name:10s} mean {error.mean():+.4f}, root mean square {square:.4f}")


if __name__ == "__main__":
    main()
