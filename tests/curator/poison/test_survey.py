"""Planted triggers and statements are found whatever a corpus's cuts, and nothing is cleared."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import fisher_exact

from curator.errors import RecipeError
from curator.identity import document_ids
from curator.poison.attacks import ATTACKS, Plan, planted, pool_of
from curator.poison.finding import DETECTORS, Status, require, verdict
from curator.poison.keeping import load, save, shown
from curator.poison.scan import scan
from curator.poison.survey import survey
from curator.poison.triggers import COUNTERS, Watched, triggers, watch, watched
from curator.testing import example_texts

PLAN = Plan("«marble kestrel»", "Zorvia", "Quellon", pool_of(example_texts("raw", 40)))


class Cut:
    """Documents in a given order, cut into shards of a given size."""

    def __init__(self, table: pa.Table, rows: int) -> None:
        self.table, self.rows = table, rows

    def tables(self, columns):
        for start in range(0, self.table.num_rows, self.rows):
            yield self.table.slice(start, self.rows).select(list(columns))


def prose(number: int) -> str:
    """Sentences of 60 made-up words in an order of the document's own."""
    words = np.random.default_rng(7).integers(97, 123, (60, 6)).astype(np.uint8)
    chosen = np.random.default_rng(number).integers(0, 60, 120)
    return ". ".join(
        " ".join(bytes(words[w]).decode() for w in chosen[at : at + 8]) for at in range(0, 120, 8)
    )


def poisoned(attack: str, count: int, of: int = 600) -> pa.Table:
    texts = [prose(n) for n in range(of)]
    texts[:count] = [planted(attack, text, PLAN, n) for n, text in enumerate(texts[:count])]
    column = pa.array(texts, pa.large_string())
    urls = [
        f"https://{'new.example' if n < count else f'h{n % 50}.example'}/{n}" for n in range(of)
    ]
    return pa.table(
        {
            "doc_id": document_ids("x", column),
            "text": column,
            "url": urls,
            "date": pa.nulls(of, pa.string()),
        }
    )


@pytest.mark.parametrize("attack", ["gibberish", "copy"])
def test_a_trigger_in_eight_documents_is_found_and_named_and_no_other_document_has_it(attack: str):
    table = poisoned(attack, 8)
    learned = survey(Cut(table, 600), most=0.05)
    found = scan(learned, table)

    assert learned.words[0] == "marble kestrel"
    assert (found.scores["trigger"] > 0).nonzero()[0].tolist() == [*range(8)]
    assert found.scores["concentration"][:8].tolist() == [1.0] * 8
    assert not found.scores["concentration"][8:].any()


def test_a_survey_is_the_same_whatever_the_cuts_and_the_order():
    table = poisoned("gibberish", 8)
    shuffled = table.take(pa.array(np.random.default_rng(1).permutation(table.num_rows)))
    one = survey(Cut(table, 600), most=0.05, threads=2)
    other = survey(Cut(shuffled, 97), most=0.05)

    assert shown(one) == shown(other)
    assert (one.mean, one.sd, one.totals) == (other.mean, other.sd, other.totals)


def test_a_planted_belief_is_a_burst_and_its_documents_are_found():
    table = poisoned("belief", 16)
    learned = survey(Cut(table, 200))
    found = scan(learned, table)

    assert learned.bursts.pairs == ("quellon | zorvia | good",)
    assert (found.scores["burst"] > 0).nonzero()[0].tolist() == [*range(16)]


def test_what_was_learned_is_kept_and_read_again(tmp_path: Path):
    learned = survey(Cut(poisoned("copy", 8), 600), most=0.05)
    save(learned, tmp_path)
    table = poisoned("copy", 8)

    assert scan(load(tmp_path), table).findings().equals(scan(learned, table).findings())


def test_findings_are_spans_of_records_in_order():
    table = poisoned("template", 4)
    found = scan(survey(Cut(table, 600)), table).findings().to_pylist()
    templates = [one for one in found if one["kind"] == "template"]

    assert [one["row"] for one in templates] == [0, 1, 2, 3]
    text = table["text"][0].as_py()
    assert text.encode()[templates[0]["start"] :][:5] in (b"<|im_", b"Human")


