"""Turn pairs of a web text and a lesson that a large model wrote of it into recorded answers.

    python -m bench.paired_rewrites [FOLDER] [--corpora ../shared/data/corpora]

Stands in for a writer that is better than the one at hand: what `wrap` and `cosmopedia` would have
asked about each web text is answered with its lesson. Writes FOLDER/web.jsonl (the web texts, a
corpus) and the transcripts FOLDER/wrap.jsonl and FOLDER/cosmopedia.jsonl, for the recipes of those
names in bench/recipes/claims, and prints how many lessons pass what any writing must pass. FOLDER
is runs/paired_rewrites unless told. The texts are for measuring only (CC BY-NC-SA) and stay out of
the repository. Half a CPU minute.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.families import records
from curator.generate.asking import Answer, Request
from curator.generate.transcripts import Entry, entry_of, write_transcript
from curator.identity import document_ids
from curator.refine.cosmopedia import Cosmopedia
from curator.refine.passages import guessed_tokens
from curator.refine.wrap import Wrap
from curator.refine.writing import Writing
from curator.testing import documents

SOURCE: Final = "web"
_WHOM: Final = {"model": "lessons of tiny-textbooks", "url": "http://localhost/v1"}
# As in the recipes. A web text is one passage, for its lesson is of all of it and mostly longer.
REFINERS: Final[tuple[Writing, ...]] = (
    Wrap(styles=("medium",), passage_tokens=100_000, longest=0.0, new_figures=True, **_WHOM),
    Cosmopedia(styles=("academic",), **_WHOM),
)


class Lessons:
    """Answers each request with its document's lesson, and keeps what it was asked."""

    def __init__(self, lessons: dict[str, str]) -> None:
        self.lessons = lessons
        self.entries: list[Entry] = []

    def __call__(self, requests: Sequence[Request]) -> list[Answer]:
        found = [self._answer(request) for request in requests]
        self.entries += [
            entry_of(request, _WHOM["model"], answer)
            for request, answer in zip(requests, found, strict=True)
        ]
        return found

    def _answer(self, request: Request) -> Answer:
        lesson = self.lessons[request.documents[0]]
        return Answer(lesson, tokens=guessed_tokens(lesson))


def main() -> None:
    """Write the two files and print what passes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs/paired_rewrites"))
    parser.add_argument("--corpora", type=Path, default=Path("../shared/data/corpora"))
    asked = parser.parse_args()
    lessons = records(asked.corpora / "synthetic_textbooks/tinytextbooks_lessons.jsonl.zst")
    sources = records(asked.corpora / "web_text/tinytextbooks_source.jsonl.zst")
    by_pair = {one["meta"]["pair"]: one["text"] for one in lessons}
    texts = {one["text"]: by_pair[one["meta"]["pair"]] for one in sources}
    asked.folder.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
    (asked.folder / "web.jsonl").write_text("".join(lines), encoding="utf-8")
    print(f"{len(texts)} web texts, {sum(map(len, texts)):,} characters")
    for refiner in REFINERS:
        transcribe(refiner, texts, asked.folder / f"{refiner.name}.jsonl")


def transcribe(refiner: Writing, texts: dict[str, str], path: Path) -> None:
    """Write the transcript of what is answered about each text, and print what passes."""
    table = documents(list(texts), source=SOURCE)
    ids = [one.hex() for one in document_ids(SOURCE, table["text"]).to_pylist()]
    ask = Lessons(dict(zip(ids, texts.values(), strict=True)))
    found = refiner.write(ask, table)
    write_transcript(ask.entries, path)
    characters = sum(map(len, found.children["text"].to_pylist()))
    reasons = Counter(found.outcome["reason"].drop_null().to_pylist())
    print(f"{refiner.name}: {found.children.num_rows} lessons pass, {characters:,} characters")
    for reason, count in reasons.most_common():
        print(f"  {count} {reason}")


if __name__ == "__main__":
    main()
