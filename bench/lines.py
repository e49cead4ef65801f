"""Lines that are cut, against lines that people marked: precision, recall, and the cost in prose.

    python -m bench.lines ../shared/data/labels/line_quality/turku_text_quality.jsonl.zst

The file has one document a line: `text`, `lang`, and `meta.line_labels`, 1 for each line to keep
and 0 for each to drop (TurkuNLP, text-quality-annotations: web text from OSCAR). Printed for
C4's line edits, for RefinedWeb's rules and for curator's: how many of the lines that are cut were
marked so (precision), how many of the marked ones are cut (recall), how many good ones go, and the
same for each rule alone. Of a line from which only a pattern is cut something stays: it counts as
kept. Only documents with even numbers were looked at when phrases were chosen. One expression was
dropped later, for 7 wrong of 27 there, when its cost on the others had been seen too.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import zstandard

from curator.clean.boilerplate import KINDS, PUBLISHED, CutBoilerplate
from curator.clean.lines import EditLines
from curator.rewrite import Rewriter

Cut = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Marked:
    """Lines that people judged.

    Attributes:
        lines: texts.
        bad: (n,) bool, True where the line should go.
        document: (n,) int64, the number of its document.
    """

    lines: list[str]
    bad: Cut
    document: npt.NDArray[np.int64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--language", default="en")
    asked = parser.parse_args()
    marked = read_marked(asked.file, asked.language)
    print(
        f"{len(marked.lines):,} lines of {marked.document.max() + 1} documents, "
        f"{marked.bad.mean():.1%} marked to be dropped\n"
    )
    print(f"{'cut by':28} {'lines cut':>9}  precision  recall  good lines lost   F1")
    for name, cut in rules(marked.lines):
        print(f"{name:28} {told(marked.bad, cut)}")
        if name in ("C4", "RefinedWeb", "curator"):
            for half, word in enumerate(("even, seen", "odd, unseen")):
                here = marked.document % 2 == half
                print(f"{'  documents ' + word:28} {told(marked.bad[here], cut[here])}")
    print("\nblank lines count as what their documents' annotators said; none is ever cut as such")


def read_marked(path: Path, language: str) -> Marked:
    """Return the judged lines of one language."""
    lines: list[str] = []
    bad: list[bool] = []
    numbers: list[int] = []
    with path.open("rb") as file:
        text = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8")
        found = [each for each in map(json.loads, text) if each["lang"] == language]
    for number, document in enumerate(found):
        here = document["text"].split("\n")
        labels = document["meta"]["line_labels"]
        if len(here) != len(labels):
            raise ValueError(f"{document['id']}: {len(here)} lines, {len(labels)} labels")
        lines += here
        bad += [label == 0 for label in labels]
        numbers += [number] * len(here)
    return Marked(lines, np.array(bad), np.array(numbers))


def rules(lines: list[str]) -> Iterator[tuple[str, Cut]]:
    """Yield what is cut by each set of rules, and by each rule alone."""
    yield "C4", gone(lines, EditLines())
    yield "RefinedWeb", gone(lines, _only(PUBLISHED))
    yield "curator", gone(lines, _only(KINDS))
    yield "curator or C4", gone(lines, EditLines()) | gone(lines, _only(KINDS))
    for kind in KINDS:
        yield f"only {kind}", gone(lines, _only((kind,)))


def gone(lines: list[str], rewriter: Rewriter) -> Cut:
    """Return (n,) bool: which lines a rewriter leaves nothing of; each stands alone for both."""
    table = rewriter.process(None, pa.table({"text": pa.array(lines, pa.large_string())}))
    return ~table["keep"].to_numpy(zero_copy_only=False)


def told(bad: Cut, cut: Cut) -> str:
    """Return precision, recall, loss and F1 of what was cut, as printed."""
    right = int((bad & cut).sum())
    precision = right / max(1, int(cut.sum()))
    recall = right / max(1, int(bad.sum()))
    lost = int((cut & ~bad).sum()) / max(1, int((~bad).sum()))
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    return f"{int(cut.sum()):9,}  {precision:9.3f}  {recall:6.3f}  {lost:15.1%}  {f1:.3f}"


def _only(kinds: tuple[str, ...]) -> CutBoilerplate:
    return CutBoilerplate(max_removed=1.0, kinds=kinds)


if __name__ == "__main__":
    main()