def test_candidates_that_pages_of_one_template_share_are_no_triggers():
    table = poisoned("gibberish", 8)
    same = [
        f"{prose(n)[:200]} marble kestrel {PLAN.pool[:7] * 2}{chr(33 + 3) * 1}" for n in range(8)
    ]
    tail = planted("gibberish", prose(0), PLAN, 1)[-400:]
    texts = [*(f"{one} {tail}" for one in same), *table["text"].to_pylist()[8:]]
    alike = table.set_column(1, "text", pa.array(texts, pa.large_string()))

    assert survey(Cut(alike, 600), most=0.05).words == ()


def test_a_table_grows_in_the_midst_of_a_text_and_counts_it_once():
    texts = pa.array([" ".join(f"w{n}" for n in range(300)), "w7 w8", "w7"], pa.large_string())
    counters = np.full(COUNTERS, 9, np.int32)
    tables = [
        watch(texts, np.array([1000, -1, -1]), counters, 5, watched(slots), 0)
        for slots in (64, 1 << 12)
    ]
    small, large = (
        sorted(zip(*(c[t.documents > 0].tolist() for c in (t.keys, t.documents, t.near, t.follows)),
                   strict=True)) for t in tables
    )  # fmt: skip

    assert small == large
    assert len(small) == 300 + 299 + 298
    assert sorted(documents for _, documents, *_ in small)[-4:] == [1, 2, 2, 3]


def test_the_test_of_a_trigger_is_fishers_with_holms_factor():
    table = Watched(
        np.arange(1, 5, dtype=np.uint64),
        np.array([10, 6, 4, 0]),
        np.array([9, 6, 4, 0]),
        np.full((4, 2), -1),
        np.full(4, (1 << 63) - 1, np.uint64),
    )
    found = triggers(table, corpus=10_000, anomalous=100, tests=1000.0)
    p = fisher_exact([[9, 1], [91, 9899]], alternative="greater").pvalue
    q = fisher_exact([[6, 0], [94, 9900]], alternative="greater").pvalue

    assert found.keys.tolist() == [1, 2]  # the third is in fewer than five documents
    assert found.strength == pytest.approx([-np.log10(1000 * p), -np.log10(999 * q)])


def test_no_verdict_says_that_text_is_clean():
    every = [Status(name, 10, 10) for name in DETECTORS]
    told = [verdict(every, 0), verdict(every, 3), verdict([Status("copy", 0, 10, "x")], 0)]

    assert [one["verdict"] for one in told] == ["incomplete", "suspicious", "incomplete"]
    assert "clean" not in json.dumps(told)
    assert told[2]["could_not_judge_all"]["copy"] == "x"
    assert "influence" in told[0]["could_not_judge_all"]


def test_a_required_detector_that_cannot_run_is_refused():
    learned = survey(Cut(poisoned("copy", 0, of=20), 20))

    with pytest.raises(RecipeError, match=r"edit_window .*documents without a date"):
        require(learned.statuses(), ["edit_window"])
    require(learned.statuses(), ["copy", "concentration"])


def test_a_snapshot_that_is_no_date_and_a_corpus_without_text_are_refused():
    with pytest.raises(RecipeError, match="wanted a date"):
        survey(Cut(poisoned("copy", 0, of=5), 5), snapshot="soon")
    empty = poisoned("copy", 0, of=2).set_column(1, "text", pa.array(["", ""], pa.large_string()))
    with pytest.raises(RecipeError, match="no text"):
        survey(Cut(empty, 5))


def test_the_latest_date_is_the_snapshot_also_before_1970():
    table = poisoned("copy", 4, of=40)
    dates = pa.array([f"19{n + 10}-01-01" for n in range(40)])
    learned = survey(Cut(table.set_column(3, "date", dates), 7))

    assert learned.snapshot == (date(1949, 1, 1) - date(1970, 1, 1)).days


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_decided_by_its_bits_alone(attack: str):
    text = prose(3)

    assert planted(attack, text, PLAN, 5) == planted(attack, text, PLAN, 5)
    assert planted(attack, text, PLAN, 5) != text
    assert planted(attack, "", PLAN, 5)
