"""Which documents a list means: by name, address, digest, and near copies against brute force."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from curator.optout.matching import (
    CONTAINMENT,
    JACCARD,
    LEAST_SHINGLES,
    NGRAM,
    copies_of,
    requested,
)
from curator.optout.requests import Requests, read_requests
from curator.testing import documents
from tests.support.withdrawn import prose


def addressed(urls: list[str | None], origins: list[str] | None = None) -> pa.Table:
    table = documents([f"text {n}" for n in range(len(urls))])
    for name, values in (("url", urls), ("origin", origins)):
        if values is not None:
            at = table.column_names.index(name)
            table = table.set_column(at, name, pa.array(values, pa.string()))
    return table


def test_a_document_is_named_by_its_id_or_the_digest_of_its_text():
    table = documents(["one", "two", "three"])
    ids = (table["doc_id"][1].as_py().hex(),)
    hashes = (hashlib.sha256(b"three").hexdigest(),)

    assert requested(Requests(ids=ids, hashes=hashes), table).to_pylist() == [None, "id", "sha256"]


def asked(tmp_path, url: str) -> Requests:
    (tmp_path / "list").write_text(f"url {url}\n")
    return read_requests(tmp_path / "list")


@pytest.mark.parametrize("end", ["", "/"])
@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("https://example.org/jane", True),
        ("https://example.org/jane/post", True),
        ("http://EXAMPLE.org/jane/", True),
        ("https://user@example.org/jane/x?y=1", True),
        ("https://example.org:443/jane?page=2", True),
        ("https://example.org./jane;v=1#top", True),
        ("https://example.org/%6Aane/x", True),
        ("https://example.org//x/../jane", True),
        (" https://example.org/jane", True),
        ("https://example.org/janet", False),
        ("https://example.org/", False),
        ("https://blog.example.org/jane/", False),
        ("https://example.org.evil.com/jane/", False),
        ("https://evil.com/https://example.org/jane/", False),
        ("https://evil.com?@example.org/jane/", False),
        ("example.org/jane", False),
        (None, False),
    ],
)
def test_a_url_names_a_page_and_what_lies_below_it(tmp_path, url, named, end):
    found = requested(asked(tmp_path, f"https://example.org/jane{end}"), addressed([url]))

    assert found.to_pylist() == ["url" if named else None]


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("https://example.org/post?id=4", True),
        ("https://example.org/post?id=4&page=2", True),
        ("https://example.org/post?id=40", False),
        ("https://example.org/post", False),
    ],
)
def test_a_query_is_compared_part_by_part_too(tmp_path, url, named):
    found = requested(asked(tmp_path, "https://example.org/post?id=4"), addressed([url]))

    assert found.to_pylist() == ["url" if named else None]


def test_a_host_is_all_of_it_and_none_of_its_neighbors(tmp_path):
    table = addressed(
        ["https://a.org", "http://a.org:80/x?y", "https://b.a.org/", "https://a.orgy/"]
    )
    requests = asked(tmp_path, "https://A.org")

    assert requested(requests, table).to_pylist() == ["url", "url", None, None]


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("https://example.org/", True),
        ("https://example.org", True),
        ("https://b\u00fccher.example.org./", True),
        ("https://blog.example.org:8080/a", True),
        ("https://notexample.org/", False),
        ("https://example.org.uk/", False),
        ("https://other.net/?u=example.org", False),
    ],
)
def test_a_domain_names_itself_and_what_lies_below_it(url, named):
    found = requested(Requests(domains=("example.org",)), addressed([url]))

    assert found.to_pylist() == ["domain" if named else None]


def test_without_a_url_the_origin_is_looked_at():
    table = addressed([None, ""], ["https://example.org/a", "part.jsonl#3"])

    assert requested(Requests(domains=("example.org",)), table).to_pylist() == ["domain", None]


def shingles(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[n : n + NGRAM]) for n in range(len(words) - NGRAM + 1)}


def near(text: str, other: str) -> bool:
    a, b = shingles(text), shingles(other)
    both = len(a & b)
    return (
        both >= JACCARD * len(a | b)
        or (both >= CONTAINMENT * len(b) and len(b) >= LEAST_SHINGLES)
        or (both >= CONTAINMENT * len(a) and len(a) >= LEAST_SHINGLES)
    )


def test_near_copies_are_those_that_brute_force_finds():
    chance = np.random.default_rng(5)
    texts = [prose(seed, 40) for seed in range(6)]
    others = []
    for _ in range(150):
        words = texts[chance.integers(6)].split()
        start = int(chance.integers(0, 20))
        words = words[start : start + int(chance.integers(6, 40))]
        for place in chance.integers(0, len(words), int(chance.integers(0, 3))):
            words[place] = "changed"
        others.append(" ".join(words))
    found = copies_of(texts).near(pa.array(others, pa.large_string()))

    expected = [any(near(other, text) for text in texts) for other in others]
    assert (found >= 0).tolist() == expected
    assert 20 < sum(expected) < 130


def test_a_document_that_holds_the_text_is_a_copy_and_one_that_shares_a_phrase_is_none():
    text, other = prose(1, 50), prose(2, 50)
    found = copies_of([text]).near(pa.array([f"{other} {text} {other}", other + text[:40]]))

    assert found.tolist() == [0, -1]


def test_case_and_spacing_hide_no_copy():
    assert copies_of([prose(3)]).near(
        pa.array([prose(3).upper().replace(" ", "\n ")])
    ).tolist() == [0]


def test_short_texts_are_copies_only_as_a_whole():
    found = copies_of(["Kind regards, Jane"]).near(
        pa.array(["kind regards, jane!", "Dear all, Kind regards, Jane", "Kind regards", ""])
    )

    assert found.tolist() == [0, -1, -1, -1]


def test_nothing_is_near_nothing():
    assert copies_of([]).near(pa.array(["a b c"])).tolist() == [-1]
    assert copies_of(["a b c"]).near(pa.array([], pa.large_string())).tolist() == []
