"""What a declaration comes to, and that nothing unknown is ever promoted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.clean.license_tiers import SILO_TIERS, tier_of


@pytest.mark.parametrize(
    ("said", "tier"),
    [
        ("CC0-1.0", "PD"),
        ("public domain", "PD"),
        ("MIT", "SW"),
        ("MIT (repo)", "SW"),
        ("Apache License, Version 2.0", "SW"),
        ("https://creativecommons.org/licenses/by/4.0/", "BY"),
        ("CC BY-SA 4.0 (Wikipedia); package GPL-3.0-or-later", "BY"),
        ("CC-BY-NC-SA-4.0", "RESTRICTED"),
        ("https://creativecommons.org/licenses/by-nd/4.0/", "RESTRICTED"),
        ("GPL-3.0-or-later", "RESTRICTED"),
        ("All rights reserved", "RESTRICTED"),
        ("", "UNKNOWN"),
        (None, "UNKNOWN"),
        ("see the website", "UNKNOWN"),
        ("Common Crawl-derived; repo Apache-2.0", "UNKNOWN"),
    ],
)
def test_a_declaration_has_the_tier_that_it_names(said, tier):
    assert tier_of(said).name == tier


@pytest.mark.parametrize(
    ("said", "tier"),
    [
        ("MIT AND CC-BY-4.0", "BY"),
        ("MIT OR GPL-3.0-only", "SW"),
        ("MIT AND (GPL-3.0-only OR CC-BY-4.0)", "BY"),
        ("Apache-2.0 AND Never-heard-of", "UNKNOWN"),
        ("Apache-2.0 OR Never-heard-of", "SW"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "RESTRICTED"),
        ("MIT AND AND", "UNKNOWN"),
        ("(MIT AND CC0-1.0", "UNKNOWN"),
    ],
)
def test_an_expression_is_as_cautious_as_all_that_holds(said, tier):
    assert tier_of(said).name == tier


@pytest.mark.parametrize(
    "said",
    [
        "not public domain",
        "mostly CC BY 4.0",
        "MIT?",
        "perhaps CC0",
        "CC BY, mixed",
        "Free for research use only, MIT",
        "MIT for academic, non-profit purposes",
        "CC0 (text), images NC",
        "CC BY 4.0 where stated",
        "MIT; see LICENSE for commercial terms",
    ],
)
def test_words_that_take_back_a_license_leave_it_unknown(said):
    assert tier_of(said).name == "UNKNOWN"


def test_doubt_does_not_free_what_is_restricted():
    assert tier_of("possibly CC BY-NC 4.0").name == "RESTRICTED"


def test_sharing_alike_stays_a_duty():
    assert tier_of("CC-BY-SA-4.0").share_alike
    assert tier_of("MIT AND CC-BY-SA-4.0").share_alike
    assert not tier_of("CC-BY-4.0").share_alike


@given(st.sampled_from(["MIT", "CC0-1.0", "CC-BY-4.0", "GPL-3.0-only", "Foo-9"]),
       st.sampled_from(["MIT", "CC0-1.0", "CC-BY-4.0", "GPL-3.0-only", "Foo-9"]))  # fmt: skip
def test_and_is_the_worse_and_or_the_better_of_two(one, other):
    places = sorted(SILO_TIERS.index(tier_of(each).name) for each in (one, other))

    assert SILO_TIERS.index(tier_of(f"{one} AND {other}").name) == places[1]
    assert SILO_TIERS.index(tier_of(f"{one} OR {other}").name) == places[0]


@given(st.text(max_size=200))
def test_any_words_have_a_tier(said):
    assert tier_of(said).name in SILO_TIERS


@pytest.mark.parametrize(
    "said",
    [
        "Apache-2.0 WITH Commons-Clause",
        "MIT with Commons Clause",
        "MIT licensed, but only for research",
        "MIT licensed for non-commercial use",
        "MIT licensed for noncommercial use",
    ],
)
def test_what_takes_freedom_back_is_not_free(said):
    assert tier_of(said).name in ("UNKNOWN", "RESTRICTED")


def test_an_exception_permits_more():
    assert tier_of("Apache-2.0 WITH LLVM-exception").name == "SW"


@pytest.mark.parametrize(
    "said",
    ["(" * 900 + "MIT AND MIT", "(" * 100_000, "(" * 400 + "MIT AND MIT" + ")" * 400,
     " OR ".join(["MIT"] * 50_000)],
)  # fmt: skip
def test_what_is_written_to_keep_a_reader_busy_is_not_read(said):
    assert tier_of(said).name == "UNKNOWN"
