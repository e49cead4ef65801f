"""Where a passage comes from, and manifests by the tier of a license."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curator.errors import BudgetError, LedgerError, RecipeError
from curator.testing import tiny_encoder
from pipelines.attributing import attribute_text
from pipelines.tiering import write_tiers
from tests.support.withdrawn import plain_run, prose

LICENSES = ["CC0-1.0", "MIT", "CC-BY-4.0", "GPL-3.0-only", None]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rights")
    rows = [
        {"text": prose(n) + (" mail me@harborledger.com" if n == 3 else ""), "source": "web",
         "url": f"https://example.org/{n}", "license": LICENSES[n % len(LICENSES)]}
        for n in range(40)
    ]  # fmt: skip
    (folder / "in").mkdir()
    (folder / "in" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tier = {"use": "license_tier", "as": "tier"}
    arms = {
        "random": {"select": {"method": "random", "share": 0.9}},
        "pdsw": {"select": {"method": "threshold", "by": "tier", "threshold": 2}},
        "silo": {"select": {"method": "threshold", "by": "tier.allowed", "threshold": 1}},
    }
    plain_run(folder / "in", folder / "store", folder / "run", score=[tier], arms=arms)
    return folder


def attribute(place: Path, text: str, **settings):
    known = {"least": 8, "n": 5, "encoder": "wordllama"} | settings
    return attribute_text(text, place / "store", **known).summary


def test_a_passage_leads_to_its_document_with_license_and_address(place):
    words = prose(2).split()
    found = attribute(place, "nothing before it " + " ".join(words[10:40]) + " nor after")

    assert [row["url"] for row in found["documents"]] == ["https://example.org/2"]
    first = found["documents"][0]
    assert (first["words"], first["license"], first["tier"]) == (30, "CC-BY-4.0", "BY")
    assert first["span"].split() == words[10:40]
    assert found["share"] == pytest.approx(30 / 35)


def test_versions_of_a_document_are_told_once(place):
    found = attribute(place, prose(3))

    assert [row["url"] for row in found["documents"]] == ["https://example.org/3"]
    assert found["documents"][0]["parent_id"] is None


def test_a_file_is_read(place):
    (place / "said.txt").write_text(prose(5))

    assert attribute(place, str(place / "said.txt"))["documents"][0]["words"] == 60


def test_words_of_nobody_lead_nowhere(place):
    found = attribute(place, "these eight words stand in no document of theirs at all")

    assert (found["documents"], found["share"]) == ([], 0.0)


def test_the_nearest_in_meaning_are_told_where_the_store_has_vectors(place, tmp_path):
    encoder = str(tiny_encoder(tmp_path / "encoder"))
    score = [{"use": "novelty", "encoder": encoder}]
    plain_run(place / "in", tmp_path / "store", tmp_path / "run", score=score)
    found = attribute_text(prose(7), tmp_path / "store", least=8, n=3, encoder=encoder).summary

    assert len(found["nearest"]) == 3
    assert found["nearest"][0]["url"] == "https://example.org/7"
    assert found["nearest"][0]["cosine"] == pytest.approx(1.0, abs=0.01)
    assert attribute(place, prose(7))["nearest"] == []


def test_too_few_words_and_absent_stores_are_refused(place):
    with pytest.raises(RecipeError, match="has 2 words"):
        attribute(place, "two words")
    with pytest.raises(LedgerError, match="there is no store"):
        attribute_text(prose(1), place / "nowhere", least=8, n=1, encoder="wordllama")


def test_a_selection_by_tier_holds_nothing_unknown_and_its_manifests_are_written(place):
    found = write_tiers(place / "run", place / "silo", arm="silo", by="tier", allowed=[])

    assert set(found.summary["tiers"]) == {"PD", "SW", "BY"}
    rows = [json.loads(line) for line in (place / "silo" / "BY.jsonl").read_text().splitlines()]
    assert {row["license"] for row in rows} == {"CC-BY-4.0"}
    assert {row["evidence"] for row in rows} == {"declared"}
    assert all(row["url"].startswith("https://example.org/") for row in rows)
    told = json.loads((place / "silo" / "tiers.json").read_text())
    assert sum(tier["documents"] for tier in told["tiers"].values()) == 24


def test_a_threshold_takes_the_tiers_above_it(place):
    found = write_tiers(place / "run", place / "pdsw", arm="pdsw", by="tier", allowed=["PD", "SW"])

    assert set(found.summary["tiers"]) == {"PD", "SW"}


def test_manifests_with_unknown_licenses_are_refused_unless_allowed(place):
    with pytest.raises(BudgetError, match=r"\d+ RESTRICTED, \d+ UNKNOWN.*--allow UNKNOWN"):
        write_tiers(place / "run", place / "all", arm="random", by="tier", allowed=[])
    assert not (place / "all").exists()
    every = ["PD", "SW", "BY", "RESTRICTED", "UNKNOWN"]
    found = write_tiers(place / "run", place / "all", arm="", by="tier", allowed=every)

    assert found.summary["tiers"]["UNKNOWN"]["documents"] == 8
    assert (place / "all" / "UNKNOWN.jsonl").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"arm": "nobody"}, "no arm 'nobody'"),
        ({"by": "teir"}, "did you mean 'tier'"),
        ({"allowed": ["FREE"]}, "tiers are PD"),
    ],
)
def test_what_is_not_there_is_refused(place, settings, message):
    known = {"arm": "silo", "by": "tier", "allowed": []} | settings
    with pytest.raises(RecipeError, match=message):
        write_tiers(place / "run", place / "none", **known)


def test_an_existing_folder_is_not_written_into(place):
    with pytest.raises(RecipeError, match="there already"):
        write_tiers(place / "run", place, arm="silo", by="tier", allowed=[])


def test_words_that_are_no_unicode_are_looked_for_all_the_same(place):
    found = attribute(place, "half \ud800 " + prose(2))

    assert [row["url"] for row in found["documents"]] == ["https://example.org/2"]
