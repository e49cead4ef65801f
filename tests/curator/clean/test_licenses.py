import pyarrow as pa
import pytest

from curator.clean.license_names import TIERS, declared, named
from curator.clean.licenses import Licenses
from curator.corpus_spec import LicenseTier
from curator.errors import RecipeError
from tests.support.hostile import TEXTS

MIT = (
    "Permission is hereby granted, free of charge, to any person obtaining a copy of this\nsoftware"
)
BSD = (
    "# Redistribution and use in source and binary\n# forms, with or without modification, are "
    "permitted\n# provided that: ..."
)
GPL = (
    " * This program is free software; you can redistribute it and/or modify\n * it under the "
    "terms of the GNU General Public License as published by\n * the Free Software Foundation; "
    "either version 2 of the License, or\n * (at your option) any later version."
)


def license_of(text=None, license=None, **settings):
    table = pa.table(
        {
            "text": pa.array([text or "x"], pa.large_string()),
            "license": pa.array([license], pa.string()),
        }
    )
    made = Licenses(**settings).process(None, table)
    return tuple(made[name][0].as_py() for name in made.schema.names)


@pytest.mark.parametrize(
    ("said", "name", "tier"),
    [
        ("MIT", "MIT", "permissive"),
        ("MIT License", "MIT", "permissive"),
        ("apache-2.0", "Apache-2.0", "permissive"),
        ("Apache License, Version 2.0", "Apache-2.0", "permissive"),
        ("cc-by-sa-4.0", "CC-BY-SA-4.0", "share_alike"),
        ("https://creativecommons.org/licenses/by-sa/4.0/", "CC-BY-SA-4.0", "share_alike"),
        (
            "http://creativecommons.org/licenses/by-nc-nd/3.0/us/",
            "CC-BY-NC-ND-3.0",
            "non_commercial",
        ),
        ("Creative Commons Attribution 4.0", "CC-BY-4.0", "attribution"),
        ("CC BY-ND 2.0", "CC-BY-ND-2.0", "no_derivatives"),
        ("CC0", "CC0-1.0", "public_domain"),
        ("Public Domain", "LicenseRef-public-domain", "public_domain"),
        ("GPL-2", "GPL-2.0-only", "share_alike"),
        ("LGPL-2.1+", "LGPL-2.1-or-later", "share_alike"),
        ("GNU GPL v3 or later", "GPL-3.0-or-later", "share_alike"),
        ("GFDL 1.2+", "GFDL-1.2-or-later", "share_alike"),
        ("(MIT OR Apache-2.0)", "MIT OR Apache-2.0", "permissive"),
        ("MIT AND GPL-3.0-only", "GPL-3.0-only AND MIT", "share_alike"),
        ("GPL-2+ or CC BY 3.0", "GPL-2.0-or-later OR CC-BY-3.0", "attribution"),
        ("CC BY-SA 3.0/4.0", "CC-BY-SA-3.0 OR CC-BY-SA-4.0", "share_alike"),
        ("openrail", "LicenseRef-use-restrictions", "proprietary"),
        ("All rights reserved.", "LicenseRef-all-rights-reserved", "proprietary"),
    ],
)
def test_a_declared_license_gets_its_spdx_id_and_tier(said, name, tier):
    found = declared(said)

    assert (found.id, found.tier) == (name, tier)


@pytest.mark.parametrize(
    "said", ["", "other", "unknown", "see website", "commit", "permitted", "Apache Foundation",
             "per file: GPL-2+/MIT", "repo MIT; Common Crawl-derived text",
             "annotations CC BY 4.0; web text"],
)  # fmt: skip
def test_a_declaration_that_says_nothing_known_is_unknown(said):
    assert declared(said) is None


def test_the_license_of_what_a_text_came_in_counts_only_where_it_is_alone():
    assert declared("MIT (repo)").id == "MIT"
    assert declared("CC BY-SA 4.0 (Wikipedia); package GPL-3.0").id == "CC-BY-SA-4.0"
    assert declared("public domain (official works; repo Unlicense)").tier == "public_domain"


