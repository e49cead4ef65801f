"""Ask SmolLM2-135M once about texts of our own; keep its answers as the tests replay them.

    python -m bench.generations [NAME ...]

Writes tests/curator/refine/generations/NAME.jsonl, a transcript of what the packaged model answers
through llama.cpp on loopback to each refiner below (all of them, or those named), and prints what
became of the answers. To be run again when a wording in curator/generate/templates changes; about
ten minutes on one core. The texts in paragraphs.txt are ours, and the only ones shown to the model.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from curator.generate.client import Client
from curator.generate.endpoint import Endpoint
from curator.generate.exchange import Server
from curator.generate.transcripts import read_kept, write_transcript
from curator.refine.writing import Writing
from tests.support.generations import FOLDER, NAMES, refiner_called, shown_to
from tests.support.judges import SMOLLM2, llama_server


def main(names: list[str]) -> None:
    with llama_server() as url:
        for name in names or NAMES:
            generate(name, url)


def generate(name: str, url: str) -> None:
    """Write one transcript."""
    refiner = refiner_called(name, url=url, model=SMOLLM2)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(url, timeout_seconds=600)
        client = Client(Endpoint(server, SMOLLM2, concurrency=1), cache=Path(folder))
        found = Writing.refine(refiner, client, shown_to(name))
        kept = [entry for path in sorted(Path(folder).iterdir()) for entry in read_kept(path)]
    write_transcript(kept, FOLDER / f"{name}.jsonl")
    tokens = sum(entry.answer.tokens for entry in kept)
    seconds = time.perf_counter() - begun
    print(f"{name}: {len(kept)} answers, {tokens} tokens, {seconds:.0f} s")
    print_outcome(found.children, found.outcome)


def print_outcome(children: pa.Table, outcome: pa.Table) -> None:
    """Print how many documents were made, and why not more."""
    counts = outcome["reason"].value_counts().to_pylist()
    told = ", ".join(f"{one['values'] or 'as asked'} {one['counts']}" for one in counts)
    print(f"  {children.num_rows} new documents of {outcome.num_rows}: {told}")


if __name__ == "__main__":
    main(sys.argv[1:])
