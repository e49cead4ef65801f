"""Programs that edit documents: how fast they run, which lines refiners find, what fuzz does.

    python -m bench.prox speed ../shared/data/corpora/qa/*.jsonl.zst
    python -m bench.prox lines ../shared/data/corpora/encyclopedia/simple_wikipedia.jsonl.zst
    python -m bench.prox labels ../shared/data/labels/line_quality/turku_text_quality.jsonl.zst
    python -m bench.prox fuzz --cases 200000
    python -m bench.prox model ../shared/data/corpora/web_text/*.zst --documents 50

`speed`: documents a second of one core (CPU seconds, the best of several), against an executor that
works as ProX's does (`bench.prox_reference`), on the same programs; texts must be equal, byte for
byte. `lines`: noise planted at a tenth of the lines, and precision, recall and F1 of what each
refiner removes, kind by kind. `labels`: the same against lines that people marked (TurkuNLP); a
pupil learns from documents with even numbers and is told on odd ones. `fuzz`: hostile programs.
`model`: what share of a chat model's answers are programs.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import zstandard
from numpy.typing import NDArray

from bench.prox_reference import Outcome, run_chunks
from curator.identity import id_matrix
from curator.refine.execute import VERDICTS, Rules, execute, whole
from curator.refine.line_pupil import Lesson, agreement, learned, margins
from curator.refine.line_rules import BOILERPLATE, DEFAULT, KINDS, noise_of
from curator.refine.lined import Lined, chance_of, lines_of, lowest
from curator.refine.noise_lines import NOISE_KINDS
from curator.refine.plant import Plant, planted_lines
from curator.refine.programs import Op, parse, spelled
from curator.testing import documents
from tests.support.hostile_programs import hostile_programs, watched

Flags = NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["speed", "lines", "labels", "fuzz", "model"])
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--noise", type=Path, help="lines: a file of noise lines to plant")
    parser.add_argument("--model", default="smollm2-135m-instruct")
    asked = parser.parse_args()
    if asked.what == "speed":
        measure_speed(read_texts(asked.files, asked.documents))
    elif asked.what == "lines":
        measure_planted(read_texts(asked.files, asked.documents), asked.noise)
    elif asked.what == "labels":
        measure_labels(asked.files[0])
    elif asked.what == "fuzz":
        measure_fuzz(asked.cases)
    else:
        measure_model(read_texts(asked.files, asked.documents), asked.model)


def read_texts(files: list[Path], most: int) -> list[str]:
    """Return the texts of the first documents of some files, as many of each."""
    found = []
    for path in files:
        lines = islice(read_lines(path), most // len(files) + 1)
        found += [json.loads(line)["text"] for line in lines]
    return found[:most]


def read_lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        yield from io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8")


def measure_speed(texts: list[str]) -> None:
    """Print documents a second of both executors, policy by policy."""
    sources = made_programs(texts)
    column = pa.array(texts, pa.large_string())
    programs = whole(range(len(texts)), [text.count("\n") + 1 for text in texts], sources)
    calls = sum(source.count("\n") + 1 for source in sources)
    size = sum(map(len, texts)) / len(texts)
    print(f"{len(texts):,} documents of {size:,.0f} characters, {calls:,} calls")
    theirs, reference = best_of(
        3, lambda: [run_chunks(*one) for one in zip(texts, [[s] for s in sources], strict=True)]
    )
    print(f"{'one by one':12} {len(texts) / reference:12,.0f} documents/s")
    for policy in ("legacy", "exact"):
        rules = Rules(policy=policy)  # type: ignore[arg-type]
        execute(column, programs, rules)
        edited, seconds = best_of(9, lambda: execute(column, programs, rules))  # noqa: B023
        print(f"{policy:12} {len(texts) / seconds:12,.0f} documents/s, {reference / seconds:.1f}x")
        if policy == "legacy":
            print(f"  {differing(texts, theirs, edited)} of them differ from one by one")


def best_of(times: int, run: Callable[[], Any]) -> tuple[Any, float]:
    """Return what was made last, and the CPU seconds of the fastest."""
    best = float("inf")
    for _ in range(times):
        begun = time.process_time()
        made = run()
        best = min(best, time.process_time() - begun)
    return made, best


def made_programs(texts: list[str]) -> list[str]:
    """Return a program a document: a tenth of its lines, and every third replaces a word."""
    chance = np.random.default_rng(0)
    made = []
    for text in texts:
        lines = text.count("\n") + 1
        firsts = chance.integers(0, lines, min(100, max(1, lines // 10))).tolist()
        calls = [spelled(Op("remove_lines", a, min(lines - 1, a + 1))) for a in firsts]
        words = [word for word in text.split() if word.isalpha()]
        if words and chance.random() < 1 / 3:
            word = words[int(chance.integers(len(words)))]
            calls.append(spelled(Op("normalize", source=word, target="")))
        made.append("\n".join(calls))
    return made


def differing(texts: list[str], theirs: list[Outcome], ours: Any) -> int:
    """Return how many documents are not byte for byte what the other executor made."""
    new = zip(texts, theirs, ours.texts.to_pylist(), ours.verdicts.tolist(), strict=True)
    return sum(
        VERDICTS[verdict] != one.rule or mine != (one.text if one.rule == "accepted" else text)
        for text, one, mine, verdict in new
    )


def measure_planted(texts: list[str], noise: Path | None) -> None:
    """Print what each refiner finds of noise planted at a tenth of the lines."""
    table = documents([text for text in dict.fromkeys(texts) if text.strip()])
    half = np.arange(table.num_rows) % 2 == 0
    taught, told = (table.filter(pa.array(flags)) for flags in (half, ~half))
    plant = Plant(rate=0.1, lines=str(noise or ""))
    noisy, truth, lined = planted(plant, told)
    good = int((~truth & ~lined.blank).sum())
    print(f"{noisy.num_rows:,} documents, {good:,} good lines, {truth.sum():,} planted\n")
    found: dict[str, Flags] = {"rules": noise_of(lined).kinds >= 0}
    found["rules, all kinds"] = noise_of(lined, KINDS).kinds >= 0
    found["rules of clean"] = noise_of(lined, BOILERPLATE).kinds >= 0
    for name, kinds in (("pupil", NOISE_KINDS), ("pupil of 3 kinds", NOISE_KINDS[:3])):
        found[name] = by_pupil(Plant(rate=0.1, kinds=kinds, seed=1), taught, lined)
    counts = np.bincount(lined.rows[truth], minlength=noisy.num_rows)
    drawn = chance_of(lined, noisy["doc_id"], "bench", 0)
    found["as many by chance"] = lowest(lined, drawn, counts)
    found["oracle"] = truth
    print_table(found, truth, ~lined.blank)
    if noise is None:
        print_kinds(found, truth, lined, kinds_of(plant, told))


def planted(plant: Plant, table: pa.Table) -> tuple[pa.Table, Flags, Lined]:
    """Return documents with noise, which lines are noise, and the lines."""
    made = plant.refine(None, table).children
    noisy = table.take(made["row"]).set_column(3, "text", made["text"])
    lined = lines_of(noisy["text"])
    truth = np.zeros(len(lined.rows), np.bool_)
    for row, about in enumerate(made["about"].to_pylist()):
        truth[lined.offsets[row] + np.array(planted_lines(about), np.int64)] = True
    return noisy, truth, lined


def by_pupil(plant: Plant, taught: pa.Table, lined: Lined) -> Flags:
    """Return which lines a pupil removes that learned from other documents, planted as told."""
    noisy, truth, shown = planted(plant, taught)
    pupil, _ = learned(Lesson(shown, id_matrix(noisy["doc_id"]), truth), 1 << 15, 1.0, 0)
    return np.asarray(margins(pupil, lined) > pupil.threshold)


def kinds_of(plant: Plant, table: pa.Table) -> list[str]:
    """Return the kind of every planted line, in order."""
    lined = lines_of(table["text"])
    drawn = chance_of(lined, table["doc_id"], "prox.plant", plant.seed)
    at = (drawn < plant.rate) & ~lined.blank
    which = chance_of(lined, table["doc_id"], "prox.plant.which", plant.seed)[at]
    return [plant._line(bits)[0] for bits in (which * 2.0**52).astype(np.uint64).tolist()]


def print_table(found: dict[str, Flags], truth: Flags, judged: Flags) -> None:
    print(f"{'lines found by':20} precision  recall     F1  good lines lost")
    for name, flags in found.items():
        told = agreement(truth[judged], flags[judged])
        print(
            f"{name:20} {told['precision']:9.3f} {told['recall']:7.3f} {told['f1']:6.3f} "
            f"{told['good_lost']:15.2%}"
        )


def print_kinds(found: dict[str, Flags], truth: Flags, lined: Lined, kinds: list[str]) -> None:
    print(f"\n{'recall':20} " + " ".join(f"{kind:>8}" for kind in NOISE_KINDS))
    at = np.flatnonzero(truth)
    named = np.array(kinds)
    for name, flags in found.items():
        shares = [flags[at[named == kind]].mean() for kind in NOISE_KINDS]
        print(f"{name:20} " + " ".join(f"{share:8.3f}" for share in shares))


def measure_labels(path: Path) -> None:
    """Print what refiners find of the lines that people marked, language by language."""
    every = [json.loads(line) for line in read_lines(path)]
    lined = lines_of(pa.array([one["text"] for one in every], pa.large_string()))
    truth = np.array([label == 0 for one in every for label in one["meta"]["line_labels"]], bool)
    odd = (lined.rows % 2 == 1) & ~lined.blank
    names = (("rules", DEFAULT), ("rules, all kinds", KINDS), ("rules of clean", BOILERPLATE))
    found = {name: noise_of(lined, kinds).kinds >= 0 for name, kinds in names}
    found["pupil of labels"] = by_labels(every, truth, lined)
    counts = np.bincount(lined.rows[truth & ~lined.blank], minlength=len(every))
    ids = documents([f"{n}" for n in range(len(every))])["doc_id"]
    # It is told how many lines of each document are bad: labels go together by document.
    found["as many by chance"] = lowest(lined, chance_of(lined, ids, "bench", 0), counts)
    found["all lines"] = np.ones(len(truth), np.bool_)
    languages = np.array([one["lang"] for one in every])[lined.rows]
    for language in ("en", "de", "es", "fi"):
        here = odd & (languages == language)
        print(f"\n{language}: {here.sum():,} lines, {truth[here].mean():.1%} marked to be dropped")
        print_table(found, truth, here)


def by_labels(every: list[dict[str, Any]], truth: Flags, lined: Lined) -> Flags:
    """Return what a pupil removes that learned from the even documents' labels."""
    even = [one["text"] for one in every[::2]]
    shown = lines_of(pa.array(even, pa.large_string()))
    ids = id_matrix(documents([f"{text}{n}" for n, text in enumerate(even)])["doc_id"])
    pupil, report = learned(Lesson(shown, ids, truth[lined.rows % 2 == 0]), 1 << 15, 1.0, 0)
    print(f"pupil, on {report['lines']['held_out']} lines held out: {report['held_out']}")
    return np.asarray(margins(pupil, lined) > pupil.threshold)