@pytest.mark.parametrize(
    ("text", "name", "origin"),
    [
        ("// SPDX-License-Identifier: GPL-2.0-or-later\nint x;", "GPL-2.0-or-later", "tag"),
        ("# SPDX-License-Identifier: (MIT OR Apache-2.0)", "MIT OR Apache-2.0", "tag"),
        ("License GPLv3+: GNU GPL version 3 or later", "GPL-3.0-or-later", "tag"),
        ("under https://creativecommons.org/licenses/by/4.0/ now", "CC-BY-4.0", "link"),
        (MIT, "MIT", "notice"),
        (BSD, "BSD-2-Clause", "notice"),
        (BSD + "\n# Neither the name of X nor", "BSD-3-Clause", "notice"),
        (GPL, "GPL-2.0-or-later", "notice"),
        (GPL.replace("GNU General", "GNU Lesser General"), "LGPL-2.0-or-later", "notice"),
        ("Text is available under the Creative Commons Attribution-ShareAlike License 4.0",
         "CC-BY-SA-4.0", "notice"),
        ("Licensed under the Apache License, Version 2.0 (the", "Apache-2.0", "notice"),
        ("© 2020 A. All Rights\nReserved.", "LicenseRef-all-rights-reserved", "notice"),
        ("I placed it in the public domain.", "LicenseRef-public-domain", "notice"),
    ],
)  # fmt: skip
def test_a_text_says_its_license_by_tag_link_or_notice(text, name, origin):
    found, _, told_by = license_of(text)

    assert (found, told_by) == (name, origin)


@pytest.mark.parametrize(
    "text",
    ["The GNU General Public License is long.", "He has a license to drive.",
     "MIT is in Cambridge.",
     "The film is now in the public domain.", "Creative Commons was founded in 2001."],
)  # fmt: skip
def test_a_text_that_talks_about_licenses_is_not_under_them(text):
    assert license_of(text) == (None, "unknown", None)


def test_what_is_declared_comes_before_what_the_text_says():
    assert license_of(MIT, "CC-BY-4.0") == ("CC-BY-4.0", "attribution", "declared")
    assert license_of(MIT, "see below") == ("MIT", "permissive", "notice")
    assert license_of(MIT, None, read_text=False) == (None, "unknown", None)


def test_tiers_that_are_not_kept_are_dropped_with_the_tier_as_the_reason():
    free = ("public_domain", "permissive")

    assert license_of(MIT, keep=free)[:2] == (True, None)
    assert license_of(None, "GPL-3", keep=free)[:2] == (False, "license.share_alike")
    assert license_of(keep=free)[:2] == (True, None)
    assert license_of(keep=free, keep_unknown=False)[:2] == (False, "license.unknown")


def test_columns_stay_aligned_with_many_rows():
    said = ["MIT", None, "nonsense", "MIT", None] * 3
    texts = ["a", MIT, BSD, GPL, "b"] * 3
    table = pa.table(
        {"text": pa.array(texts, pa.large_string()), "license": pa.array(said, pa.string())}
    )
    ids = Licenses().process(None, table)["license_id"].to_pylist()

    assert ids == ["MIT", "MIT", "BSD-2-Clause", "MIT", None] * 3
    assert Licenses().process(None, table[:0]).num_rows == 0


def test_hostile_texts_have_no_license():
    table = pa.table(
        {
            "text": pa.array(TEXTS, pa.large_string()),
            "license": pa.array(list(TEXTS), pa.string()),
        }
    )
    made = Licenses(keep=("permissive",)).process(None, table)

    assert made["license_tier"].to_pylist() == ["unknown"] * len(TEXTS)


def test_recipes_name_the_tiers_that_there_are():
    assert LicenseTier.__args__ == TIERS
    with pytest.raises(RecipeError, match="free"):
        Licenses(keep=("free",))
    assert named("nothing") is None
