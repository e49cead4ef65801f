"""Headers say what a document is; parts of them are left out by chance of the document."""

from __future__ import annotations

import dataclasses

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from curator.errors import RecipeError
from curator.refine.markers import Markers, formats_of
from curator.refine.refiner import refined
from tests.curator.refine.test_tags import documents

ALWAYS = Markers(
    domains=["edu", "wikipedia.org"], sources=["web"], languages=["en"], quality="good",
    quality_edges=[0.3, 0.6], length_edges=[20], formats=True, marker_dropout=0.0,
    header_dropout=0.0,
)  # fmt: skip


def table(count=1, **columns):
    plain = documents([f"Text number {n}." for n in range(count)])
    told = {"url": None, "language": None, "good": 0.5, "source": "web", **columns}
    for name, value in told.items():
        values = pa.array(value if isinstance(value, list) else [value] * count)
        kind = pa.float64() if name == "good" else pa.string()
        if name in plain.column_names:
            plain = plain.drop_columns([name])
        plain = plain.append_column(name, values.cast(kind))
    return plain


def header(refiner, documents):
    texts = refined(refiner, None, documents, name="markers").children["text"].to_pylist()
    return [text[: text.rindex("|>") + 2].replace("<|tag:", "").split("|>")[:-1] for text in texts]


def test_a_header_tells_every_field_that_is_known():
    assert header(ALWAYS, table(url="http://x.edu/a", language="en")) == [
        ["domain.edu", "source.web", "language.en", "quality.1", "length.0", "format.prose"]
    ]
    assert header(ALWAYS, table(source="law", good=None)) == [["length.0", "format.prose"]]
    assert set(header(ALWAYS, table(url="http://x.edu", language="en"))[0]) < set(ALWAYS.tags)


@pytest.mark.parametrize(
    ("url", "marker"),
    [
        ("https://en.wikipedia.org/x", "domain.wikipedia.org"),
        ("https://wikipedia.org", "domain.wikipedia.org"),
        ("https://notwikipedia.org", None),
        ("http://[broken", None),
        ("edu", None),
    ],
)
def test_domains_are_ends_of_hosts(url, marker):
    found = header(ALWAYS, table(url=url))[0]

    assert [name for name in found if name.startswith("domain")] == ([marker] if marker else [])


@pytest.mark.parametrize(("value", "bin"), [(0.0, 0), (0.3, 1), (0.59, 1), (0.6, 2), (9.0, 2)])
def test_bins_begin_at_their_edges(value, bin):
    assert f"quality.{bin}" in header(ALWAYS, table(good=value))[0]


def test_markers_and_headers_are_left_out_by_their_shares():
    some = dataclasses.replace(ALWAYS, marker_dropout=0.25, header_dropout=0.5)
    found = refined(some, None, table(2000), name="markers")

    marked = found.children["text"].to_pylist()
    assert len(marked) == pytest.approx(1000, abs=100)
    tags = sum(text.count("<|tag:") for text in marked)
    assert tags == pytest.approx(1000 * 4 * 0.75, abs=150)
    assert found.outcome["reason"].to_pylist().count("markers.left_out") == 2000 - len(marked)


def test_shuffled_headers_are_those_of_other_documents():
    rows = table(200, good=[n / 200 for n in range(200)])
    true = header(ALWAYS, rows)
    false = header(dataclasses.replace(ALWAYS, shuffled=True), rows)

    assert sorted(true) == sorted(false)
    assert sum(map(list.__eq__, true, false)) < 100


def test_formats_are_told_by_lines():
    texts = [
        "Some prose. And more.",
        "def f(x):\n  return x;\n",
        "- a\n- b",
        "| a | b |\n| 1 | 2 |",
        "",
    ]

    assert formats_of(pa.chunked_array([pa.array(texts)])) == [
        "prose",
        "code",
        "list",
        "table",
        "prose",
    ]


def test_what_has_no_marker_stays_and_is_counted():
    only = Markers(sources=["law"])
    found = refined(only, None, table(3), name="markers")

    assert found.children.num_rows == 0
    assert found.outcome["reason"].to_pylist() == ["markers.unknown"] * 3


def test_what_spells_a_tag_is_dropped():
    spelled = documents(["a <|tag:source.web|> b"])
    found = refined(Markers(sources=["web"]), None, spelled, name="markers")

    assert found.outcome.to_pylist() == [{"keep": False, "reason": "markers.spelled"}]


def test_the_text_behind_a_header_is_the_text():
    found = refined(ALWAYS, None, table(5), name="markers")

    assert pc.all(pc.ends_with(found.children["text"], "."))
    assert [t.rpartition("|>")[2] for t in found.children["text"].to_pylist()] == table(5)[
        "text"
    ].to_pylist()


def test_markers_read_only_what_they_mark():
    assert Markers(sources=["web"]).reads == ("text",)
    assert ALWAYS.reads == ("text", "url", "language", "good")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({}, "no field"),
        ({"sources": ["a"], "marker_dropout": 1.0}, "marker_dropout"),
        ({"sources": ["a"], "header_dropout": -0.1}, "header_dropout"),
        ({"length_edges": []}, "rising"),
        ({"length_edges": [5, 5]}, "rising"),
        ({"quality": "good"}, "go together"),
        ({"quality_edges": [0.5]}, "go together"),
    ],
)
def test_policies_that_mark_nothing_are_refused(wrong, told):
    with pytest.raises(RecipeError, match=told):
        Markers(**wrong)