def measure_fuzz(cases: int) -> None:
    """Print what became of documents with hostile programs; stop if any program ran."""
    total: Counter[str] = Counter()
    text = "The river rose after three days of rain.\nshare this\nThe lower road was closed then."
    with tempfile.TemporaryDirectory() as folder:
        trap = Path(folder) / "trap"
        seconds = 0.0
        for start in range(0, cases, 10_000):
            made = hostile_programs(min(10_000, cases - start), str(trap), seed=start)
            sources = [one.encode("utf-8", "replace").decode() for one in made]
            column = pa.array([text] * len(sources), pa.large_string())
            programs = whole(range(len(sources)), [3] * len(sources), sources)
            execute(column.slice(0, 1), whole([0], [3], ["x"]))
            with watched() as deeds:
                begun = time.process_time()
                edited = execute(column, programs)
                seconds += time.process_time() - begun
            kept = np.flatnonzero(edited.verdicts > 0)
            same = edited.texts.take(pa.array(kept)).to_pylist() == [text] * len(kept)
            if trap.exists() or deeds or not same:
                raise SystemExit(f"seed {start}: {deeds[:3]}, trap {trap.exists()}, same {same}")
            total.update(VERDICTS[one] for one in edited.verdicts.tolist())
    print(f"{cases:,} hostile programs in {seconds:.1f} CPU seconds: nothing ran, nothing lost")
    print(", ".join(f"{word} {count:,}" for word, count in total.most_common()))


