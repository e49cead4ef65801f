"""What a run tells of its benchmarks: items, documents, words, sources, and what is not guarded."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from bench.trial import made_up, write_files
from curator.ledger import Store
from pipelines.check import checked
from pipelines.curate import curate
from pipelines.explaining import explain_document
from pipelines.looking import documents_of, statistics_of
from pipelines.matching import by_source, contamination_of, matches_of_run
from pipelines.rereading import Nothing, Reading
from pipelines.running import read_run
from tests.support.jsonl import write_lines
from tests.support.runs import small_run
from tests.support.terminal import on_terminal

ITEM = "the <b>only</b> question of this quiz asks for exactly sixteen words in a row of text"
SHORT = "too short to guard"
ACTIONS = ("document", "span", "report")


@pytest.fixture(scope="module", params=ACTIONS)
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_files(made_up(40), folder / "in", 1)
    far = " ".join(f"before{n}" for n in range(60)), " ".join(f"after{n}" for n in range(60))
    texts = [f"{far[0]} {ITEM} {far[1]}", f"{far[1]} {ITEM} and {ITEM.upper()} {far[0]}"]
    held = write_lines(folder / "more.jsonl", *({"text": text} for text in texts))
    test = write_lines(folder / "quiz.jsonl", *({"id": t[:3], "text": t} for t in (ITEM, SHORT)))
    ingest = {"reader": "jsonl", "files": [str(held)], "source": "leaky"}
    corpus = {
        "benchmarks": {"quiz": {"test": str(test)}},
        "decontaminate": {"against": ["quiz/test"], "action": request.param},
    }
    first = {"reader": "jsonl", "files": [str(folder / "in")], "source": "web"}
    corpus |= {"ingest": [ingest, first], "heldout": {}}
    return request.param, small_run(folder / "in", folder / "store", folder / "out", corpus=corpus)


def test_every_stretch_is_told_with_its_item_document_and_words(run):
    action, folder = run
    found = matches_of_run(str(folder), n=10).summary

    assert found["action"] == action
    assert [(m["item_id"], m["source"], m["words"]) for m in found["matches"]] == [
        ("the", "leaky", 18)
    ] * 3
    assert [m["text"] for m in found["matches"]] == [ITEM, ITEM, ITEM.upper()]
    assert len({m["doc_id"] for m in found["matches"]}) == 2


def test_items_that_are_not_guarded_are_listed(run):
    found = matches_of_run(str(run[1]), n=10)
    row = found.summary["benchmarks"][0]

    assert (row["items"], row["by_ngrams"], row["as_document"]) == (2, 1, 1)
    assert (row["found"], row["documents"]) == (1, 2)
    assert [each["item_id"] for each in found.summary["uncovered"]] == ["too"]
    assert "1 items can stand inside a document" in on_terminal(found.shown, width=200)


def test_a_source_with_much_of_a_benchmark_is_told_from_one_with_little():
    pairs = [{"source": s, "benchmark": "b", "item_id": str(i), "doc_id": "d"} for s, i in
             (("leaky", 1), ("leaky", 2), ("leaky", 3), ("web", 1), ("web", 1))]  # fmt: skip
    rows = by_source(pl.DataFrame(pairs), [{"benchmark": "b", "items": 100}])

    assert [(row["source"], row["share"], row["contaminated"]) for row in rows] == [
        ("leaky", 0.03, True),
        ("web", 0.01, False),
    ]


def test_a_document_is_explained_by_all_it_shares(run):
    action, folder = run
    ids = [match["doc_id"] for match in matches_of_run(str(folder), n=0).summary["matches"]]
    told = explain_document(ids[-1], folder)
    out = on_terminal(told.shown, width=200)

    assert len(told.summary["contamination"]) == 2
    assert "18 words at byte" in out
    assert ("OUT: dropped by decontaminate" in out) == (action == "document")


def test_columns_of_lists_do_not_break_what_looks_at_documents(run):
    _, folder = run
    store = Path(read_run(folder)["store"])

    assert statistics_of(str(folder), store, None).summary
    assert documents_of(str(folder), store, n=3, sort="", where="", rejected="").summary


def test_the_page_shows_the_words_escaped_and_what_was_done(run):
    action, folder = run
    record = read_run(folder)
    recipe = checked(record["recipe_content"], "trial")
    store = Store(Path(record["store"]))
    told = contamination_of(curate(recipe, Reading(store, Nothing(), quiet=True)), store)
    page = (folder / "report.html").read_text()

    assert told[0].action == action
    assert told[0].guarded == {"by_ngrams": 1, "as_run": 0, "as_document": 1, "unguarded": 0}
    assert [(one.source, one.documents, one.too_many) for one in told[0].sources] == [
        ("leaky", 2, True)
    ]
    assert "the &lt;b&gt;only&lt;/b&gt; question" in page
    assert ("were NOT taken out" in page) == (action == "report")
    assert re.search(r"too many", page)
