"""Tables of agreement: a line a rule, and a line a folder of documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

HEAD: Final = (
    "| rule | same, % | differ | we drop | datatrove drops | same of dropped, % | documents |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
)
FOLDER_HEAD: Final = (
    "| folder | documents | chain the same, % | least agreed rule | same, % |\n"
    "| --- | ---: | ---: | --- | ---: |"
)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        rule: `set.rule`, or what else was compared.
        documents: compared.
        same: on how many of them both say the same.
        ours: how many of them we drop.
        theirs: how many of them datatrove drops.
        unjudged: how many datatrove cannot judge; they are not among the compared.
    """

    rule: str
    documents: int
    same: int
    ours: int
    theirs: int
    unjudged: int = 0

    @property
    def share(self) -> float:
        """Percent of the documents on which both say the same."""
        return 100 * self.same / self.documents if self.documents else 100.0

    @property
    def share_of_dropped(self) -> float:
        """Percent of the documents that either side drops which both drop."""
        differ = self.documents - self.same
        either = (self.ours + self.theirs + differ) / 2
        return 100 * (1 - differ / either) if either else 100.0

    def text(self) -> str:
        """A line of a Markdown table."""
        cells = (
            f"{self.share:.3f}",
            self.documents - self.same,
            self.ours,
            self.theirs,
            f"{self.share_of_dropped:.2f}",
            self.documents,
        )
        return f"| `{self.rule}` | {' | '.join(map(str, cells))} |"


def row_of(
    rule: str, ours: Sequence[bool], theirs: Sequence[Sequence[str]], *, named: str = ""
) -> Row:
    pairs = [
        (mine, rule in fired)
        for mine, fired in zip(ours, theirs, strict=True)
        if f"{rule}!" not in fired
    ]
    return Row(
        named or rule,
        len(pairs),
        sum(a == b for a, b in pairs),
        sum(a for a, _ in pairs),
        sum(b for _, b in pairs),
        len(theirs) - len(pairs),
    )


def unjudged(table: Sequence[Row]) -> str:
    some = [f"{row.rule} {row.unjudged}" for row in table if row.unjudged]
    return f"documents that datatrove cannot judge: {', '.join(some) or 'none'}"


def folders(
    names: Sequence[str],
    chain: tuple[Sequence[bool], Sequence[bool]],
    ours: Mapping[str, Sequence[bool]],
    theirs: Sequence[Sequence[str]],
) -> Iterator[str]:
    """A line of a Markdown table for every folder of documents.

    Args:
        names: of the documents, each beginning with its folder and a slash.
        chain: whether our chain drops each document, and whether datatrove's does.
        ours: rule -> whether it fires on each document.
        theirs: the rules that fire on each document.
    """
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name.partition("/")[0], []).append(place)
    for folder, mine in sorted(places.items()):
        same = sum(chain[0][place] == chain[1][place] for place in mine)
        rows = [
            row_of(rule, [fires[place] for place in mine], [theirs[place] for place in mine])
            for rule, fires in ours.items()
        ]
        least = min(rows, key=lambda row: row.share)
        worst = f"`{least.rule}` | {least.share:.2f}" if least.share < 100 else "none differs | 100"
        yield f"| {folder} | {len(mine)} | {100 * same / len(mine):.2f} | {worst} |"
