"""Exact-substring and line deduplication through the real steps, and against a suffix array:
`python -m bench.substring FILE.jsonl[.zst] ... [--gb 1] [--workers 1] [--shard-mb 64]
[--verify-mb 20] [--peer-venv DIR] [--keep DIR]`.

The corpus is the files' documents round after round, each round with its words in another order
(one document in twenty stays as it is), and passages of 60 to 300 made-up words planted in one
document in ten. Seconds are of CPU, all processes together, from shards in a store to shards with
the passages cut: two shuffles on disk, routing, spans, rewriting; ingest is not counted. Printed:
MB/s per core, what was shuffled, the peak memory (anonymous: what is not a map of a file) of driver
and workers, and whether every planted passage is left in one place. Then the same for lines.

`--verify-mb` megabytes of the corpus are compared with a suffix array over the same tokens
(`bench.suffix_array`): spans and cuts must be equal, byte for byte. pydivsufsort, in an environment
of its own, says what a suffix array of the same bytes costs.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import resource
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.filters import parse, read_lines
from bench.peer import ask_peer, peer_python
from bench.suffix_array import repeated, tokens_of
from curator.corpus_spec import ParagraphsSpec, SubstringSpec
from curator.dedup.survivors import LONGEST
from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.identity import document_ids, fingerprint
from curator.ledger import Artifact, Store, TaskRecord
from curator.rewrite import cut_column
from curator.schema import DOCUMENT, conform
from curator.shards import read_shard, write_shard
from pipelines.pool import Pool
from pipelines.repeated import cut_paragraphs, find_repeated

_PLANTED = 400
_K = 50
_COPIES = SubstringSpec(k=_K)


@dataclass
class Measured:
    """One step over the corpus: bytes in, CPU and wall seconds, bytes shuffled and cut, peaks."""

    name: str
    size: int
    cpu: float = 0.0
    wall: float = 0.0
    shuffled: int = 0
    cut: int = 0
    peaks: dict[str, int] = field(default_factory=dict)
    steps: list[tuple[str, float]] = field(default_factory=list)

    def show(self) -> None:
        speed = self.size / 1e6 / self.cpu
        print(
            f"{self.name:10} {speed:6.1f} MB/s per core   {self.size / 1e9:.2f} GB in "
            f"{self.cpu:.0f} s of CPU, {self.wall:.0f} s of wall; {self.shuffled / 1e6:,.0f} MB "
            f"shuffled; {self.cut / 1e6:,.1f} MB cut; "
            + ", ".join(f"{role} {peak / 1e6:,.0f} MB" for role, peak in self.peaks.items())
        )
        for step, seconds in self.steps:
            print(f"    {step:28} {seconds:6.1f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--gb", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=1, help="1: the driver does the work")
    parser.add_argument("--shard-mb", type=int, default=64)
    parser.add_argument("--verify-mb", type=float, default=20)
    parser.add_argument("--peer-venv", type=Path, default=Path("/tmp/peers/pydivsufsort"))
    parser.add_argument("--keep", type=Path, help="a folder for the store, which then stays")
    asked = parser.parse_args()
    folder = asked.keep or Path(tempfile.mkdtemp(prefix="curator-substring-"))
    try:
        texts = [line for path in asked.files for line in _texts(path)]
        corpus = write_corpus(texts, Store(folder), int(asked.gb * 1e9), asked.shard_mb << 20)
        right = True
        for step in ("substring", "lines"):
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                args = (step, folder, corpus, asked.workers)
                measured, left = pool.submit(measure, *args).result()
            measured.show()
            if step == "substring":
                there = int((markers(Pool(corpus)) > 0).sum())
                print(f"{'':10} planted passages left in one place: {left} of {there}")
                right &= left == there
        few = texts[:: max(1, round(4 * sum(map(len, texts)) / (asked.verify_mb * 1e6)))]
        sample = beginning(documents(few, planted(_PLANTED)), asked.verify_mb * 1e6)
        right &= verify(sample, folder)
        peer(asked.peer_venv, sample)
    finally:
        if not asked.keep:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if right else 1


def write_corpus(texts: Sequence[str], store: Store, size: int, shard_bytes: int) -> Artifact:
    """Return a corpus of so many bytes of text, written in shards."""
    tasks: list[TaskRecord] = []
    held: list[str] = []
    written = weight = 0
    for text in documents(texts, planted(_PLANTED)):
        held.append(text)
        weight += len(text.encode())
        if weight >= shard_bytes or written + weight >= size:
            tasks.append(_shard(held, store, len(tasks)))
            written, weight, held = written + weight, 0, []
        if written >= size:
            break
    corpus = Artifact("ingest", {"name": "bench.substring"}, tuple(tasks))
    store.publish(corpus)
    return corpus


def documents(texts: Sequence[str], passages: Sequence[str]) -> Iterator[str]:
    """Texts again and again, each round in another order of words; every tenth with a passage."""
    number = 0
    for turn in itertools.count():
        for at, text in enumerate(texts):
            if at % 20 == turn % 20:
                made = text
            else:
                words = text.split(" ")
                made = " ".join(
                    word for hand in range(turn + 1) for word in words[hand :: turn + 1]
                )
            if number % 10 == 3:
                middle = made.find(" ", len(made) // 2)
                passage = passages[number // 10 % len(passages)]
                made = f"{made[:middle]} {passage} {made[max(0, middle) :]}"
            number += 1
            yield made


def planted(n: int) -> list[str]:
    """Passages of 60 to 300 words that stand nowhere else; the thirtieth names the passage."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(n):
        words = [f"w{word}" for word in rng.integers(0, 10**9, int(rng.integers(60, 300)))]
        words[30] = marker(number)
        made.append(" ".join(words))
    return made


