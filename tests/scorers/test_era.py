"""Eras by years of writing, and the dates that are none."""

from __future__ import annotations

import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.schema import conform
from curator.score.years import years_of
from curator.shards import write_shard
from curator.stage import Corpus, Site
from curator.testing import documents
from scorers.era import Era

BINS = {"early": (1800, 1899), "late": (1950, 1999)}


def dated(dates, *, source="speeches", origin=None, extra=None) -> pa.Table:
    table = documents([f"text {n}" for n in range(len(dates))], source=source)
    columns = {"date": dates, "extra": extra, "origin": origin}
    for name, values in columns.items():
        if values is not None:
            at = table.column_names.index(name)
            table = table.set_column(at, name, pa.array(values, pa.string()))
    return table


def fit(era: Era, table: pa.Table, folder) -> None:
    shard = write_shard(conform(table, table.schema), folder / "pool.arrow", name="pool")
    era.fit({"raw": Corpus((shard,))}, folder, Site())


def era(**settings) -> Era:
    return Era(**{"bins": BINS, "dates": "authorship", **settings})


@pytest.mark.parametrize(
    ("said", "year"),
    [
        ("1945", 1945),
        ("1945-04-16", 1945),
        ("1945-04", 1945),
        ("2001-03-04T05:06:07Z", 2001),
        ("April 16, 1945", 1945),
        ("1945/04/16", 1945),
        ("03/04/05", 0),
        ("1850s", 0),
        ("c. 1900", 0),
        ("circa 1900", 0),
        ("1850-1860", 0),
        ("1945 or 1946", 0),
        ("before 1900", 0),
        ("1901?", 0),
        ("19450416123", 0),
    ],
)
def test_a_year_is_taken_only_where_one_can_be_meant(said, year):
    assert years_of(dated([said]), "date").year.tolist() == [year]


def test_a_documents_era_is_that_of_its_year(tmp_path):
    found = era().score(None, dated(["1801-05-05", "1999", "1920", None]))

    assert found["era"].to_pylist() == ["early", "late", None, None]
    assert found["year"].to_pylist() == [1801, 1999, 1920, None]


def test_years_are_found_in_other_fields_by_a_pattern():
    extra = ['{"meta": {"file": "inaugural/1861-Lincoln.txt"}}', '{"meta": {}}']
    table = dated([None, None], extra=extra)
    found = era(field="extra.meta.file", pattern=r"/(\d{4})-").score(None, table)

    assert found["era"].to_pylist() == ["early", None]


def test_missing_and_doubtful_dates_are_refused_unless_let_go(tmp_path):
    table = dated(["1801", "1960", None, "03/04/05"])
    with pytest.raises(RecipeError, match=r"1 documents have no date and 1 .*'03/04/05'"):
        fit(era(), table, tmp_path)

    fit(era(missing="null"), table, tmp_path)


def test_an_era_without_documents_is_refused(tmp_path):
    with pytest.raises(RecipeError, match=r"bins \['late'\] have fewer than 1"):
        fit(era(), dated(["1801", "1802"]), tmp_path)


def test_dates_of_a_crawl_are_refused(tmp_path):
    with pytest.raises(RecipeError, match="a crawl's date is not"):
        era(dates="crawl")
    table = dated(["1801", "1960"], origin=["a/b.warc.gz#1", "c.txt"])
    with pytest.raises(RecipeError, match="when a crawler fetched it"):
        fit(era(), table, tmp_path)


def test_one_day_for_a_whole_source_is_that_of_a_snapshot(tmp_path):
    table = pa.concat_tables([dated(["1960-01-01"] * 20, source="dump"), dated(["1801-01-02"] * 3)])
    with pytest.raises(RecipeError, match=r"sources \['dump'\] have one day, \['1960-01-01'\]"):
        fit(era(), table, tmp_path)


def test_bins_that_overlap_or_run_backwards_are_refused():
    with pytest.raises(RecipeError, match=r"bins \['missing'\] are called"):
        era(bins={"missing": (1, 2), "b": (3, 4)})
    with pytest.raises(RecipeError, match="overlap"):
        era(bins={"a": (1800, 1900), "b": (1900, 1950)})
    with pytest.raises(RecipeError, match="are none"):
        era(bins={"a": (1900, 1800)})
    with pytest.raises(RecipeError, match="are none"):
        era(bins={})


def test_other_sources_have_no_era(tmp_path):
    table = pa.concat_tables([dated(["1801", "1960"]), dated([None], source="web")])
    one = era(sources=("speeches",))
    fit(one, table, tmp_path)

    assert one.score(None, table)["era"].to_pylist() == ["early", "late", None]


def test_a_shard_without_any_of_the_sources_is_read(tmp_path):
    shards = [
        write_shard(one, tmp_path / f"{n}.arrow", name=str(n))
        for n, one in enumerate([dated([None], source="web"), dated(["1801", "1960"])])
    ]
    era(sources=("speeches",)).fit({"raw": Corpus(tuple(shards))}, tmp_path, Site())


def test_a_pattern_that_cannot_be_read_is_refused():
    with pytest.raises(RecipeError, match="cannot be read"):
        years_of(dated(["1801"]), "date", "(")
