"""Facility location, ours against apricot's and submodlib's, side by side in one run.

    python -m bench.facility [FILE.jsonl[.zst] ...] [--full] [--encoder minilm] [--peer-venvs DIR]

Documents are the files' (default: all of ../shared/data/corpora), in pieces; vectors are made once
and kept (--vectors). Everybody chooses a tenth of them by facility location over cosines clipped at
0, in a process of its own with as many threads as the machine has cores, the kernel included:
greedily over all vectors at once, then over partitions (--full: 20,000 at once and 50,000 in
partitions of 10,000). Peers are measured with the engine that they use unless told, and with their
fastest that is exact; in float64 and float32 as they do. Printed: seconds of the wall and of CPU,
the value of the set by float64 cosines over that of lazy greedy (apricot's), the largest resident
memory. What is compiled on first use is not counted for anybody.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.filters import read_lines
from bench.peer import SCRIPTS, ask_peer, peer_python
from curator.embed.encoder import open_encoder

APRICOT = ("apricot-select==0.6.1", "scikit-learn", "scipy")
SUBMODLIB = ("submodlib-py==0.0.3",)
PIECE = 1500  # characters from the beginning of one piece to that of the next
LENGTH = 256  # characters of a piece: sixty tokens, so that vectors of 20,000 take minutes
SHARE = 10  # one of so many is chosen
EXACT = {"apricot": "lazy", "submodlib": "LazyGreedy"}
# Unless told, submodlib walks all pairs at every step (NaiveGreedy): k n^2, hours at 20,000.
USUAL = {"apricot": "two-stage"}


@dataclass(frozen=True)
class Measured:
    """What one contestant needed, and what its choice is worth."""

    who: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    value: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--full", action="store_true", help="20,000 at once, 50,000 in partitions")
    parser.add_argument("--documents", type=int, help="at once")
    parser.add_argument("--partitions", type=int, nargs=2, help="documents, and in each partition")
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--usual", action="store_true", help="also apricot's default engine")
    parser.add_argument("--peer-venvs", type=Path, default=Path("/tmp/peers"))
    parser.add_argument("--vectors", type=Path, default=Path("/tmp/curator-facility"))
    asked = parser.parse_args()
    once = asked.documents or (20_000 if asked.full else 3_000)
    many, each = asked.partitions or ((50_000, 10_000) if asked.full else (6_000, 2_000))
    files = asked.files or sorted(Path("../shared/data/corpora").rglob("*.jsonl.zst"))
    vectors = vectors_of(files, max(once, many), asked.encoder, asked.vectors)
    peers = {
        "apricot": peer_python(asked.peer_venvs / "apricot", APRICOT),
        "submodlib": peer_python(asked.peer_venvs / "submodlib", SUBMODLIB),
    }
    engines = [(name, EXACT[name]) for name in peers]
    engines += list(USUAL.items()) if asked.usual else []
    for n, rows in ((once, once), (many, each)):
        print(f"{n:,} documents of {vectors.shape[1]} numbers, {rows:,} at once", flush=True)
        contest(vectors[:n], rows, peers, engines)


def contest(
    vectors: np.ndarray, rows: int, peers: dict[str, Path], engines: list[tuple[str, str]]
) -> None:
    """Print a line for each contestant, ours first."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        parts = [vectors[start : start + rows] for start in range(0, len(vectors), rows)]
        for number, part in enumerate(parts):
            np.save(place / f"{number}.npy", part)
        ours = of_all("curator", parts, place, ask_ours)
        found = [ours]
        for name, engine in engines:
            found.append(
                of_all(
                    f"{name}, {engine}",
                    parts,
                    place,
                    lambda *settings, name=name, engine=engine: ask_peer(
                        peers[name], f"{name}_facility.py", *settings, engine, str(os.cpu_count())
                    ),
                )
            )
    lazy = next(each.value for each in found if each.who == "apricot, lazy")
    print("                            seconds  CPU seconds  ratio (CPU)  value / lazy's  peak MB")
    for each in found:
        print(
            f"{each.who:<24} {each.seconds:>10.2f} {each.cpu_seconds:>12.2f} "
            f"{each.seconds / ours.seconds:>6.1f} ({each.cpu_seconds / ours.cpu_seconds:.1f}) "
            f"{each.value / lazy:>14.5f} {each.peak_bytes / 1e6:>9.0f}",
            flush=True,
        )


def of_all(who: str, parts: list[np.ndarray], place: Path, ask) -> Measured:
    """The sums over all parts of what one contestant needs and reaches."""
    told, value = [], 0.0
    for number, part in enumerate(parts):
        out = place / "chosen.npy"
        told.append(ask(str(place / f"{number}.npy"), str(out), str(len(part) // SHARE)))
        value += value_of(part, np.load(out))
    return Measured(
        who,
        sum(each["seconds"] for each in told),
        sum(each["cpu_seconds"] for each in told),
        max(each["peak_bytes"] for each in told),
        value,
    )


def ask_ours(*settings: str) -> dict[str, float]:
    """What our own script, in a process of its own, prints."""
    script = [sys.executable, str(SCRIPTS / "curator_facility.py"), *settings, str(os.cpu_count())]
    done = subprocess.run(script, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout.decode().splitlines()[-1])


def value_of(vectors: np.ndarray, chosen: np.ndarray) -> float:
    """Sum of the largest clipped cosine of every vector with one of the chosen, in float64."""
    members = vectors[chosen].astype(np.float64).T
    total = 0.0
    for start in range(0, len(vectors), 1024):
        cosines = vectors[start : start + 1024].astype(np.float64) @ members
        total += float(np.maximum(cosines.max(axis=1), 0).sum())
    return total


def vectors_of(files: list[Path], count: int, encoder: str, folder: Path) -> np.ndarray:
    """(count, D) unit vectors of different pieces of documents, made once for each encoder."""
    kept = folder / f"{Path(encoder).name}.npy"
    known = np.load(kept).astype(np.float32) if kept.exists() else np.zeros((0, 1), np.float32)
    if len(known) < count:
        texts = pieces(files, count)
        print(f"encoding {count:,} pieces by {encoder}", file=sys.stderr, flush=True)
        made = open_encoder(encoder, threads=os.cpu_count() or 1).encode(texts)
        folder.mkdir(parents=True, exist_ok=True)
        np.save(kept, made.astype(np.float16))
        known = made
    return known[:count] / np.linalg.norm(known[:count], axis=1, keepdims=True)


def pieces(files: list[Path], count: int) -> list[str]:
    """Different pieces of the files' documents, as many of each file as can be, in random order."""
    rng, found = np.random.default_rng(0), []
    for path in files:
        texts = [json.loads(line).get("text", "") for line in read_lines(path)]
        starts = [(t, s) for t in texts for s in range(0, min(len(t), 40_000), PIECE)]
        own = [t[s : s + LENGTH] for t, s in starts if len(t) - s > LENGTH]
        found += [own[at] for at in rng.permutation(len(own))[: 2 * count // len(files) + 1]]
    different = list(dict.fromkeys(found))
    if len(different) < count:
        sys.exit(f"{len(files)} files have {len(different)} pieces; wanted {count}")
    return [different[at] for at in rng.permutation(len(different))[:count]]


if __name__ == "__main__":
    main()