def marker(number: int) -> str:
    """The word that only the planted passage of this number has."""
    return f"planted{number:04d}marker"


def measure(step: str, folder: Path, corpus: Artifact, workers: int) -> tuple[Measured, int]:
    """Run a step in this process and its workers; and count the passages left in one place."""
    driver = Driver(Store(folder), Inline(workers), quiet=True)
    pool = Pool(corpus)
    _warm(pool, driver, step)
    size = sum(
        pc.sum(pc.binary_length(t["text"])).as_py() for t in pool.learning().tables(("text",))
    )
    measured = Measured(step, size)
    driver.steps.clear()
    with _Peaks(measured.peaks):
        cpu, wall = _cpu(), time.monotonic()
        made = _run(step, pool, driver)
        driver.engine.close()
        measured.cpu, measured.wall = _cpu() - cpu, time.monotonic() - wall
    measured.steps = [(step.artifact.name, step.seconds) for step in driver.steps]
    prefix = "dedup.substring" if step == "substring" else "dedup.paragraphs"
    for _, artifact in driver.store.artifacts():
        if artifact.name.startswith(prefix) and artifact.name.endswith(".emit"):
            measured.shuffled += sum(shard.size_bytes for shard in artifact.shards)
    column = cut_column(prefix)
    for shard in made.decisions[-1].shards:
        measured.cut += pc.sum(read_shard(shard, (column,))[column]).as_py() or 0
    return measured, int((markers(made) == 1).sum())


def verify(sample: Sequence[str], folder: Path) -> bool:
    """Print whether spans and cuts of the sample are those of a suffix array."""
    store = Store(folder / "sample")
    half = len(sample) // 2
    tasks = tuple(_shard(part, store, n) for n, part in enumerate((sample[:half], sample[half:])))
    corpus = Artifact("ingest", {"name": "bench.substring.sample"}, tasks)
    driver = Driver(store, Inline(1), quiet=True)
    spec = SubstringSpec(k=_K, action="annotate")
    begun = _cpu()
    pool = find_repeated(spec, LONGEST, None, Pool(corpus), (), driver)
    ours = _cpu() - begun
    made = pa.concat_tables([read_shard(s) for s in pool.sidecars[-1].shards])
    ids = pa.concat_tables([read_shard(s, ("doc_id",)) for s in corpus.shards])[
        "doc_id"
    ].to_pylist()
    best_first = sorted(range(len(sample)), key=lambda n: (-len(sample[n].encode()), ids[n], n))
    ranks = np.empty(len(sample), np.int64)
    ranks[best_first] = np.arange(len(sample))
    begun = _cpu()
    tokens = tokens_of(sample)
    wanted, cut = repeated(tokens, _K, ranks)
    theirs = _cpu() - begun
    found = [[(span["start"], span["end"]) for span in row] for row in made["repeated"].to_pylist()]
    pieces = _pieces_in(tokens.bytes, made["surplus"].to_pylist())
    same, same_cut = found == wanted, pieces == np.flatnonzero(cut).tolist()
    print(
        f"verified   {sum(len(t.encode()) for t in sample) / 1e6:.1f} MB, {len(tokens.ids):,} "
        f"tokens: {sum(map(len, wanted)):,} spans {'equal' if same else 'DIFFER'}, "
        f"{int(cut.sum()):,} tokens to cut {'equal' if same_cut else 'DIFFER'}; "
        f"{ours:.1f} s of CPU, the reference {theirs:.1f} s"
    )
    return same and same_cut


