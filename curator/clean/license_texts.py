"""The license that a text says it is under: by SPDX's tag, a Creative Commons link, or its notice.

A text that talks about a license is not under it, so only what licenses ask their users to write
counts: the tag of SPDX (specification 2.3, annex E; also the fields of Debian's copyright files and
the heading of GNU's manuals), an address of a Creative Commons license, and the sentence that
grants the rights. Whole columns are searched; only texts with a word of the kind in them are looked
at closely, with line breaks and signs of comments taken out.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import polars as pl

from curator.clean.license_names import License, addresses, all_of, gnu, named

TAG, LINK, NOTICE = "tag", "link", "notice"
_WORDS: Final = (
    "spdx", "license", "licence", "permission is", "permission\nis", "permission to",
    "permission\nto", "redistribution and", "rights reserved", "rights\nreserved", "public domain",
    "public\ndomain", "creative commons", "creativecommons.org/", "cc by", "cc-by", "cc0",
)  # fmt: skip
# What is between words in a wrapped comment: white space and signs.
_BETWEEN: Final = r"[\s#*/;|\\\"'`>-]+"
_TAGGED: Final = r"(?i)SPDX-License-Identifier:[ \t]*\(?([A-Za-z0-9.+-]+(?:[ \t]+(?:OR|AND|WITH)[ \t]+\(?[A-Za-z0-9.+-]+\)?)*)"  # noqa: E501 - one pattern
# A Debian copyright file (the machine-readable format 1.0), and GNU's `License GPLv3+: GNU GPL`.
_DEBIAN: Final = r"^Format: https?://www\.debian\.org/doc/packaging-manuals/copyright-format/"
_FIELD: Final = r"(?m)^License:[ \t]+(\S.*)$"
_GNU_HEADING: Final = r"License [AL]?GPLv[1-3]\+?:"
_LINKED: Final = (
    r"(?i)creativecommons\.org/(?:licenses/[a-z-]+|publicdomain/[a-z]+)(?:/[0-9.]*[0-9])?"
)
_UNDER: Final = (
    r"(?:licen[cs]ed|released|available|distributed|published|shared|(?:is|are) (?:made )?available"
    r"|redistributed|used|modify it|it|and|or) under (?:an? |the )?(?:terms of )?(?:the )?(?:an? )?"
)
_GNU_NOTICE: Final = (
    _UNDER + r"((?:gnu )?(?:lesser |library |affero )?general public licen[cs]e|"
    r"gnu free documentation licen[cs]e)(?: as published by the free software foundation)?"
    r"(?:[,;]? ?(?:either )?version ([1-3](?:\.[0-9])?))?(?: of the licen[cs]e)?"
    r"([,;]? ?(?:or|and) ?\(? ?at your (?:option|choice) ?\)? ?any later version"
    r"|[,;]? or any later version)?"
)
_CC_NOTICE: Final = (
    _UNDER + r"((?:creative commons|cc)[- ](?:by|attribution|zero|0)[a-z0-9. -]{0,60}|cc0)"
)
# (id, tier, pattern) of sentences that say which license they grant; they see lower case with one
# space between words.
_NOTICES: Final = (
    ("MIT", "permissive",
     r"permission is hereby granted,? free of charge,? to any person obtaining a copy"),
    ("MIT", "permissive", _UNDER + r"(?:the )?mit licen[cs]e"),
    ("ISC", "permissive",
     r"permission to use,? copy,? modify,? and or distribute this software for any purpose with or "
     r"without fee is hereby granted"),
    ("LicenseRef-HPND", "permissive",
     r"permission to use,? copy,? modify,? (?:and )?(?:distribute|sell)[a-z, ]{0,80} (?:for any "
     r"purpose|without fee|is hereby granted)"),
    ("Apache-2.0", "permissive", _UNDER + r"apache licen[cs]e,? (?:version |v\.? ?)?2"),
    ("MPL-2.0", "share_alike", r"mozilla public licen[cs]e,? (?:version |v\.? ?)2"),
    ("Unlicense", "public_domain",
     r"this is free and unencumbered software released into the public domain"),
    ("LicenseRef-public-domain", "public_domain",
     r"(?:placed|released|put|dedicated|donated) (?:it |this |them )?(?:in|into|in to|to) the "
     r"public domain"
     r"|this (?:(?:file|page|document|work|text|code|software|program) )?is in the public domain"),
)  # fmt: skip
_BSD: Final = r"redistribution and use in source and binary forms,? with or without modification"
_ADVERTISING: Final = r"all advertising materials mentioning features or use"
_ENDORSE: Final = (
    r"(?:neither the name|may not be used to endorse|names? of .{0,80} may not be used)"
)
_RESERVED: Final = r"all rights reserved"


def licenses_of_texts(texts: pl.Series) -> pl.DataFrame:
    """`license_id`, `license_tier` and `license_from` of each text, null where it says nothing.

    A tag comes before a link, a link before a notice. All that are found hold, the most cautious
    tier counts. "All rights reserved" counts where nothing else is said.
    """
    frame = pl.DataFrame({"text": texts}).with_row_index("row")
    near = frame.filter(pl.col("text").str.contains_any(list(_WORDS), ascii_case_insensitive=True))
    plain = pl.col("text").str.to_lowercase().str.replace_all(_BETWEEN, " ")
    asked = near.select(
        "row",
        pl.concat_list(
            pl.col("text").str.extract_all(_TAGGED),
            pl.col("text").str.extract_all(_GNU_HEADING),
            pl.when(pl.col("text").str.contains(_DEBIAN))
            .then(pl.col("text").str.extract_all(_FIELD))
            .otherwise([]),
        ).alias(TAG),
        pl.col("text").str.extract_all(_LINKED).alias(LINK),
        plain.alias("plain"),
    ).with_columns(
        pl.col("plain").str.extract_all(_GNU_NOTICE).alias("gnu"),
        pl.col("plain").str.extract_all(_CC_NOTICE).alias("cc"),
        *(
            pl.col("plain").str.contains(pattern).alias(f"notice{number}")
            for number, (_, _, pattern) in enumerate(_NOTICES)
        ),
        *(
            pl.col("plain").str.contains(pattern).alias(name)
            for name, pattern in (
                ("bsd", _BSD),
                ("advertising", _ADVERTISING),
                ("endorse", _ENDORSE),
                ("reserved", _RESERVED),
            )
        ),
    )
    # A loop over the texts that say something: few, and what they say repeats itself.
    said = [_said(row) for row in asked.drop("plain").iter_rows(named=True)]
    found = pl.DataFrame(
        {
            "row": asked["row"],
            "license_id": [license_ and license_.id for license_, _ in said],
            "license_tier": [license_ and license_.tier for license_, _ in said],
            "license_from": [origin for _, origin in said],
        },
        schema_overrides={
            "license_id": pl.String,
            "license_tier": pl.String,
            "license_from": pl.String,
        },
    )
    return frame.select("row").join(found, on="row", how="left", maintain_order="left").drop("row")


def _said(row: dict[str, object]) -> tuple[License | None, str | None]:
    """The license that the findings in one text add up to, and which kind of finding it is."""
    for origin, read in ((TAG, _tag), (LINK, _link)):
        listed = row[origin]
        assert isinstance(listed, list)
        license_ = all_of([one for text in listed if (one := read(text)) is not None])
        if license_ is not None:
            return license_, origin
    noticed = all_of(_noticed(row))
    if noticed is not None:
        return noticed, NOTICE
    if row["reserved"]:
        return License("LicenseRef-all-rights-reserved", "proprietary"), NOTICE
    return None, None


def _noticed(row: dict[str, object]) -> list[License]:
    found = [
        License(name, tier)
        for number, (name, tier, _) in enumerate(_NOTICES)
        if row[f"notice{number}"]
    ]
    if row["bsd"]:
        clauses = "4" if row["advertising"] else "3" if row["endorse"] else "2"
        found.append(License(f"BSD-{clauses}-Clause", "permissive"))
    for name in ("gnu", "cc"):
        listed = row[name]
        assert isinstance(listed, list)
        read = _gnu if name == "gnu" else _named
        found += [one for text in listed if (one := read(text)) is not None]
    return found


@lru_cache(4096)
def _tag(text: str) -> License | None:
    heading, _, value = text.partition(":")
    return named(value or heading.removeprefix("License "))


@lru_cache(4096)
def _link(text: str) -> License | None:
    return all_of(list(addresses(text.lower())))


@lru_cache(4096)
def _named(text: str) -> License | None:
    return named(text.rpartition(" under ")[2])


@lru_cache(4096)
def _gnu(text: str) -> License | None:
    match = re.search(_GNU_NOTICE, text)
    if match is None:
        return None
    family = "GPL"
    for word, name in (("free doc", "GFDL"), ("affero", "AGPL"), ("l", "LGPL")):
        said = match[1].removeprefix("gnu ")
        if said.startswith(word) or (name == "GFDL" and word in said):
            family = name
            break
    return gnu(family, match[2] or "", later=bool(match[3]))
