"""The matrix of a study as a page: every cell with its interval, and how much text arms could have.

Texts of names and groups are escaped as everywhere (`curator.report.markup`); nothing is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from markupsafe import Markup

from curator.report.markup import tag
from curator.report.page import document
from curator.report.tables import cell, row_head, section, table

WORDS: Final = {
    "mismatch": "trained on one group and tested on another, bits a byte more than trained on it",
    "slope": "a year between training and test, bits a byte",
    "own_loss": "left out: bits a byte more on the group itself than on the others",
}


def page_of(summary: Mapping[str, Any], name: str) -> str:
    """Return the page of a matrix."""
    title = f"Matrix by {summary['by']}: {name}"
    parts = [("matrix", "Matrix", matrix_section(summary))]
    if summary["natural"]:
        parts.append(("sizes", "Sizes", _sizes(summary)))
    foot = f"Made by curator from run {name}."
    return document(title, tag("h1", title), parts, foot)


def matrix_section(summary: Mapping[str, Any]) -> Markup:
    """Return the section with the cells and the sentences on the whole table."""
    groups = [group["group"] for group in summary["groups"]]
    heads = [("arm", ""), *((f"{g['group']} ({g['documents']} documents)", "r")
                            for g in summary["groups"])]  # fmt: skip
    lead = (
        f"Bits a byte on held-out text of each group less those of {summary['baseline']}, paired "
        "by seed, with 95 % intervals (Student's t). Lower is better. Every arm has as many tokens."
    )
    lines = (tag("p", line) for line in pattern_lines(summary))
    whole = table(f"arms by {summary['by']}", heads, _rows(summary, groups), class_="")
    return section("matrix", "Matrix", lead, whole, *lines)


def _rows(summary: Mapping[str, Any], groups: list[str]) -> Iterator[list[Markup]]:
    base = summary["baseline"]
    yield [
        row_head(f"{base}, itself"),
        *(cell(f"{summary['bits'][group]:.4f}") for group in groups),
    ]
    cells = {(one["arm"], one["group"]): one for one in summary["cells"]}
    for arm in dict.fromkeys(one["arm"] for one in summary["cells"]):
        row = (cells[arm, group] for group in groups)
        yield [
            row_head(arm),
            *(
                cell(
                    f"{one['effect']:+.4f} [{one['low']:+.4f}, {one['high']:+.4f}]",
                    sort=one["effect"],
                )
                for one in row
            ),
        ]


def _sizes(summary: Mapping[str, Any]) -> Markup:
    heads = [("arm", ""), ("tokens taken", "r"), ("tokens there are", "r"), ("of the pool", "r")]
    rows = (
        [
            row_head(arm),
            cell(f"{told['tokens']:,}", sort=told["tokens"]),
            cell(f"{told['natural_tokens']:,}", sort=told["natural_tokens"]),
            cell(f"{told['share']:.1%}", sort=told["share"]),
        ]
        for arm, told in summary["natural"].items()
    )
    lead = (
        "A filter leaves less text than there was. Arms are compared at equal tokens; at its "
        "natural size each could be read for longer before it repeats."
    )
    return section("sizes", "Sizes", lead, table("text by arm", heads, rows))


def pattern_lines(summary: Mapping[str, Any]) -> list[str]:
    """Return each number for the whole table as a sentence."""
    return [
        f"{WORDS[name]}: {p['mean']:+.3g} [{p['low']:+.3g}, {p['high']:+.3g}] over {p['seeds']} "
        f"seeds; so in {p['holds']} of {p['cells']} cells"
        for name, p in summary["patterns"].items()
    ]
