"""Labelled families of documents: what is a copy of what, by people or by construction.

Every document has a family and a group; two documents of one group are copies where the family's
are, by another word than ours: the same web page, the same manual page, revisions of one file.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import zstandard


@dataclass(frozen=True)
class Document:
    """A text of a family; `grade` is the label's own similarity to the group's first, if any."""

    family: str
    group: str
    text: str
    kind: str = ""
    grade: float | None = None


@dataclass(frozen=True)
class Family:
    """What a family is, and whether its groups are copies (None: reported, neither)."""

    name: str
    about: str
    copies: bool | None


FAMILIES = (
    Family("extractors", "one web page through three extractors", True),  # noqa: FBT003 - a table
    Family("installation_guide", "a manual page for two architectures", True),  # noqa: FBT003
    Family("revisions", "revisions of one tutorial", None),
    Family("legal_files", "copyright files of packages", None),
    Family("quotations", "an article, and a page that quotes from it", False),  # noqa: FBT003
    Family("templates", "pages of one site; articles put into one page's frame", False),  # noqa: FBT003
    Family("reading_levels", "an article told at three reading levels", False),  # noqa: FBT003
    Family("translations", "a paragraph in six languages", False),  # noqa: FBT003
)


def records(path: Path) -> list[dict[str, Any]]:
    """The records of a packed JSON lines file."""
    with path.open("rb") as file:
        stream = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file))
        return [json.loads(line) for line in stream]


def documents(data: Path) -> list[Document]:
    """Every family of a data folder laid out like ../shared/data, in the order of `FAMILIES`."""
    pages = dict(_pages(data / "web/article_extraction_benchmark.warc.gz"))
    more = dict(_pages(data / "web/trafilatura_eval.warc.gz"))
    return [
        *_extracted(pages),
        *_grouped(data / "labels/near_dup/installation_guide_en.jsonl.zst", "installation_guide"),
        *_grouped(data / "labels/near_dup/learnx_revisions.jsonl.zst", "revisions"),
        *_legal(data / "corpora/noise/debian_copyright_files.jsonl.zst"),
        *_quoting(data / "corpora/web_text/slimpajama_web.jsonl.zst"),
        *_of_sites({url: html for url, html in more.items() if url not in pages}),
        *_framed(
            pages,
            data / "web/article_extraction_benchmark.gold.jsonl",
            {url: html for url, html in more.items() if url not in pages},
        ),
        *_grouped(data / "labels/readability/onestop_english.jsonl.zst", "reading_levels"),
        *(
            Document("translations", record["meta"]["group"], record["text"], path.stem)
            for path in sorted((data / "labels/parallel").glob("xquad_*.jsonl.zst"))
            for record in records(path)
        ),
    ]


def _pages(path: Path) -> Iterator[tuple[str, str]]:
    """The address and HTML of every page of a WARC file."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    with path.open("rb") as file:
        for record in ArchiveIterator(file, record_types=WarcRecordType.response):
            raw = record.reader.read()
            yield record.headers["WARC-Target-URI"], bytes_to_str(raw, detect_encoding(raw))


def _extracted(pages: Mapping[str, str]) -> Iterator[Document]:
    from resiliparse.extract.html2text import extract_plain_text
    from trafilatura import extract

    for url, html in sorted(pages.items()):
        texts = {
            "trafilatura": extract(html) or "",
            "resiliparse": extract_plain_text(html, main_content=True),
            "plain": extract_plain_text(html),
        }
        if min(len(text.split()) for text in texts.values()) >= 50:
            for kind, text in texts.items():
                yield Document("extractors", url, text, kind)


def _of_sites(pages: Mapping[str, str]) -> Iterator[Document]:
    from resiliparse.extract.html2text import extract_plain_text

    hosts: dict[str, list[str]] = {}
    for url in sorted(pages):
        hosts.setdefault(urlsplit(url).hostname or "", []).append(url)
    for host, urls in sorted(hosts.items()):
        if len(urls) > 1:
            for url in urls:
                yield Document("templates", host, extract_plain_text(pages[url]))


def _framed(
    frames: Mapping[str, str], gold: Path, articles: Mapping[str, str]
) -> Iterator[Document]:
    """What stands around the article of a page, by people's word, around four other articles."""
    from resiliparse.extract.html2text import extract_plain_text
    from trafilatura import extract

    people = [json.loads(line) for line in gold.read_text(encoding="utf-8").splitlines()]
    article = {each["url"]: _squeezed(each["article_body"]) for each in people}
    bodies = [extract(html) or "" for _, html in sorted(articles.items())]
    bodies = [text for text in bodies if len(text.split()) >= 50]
    for url in sorted(frames.keys() & article.keys()):
        lines = extract_plain_text(frames[url]).splitlines()
        frame = [line for line in lines if _squeezed(line) not in article[url]]
        if len(" ".join(frame).split()) >= 100 and len(bodies) >= 4:
            half = len(frame) // 2
            for body in (bodies.pop() for _ in range(4)):
                yield Document("templates", url, "\n".join([*frame[:half], body, *frame[half:]]))


def _squeezed(text: str) -> str:
    """A text's letters and digits: what is left of it whatever markup did to the rest."""
    return "".join(filter(str.isalnum, text)).lower()


def _grouped(path: Path, family: str) -> Iterator[Document]:
    for record in records(path):
        meta = record["meta"]
        grade = meta.get("jaccard5_to_newest", meta.get("similarity"))
        kind = meta.get("date") or meta.get("arch") or meta.get("level")
        yield Document(family, meta["group"], record["text"], kind, grade)


def _legal(path: Path) -> Iterator[Document]:
    """Copyright files; equal but for space makes a group."""
    for record in records(path):
        yield Document("legal_files", " ".join(record["text"].split()), record["text"])


def _quoting(path: Path, seed: int = 4) -> Iterator[Document]:
    """Articles, and other articles into which a tenth to a half of one was put as a quotation."""
    chance = random.Random(seed)
    texts = [r["text"].split() for r in records(path) if 200 <= len(r["text"].split()) <= 3000]
    half = len(texts) // 2
    for number, (article, host) in enumerate(zip(texts[:half], texts[half:], strict=False)):
        length = int(len(article) * chance.uniform(0.1, 0.5))
        start = chance.randrange(len(article) - length)
        place = chance.randrange(len(host))
        quoting = [*host[:place], "“", *article[start : start + length], "”", *host[place:]]
        yield Document("quotations", str(number), " ".join(article), "article")
        yield Document("quotations", str(number), " ".join(quoting), "quoting")
        yield Document(
            "quotations", str(number), " ".join(article[start : start + length]), "quote"
        )
