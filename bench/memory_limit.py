"""A deduplication whose signatures do not fit into the memory it is given: made, run, checked.

`python -m bench.memory --limit`. Short documents of random words, so that little text has many
signatures: 14 bands of 24 bytes, 336 bytes a document. Every process of the run is held to the
limit by the kernel (RLIMIT_DATA: what is private and writable; mapped files are not). Among the
documents stand planted pairs, equal ones and ones that differ in their last word; of each pair one
has to go, and nothing else.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from bench.processes import watch
from bench.trial import Trial
from curator.ledger import Store
from curator.shards import read_shard

GIB = 1 << 30
DOCUMENT_BYTES = 14 * 24  # of band rows: 14 bands; key, node and row of 8 bytes each
PAIRS = 2000  # of each kind
_WORDS = 8  # of a document without a copy: four 5-grams
_LONG_WORDS = 40  # of one with: 36 5-grams, 35 of 37 shared with the near copy (Jaccard 0.946)
_LETTERS = 6  # of a word; 26**6 words, so that chance makes no copies
_CHUNK = 200_000


@dataclass(frozen=True)
class Planted:
    """Where the copies are: documents are numbered, and the pairs come last.

    Attributes:
        documents: how many there are.
        pairs: how many pairs of equal ones, and how many of near ones.
    """

    documents: int
    pairs: int = PAIRS

    @property
    def copies(self) -> int:
        """The number of the first document that is the second of its pair."""
        return self.documents - 2 * self.pairs

    def second(self, number: int) -> int:
        """Return the second document of a document's pair: either may stay."""
        paired = self.copies - 2 * self.pairs <= number < self.copies
        return number + 2 * self.pairs if paired else number

    @property
    def equal(self) -> set[int]:
        """Documents whose text is that of another."""
        return set(range(self.copies, self.copies + self.pairs))

    @property
    def near(self) -> set[int]:
        """Documents that differ from another in the last word."""
        return set(range(self.copies + self.pairs, self.documents))


def run_limited(documents: int, limit_bytes: int, workers: int, seconds: float) -> bool:
    """Deduplicate so many documents under the limit; print it, return whether it went well."""
    planted = Planted(documents)
    size = planted.documents * DOCUMENT_BYTES
    print(
        f"{documents:,} documents, {size / GIB:.2f} GiB of band rows, "
        f"{limit_bytes / GIB:.2f} GiB for each of the driver and {workers} workers"
    )
    with tempfile.TemporaryDirectory(prefix="curator-limit-") as place:
        folder = Path(place)
        write_documents(folder / "in", planted)
        trial = Trial(folder, workers=workers).write(_recipe(folder / "in"))
        begun = time.monotonic()
        process = trial.start(preexec_fn=_limit(limit_bytes))
        peaks = watch(process, seconds, trial.store)
        if process.returncode:
            print(f"FAILED with exit code {process.returncode}\n{trial.log()[-4000:]}")
            return False
        print(f"  done in {time.monotonic() - begun:.0f} s")
        for role, peak in peaks.items():
            print(f"  {role}: {peak.anonymous / 1e6:.0f} MB anonymous at most, in {peak.step}")
        for stage in trial.summary()["stages"]:
            print(f"    {stage['name']}: {stage['seconds']:.0f} s", file=sys.stderr)
        right = told(planted, removed(trial))
    if size <= limit_bytes:
        print("  the band rows fit into the limit: ask for more documents")
    return right and size > limit_bytes


def told(planted: Planted, gone: dict[str, set[int]]) -> bool:
    """Print what was found of the planted copies, and return whether it is right.

    All equal ones; of the near ones as many as the bands promise (all but one in 10**7), less a
    thousandth; and no other document.
    """
    exact = {planted.second(number) for number in gone["dedup.exact"]}
    near = {planted.second(number) for number in gone["dedup.minhash"]}
    wrong = (exact - planted.equal) | (near - planted.near)
    print(
        f"  equal copies removed {len(exact & planted.equal):,} of {planted.pairs:,}, near copies "
        f"{len(near & planted.near):,} of {planted.pairs:,}, wrongly {len(wrong):,}"
    )
    enough = len(near & planted.near) >= 0.999 * planted.pairs
    return exact == planted.equal and enough and not wrong


def removed(trial: Trial) -> dict[str, set[int]]:
    """Return the numbers of the documents that each step removed."""
    record = json.loads((trial.folder / "out" / "run.json").read_text())
    store = Store(trial.store)
    corpus = store.artifact(record["artifacts"]["corpus"])
    found: dict[str, set[int]] = {}
    for name in record["artifacts"]["decisions"]:
        decision = store.artifact(name)
        numbers: set[int] = set()
        for shard, decided in zip(corpus.shards, decision.shards, strict=True):
            away = pc.equal(read_shard(decided, ("keep",))["keep"], False)  # noqa: FBT003
            ids = read_shard(shard, ("source_id",))["source_id"].filter(away)
            numbers |= set(map(int, ids.to_pylist()))
        found[decision.name] = numbers
    return found


def write_documents(folder: Path, planted: Planted, *, seed: int = 5) -> None:
    """Write the documents as JSON lines, their numbers as ids."""
    folder.mkdir(parents=True)
    chance = np.random.default_rng(seed)
    pairs, plain = planted.pairs, planted.copies - 2 * planted.pairs
    for start in range(0, plain, _CHUNK):
        texts = _texts(chance, min(_CHUNK, plain - start), _WORDS)
        (folder / f"plain-{start:09d}.jsonl").write_bytes(_lines(texts, start))
    first = _texts(chance, 2 * pairs, _LONG_WORDS)
    second = first.copy()
    second[pairs:, -_LETTERS:] = _texts(chance, pairs, 1)
    (folder / "first.jsonl").write_bytes(_lines(first, plain))
    (folder / "second.jsonl").write_bytes(_lines(second, planted.copies))


def _texts(chance: np.random.Generator, rows: int, words: int) -> npt.NDArray[np.uint8]:
    """Return (rows, bytes) uint8: texts of so many random words."""
    letters = chance.integers(97, 123, (rows, words, _LETTERS + 1), np.uint8)
    letters[:, :, -1] = 32
    return letters.reshape(rows, -1)[:, :-1]


def _lines(texts: npt.NDArray[np.uint8], first: int) -> bytes:
    """Return JSON lines of texts of one length, numbered from `first` on."""
    return b"".join(
        b'{"id": "%d", "text": "%b"}\n' % (number, text.tobytes())
        for number, text in enumerate(np.ascontiguousarray(texts), first)
    )


def _limit(limit_bytes: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))


def _recipe(files: Path) -> dict[str, Any]:
    return {
        "name": "limit",
        "corpus": {
            "ingest": [{"reader": "jsonl", "source": "text", "files": str(files)}],
            "dedup": {"exact": True, "minhash": {"threshold": 0.8}, "max_source_loss": 1.0},
        },
    }
