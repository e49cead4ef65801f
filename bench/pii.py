"""Personal data found and missed, by kind, and how fast; two peers beside.

    python -m bench.pii [FILE.jsonl[.zst] ...] [--set held|dev] [--seed 7] [--each 40]

Labelled sentences are made from public formats by chance (`bench.pii_cases`). A span counts as
found if exactly it was found and as the right kind; as covered if no character of it would remain;
precision is the share of found spans of a kind that are labelled as that kind. The peers are
datatrove's PIIFormatter (e-mail and IP addresses) and dolma's tagger of regular expressions (those
and telephone numbers). datatrove shows no spans: a label counts as covered if the text it returns
no longer has it, a look-alike as taken if the text changed. On FILEs: hits a megabyte, and
megabytes a CPU second for all, the peers on a sample. What was found is not printed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench import pii_dev, pii_held
from bench.filters import read_lines, spread
from bench.peer import DATATROVE, DOLMA, ask_peer, peer_python
from bench.pii_cases import KINDS, Case, cases
from curator.text.pii import KINDS as FOUND
from curator.text.pii import find_pii

SETS = {"dev": pii_dev, "held": pii_held}
PEER_KINDS = {"datatrove": ("email", "ip"), "dolma": ("email", "ip", "phone")}
SCRIPTS = {"datatrove": "datatrove_pii.py", "dolma": "dolma_pii.py"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--set", default="held", choices=SETS)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--each", type=int, default=40)
    parser.add_argument("--peer-venvs", type=Path, default=Path("/tmp/peers"))
    parser.add_argument("--sample-mb", type=float, default=2.0)
    parser.add_argument("--verbose", action="store_true", help="print forms that are not perfect")
    asked = parser.parse_args()
    pythons = {
        "datatrove": peer_python(asked.peer_venvs / "datatrove", DATATROVE),
        "dolma": peer_python(asked.peer_venvs / "dolma", DOLMA),
    }
    labelled = labelled_set(asked.set, asked.seed, asked.each)
    found = spans_of_cases(labelled)
    texts = [case.text for case in labelled]
    peers = {
        name: outcomes(labelled, ask(python, SCRIPTS[name], texts))
        for name, python in pythons.items()
    }
    print(f"set {asked.set}, seed {asked.seed}, {len(labelled)} sentences")
    report(labelled, found, peers)
    if asked.verbose:
        imperfect(labelled, found)
    for path in asked.files:
        on_file(path, pythons, asked.sample_mb)


def labelled_set(name: str, seed: int, each: int) -> list[Case]:
    chosen = SETS[name]
    return cases(chosen.POSITIVES, chosen.SENTENCES, chosen.NEGATIVES, chosen.BARE, seed, each)


def spans_of_cases(labelled: Sequence[Case]) -> list[list[tuple[str, int, int]]]:
    """(kind, start, end) in characters of what is found in each."""
    spans = find_pii(pa.array([case.text for case in labelled], pa.large_string()))
    found = []
    for row, case in enumerate(labelled):
        raw = case.text.encode()
        found.append(
            [
                (
                    FOUND[spans.kinds[place]],
                    len(raw[: spans.starts[place]].decode()),
                    len(raw[: spans.ends[place]].decode()),
                )
                for place in range(spans.offsets[row], spans.offsets[row + 1])
            ]
        )
    return found


def outcomes(labelled: Sequence[Case], told: dict) -> list[tuple[bool, bool]]:
    """For each sentence whether a peer covers its label, and whether it takes anything at all."""
    if "spans" in told:
        spans = [[("", *span) for span in each] for each in told["spans"]]
        pairs = zip(labelled, spans, strict=True)
        return [(covered(case, each), bool(each)) for case, each in pairs]
    pairs = zip(labelled, told["texts"], strict=True)
    return [(instance(case) not in text, text != case.text) for case, text in pairs]


def report(
    labelled: Sequence[Case],
    found: Sequence[Sequence[tuple[str, int, int]]],
    peers: dict[str, list[tuple[bool, bool]]],
) -> None:
    print("kind    labels  found  exactly  covered   wrong  precision   covered by", *peers)
    for kind in KINDS:
        rows = [row for row, case in enumerate(labelled) if case.kind == kind]
        exact = sum((kind, labelled[r].start, labelled[r].end) in found[r] for r in rows)
        whole = sum(covered(labelled[row], found[row]) for row in rows)
        hits = [(row, span) for row, spans in enumerate(found) for span in spans if span[0] == kind]
        right = sum(labelled[row].kind == kind and overlaps(labelled[row], s) for row, s in hits)
        told = "  ".join(
            f"{100 * sum(peer[row][0] for row in rows) / len(rows):.1f} %"
            if kind in PEER_KINDS[name]
            else "-"
            for name, peer in peers.items()
        )
        print(
            f"{kind:6} {len(rows):7} {len(hits):6}  {100 * exact / len(rows):6.1f} %"
            f" {100 * whole / len(rows):6.1f} % {len(hits) - right:6}"
            f"   {100 * right / max(1, len(hits)):6.1f} %   {told}"
        )
    others = [row for row, case in enumerate(labelled) if not case.kind]
    taken = {"ours": sum(bool(found[row]) for row in others)}
    taken |= {name: sum(peer[row][1] for row in others) for name, peer in peers.items()}
    shares = ", ".join(
        f"{name} {count} ({100 * count / len(others):.2f} %)" for name, count in taken.items()
    )
    print(f"look-alikes taken, of {len(others)}: {shares}")


def instance(case: Case) -> str:
    return case.text[case.start : case.end]


def covered(case: Case, spans: Sequence[tuple[str, int, int]]) -> bool:
    gone = {place for _, start, end in spans for place in range(start, end)}
    return all(place in gone for place in range(case.start, case.end))


def overlaps(case: Case, span: tuple[str, int, int]) -> bool:
    return span[1] < case.end and span[2] > case.start


def imperfect(labelled: Sequence[Case], found: Sequence[Sequence[tuple[str, int, int]]]) -> None:
    """Forms with misses or wrong hits, each with one made-up example."""
    missed: Counter[tuple[str, str]] = Counter()
    example: dict[tuple[str, str], str] = {}
    for case, spans in zip(labelled, found, strict=True):
        good = [(case.kind, case.start, case.end)] if case.kind else []
        if list(spans) != good:
            missed[case.kind, case.form] += 1
            example[case.kind, case.form] = f"{case.text!r} -> {spans}"
    for key, count in sorted(missed.items()):
        print(f"  {key[0] or 'look-alike':10} {key[1]:28} {count:3}  {example[key]}")


def on_file(path: Path, pythons: dict[str, Path], sample_mb: float) -> None:
    lines = list(read_lines(path))
    texts = [json.loads(line)["text"] for line in lines]
    column = pa.array(texts, pa.large_string())
    size = megabytes(texts)
    start = time.process_time()
    spans = find_pii(column)
    ours = size / (time.process_time() - start)
    sample = [json.loads(line)["text"] for line in spread(lines, sample_mb * 1e6)]
    speeds = {
        name: megabytes(sample) / ask(python, SCRIPTS[name], sample)["seconds"]
        for name, python in pythons.items()
    }
    counts = np.bincount(spans.kinds, minlength=len(FOUND)) / size
    told = "  ".join(f"{kind} {count:.2f}" for kind, count in zip(FOUND, counts, strict=True))
    beside = ", ".join(f"{n} {speed:.1f} ({ours / speed:.0f}x)" for n, speed in speeds.items())
    print(f"{path.name:32} {size:5.1f} MB {ours:5.0f} MB/s, {beside}; a MB: {told}")


def megabytes(texts: Sequence[str]) -> float:
    return sum(len(text.encode()) for text in texts) / 1e6


def ask(python: Path, script: str, texts: Sequence[str]) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.jsonl"
        path.write_text("".join(json.dumps(text) + "\n" for text in texts))
        return ask_peer(python, script, str(path))


if __name__ == "__main__":
    main()
