"""Planted copies of benchmark items are found, and nothing else is."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from curator.dedup import benchmark_index, overlap
from curator.dedup.benchmark_index import BenchmarkIndex, build_index
from curator.dedup.benchmarks import ITEMS
from curator.dedup.contamination import (
    VERDICTS,
    Decontaminate,
    described,
)
from curator.dedup.coverage import coverage, uncovered
from curator.dedup.overlap import find_overlap
from curator.dedup.scan import make_sieve, scan
from curator.errors import LedgerError, RecipeError
from curator.stage import Site
from curator.text.ngrams import ngram_hashes
from tests.support.copies import random_words

RNG = np.random.default_rng(6)
LONG = " ".join(random_words(RNG, 30))
OTHER = " ".join(random_words(RNG, 20))
TEN = " ".join(random_words(RNG, 10))
THREE = "Blue whale eggs"
FILLER = random_words(RNG, 400)


def items_of(**texts: list[str]) -> pa.Table:
    rows = [
        (name, f"{name}/{i}", text) for name, many in texts.items() for i, text in enumerate(many)
    ]
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    return pa.table([*columns, pa.nulls(len(rows), ITEMS.field("parts").type)], ITEMS.names).cast(
        ITEMS
    )


INDEX = build_index(items_of(quiz=[LONG, TEN, THREE], exam=[OTHER]))


def column(*texts: str) -> pa.Array:
    return pa.array(texts, pa.large_string())


def matched(*texts: str, index: BenchmarkIndex = INDEX) -> list[tuple[int, str]]:
    pairs = find_overlap(index, column(*texts)).pairs
    names = index.items["item_id"].take(pairs["item"].to_arrow()).to_pylist()
    return list(zip(pairs["document"].to_list(), names, strict=True))


def around(text: str) -> str:
    return " ".join([*FILLER[:50], text, *FILLER[50:]])


def test_verbatim_copies_are_found_anywhere_in_a_document():
    texts = [LONG, around(LONG), LONG + " end", "begin " + LONG, " ".join(FILLER)]

    assert matched(*texts) == [(i, "quiz/0") for i in range(4)]


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda text: text.replace(" ", ", "),
        lambda text: text.replace(" ", "\n\n"),
        lambda text: "“" + text.replace(" ", " — ", 3) + "”",
        lambda text: text.replace("a", "á"),
        lambda text: text.replace(" ", " | "),
    ],
)
def test_case_accents_spacing_and_punctuation_do_not_hide_a_copy(change):
    assert matched(around(change(LONG))) == [(0, "quiz/0")]


def test_thirteen_words_in_a_row_are_enough_and_twelve_are_not():
    words = LONG.split()

    assert matched(around(" ".join(words[4:17]))) == [(0, "quiz/0")]
    assert matched(around(" ".join(words[4:16]))) == []


def test_an_item_of_fewer_words_is_found_whole_only():
    words = TEN.split()

    assert matched(around(TEN), around(" ".join(words[:9]))) == [(0, "quiz/1")]


def test_an_item_of_a_few_words_is_found_only_where_it_is_the_document():
    assert matched("blue WHALE eggs!", around(THREE), "blue whale") == [(0, "quiz/2")]


def test_documents_are_never_cut_however_the_column_is(monkeypatch):
    texts = column(*[around(LONG), "x", LONG, around(OTHER)] * 3)
    chunked = pa.chunked_array([texts.slice(0, 5), texts.slice(5, 0), texts.slice(5)])
    whole = find_overlap(INDEX, texts)
    monkeypatch.setattr(overlap, "_SLICE_BYTES", 100)

    for column_or_chunks in (texts, chunked):
        found = find_overlap(INDEX, column_or_chunks)
        assert found.pairs.equals(whole.pairs)
        assert found.spans.equals(whole.spans)


def test_spans_and_shares_say_what_is_in_common():
    words = LONG.split()
    document = around("Ünder " + " ".join(words[:15]) + " cut " + " ".join(words[15:]))
    found = find_overlap(INDEX, column(document))
    match = described(found, INDEX, column(document)).to_pylist()[0]
    raw = document.encode()

    assert raw[match["match_start"] : match["match_end"]].decode() == " ".join(words[:15])
    assert match["matched_ngrams"] == 3 + 3
    assert match["item_share"] == 1.0  # every word of the item stands in a run in common
    hits = [(raw[h["start"] : h["end"]].decode(), h["words"]) for h in match["benchmark_hits"]]
    assert hits == [(" ".join(half), 15) for half in (words[:15], words[15:])]
    assert [s["text"] for s in match["benchmark_spans"]] == [text for text, _ in hits]


def test_hashes_that_collide_are_told_apart_by_their_words():
    runs = INDEX.runs[0]
    stranger = " ".join(FILLER[:13])
    forged = ngram_hashes(column(stranger), 13).hashes
    forgery = runs._replace(hashes=np.sort(np.append(runs.hashes[1:], forged)))
    poisoned = BenchmarkIndex("x", "gpt3", 8, INDEX.items, (forgery, *INDEX.runs[1:]))
    sieve = make_sieve([13], [forgery.hashes], 8, ngram_hashes(column(stranger), 13).hashes)
    poisoned.__dict__["sieve"] = sieve

    assert len(scan(column(stranger), sieve).hashes) == 1
    assert forgery.look(forged)[0].tolist() == [0]
    assert matched(stranger, index=poisoned) == []


def test_random_text_matches_nothing():
    rng = np.random.default_rng(8)

    assert matched(*[" ".join(random_words(rng, 200)) for _ in range(200)]) == []


def test_a_prompt_that_many_items_share_is_left_out_and_a_passage_of_a_few_is_not():
    rng = np.random.default_rng(8)
    prompt, passage = (" ".join(random_words(rng, n)) for n in (15, 30))
    asked = [" ".join([prompt, *random_words(rng, 15)]) for _ in range(700)]
    read = [f"{passage} {' '.join(random_words(rng, 15))}" for _ in range(7)]
    index = build_index(items_of(quiz=asked + read, exam=[prompt]))

    assert matched(around(passage), index=index) == [(0, f"quiz/{i}") for i in range(700, 707)]
    assert matched(around(prompt), index=index) == [(0, "exam/0")]
    assert coverage(index).to_pylist()[1]["exempt_ngrams"] == 3 * 700
    words, left_out = prompt.split(), index.templates.to_pylist()
    assert {row["text"] for row in left_out} == {" ".join(words[at : at + 13]) for at in range(3)}
    assert {(row["benchmark"], row["items"]) for row in left_out} == {("quiz", 700)}


def test_items_without_words_are_counted_as_unguarded():
    index = build_index(items_of(quiz=["?!", LONG]))

    assert coverage(index)["unguarded"].to_pylist() == [1]
    assert matched("?!", "", LONG, index=index) == [(2, "quiz/1")]


def test_coverage_counts_how_items_are_guarded():
    assert coverage(INDEX).to_pylist()[1] == {
        "benchmark": "quiz",
        "items": 3,
        "ngram": 13,
        "by_ngrams": 1,
        "as_run": 1,
        "as_document": 1,
        "unguarded": 0,
        "exempt_ngrams": 0,
        "common_ngrams": 0,
    }
    assert uncovered(INDEX).to_pylist() == [
        {"benchmark": "quiz", "item_id": "quiz/2", "words": 3, "how": "as_document"}
    ]


def saved(tmp_path) -> Decontaminate:
    INDEX.save(tmp_path)
    return Decontaminate(index=INDEX.digest, folder=str(tmp_path))


def test_the_stage_drops_with_the_name_of_the_benchmark_and_shows_the_text(tmp_path):
    stage = saved(tmp_path)
    both = " ".join([OTHER, *FILLER[:9], LONG])
    table = stage.process(
        stage.load(Site()), pa.table({"text": column("clean", both, around(OTHER))})
    )

    assert table.schema == VERDICTS
    assert table["keep"].to_pylist() == [True, False, False]
    assert table["reason"].to_pylist() == [None, "contaminated:quiz", "contaminated:exam"]
    assert table["item_id"].to_pylist() == [None, "quiz/0", "exam/0"]
    assert table["matched_items"].to_pylist() == [None, 2, 1]
    assert table["matched_text"].to_pylist() == [None, LONG, OTHER]


def test_the_stage_gives_the_same_however_rows_are_cut(tmp_path):
    stage = saved(tmp_path)
    model = stage.load(Site())
    texts = column(around(LONG), "clean", TEN, THREE, around(OTHER), "")
    whole = stage.process(model, pa.table({"text": texts}))
    halves = [stage.process(model, pa.table({"text": part})) for part in (texts[:2], texts[2:])]

    assert pa.concat_tables(halves).combine_chunks().equals(whole.combine_chunks())
    assert stage.process(model, pa.table({"text": texts[:0]})).num_rows == 0


def test_an_index_of_other_items_or_settings_is_refused(tmp_path):
    saved(tmp_path)

    with pytest.raises(LedgerError, match="holds index"):
        Decontaminate(index="other", folder=str(tmp_path)).load(Site())
    assert build_index(items_of(quiz=[LONG])).digest != INDEX.digest
    items = items_of(quiz=[LONG, TEN, THREE], exam=[OTHER])
    assert build_index(items).digest == INDEX.digest
    assert build_index(items, ngram=8).digest != INDEX.digest
    assert build_index(items, method="exact").digest != INDEX.digest


def test_an_index_that_reads_words_in_another_way_is_refused(tmp_path, monkeypatch):
    saved(tmp_path)
    monkeypatch.setitem(benchmark_index.READING, "unicode", "1.1")

    with pytest.raises(LedgerError, match=r"1\.1.*delete the folder"):
        BenchmarkIndex.load(tmp_path)


def test_an_index_without_items_or_of_short_ngrams_is_refused():
    for items in (ITEMS.empty_table(), items_of(quiz=["?!"])):
        with pytest.raises(RecipeError, match="0 benchmark items with words"):
            build_index(items)
    with pytest.raises(RecipeError, match="ngram 3"):
        build_index(items_of(quiz=[LONG]), ngram=3)
