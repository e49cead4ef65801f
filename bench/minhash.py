"""MinHash signatures and band keys, ours against datatrove's, side by side in one run.

    python -m bench.minhash FILE.jsonl[.zst] ... [--peer-venv DIR] [--sample-mb 2]

Both read JSON lines and make signatures of 112 places over shingles of five words, on one core,
warmed up; seconds are of CPU. Ours runs over all of the files, datatrove over a sample. Then both
estimate the similarity of the same pairs: parts of one document that overlap by six eighths.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.filters import beginning, parse, timed
from bench.peer import ask_peer
from curator.text.minhash import band_keys, minhash_signatures
from curator.text.ngrams import ngram_hashes


def main() -> None:
    python, lines, sample = beginning(__doc__.splitlines()[0])
    pairs = overlapping(sample)

    cold = timed(lambda: keys(b"".join(lines[:2])))
    whole = b"".join(lines)
    ours = min(timed(lambda: keys(whole)) for _ in range(3))
    floor = min(timed(lambda: parse(whole)) for _ in range(3))
    peer, paired = ask(python, sample), ask(python, pairs)
    size, peer_size = len(whole) / 1e6, sum(map(len, sample)) / 1e6
    speed, theirs = size / ours, peer_size / peer["seconds"]
    print(f"ours       {speed:8.1f} MB/s   {size:.1f} MB of JSON, first call {cold:.1f} s")
    print(f"floor      {size / floor:8.1f} MB/s   pyarrow parse only")
    print(f"datatrove  {theirs:8.2f} MB/s   on {peer_size:.1f} MB: ratio {speed / theirs:.0f}x")
    compare(b"".join(pairs), paired["signatures"])


def keys(raw: bytes) -> npt.NDArray[np.uint64]:
    """JSON lines in, the band keys of each document out."""
    return band_keys(minhash_signatures(parse(raw)["text"]))


def overlapping(lines: list[bytes]) -> list[bytes]:
    """For each document of 400 words or more, its first and its last seven eighths."""
    made = []
    for line in lines[:200]:
        words = json.loads(line)["text"].split()[:4000]
        if len(words) >= 400:
            cut = len(words) // 8
            halves = (" ".join(words[:-cut]), " ".join(words[cut:]))
            made += [json.dumps({"text": half}).encode() + b"\n" for half in halves]
    return made


def ask(python: Path, lines: list[bytes]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.jsonl"
        path.write_bytes(b"".join(lines))
        return dict(ask_peer(python, "datatrove_minhash.py", str(path)))


def compare(raw: bytes, theirs: list[list[int]]) -> None:
    """Print how far each side's estimates lie from the exact Jaccard similarity of the pairs."""
    texts = parse(raw)["text"]
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
