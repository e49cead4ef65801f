"""A small corpus with everything in it, a recipe over it, and runs of it as processes of their own.

Made-up text of four sources: prose, logs that cleaning drops, exact and near copies, an exam whose
items leak. What `bench.kills` and the tests of layouts, signals and full disks run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from curator.identity import file_digest
from curator.ledger import RECORD, Store

ROOT = Path(__file__).parents[1]
SOURCES = ("web", "books", "notes", "exam")
_SYLLABLES = ("ba", "co", "di", "fer", "gul", "hon", "ist", "jor", "kel", "lam", "mer", "nor")
_VOCABULARY = 900


def made_up(n: int, *, seed: int = 7) -> list[dict[str, str]]:
    """Return n records (source, id, text) of 40 to 400 words; a twelfth are copies of some kind."""
    chance = np.random.default_rng(seed)
    words = np.array(["".join(chance.choice(_SYLLABLES, size=3)) for _ in range(_VOCABULARY)])
    rank = np.arange(1, _VOCABULARY + 1)
    shares = {
        source: (weights := np.roll(1 / rank, 60 * at)) / weights.sum()
        for at, source in enumerate(SOURCES)
    }
    records: list[dict[str, str]] = []
    for number in range(n):
        source = SOURCES[number % len(SOURCES)]
        size = int(chance.integers(40, 400))
        drawn = chance.choice(words, size=size, p=shares[source]).tolist()
        text = _sentences(drawn)
        if number % 12 == 7 and number > 12:
            text = _copy(records[int(chance.integers(0, number))]["text"], text, number)
        if number % 29 == 3:
            text = "\n".join(["error 17: retry"] * 60)  # what repetition rules drop
        records.append({"source": source, "id": f"{number:06d}", "text": text})
    return records


def write_files(records: Sequence[dict[str, str]], folder: Path, files: int) -> Path:
    """Deal records out to so many JSON-lines files, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        dealt = "".join(json.dumps(record) + "\n" for record in records[number::files])
        (folder / f"part-{number:03d}.jsonl").write_text(dealt)
    return folder


def recipe(files: Path, **changes: Any) -> dict[str, Any]:
    """Return a recipe over the files: every stage, two scorers, two arms, one short training.

    Args:
        files: a folder of JSON lines.
        changes: sections that replace the recipe's own.
    """
    content: dict[str, Any] = {
        "name": "trial",
        "seed": 17,
        "corpus": {
            "ingest": [{"reader": "jsonl", "source": {"column": "source"}, "files": str(files)}],
            "clean": {"language": None, "rules": ["gopher_repetition"]},
            "dedup": {"exact": True, "minhash": {"threshold": 0.8}, "source_priority": ["books"]},
            "benchmarks": {"exam": {"source": "exam", "test_share": 0.5}},
            "decontaminate": {"against": ["exam/test"], "ngram": 13},
            "heldout": {"books": {"share": 0.1}},
            "tokenizer": {"bpe": 512},
        },
        "score": [
            {"use": "similarity", "as": "sim", "learns_from": {"target": "exam/train"}},
            {"use": "ngrams", "as": "dsir", "learns_from": {"target": "exam/train"}},
        ],
        "arms": {
            "random": {"select": {"method": "random", "tokens": 20_000}},
            "sim": {"select": {"method": "topk", "by": "sim", "tokens": 20_000}},
        },
        "baseline": "random",
        "train": {"proxy": "demo", "tokens": 20_000, "seeds": [1, 2]},
        "evaluate": {"heldout": ["books"], "final_target": "exam/test"},
    }
    return {key: value for key, value in (content | changes).items() if value is not None}


@dataclass(frozen=True)
class Trial:
    """A recipe on disk, with a store and a run folder beside it."""

    folder: Path
    engine: str = "inline"
    workers: int = 2
    address: str = ""
    disk: Path | None = None  # where the store lies; None: in `folder`

    @property
    def store(self) -> Path:
        """Where its artifacts lie."""
        return (self.disk or self.folder) / "store"

    def write(self, content: dict[str, Any]) -> Trial:
        """Write the recipe (JSON is YAML) and return the trial."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "recipe.yaml").write_text(json.dumps(content))
        return self

    @property
    def command(self) -> list[str]:
        """The command line of a run."""
        given = [
            sys.executable, "-m", "pipelines.cli", "run", str(self.folder / "recipe.yaml"),
            "--store", str(self.store), "--out", str(self.folder / "out"),
            "--engine", self.engine, "--workers", str(self.workers), "--json",
        ]  # fmt: skip
        return [*given, "--address", self.address] if self.address else given

    def start(self, **options: Any) -> subprocess.Popen[str]:
        """Start a run as the leader of a session of its own, its output in files."""
        with (self.folder / "stdout").open("w") as out, (self.folder / "stderr").open("w") as err:
            return subprocess.Popen(
                self.command, stdout=out, stderr=err, text=True, cwd=ROOT,
                env=environment(), start_new_session=True, **options,
            )  # fmt: skip

    def run(self) -> dict[str, Any]:
        """Run to the end and return the summary; an error with the log if it fails."""
        process = self.start()
        if process.wait() != 0:
            raise RuntimeError(f"exit code {process.returncode}\n{self.log()}")
        return self.summary()

    def summary(self) -> dict[str, Any]:
        """Return what the last run printed."""
        printed: dict[str, Any] = json.loads((self.folder / "stdout").read_text())
        return printed

    def log(self) -> str:
        """Return what the last run printed beside its summary."""
        return (self.folder / "stderr").read_text()

    def results(self) -> dict[str, str]:
        """Return what must not differ between runs, by name: digests, hashes, weights."""
        found = {}
        for path, artifact in Store(self.store).artifacts():
            found[f"artifact {path.stem}"] = f"{artifact.id} {artifact.digest}"
        for record in sorted(self.store.glob(f"folders/*/{RECORD}")):
            for name, digest in sorted(json.loads(record.read_text())["files"].items()):
                if name != "run.json":  # says how long the training took
                    found[f"folder {record.parent.name}/{name}"] = digest
        out = json.loads((self.folder / "out" / "run.json").read_text())
        for name, arm in out["arms"].items():
            found[f"arm {name} manifest"] = arm["selection"]["manifest_hash"]
            found[f"arm {name} tokens"] = file_digest(Path(arm["mixture"]["path"]) / "tokens.bin")
            found[f"arm {name} bits"] = json.dumps(arm["evaluation"], sort_keys=True)
        return found

    def records(self) -> dict[str, int]:
        """Return when each record of finished work was written, in ns."""
        patterns = ("shards/**/*.json", f"folders/*/{RECORD}")
        found = (path for pattern in patterns for path in self.store.glob(pattern))
        return {str(path): path.stat().st_mtime_ns for path in found}


def environment() -> dict[str, str]:
    """Return the environment of a run: this tree, no network, one thread a library."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }


def _sentences(words: list[str]) -> str:
    """Return words in sentences of 12, in paragraphs of 5 sentences."""
    sentences = [" ".join(words[at : at + 12]) + "." for at in range(0, len(words), 12)]
    return "\n\n".join(" ".join(sentences[at : at + 5]) for at in range(0, len(sentences), 5))


def _copy(earlier: str, text: str, number: int) -> str:
    """Return an exact copy, a near copy, or a text that quotes forty words of an earlier one."""
    if number % 36 == 7:
        return earlier
    if number % 36 == 19:
        return f"{earlier} {text[:12]}"
    return f"{text} {' '.join(earlier.split()[:40])}"
