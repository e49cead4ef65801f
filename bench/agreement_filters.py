"""Do our rules decide as datatrove's do? Every rule alone, and the chain, on the same documents.

    python -m bench.agreement_filters FILE.jsonl[.zst] ... [--sample-mb 30] [--out FILE.json]

The sample is taken from every file alike: whole documents at even distances, about `--sample-mb`
of them, and all that are short (`--short`, characters), where shares have few values and meet
thresholds. datatrove 0.10.1 runs in an environment of its own, with English tokens everywhere as
FineWeb has them. Printed: for each rule, on how many documents both say the same, how many each
side drops, and how many datatrove cannot judge (it divides by zero or refuses the text); the same
for the chain and for FineWeb on what C4 leaves. `--out` lists every disagreement with its
document, both numbers and its class. `--work` keeps the sample and datatrove's answers.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import zstandard

from bench.agreement_classes import class_of
from bench.agreement_table import FOLDER_HEAD, HEAD, Row, folders, row_of, unjudged
from bench.filters import CHAIN
from bench.peer import DATATROVE, SCRIPTS, peer_python
from curator.clean.rules import RULES, first_failure, parse_rules
from curator.clean.statistics import EDITED, measure
from curator.text.segments import segments

AFTER_C4 = "fineweb after c4"


@dataclass(frozen=True)
class Disagreement:
    """One document on which the sides differ, and what each compared with the threshold."""

    document: str
    rule: str
    after_c4: bool
    ours: float
    theirs: float
    threshold: float
    kind: str


@dataclass(frozen=True)
class Ours:
    """What we find.

    Attributes:
        frame: the statistics, one row a document.
        chain: the first failing rule of each document, or None.
        edited: the digest of each text after C4's edits.
    """

    frame: pl.DataFrame
    chain: list[str | None]
    edited: list[str]

    def value(self, row: int, statistic: str) -> float:
        return float(self.frame[statistic][row])

    def fires(self, rule: str, *, after_c4: bool) -> list[bool]:
        owner, _, name = rule.partition(".")
        (found,) = (each for each in RULES[owner] if each.name == name)
        column = self.frame[(EDITED if after_c4 else "") + found.statistic]
        fails = column > found.threshold if found.fails == "above" else column < found.threshold
        return fails.to_list()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--peer-venv", type=Path, default=Path("/tmp/peers/datatrove"))
    parser.add_argument("--sample-mb", type=float, default=30.0)
    parser.add_argument("--short", type=int, default=0, help="take all documents below this length")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    pa.set_cpu_count(1)
    python = peer_python(asked.peer_venv, DATATROVE)
    documents = sample(asked.files, asked.sample_mb * 1e6, asked.short)
    with tempfile.TemporaryDirectory() as folder:
        peer = Peer(python, asked.work or Path(folder), documents)
        answers = peer.answers()
        ours = our_answers([text for _, text in documents])
        table = [*compared(ours, answers), *after_c4(ours, answers), *whole(ours, answers)]
        print(
            f"{len(documents)} documents, {sum(len(t.encode()) for _, t in documents) / 1e6:.1f} MB"
        )
        print("\n".join([HEAD, *(row.text() for row in table), unjudged(table)]))
        print("\n".join([FOLDER_HEAD, *by_folder(documents, ours, answers)]))
        found = explained(disagreements(ours, answers), documents, peer, ours)
    for kind in sorted({each.kind for each in found}):
        several = [each for each in found if each.kind == kind]
        print(f"{len(several):6d}  {kind}  (first: {several[0].document} {several[0].rule})")
    if asked.out:
        asked.out.write_text(json.dumps([asdict(each) for each in found], indent=1))


class Peer:
    """datatrove, asked in its own process about a sample that is kept in a folder."""

    def __init__(self, python: Path, folder: Path, documents: Sequence[tuple[str, str]]) -> None:
        self.python, self.folder = python, folder
        folder.mkdir(parents=True, exist_ok=True)
        lines = (
            json.dumps({"id": name, "text": text}, ensure_ascii=False) for name, text in documents
        )
        self.sample = folder / "sample.jsonl"
        told = ("\n".join(lines) + "\n").encode()
        if not self.sample.exists() or self.sample.read_bytes() != told:
            self.sample.write_bytes(told)
            (folder / "answers.json").unlink(missing_ok=True)

    def answers(self) -> list[dict[str, Any]]:
        """What fires on each document; not asked again about the same sample."""
        out = self.folder / "answers.json"
        if not out.exists():
            self._ask(out)
        found: list[dict[str, Any]] = json.loads(out.read_text())
        return found

    def replies(self, questions: Sequence[tuple[int, str, bool]]) -> list[dict[str, Any]]:
        """What it compares with each rule's threshold, and its tokens: (row, rule, after C4?)."""
        asked, out = self.folder / "questions.json", self.folder / "replies.json"
        asked.write_text(json.dumps(questions))
        self._ask(out, asked)
        found: list[dict[str, Any]] = json.loads(out.read_text())
        return found

    def _ask(self, out: Path, *more: Path) -> None:
        script = SCRIPTS / "datatrove_rules.py"
        words = [self.python, script, self.sample, out, *more]
        environment = {"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "HOME": str(Path.home())}
        subprocess.run([str(word) for word in words], check=True, env=environment)


def sample(files: Sequence[Path], size: float, short: int) -> list[tuple[str, str]]:
    """(name, text) of whole documents at even distances in every file, and of all short ones."""
    total = 0
    for path in files:
        total += sum(len(text.encode()) for _, text in read_texts(path))
    step = max(1, round(total / size))
    return [
        named
        for path in files
        for row, named in enumerate(read_texts(path))
        if row % step == 0 or len(named[1]) < short
    ]


def read_texts(path: Path) -> Iterator[tuple[str, str]]:
    """(folder/file/id, text) of every document of a JSON lines file."""
    with path.open("rb") as file:
        packed = path.suffix == ".zst"
        stream = zstandard.ZstdDecompressor().stream_reader(file) if packed else file
        with io.TextIOWrapper(stream, "utf-8") as lines:
            for line in lines:
                read = json.loads(line)
                if read.get("text"):
                    name = f"{path.parent.name}/{path.name.partition('.')[0]}/{read.get('id')}"
                    yield name, read["text"]


def our_answers(texts: Sequence[str]) -> Ours:
    measured = measure(pa.array(texts, pa.large_string()))
    frame = pl.DataFrame(pl.from_arrow(measured.table))
    offsets, bytes_of = measured.edited
    edited = [
        hashlib.blake2b(bytes_of[low:high].tobytes(), digest_size=8).hexdigest()
        for low, high in pairwise(offsets)
    ]
    return Ours(frame, first_failure(frame, parse_rules(CHAIN)).to_list(), edited)


def compared(ours: Ours, answers: Sequence[dict[str, Any]]) -> list[Row]:
    """Each rule alone, on every document."""
    return [
        row_of(rule, ours.fires(rule, after_c4=False), [each["fires"] for each in answers])
        for rule in rule_names()
    ]


def after_c4(ours: Ours, answers: Sequence[dict[str, Any]]) -> list[Row]:
    """FineWeb's rules on what C4 leaves, where both sides leave the same."""
    same = [a == each["edited"] for a, each in zip(ours.edited, answers, strict=True)]
    theirs = [each["fires_edited"] for each, alike in zip(answers, same, strict=True) if alike]
    rows = []
    for rule in rule_names("fineweb"):
        fires = ours.fires(rule, after_c4=True)
        mine = [fire for fire, alike in zip(fires, same, strict=True) if alike]
        rows.append(row_of(rule, mine, theirs, named=rule.replace("fineweb", AFTER_C4)))
    return rows


def whole(ours: Ours, answers: Sequence[dict[str, Any]]) -> list[Row]:
    """The chain, its reasons, and the text that C4 leaves of the documents that it keeps."""
    theirs = [each["chain"] for each in answers]
    dropped = [reason is not None for reason in ours.chain]
    drops = [reason is not None for reason in theirs]
    same = sum(a == b for a, b in zip(dropped, drops, strict=True))
    kept = [
        (a, each["edited"]) for a, each in zip(ours.edited, answers, strict=True) if each["edited"]
    ]
    return [
        Row("chain: keep or drop", len(theirs), same, sum(dropped), sum(drops)),
        Row("text that C4 leaves", len(kept), sum(a == b for a, b in kept), 0, 0),
    ]


def by_folder(
    documents: Sequence[tuple[str, str]], ours: Ours, answers: Sequence[dict[str, Any]]
) -> Iterator[str]:
    """The table of folders: the chain, and the rule that is agreed on least."""
    drops = [reason is not None for reason in ours.chain]
    theirs = [each["chain"] is not None for each in answers]
    rules = {rule: ours.fires(rule, after_c4=False) for rule in rule_names()}
    names = [name for name, _ in documents]
    return folders(names, (drops, theirs), rules, [each["fires"] for each in answers])


def rule_names(*sets: str) -> list[str]:
    return [f"{name}.{rule.name}" for name in sets or CHAIN for rule in RULES[name]]


def disagreements(ours: Ours, answers: Sequence[dict[str, Any]]) -> list[tuple[int, str, bool]]:
    """(row, rule, after C4's edits?) of every difference of a rule."""
    found = []
    for rule in rule_names():
        for edited in (False, True) if rule.startswith("fineweb") else (False,):
            key = "fires_edited" if edited else "fires"
            fires = ours.fires(rule, after_c4=edited)
            for row, each in enumerate(answers):
                if edited and ours.edited[row] != each["edited"]:
                    continue
                if f"{rule}!" not in each[key] and (rule in each[key]) != fires[row]:
                    found.append((row, rule, edited))
    return found


def explained(
    found: Sequence[tuple[int, str, bool]],
    documents: Sequence[tuple[str, str]],
    peer: Peer,
    ours: Ours,
) -> list[Disagreement]:
    """Each difference with both numbers and its class."""
    told = []
    replies = peer.replies(found) if found else []
    for (row, rule, edited), reply in zip(found, replies, strict=True):
        owner, _, name = rule.partition(".")
        (known,) = (each for each in RULES[owner] if each.name == name)
        statistic = (EDITED if edited else "") + known.statistic
        document, text = documents[row]
        tokens = segments(edited_text(text) if edited else text)
        told.append(
            Disagreement(
                document,
                rule,
                edited,
                ours.value(row, statistic),
                reply["number"],
                known.threshold,
                class_of(tokens, reply["tokens"]),
            )
        )
    return told


def edited_text(text: str) -> str:
    """The text after C4's edits."""
    return measure(pa.array([text], pa.large_string())).edited.data.tobytes().decode()


if __name__ == "__main__":
    main()
