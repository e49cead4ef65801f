"""Real benchmark items, and documents with copies of them planted: verbatim, changed, rewritten."""

from __future__ import annotations

import io
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import zstandard

from curator.dedup.benchmarks import PART, read_benchmark

# What is an item's text in each file of ../shared/data/benchmarks; the first field is what asks.
FIELDS = {
    "arc_challenge": ("query", "choices"),
    "arc_easy": ("query", "choices"),
    "blimp": ("sentence_good",),
    "boolq": ("query",),
    "commonsense_qa": ("query",),
    "gsm8k": ("context", "chain_of_thought", "answer"),
    "lambada": ("context", "continuation"),
    "math": ("context", "chain_of_thought", "answer"),
    "openbookqa": ("query", "choices"),
    "piqa": ("query", "choices"),
    "pubmed_qa": ("context",),
    "triviaqa": ("context", "answer"),
    "wikidata_qa": ("context", "continuation"),
    "winogrande": ("context_options", "continuation"),
}
WIKIPEDIA = ("simple_wikipedia", "vital_articles_en")
PROSE = (
    "craft_articles", "eltec_eng", "wikitext2_valid_test", "anarchist_faq", "legalbench_clauses",
    "movie_reviews", "us_presidential", "slimpajama_web", "tinytextbooks_source",
    "tinytextbooks_lessons", "leaner_10m", "se_beer", "se_music", "se_matheducators",
)  # fmt: skip
_DECORATION = re.compile(r"^(Question|Passage|Context): |\n?(Choices:.*)?\n?Answer:$", re.DOTALL)


@dataclass(frozen=True)
class Planted:
    """Documents with a copy in each: what was done to it, which item it is, and the text."""

    kind: str
    item: int  # place in the items
    text: str


def read_items(folder: Path) -> pa.Table:
    """The test items of all benchmarks, in one table, the questions marked as such."""
    tables = []
    for name, fields in FIELDS.items():
        path = folder / "benchmarks" / name / "test.jsonl"
        tables.append(read_benchmark(f"{name}/test", path, fields, prompt=fields[:1]))
    return pa.concat_tables(tables).combine_chunks()


def documents(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a .jsonl.zst file, in order."""
    with path.open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file)
        for line in io.TextIOWrapper(reader, "utf-8"):
            yield json.loads(line)


def find_files(folder: Path) -> dict[str, Path]:
    """Every corpus by name, sorted."""
    found = sorted((folder / "corpora").glob("*/*.jsonl.zst"))
    return {path.name.removesuffix(".jsonl.zst"): path for path in found}


def clean_documents(folder: Path, count: int) -> list[str]:
    """So many documents, evenly over all corpora but the Wikipedias, which hold BoolQ passages."""
    texts = [
        record["text"]
        for name, path in find_files(folder).items()
        if name not in WIKIPEDIA
        for record in documents(path)
    ]
    return [texts[at * len(texts) // count] for at in range(min(count, len(texts)))]


def question_of(text: str, parts: list[dict[str, Any]]) -> str:
    """What an item asks, without "Question:", options and "Answer:"."""
    raw = text.encode()
    asked = next((part for part in parts if part["prompt"]), parts[0])
    return _DECORATION.sub("", raw[asked["start"] : asked["end"]].decode()).strip()


def plant(items: pa.Table, carriers: list[str], per_benchmark: int, seed: int) -> list[Planted]:
    """Copies of items evenly over each benchmark, each in a document, changed in all five ways."""
    chance = random.Random(seed)
    vocabulary = sorted({word for text in carriers[:500] for word in text.split()[:200]})
    rows = items.to_pylist()
    places: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        places.setdefault(row["benchmark"], []).append(at)
    chosen = [
        mine[at * len(mine) // per_benchmark]
        for mine in places.values()
        for at in range(min(per_benchmark, len(mine)))
    ]
    planted = []
    for at in chosen:
        question = question_of(rows[at]["text"], rows[at]["parts"])
        for kind, text in copies(rows[at]["text"], question, vocabulary, chance).items():
            carrier = chance.choice(carriers).split(" ")
            middle = chance.randrange(len(carrier) + 1)
            whole = [*carrier[:middle], f"\n{text}\n", *carrier[middle:]]
            planted.append(Planted(kind, at, " ".join(whole)))
    return planted


def copies(
    text: str, question: str, vocabulary: list[str], chance: random.Random
) -> dict[str, str]:
    """One item, copied in five ways."""
    words = question.split()
    return {
        "verbatim": text,
        "case and punctuation": recased(text, chance),
        "question alone": question,
        "first 60 % of the question": " ".join(words[: max(1, round(0.6 * len(words)))]),
        "every fifth word another": edited(text, vocabulary, chance),
    }


def recased(text: str, chance: random.Random) -> str:
    """The text with case and punctuation changed at random, its words as they were."""
    changes: list[Callable[[str], str]] = [str.upper, str.lower, str.title]
    words = re.findall(r"\w+", text)
    marks = (" ", ", ", "; ", "\n", " - ", " (", ") ")
    return "".join(chance.choice(changes)(word) + chance.choice(marks) for word in words)


def edited(text: str, vocabulary: list[str], chance: random.Random) -> str:
    """The text with a fifth of its words, at random places, replaced by others."""
    words = text.split()
    for place in chance.sample(range(len(words)), round(0.2 * len(words))):
        words[place] = chance.choice(vocabulary)
    return " ".join(words)


def rewritten(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """Pairs of a text and its rewriting: by a language model, and by people for learners."""
    corpora = find_files(folder)
    sources, lessons = (
        {record["meta"]["pair"]: record["text"] for record in documents(corpora[name])}
        for name in ("tinytextbooks_source", "tinytextbooks_lessons")
    )
    model = [(sources[pair], lessons[pair]) for pair in sorted(sources.keys() & lessons.keys())]
    levels: dict[str, dict[str, str]] = {}
    for record in documents(folder / "labels" / "readability" / "onestop_english.jsonl.zst"):
        levels.setdefault(record["meta"]["group"], {})[record["meta"]["level"]] = record["text"]
    people = [(each["adv"], each["ele"]) for each in levels.values() if {"adv", "ele"} <= set(each)]
    return {"rewritten by a model": model, "simplified by people": people}


def items_of(texts: list[str], words: int) -> pa.Table:
    """The beginnings of texts as items of one benchmark."""
    begun = [" ".join(text.split()[:words]) for text in texts]
    return pa.table(
        {
            "benchmark": ["beginnings"] * len(begun),
            "item_id": [str(at) for at in range(len(begun))],
            "text": pa.array(begun, pa.large_string()),
            "parts": pa.nulls(len(begun), pa.list_(PART)),
        }
    )
