"""What a declared license is: from SPDX ids, everyday names and addresses to an id and a tier.

Ids are those of the SPDX License List (spdx.org/licenses); a license that has a name but no id
there, or of which only the family is said ("BSD"), is a `LicenseRef-` as SPDX has it. The tiers say
what the license's own text asks; for Creative Commons, what its deeds say
(creativecommons.org/licenses). They are an order of caution for choosing text, not legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# From the freest on. Of several licenses that all hold the last tier counts, of alternatives the
# first.
TIERS: Final = (
    "public_domain",  # nothing is asked
    "permissive",  # keep the notice
    "attribution",  # name the author
    "share_alike",  # the same license for what is made of it; copyleft of any strength
    "no_derivatives",  # unchanged only
    "non_commercial",
    "proprietary",  # terms of its own, or all rights reserved
)


@dataclass(frozen=True)
class License:
    """A license, or several: an SPDX expression and the tier that follows from it."""

    id: str
    tier: str


# (pattern, id, tier); the pattern sees lower case, blanks for hyphens and underscores, "license"
# for "licence". More special names stand first: what one has matched no other sees.
_NAMES: Final = (
    (r"cc0(?: 1 0)?|creative commons zero(?: 1 0)?|cc zero", "CC0-1.0", "public_domain"),
    (r"pddl(?: 1 0)?|public domain dedication(?: and license)?", "PDDL-1.0", "public_domain"),
    (r"the unlicense|unlicense", "Unlicense", "public_domain"),
    (r"dl de zero(?: 2 0)?", "DL-DE-ZERO-2.0", "public_domain"),
    (r"wtfpl", "WTFPL", "public_domain"),
    (r"cc pddc|cc pdm(?: 1 0)?|(?:in the |us )?public domain(?: mark)?(?: 1 0)?"
     r"|us government works?", "LicenseRef-public-domain", "public_domain"),
    (r"apache(?: software)?(?: license)?(?: v)?(?: version)? ?2(?: 0)?", "Apache-2.0",
     "permissive"),
    (r"apache(?: software)?(?: license)?(?: v)? ?1 1", "Apache-1.1", "permissive"),
    (r"apache(?: software)? license", "LicenseRef-Apache", "permissive"),
    (r"mit 0", "MIT-0", "permissive"),
    (r"(?:the )?mit(?: license)?|expat(?: license)?", "MIT", "permissive"),
    (r"0bsd|bsd zero clause", "0BSD", "permissive"),
    (r"bsd 4 clause uc", "BSD-4-Clause-UC", "permissive"),
    (r"bsd 4 clause|original bsd", "BSD-4-Clause", "permissive"),
    (r"bsd 3 clause(?: license)?|3 clause bsd|(?:new|modified|revised) bsd", "BSD-3-Clause",
     "permissive"),
    (r"bsd 2 clause(?: license)?|2 clause bsd|simplified bsd|freebsd license", "BSD-2-Clause",
     "permissive"),
    (r"bsd(?: license)?", "LicenseRef-BSD", "permissive"),
    (r"isc(?: license)?", "ISC", "permissive"),
    (r"zlib(?: license)?", "Zlib", "permissive"),
    (r"bsl 1 0|boost(?: software license)?(?: 1 0)?", "BSL-1.0", "permissive"),
    (r"psf(?: 2 0| license)?|python software foundation license(?: 2 0)?", "PSF-2.0",
     "permissive"),
    (r"python 2 0", "Python-2.0", "permissive"),
    (r"postgresql(?: license)?", "PostgreSQL", "permissive"),
    (r"artistic(?: license)? 2(?: 0)?", "Artistic-2.0", "permissive"),
    (r"fsful(?:lr)?", "FSFUL", "permissive"),
    (r"cdla permissive 2 0", "CDLA-Permissive-2.0", "permissive"),
    (r"cdla permissive(?: 1 0)?", "CDLA-Permissive-1.0", "permissive"),
    (r"odc by(?: 1 0)?|odc attribution license|open data commons attribution(?: license)?"
     r"(?: v?1 0)?", "ODC-By-1.0", "attribution"),
    (r"ogl(?: uk)?(?: 3 0)?|open government license(?: v?3(?: 0)?)?", "OGL-UK-3.0", "attribution"),
    (r"etalab(?: 2 0)?|licence ouverte|license ouverte", "etalab-2.0", "attribution"),
    (r"dl de by(?: 2 0)?", "DL-DE-BY-2.0", "attribution"),
    (r"odbl(?: 1 0)?|open database license", "ODbL-1.0", "share_alike"),
    (r"cdla sharing(?: 1 0)?", "CDLA-Sharing-1.0", "share_alike"),
    (r"mpl 1 1", "MPL-1.1", "share_alike"),
    (r"mpl(?: ?2(?: 0)?)?|mozilla public license(?: 2 0)?", "MPL-2.0", "share_alike"),
    (r"epl 1 0", "EPL-1.0", "share_alike"),
    (r"epl(?: ?2(?: 0)?)?|eclipse public license", "EPL-2.0", "share_alike"),
    (r"eupl(?: 1 2)?|european union public license", "EUPL-1.2", "share_alike"),
    (r"cddl(?: 1 0)?", "CDDL-1.0", "share_alike"),
    (r"ofl(?: 1 1)?|(?:sil )?open font license", "OFL-1.1", "share_alike"),
    (r"linux man pages copyleft(?: var)?", "Linux-man-pages-copyleft", "share_alike"),
    (r"(?:creativeml |bigscience |bigcode )?open ?rail(?: ?(?:m|\+\+))?|llama[ 0-9]*(?: community)?"
     r"(?: license)?|gemma(?: terms)?", "LicenseRef-use-restrictions", "proprietary"),
    (r"all rights reserved|proprietary|commercial license|copyrighted",
     "LicenseRef-all-rights-reserved", "proprietary"),
)  # fmt: skip
_NUMBER: Final = r"(?: ?v(?:ersion)?)?(?: ?(?P<version>[1-4](?: [0-9])?))?"
_CC: Final = re.compile(
    r"\b(?:cc|creative commons)(?: license)?(?P<parts>(?: ?by\b| ?nc\b| ?sa\b| ?nd\b| attribution"
    r"| non ?commercial| share ?alike| no ?deriv(?:ative)?s?(?: works)?)+)(?: license)?"
    + _NUMBER + r"(?P<other>/[1-4] [0-9])?"
)  # fmt: skip
_GNU: Final = re.compile(
    r"\b(?:gnu )?(?:(?P<short>[al]?gpl|g?fdl)|(?P<long>(?:affero |lesser |library )?general public"
    r" license|free documentation license))" + _NUMBER
    + r"(?P<later>\+| or later| or any later version)?(?: only)?(?= |$|[^a-z0-9])"
)  # fmt: skip
_CC_ADDRESS: Final = re.compile(
    r"creativecommons\.org/(?:licenses/(?P<kind>by(?:-nc|-sa|-nd)*)|publicdomain/(?P<free>zero|mark)"
    r"|licenses/(?P<old>publicdomain))/?(?P<version>[1-4]\.[0-9])?"
)
_GNU_ADDRESS: Final = re.compile(
    r"gnu\.org/(?:licenses/(?:old-licenses/)?|copyleft/)(?P<kind>[al]?gpl|fdl)"
    r"(?:-(?P<version>[1-3]\.[0-9]))?"
)
_ADDRESSES: Final = (
    ("opensource.org/licenses/mit", "MIT"), ("opensource.org/license/mit", "MIT"),
    ("apache.org/licenses/license-2.0", "Apache-2.0"), ("unlicense.org", "Unlicense"),
    ("opendatacommons.org/licenses/by", "ODC-By-1.0"),
    ("opendatacommons.org/licenses/odbl", "ODbL-1.0"),
    ("opendatacommons.org/licenses/pddl", "PDDL-1.0"), ("mozilla.org/mpl/2.0", "MPL-2.0"),
)  # fmt: skip
_GNU_IDS: Final = {"gpl": "GPL", "lgpl": "LGPL", "agpl": "AGPL", "fdl": "GFDL", "gfdl": "GFDL"}
_LONG: Final = {
    "general public license": "GPL",
    "lesser general public license": "LGPL",
    "library general public license": "LGPL",
    "affero general public license": "AGPL",
    "free documentation license": "GFDL",
}
_COMPILED: Final = tuple(
    (re.compile(rf"(?<![a-z0-9])(?:{pattern})(?![a-z0-9])"), License(name, tier))
    for pattern, name, tier in _NAMES
)
_BY_ID: Final = {found.id: found for _, found in _COMPILED}


def named(text: str) -> License | None:
    """The licenses that a short text names; None if it names none that is known.

    Licenses joined by "or" are alternatives; joined by anything else, all hold.
    """
    addressed = list(addresses(text.lower()))
    if addressed:
        return all_of(addressed)
    folded = re.sub(r"licence", "license", text.lower())
    folded = re.sub(r"(?<=\w)/(?=[a-z])", " and ", re.sub(r"[-_\s]+", " ", folded))
    folded = re.sub(r"(?<=[0-9])\.(?=[0-9])", " ", folded)
    folded = re.sub(r" or (?=later|any later|newer)", " \x01 ", folded)
    choices = [
        found
        for part in re.split(r"\bor\b", folded)
        if (found := _all_in(part.replace(" \x01 ", " or "))) is not None
    ]
    return one_of(choices)


def _all_in(folded: str) -> License | None:
    """Every license in a text without alternatives."""
    found: list[License] = []

    def take(license_: License) -> str:
        found.append(license_)
        return " | "

    folded = _CC.sub(lambda match: take(_creative_commons(match)), folded)
    folded = _GNU.sub(lambda match: take(_gnu(match)), folded)
    for pattern, license_ in _COMPILED:
        folded, times = pattern.subn(" | ", folded)
        found += [license_] * min(times, 1)
    return all_of(found)


def _creative_commons(match: re.Match[str]) -> License:
    parts = match["parts"]
    words = (("nc", r"\bnc\b|commercial"), ("nd", r"\bnd\b|deriv"), ("sa", r"\bsa\b|alike"))
    kinds = [short for short, pattern in words if re.search(pattern, parts)]
    version = (match["version"] or "").replace(" ", ".")
    if match["other"]:  # "3.0/4.0"
        return one_of(
            [_cc(kinds, version), _cc(kinds, match["other"][1:].replace(" ", "."))]
        ) or _cc(kinds, version)
    return _cc(kinds, version if "." in version or not version else version + ".0")


def _cc(kinds: list[str], version: str) -> License:
    tier = (
        "non_commercial" if "nc" in kinds
        else "no_derivatives" if "nd" in kinds
        else "share_alike" if "sa" in kinds
        else "attribution"
    )  # fmt: skip
    order = [kind for kind in ("nc", "nd", "sa") if kind in kinds]
    name = "-".join(["CC", "BY", *(kind.upper() for kind in order)])
    return License(f"{name}-{version}" if version else f"LicenseRef-{name}", tier)


def _gnu(match: re.Match[str]) -> License:
    family = _GNU_IDS[match["short"]] if match["short"] else _LONG[match["long"]]
    return gnu(family, (match["version"] or "").replace(" ", "."), later=bool(match["later"]))


def gnu(family: str, version: str, *, later: bool) -> License:
    """A license of the GNU project: "GPL", "LGPL", "AGPL" or "GFDL", of a version if it is said."""
    if not version:
        return License(f"LicenseRef-{family}", "share_alike")
    number = version if "." in version else f"{version}.0"
    return License(f"{family}-{number}-{'or-later' if later else 'only'}", "share_alike")


def addresses(text: str) -> Iterator[License]:
    """The licenses that addresses in a lower-case text lead to."""
    for match in _CC_ADDRESS.finditer(text):
        if match["kind"]:
            yield _cc(match["kind"].split("-")[1:], match["version"] or "")
        else:
            marks = {"zero": "CC0-1.0", "mark": "CC-PDM-1.0"}
            free = marks.get(match["free"] or "", "LicenseRef-public-domain")
            yield License(free, "public_domain")
    for match in _GNU_ADDRESS.finditer(text):
        yield gnu(_GNU_IDS[match["kind"]], match["version"] or "", later=False)
    for address, name in _ADDRESSES:
        if address in text:
            yield _BY_ID[name]


def all_of(found: list[License]) -> License | None:
    """Several licenses that all hold: the most cautious tier; None of none."""
    return _joined(found, " AND ", TIERS[max((TIERS.index(f.tier) for f in found), default=0)])


def one_of(found: list[License]) -> License | None:
    """A choice of licenses: the freest tier; None of none."""
    return _joined(found, " OR ", TIERS[min((TIERS.index(f.tier) for f in found), default=0)])


def _joined(found: list[License], word: str, tier: str) -> License | None:
    names = list(dict.fromkeys(each.id for each in found))
    if len(names) < 2:
        return License(names[0], tier) if names else None
    return License(word.join(f"({name})" if " " in name else name for name in names), tier)


_AROUND: Final = re.compile(
    r"\b(?:repo|repository|package|packaging|annotations?|code|metadata)\b", re.IGNORECASE
)
_ALONE: Final = re.compile(r"\((?:repo|repository|package|code)\)", re.IGNORECASE)
_FOREIGN: Final = re.compile(
    r"common crawl|web text|\bcrawl|copyright of|internet archive", re.IGNORECASE
)
_EACH: Final = re.compile(r"(?:^|[,;])\s*per (?:file|page|package|task|document|item)\b", re.I)


def declared(text: str) -> License | None:
    """The license in a `license` field; None if it says nothing that is known.

    Fields are often sentences. A license of what the text came in (`repo MIT`, `MIT (repo)`,
    `annotations CC BY 4.0`) counts only where nothing says that the text is others', as crawled
    text is; "per file" says that every document's is different.
    """
    if _EACH.search(text):
        return None
    around: list[License] = []
    own: list[License] = []
    for piece in _pieces(text):
        found = named(piece)
        if found is not None:
            outside = _ALONE.search(piece) or _AROUND.search(re.sub(r"\([^)]*\)", "", piece))
            (around if outside else own).append(found)
    if own:
        return all_of(own)
    return None if _FOREIGN.search(text) else all_of(around)


def _pieces(text: str) -> Iterator[str]:
    """The parts of a sentence between semicolons and commas, and the remarks in parentheses."""
    text = re.sub(r",\s+(?=v(?:ersion|\.)?\s*[0-9])", " ", text, flags=re.IGNORECASE)
    remarks = [
        remark for remark in re.findall(r"\(([^)]*)\)", text) if not _ALONE.fullmatch(f"({remark})")
    ]
    keep_alone = re.sub(r"\((?!(?:repo|repository|package|code)\))[^)]*\)", " ", text)
    for part in (keep_alone, *remarks):
        yield from (piece for piece in re.split(r"[;,]", part) if piece.strip())
