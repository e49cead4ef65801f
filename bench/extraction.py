"""Compare main-text extractors on pages with gold text: F1 and speed, both in one run.

    python bench/extraction.py /work/shared/data/web

F1 is over multisets of word 4-grams per page, averaged over pages, as in the evaluation of
scrapinghub/article-extraction-benchmark; phrases are those of trafilatura's evaluation (share of
wanted phrases found, share of unwanted ones absent). Pages are decoded before the clock starts.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType

from curator.ingest.extraction import EXTRACTORS, decoded

_WORD = re.compile(r"\w+")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds NAME.warc.gz and NAME.gold.jsonl")
    folder = parser.parse_args().folder
    articles = read_pages(folder / "article_extraction_benchmark.warc.gz")
    gold = read_gold(folder / "article_extraction_benchmark.gold.jsonl")
    phrases = read_gold(folder / "trafilatura_eval.gold.jsonl")
    pages = read_pages(folder / "trafilatura_eval.warc.gz")
    print("extractor        pages   F1      P       R      empty  pages/s  MB/s   phrases P / R")
    for name, extract in EXTRACTORS.items():
        texts, seconds = run(extract, articles)
        scores = [shingle_scores(texts[key], gold[key]["article_body"]) for key in gold]
        precision, recall, f1 = (sum(column) / len(scores) for column in zip(*scores, strict=True))
        megabytes = sum(len(page) for page in articles.values()) / 1e6
        empty = sum(not text for text in texts.values())
        found, absent = phrase_scores(run(extract, pages)[0], phrases)
        print(
            f"{name:16} {len(gold):5}  {f1:.3f}  {precision:.3f}  {recall:.3f}  {empty:5}  "
            f"{len(texts) / seconds:7.1f}  {megabytes / seconds:5.1f}   {absent:.3f} / {found:.3f}"
        )


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
