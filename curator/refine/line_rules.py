"""Lines that sites put on every page, found by their shape and by what they say.

Rules of `curator.clean.boilerplate` (RefinedWeb's and curator's own), and four of ours that are not
published: addresses alone, numbers of pages, menus, and notices of cookies. They were chosen by
what sites write, not by a list of what any corpus has.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curator.clean.boilerplate import KINDS as BOILERPLATE
from curator.clean.boilerplate import find_boilerplate
from curator.refine.lined import Lined
from curator.refine.programs import MAX_STRING_BYTES, Op

_OWN: Final = {
    "address": r"^\W*(?:\w[\w -]{0,20}:\s*)?(?:(?:https?://|www\.)\S+|\S+@\S+\.[a-z]{2,})"
    r"(?:\s+(?:https?://|www\.)\S+)*\W*$",
    "page": r"^\W*(?:(?:page|p\.|pg\.?|seite|página|sivu)\s*)?\d{1,4}"
    r"(?:\s*(?:of|/|von|de)\s*\d{1,4})?\W*$|^\W*(?:page|p\.|pg\.?)\s*\d{1,4}\b.{0,12}$",
    # Three parts or more of three words at most, with what stands between entries of a menu.
    "menu": r"^\W*\S+(?: \S+){0,2}(?:\s*[|»›>•·/⋅]\s*\S+(?: \S+){0,2}){2,}\W*$",
    "cookies": r"\b(?:we|this (?:web)?site|our (?:web)?site|and our partners|\w+) (?:also )?uses? "
    r"cookies\b|\b(?:accept|reject|manage|allow|decline) (?:all |our |your )?cookies?\b"
    r"|\bcookie (?:policy|consent|banner|preferences|settings|notice)\b"
    r"|\buse of cookies\b",
}
_MOST_WORDS: Final = 40  # ours: of a line that goes for what it says; a paragraph stays
KINDS: Final = (*BOILERPLATE, *_OWN)
# Without lines of one word or all in capitals: in most text those are headings.
DEFAULT: Final = tuple(kind for kind in KINDS if kind not in ("word", "capitals"))


class Found(NamedTuple):
    """What is noise.

    Attributes:
        kinds: (n,) int8, by which of `KINDS` each line is to go; -1: it stays.
        parts: by document, what is to be cut out of lines that stay.
    """

    kinds: npt.NDArray[np.int8]
    parts: dict[int, list[Op]]


def noise_of(lined: Lined, kinds: tuple[str, ...] = DEFAULT) -> Found:
    """Return which lines are noise by the rules of these kinds, and what parts of others are."""
    found = np.full(len(lined.rows), -1, np.int8)
    column = pl.Series(lined.texts)
    short = np.flatnonzero(~lined.blank)
    said = column.gather(short)
    few = said.str.count_matches(r"\S+").to_numpy() <= _MOST_WORDS
    for kind, expression in _OWN.items():
        if kind in kinds:
            hit = short[said.str.contains(f"(?i){expression}").to_numpy() & few]
            found[hit[found[hit] < 0]] = KINDS.index(kind)
    parts: dict[int, list[Op]] = {}
    taken = tuple(kind for kind in BOILERPLATE if kind in kinds)
    lines = find_boilerplate(lined.texts, taken)  # each line as a text of its own
    hit = np.flatnonzero((lines.kinds >= 0) & (found[lines.lines.rows] < 0))
    sizes = lines.ends[hit] - lines.starts[hit]
    whole = sizes >= lines.lines.ends[hit] - lines.lines.firsts[hit]
    rows = lines.lines.rows[hit]
    found[rows[whole]] = lines.kinds[hit[whole]]
    for place in hit[~whole].tolist():  # few: lines of which only a pattern goes
        row = int(lines.lines.rows[place])
        text = lined.texts[row].as_py().encode()
        cut = text[lines.starts[place] : lines.ends[place]].decode()
        if len(cut.encode()) <= MAX_STRING_BYTES and cut.strip():
            parts.setdefault(int(lined.rows[row]), []).append(Op("normalize", source=cut))
    return Found(found, parts)
