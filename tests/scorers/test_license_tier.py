"""The tier of a document: declarations, notices in the text, and what is unknown."""

from __future__ import annotations

import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.testing import check_scorer, documents
from scorers.license_tier import LicenseTier

GPL = "This program is released under the GNU General Public License version 3.\nint main;"
CC = "This page is licensed under CC BY 4.0 by its author."


def scored(said: list[str | None], texts: list[str] | None = None, **settings) -> pa.Table:
    table = documents(texts or [f"text number {n}" for n in range(len(said))])
    at = table.column_names.index("license")
    table = table.set_column(at, "license", pa.array(said, pa.string()))
    return LicenseTier(**settings).process(None, table)


def test_it_keeps_the_contract():
    check_scorer(LicenseTier())


def test_tiers_are_in_order_and_unknown_has_no_score():
    found = scored(["CC0-1.0", "MIT", "CC-BY-4.0", "GPL-3.0-only", None, "see website"])

    assert found["license_tier"].to_pylist() == [3, 2, 1, 0, None, None]
    assert found["allowed"].to_pylist() == [1, 1, 1, 0, None, None]
    assert found["tier"].to_pylist()[-1] == "UNKNOWN"
    assert found["evidence"].to_pylist() == [
        "declared", "declared", "declared", "declared", "silent", "declared: unread",
    ]  # fmt: skip


def test_only_the_tiers_asked_for_are_allowed():
    assert scored(["CC0-1.0", "MIT"], allowed=("PD",))["allowed"].to_pylist() == [1, 0]


def test_a_files_notice_restricts_what_its_repository_declares():
    found = scored(["MIT", "MIT"], [GPL, CC])

    assert found["license_tier"].to_pylist() == [0, 1]
    assert found["license"].to_pylist()[0] == "MIT AND GPL-3.0-only"
    assert found["evidence"].to_pylist()[0] == "declared, notice"


def test_a_notice_promotes_nothing_unless_it_is_asked_to():
    said = [None, "see website", None, "see website"]
    texts = [CC, CC, GPL, GPL]

    found = scored(said, texts)["tier"].to_pylist()
    assert found == ["UNKNOWN", "UNKNOWN", "RESTRICTED", "RESTRICTED"]
    told = scored(said, texts, text="tell")["tier"].to_pylist()
    assert told == ["BY", "UNKNOWN", "RESTRICTED", "RESTRICTED"]
    ignored = scored(said, texts, text="ignore")["tier"].to_pylist()
    assert ignored == ["UNKNOWN"] * 4


def test_unknown_licenses_are_refused_or_lowest_where_asked():
    with pytest.raises(RecipeError, match=r"1 of 2 documents .* unknown license.*\('who knows'\)"):
        scored(["MIT", "who knows"], unknown="refuse")

    assert scored([None, "MIT"], unknown="lowest")["license_tier"].to_pylist() == [-1, 2]


def test_allowing_nothing_is_refused():
    with pytest.raises(RecipeError, match="allowed is empty"):
        LicenseTier(allowed=())