def peer(venv: Path, sample: Sequence[str]) -> None:
    """Print what a suffix array of the sample costs in C."""
    python = peer_python(venv, ("pydivsufsort==0.0.20",))
    with tempfile.NamedTemporaryFile() as file:
        content = b"\0".join(text.encode() for text in sample)
        file.write(content)
        file.flush()
        told = ask_peer(python, "divsufsort_array.py", file.name)
    seconds = told["array"] + told["prefixes"]
    print(
        f"divsufsort {len(content) / 1e6 / seconds:6.1f} MB/s for array and common prefixes of "
        f"{len(content) / 1e6:.1f} MB, {told['peak'] / len(content):.0f} bytes of memory a byte"
    )


def markers(pool: Pool) -> NDArray[np.int64]:
    """In how many documents of a pool each planted passage stands."""
    counts = np.zeros(_PLANTED, np.int64)
    for table in pool.learning().tables(("text",)):
        found = pc.extract_regex(table["text"], r"planted(?P<number>\d{4})marker").drop_null()
        numbers = [int(row["number"]) for row in found.to_pylist()]
        counts += np.bincount(numbers, minlength=_PLANTED)
    return counts


def beginning(texts: Iterator[str], size: float) -> list[str]:
    """The first texts of so many bytes together."""
    taken = []
    for text in texts:
        size -= len(text.encode())
        if size < 0:
            break
        taken.append(text)
    return taken


class _Peaks:
    """Watches the anonymous memory of this process and of its children while it is open."""

    def __init__(self, peaks: dict[str, int]) -> None:
        self._peaks, self._over = peaks, threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._over.wait(0.05):
            for role, processes in (("driver", [me]), ("worker", me.children())):
                for process in processes:
                    held = _anonymous(process.pid)
                    self._peaks[role] = max(self._peaks.get(role, 0), held)


def _anonymous(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def _run(step: str, pool: Pool, driver: Driver) -> Pool:
    if step == "substring":
        return find_repeated(_COPIES, LONGEST, None, pool, (), driver)
    return cut_paragraphs(ParagraphsSpec(), LONGEST, None, pool, (), driver)


def _warm(pool: Pool, driver: Driver, step: str) -> None:
    """Compile or load the kernels over a few documents, in a store that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        few = ["a few words " * 40 + str(n) for n in range(4)]
        corpus = Artifact("ingest", {"name": "warm"}, (_shard(few, store, 0),))
        _run(step, Pool(corpus), Driver(store, Inline(1), quiet=True))


def _shard(texts: Sequence[str], store: Store, number: int) -> TaskRecord:
    column = pa.array(texts, pa.large_string())
    columns = {
        "doc_id": document_ids("text", column),
        "source": pa.array(["text"] * len(texts)),
        "origin": pa.array([f"{number}#{row}" for row in range(len(texts))]),
        "text": column,
    }
    table = conform(pa.table(columns), DOCUMENT)
    key = fingerprint(["bench.substring", number])
    shard = write_shard(table, store.task_path("ingest", key), name=f"text-{number:04d}")
    record = TaskRecord(key, (shard,), table.num_rows, table.num_rows)
    store.commit("ingest", record)
    return record


def _texts(path: Path) -> list[str]:
    return list(map(str, parse(b"".join(read_lines(path)))["text"].to_pylist()))


def _pieces_in(cuts: list[list[tuple[int, int]]], spans: list[list[dict[str, int]]]) -> list[int]:
    """The numbers of the tokens that lie in spans, the tokens between documents counted."""
    found, before = [], 0
    for pieces, row in zip(cuts, spans, strict=True):
        starts = [start for start, _ in pieces]
        for span in row:
            low, high = np.searchsorted(starts, [span["start"], span["end"]]).tolist()
            found += range(before + low, before + high)
        before += len(pieces) + 1
    return found


def _cpu() -> float:
    """Seconds of CPU of this process and of its workers that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    sys.exit(main())