def measure_model(texts: list[str], model: str) -> None:
    """Print what share of a chat model's answers are programs, and what they would do."""
    from curator.refine.prox_model import ProxModel, program_of
    from curator.stage import Site

    refiner = ProxModel(model=model, precision="bfloat16", chunk_tokens=300, document_tokens=300,
                        answer_tokens=64)  # fmt: skip
    client = refiner.load(Site())
    table = documents([text[:1000] for text in texts])
    said: list[tuple[str, str]] = []

    def ask(requests: Any) -> Any:
        entries = client.ask(requests)
        level = "chunk" if "[doc]" in requests[0].prompt else "document"
        said.extend((level, program_of(one.answer.text)) for one in entries)
        return [one.answer for one in entries]

    begun = time.process_time()
    made = refiner.write(ask, table)
    print(
        f"{table.num_rows} documents, {len(said)} answers, {time.process_time() - begun:.0f} CPU s"
    )
    for level in ("document", "chunk"):
        parsed = [parse(program) for name, program in said if name == level]
        clean = sum(bool(one.ops) and not one.faults for one in parsed)
        some = sum(bool(one.ops) for one in parsed)
        print(
            f"{level:9} {len(parsed):4} answers: {clean} programs without fault, {some} with a call"
        )
        print(f"  calls: {dict(Counter(op.kind for one in parsed for op in one.ops))}")
        print(f"  faults: {dict(Counter(fault for one in parsed for fault in one.faults))}")
    print("outcomes:", dict(Counter(made.outcome["reason"].to_pylist())), made.children.num_rows)
    for level, program in said[:2] + [one for one in said if one[0] == "chunk"][:4]:
        print(f"--- {level}: {program[:300]!r}")


if __name__ == "__main__":
    main()
