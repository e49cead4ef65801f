"""Compare main-text extractors on pages with gold text: F1 and speed, both in one run.

    python -m bench.extraction /work/shared/data/web

F1 is over multisets of word 4-grams per page, averaged over pages, as in the evaluation of
scrapinghub/article-extraction-benchmark; phrases are those of trafilatura's evaluation (share of
wanted phrases found, share of found ones that are wanted). Pages are decoded before the clock
starts; seconds are of CPU, megabytes of HTML in UTF-8.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType

from curator.ingest.extraction import DEFAULT_EXTRACTOR, EXTRACTORS, decoded

_WORD = re.compile(r"\w+")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds NAME.warc.gz and NAME.gold.jsonl")
    folder = parser.parse_args().folder
    articles = read_pages(folder / "article_extraction_benchmark.warc.gz")
    gold = read_gold(folder / "article_extraction_benchmark.gold.jsonl")
    phrases = read_gold(folder / "trafilatura_eval.gold.jsonl")
    pages = read_pages(folder / "trafilatura_eval.warc.gz")
    size = sum(len(page.encode()) for page in (*articles.values(), *pages.values())) / 1e6
    held = {key for key in (*gold, *phrases) if not looked_at(key)}
    print(
        f"{len(gold)} pages with gold text, {len(phrases)} with phrases, {size:.1f} MB; in "
        f"brackets the {len(held)} that nobody looked at when choosing\n"
        "extractor             F1             P      R      empty  phrases P / R"
        "                    pages/s   MB/s"
    )
    best = 0.0
    for name, extract in EXTRACTORS.items():
        extract("<html><body><p>loads what is loaded late</p></body></html>")
        texts, seconds = run(extract, articles)
        told, more = run(extract, pages)
        scores = {key: shingle_scores(texts[key], gold[key]["article_body"]) for key in gold}
        precision, recall, f1 = averages(scores.values())
        apart = averages([scores[key] for key in gold if key in held])[2]
        found, absent = phrase_scores(told, phrases)
        found_half, absent_half = phrase_scores(
            told, {key: row for key, row in phrases.items() if key in held}
        )
        empty = sum(not text for text in (*texts.values(), *told.values()))
        rate = (len(texts) + len(told)) / (seconds + more)
        best = max(best, f1)
        print(
            f"{name:20} {f1:.3f} [{apart:.3f}]  {precision:.3f}  {recall:.3f}  {empty:5}  "
            f"{absent:.3f} / {found:.3f} [{absent_half:.3f} / {found_half:.3f}]  "
            f"{rate:7.1f}  {size / (seconds + more):6.1f}"
        )
        if name == DEFAULT_EXTRACTOR:
            default = f1
    print(f"default {DEFAULT_EXTRACTOR}: F1 {default:.3f}, the best {best:.3f}")


def looked_at(key: str) -> bool:
    """The half of the pages, by a hash of their ids, on which variants may be compared."""
    return hashlib.blake2b(key.encode(), digest_size=2).digest()[0] % 2 == 0


def averages(scores: Iterable[tuple[float, ...]]) -> list[float]:
    columns = list(zip(*scores, strict=True))
    return [sum(column) / len(column) for column in columns]


def read_pages(path: Path) -> dict[str, str]:
    pages = {}
    with path.open("rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
            key = record.http_headers.get("X-Page-Id")
            pages[key] = decoded(record.reader.read(), record.http_charset)
    return pages


def read_gold(path: Path) -> dict[str, dict]:
    return {row["id"]: row for row in map(json.loads, path.read_text().splitlines())}


def run(extract: Callable[[str], str], pages: dict[str, str]) -> tuple[dict[str, str], float]:
    begin = time.process_time()
    texts = {key: extract(page) for key, page in pages.items()}
    return texts, time.process_time() - begin


def shingle_scores(text: str, gold: str) -> tuple[float, float, float]:
    ours, theirs = shingles(text), shingles(gold)
    shared = (ours & theirs).total()
    if not shared:
        equal = float(not ours and not theirs)
        return equal, equal, equal
    precision, recall = shared / ours.total(), shared / theirs.total()
    return precision, recall, 2 * precision * recall / (precision + recall)


def shingles(text: str, size: int = 4) -> Counter[tuple[str, ...]]:
    words = _WORD.findall(text)
    return Counter(
        tuple(words[i : i + size]) for i in range(max(1, len(words) - size + 1)) if words
    )


def phrase_scores(texts: dict[str, str], gold: dict[str, dict]) -> tuple[float, float]:
    """Return the share of wanted phrases found, and the precision of phrases found."""
    wanted = found = intruders = 0
    for key, row in gold.items():
        text = texts.get(key, "")
        wanted += len(row["with"])
        found += sum(phrase in text for phrase in row["with"])
        intruders += sum(phrase in text for phrase in row["without"])
    return found / wanted, found / max(found + intruders, 1)


if __name__ == "__main__":
    main()
