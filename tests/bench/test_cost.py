from dataclasses import replace
from pathlib import Path

import pytest

from bench.cost import MARKERS, Corpus, limit_table, replaced, table, tables, total_table
from bench.cost_rates import Rate, Rates

STEPS = {
    "ingest": Rate(seconds=1e-8, written=1.1, read=1.0, whole=True),
    "clean.statistics": Rate(seconds=3e-8, written=300.0, read=1.0, whole=True),
    "dedup.minhash.bands.emit": Rate(seconds=2e-8, written=336.0, read=1.0, whole=False),
}
RATES = Rates(
    measured={"on": "a day"}, text_bytes=10_000, documents=10, steps=STEPS, edges=0.1,
    edge_bytes=100.0, edge_seconds=1e-6, task_seconds=0.001,
)  # fmt: skip
ONE = Corpus(size=1.0, kept=0.5, document_bytes=1000, edges=0.5, shard_bytes=64 << 20)


def test_hours_are_seconds_a_byte_over_the_share_that_a_step_sees():
    assert ONE.hours(STEPS["ingest"]) == pytest.approx(1e12 * 1e-8 / 3600)
    assert ONE.hours(STEPS["dedup.minhash.bands.emit"]) == pytest.approx(0.5e12 * 2e-8 / 3600)


def test_volumes_are_counted_by_document_and_text_by_byte():
    assert ONE.written("ingest", STEPS["ingest"]) == pytest.approx(1.1)
    assert ONE.written("clean.statistics", STEPS["clean.statistics"]) == pytest.approx(0.3)
    bands = STEPS["dedup.minhash.bands.emit"]
    assert ONE.written("dedup.minhash.bands.emit", bands) == pytest.approx(0.168)
    assert ONE.read(bands) == pytest.approx(0.5)


def test_shorter_documents_of_the_same_text_mean_more_signatures():
    short = replace(ONE, document_bytes=500)
    bands = STEPS["dedup.minhash.bands.emit"]

    assert short.written("dedup.minhash.bands.emit", bands) == pytest.approx(0.336)


def test_totals_are_priced():
    hours = (1e4 + 3e4 + 1e4) / 3600

    cells = total_table(RATES, [ONE], 0.05, 100).splitlines()[-1].split("|")

    assert [cell.strip() for cell in cells[1:4]] == [
        "1 TB", f"{hours:,.0f}", f"${hours * 0.05:,.2f}",
    ]  # fmt: skip


def test_the_process_that_finds_clusters_is_told_by_its_edges():
    assert "| 25 GB |" in limit_table(RATES, [ONE])  # 1e9 documents, half kept, 0.5 edges each


def test_tables_take_the_place_between_the_markers_of_a_page():
    page = f"# A page\n\n{MARKERS[0]}old\n{MARKERS[1]}\nafter\n"

    told = replaced(page, "new")

    assert told == f"# A page\n\n{MARKERS[0]}\nnew\n\n{MARKERS[1]}\nafter\n"
    assert replaced(told, "new") == told
    with pytest.raises(ValueError, match="lacks"):
        replaced("no markers", "new")


def test_a_table_has_its_heads_and_a_line_a_row():
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"


def test_the_page_of_costs_has_the_tables_of_the_kept_rates():
    from bench.cost import RATES as KEPT
    from bench.cost_rates import read_rates

    page = (Path(__file__).parents[2] / "docs" / "cost.md").read_text()
    rates = read_rates(KEPT)
    each = rates.text_bytes / rates.documents
    corpora = [Corpus(size, 1.0, each, 0.5, 64 << 20) for size in (1.0, 240.0)]

    assert replaced(page, tables(rates, corpora, 0.04, 900.0)) == page
