"""SILO's tiers of a license: from what a document declares to PD, SW, BY, RESTRICTED or UNKNOWN.

Min et al. 2023 (arXiv:2308.04430) train on text in the public domain (PD), under permissive
licenses of software (SW) and under licenses that ask for attribution (BY), each tier with those
before it, and keep all else out of the weights. What a declaration means is found by
`curator.clean.license_names`; here what is said of the whole text decides, and nothing that is not
said. What is not understood is UNKNOWN and never promoted. An order of caution, not legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from curator.clean.license_names import declared, named

# From the freest on: a text may be put where a more cautious tier is allowed, never the other way.
PD, SW, BY, RESTRICTED, UNKNOWN = "PD", "SW", "BY", "RESTRICTED", "UNKNOWN"
SILO_TIERS: Final = (PD, SW, BY, RESTRICTED, UNKNOWN)
_OF_TIER: Final = {
    "public_domain": PD,
    "permissive": SW,
    "attribution": BY,
    "share_alike": RESTRICTED,  # but CC BY-SA: copyleft of software is none of SILO's three
    "no_derivatives": RESTRICTED,
    "non_commercial": RESTRICTED,
    "proprietary": RESTRICTED,
}
# SILO counts CC BY-SA among its attribution licenses; the duty to share alike stays with the text.
_SHARE_ALIKE: Final = re.compile(r"(?:LicenseRef-)?CC-BY-SA(?:-[0-9.]+)?")
_OF_TEXTS: Final = {"LicenseRef-HPND": "permissive"}  # told by notices alone
_SPDX: Final = re.compile(r"\(*\s*[\w.+-]+(?:[\s()]+(?:AND|OR|WITH)[\s()]+[\w.+-]+)+\s*\)*")
# Longer than any license is named: whole texts, and what is written to keep a reader busy.
_LONGEST: Final = 1000
_DEEPEST: Final = 50
# What follows WITH permits more only if it is an exception of SPDX (its list of exceptions 3.25);
# "Commons-Clause" forbids to sell.
_EXCEPTION: Final = re.compile(
    r"[\w.+-]*exception[\w.+-]*|Linux-syscall-note|GPL-CC-1\.0|SHL-2\.[01]", re.IGNORECASE
)
# Words that say that what stands beside them is not so, not sure, or not so of all of the text.
_HEDGED: Final = re.compile(
    r"\b(?:not|never|no longer|without|except|unless|mostly|partly|partially|mainly|some|various"
    r"|mixed|unknown|unclear|unsure|probably|possibly|perhaps|maybe|may be|might|assumed|presumably"
    r"|pending|tbd|todo|but|however|non[\s-]?commercial(?:ly)?|commons[\s-]clause|commercial"
    r"|where|nc|nd|(?:academic|educational|evaluation|internal|personal|private|research)"
    r"[\w\s,/-]{0,40}(?:use|purposes?|only))\b|\?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Tier:
    """What a license comes to, and why.

    Attributes:
        name: one of `SILO_TIERS`.
        license: an SPDX expression; "" where nothing known is named.
        why: "named", "hedged" (something in the words takes it back), "unread" (a part of it is not
            understood) or "silent".
        share_alike: what is made of the text must be under the same license.
    """

    name: str
    license: str = ""
    why: str = "silent"
    share_alike: bool = False


def tier_of(declaration: str | None) -> Tier:
    """Return the tier of what a `license` field says: an SPDX expression, a name, an address.

    Of licenses that all hold the most cautious tier counts, and one that is not understood makes
    the whole UNKNOWN; of alternatives the freest that is understood counts. Words that take back
    or doubt what they name leave UNKNOWN, or RESTRICTED where that is what they name.
    """
    if declaration is None or not declaration.strip():
        return Tier(UNKNOWN)
    text = declaration.strip()
    if len(text) > _LONGEST or text.count("(") > _DEEPEST:
        return Tier(UNKNOWN, why="unread")
    if _SPDX.fullmatch(text):
        return _expression(text)
    found = declared(text)
    if found is None:
        return Tier(UNKNOWN, why="unread")
    tier = named_tier(found.id, found.tier)
    if tier.name != RESTRICTED and _HEDGED.search(text):
        return Tier(UNKNOWN, tier.license, "hedged")
    return tier


def named_tier(identifier: str, tier: str) -> Tier:
    """Return the tier of an id, or an expression of ids, as `curator.clean.license_names` has them.

    Args:
        identifier: "MIT", "CC-BY-SA-4.0 AND MIT".
        tier: one of its `TIERS`, which decides for a single id.
    """
    if " " in identifier:
        return _expression(identifier)
    if _SHARE_ALIKE.fullmatch(identifier):
        return Tier(BY, identifier, "named", share_alike=True)
    alike = tier == "share_alike" or "-SA" in identifier
    return Tier(_OF_TIER[tier], identifier, "named", share_alike=alike)


def most_cautious(tiers: Sequence[Tier]) -> Tier:
    """Return what holds where all of several tiers hold; UNKNOWN is the most cautious."""
    worst = max(tiers, key=lambda tier: SILO_TIERS.index(tier.name))
    names = " AND ".join(dict.fromkeys(_grouped(tier) for tier in tiers if tier.license))
    return Tier(worst.name, names, worst.why, any(tier.share_alike for tier in tiers))


def _expression(text: str) -> Tier:
    """Return the tier of an SPDX expression (specification 2.3, annex D).

    WITH binds closest and only adds permissions, AND closer than OR.
    """
    words = re.findall(r"[()]|[^\s()]+", text)
    tier, rest = _choice(words)
    return Tier(UNKNOWN, text, "unread") if rest else tier


def _choice(words: list[str]) -> tuple[Tier, list[str]]:
    tier, words = _all(words)
    choices = [tier]
    while words and words[0] == "OR":
        tier, words = _all(words[1:])
        choices.append(tier)
    if len(choices) == 1:
        return tier, words
    best = min(choices, key=lambda tier: SILO_TIERS.index(tier.name))
    names = " OR ".join(dict.fromkeys(_grouped(tier) for tier in choices))
    return Tier(best.name, names, best.why, best.share_alike), words


def _all(words: list[str]) -> tuple[Tier, list[str]]:
    tier, words = _one(words)
    held = [tier]
    while words and words[0] == "AND":
        tier, words = _one(words[1:])
        held.append(tier)
    return (most_cautious(held) if len(held) > 1 else tier), words


def _one(words: list[str]) -> tuple[Tier, list[str]]:
    if words and words[0] == "(":
        tier, rest = _choice(words[1:])
        return (tier, rest[1:]) if rest[:1] == [")"] else (Tier(UNKNOWN, why="unread"), [])
    if not words or words[0] in ("AND", "OR", "WITH", ")"):
        return Tier(UNKNOWN, why="unread"), []
    word, rest = words[0], words[1:]
    if rest[:1] == ["WITH"]:
        if not _EXCEPTION.fullmatch(rest[1] if len(rest) > 1 else ""):
            return Tier(UNKNOWN, word, "unread"), rest[2:]
        rest = rest[2:]
    if word in _OF_TEXTS:
        return named_tier(word, _OF_TEXTS[word]), rest
    found = named(word)
    if found is None or " " in found.id:
        return Tier(UNKNOWN, word, "unread"), rest
    return named_tier(found.id, found.tier), rest


def _grouped(tier: Tier) -> str:
    return f"({tier.license})" if " " in tier.license else tier.license
