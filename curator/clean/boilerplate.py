"""Lines that are the furniture of a web page, cut from its text.

RefinedWeb's line-wise rules (Penedo et al. 2023, arXiv:2306.01116, appendix G.2): lines mainly in
capitals, only of numbers, counters ("3 likes"), of one word, and short lines (ten words or fewer)
with a pattern at their beginning ("sign-in"), end ("Read more...") or anywhere ("items in cart"),
of which only the pattern goes; a document that would lose more than 5 % of its words is dropped.
The paper does not say how much "mainly" is nor list its patterns; those are read as in DCLM
(mlfoundations/dclm: baselines/baselines_configs/refinedweb.yaml, baselines/mappers/modifiers.py).
Two rules are curator's own and not published: lines without a letter, and short lines of phrases
that sites repeat on every page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curator.clean.lines import removed_share
from curator.rewrite import Rewriter
from curator.schema import score_field

if TYPE_CHECKING:
    from curator.text.line_shapes import Lines

MAX_REMOVED: Final = 0.05  # share of words (RefinedWeb, as above)
MAX_UPPER: Final = 0.5  # share of a line's characters (DCLM)
MAX_WORDS: Final = 10  # of a short line (RefinedWeb)

# Each line counts under the first that fits. The first five are RefinedWeb's.
KINDS: Final = ("capitals", "numbers", "counter", "word", "pattern", "letterless", "phrase")
PUBLISHED: Final = KINDS[:5]
_COUNTER: Final = (
    r"^\W*\d[\d.,]*\s?[kmb]?\s+(?:likes?|shares?|comments?|retweets?|reposts?|quotes?|bookmarks?"
    r"|upvotes?|downvotes?|downloads?|views?|followers?|replies|reply|votes?|ratings?|reviews?"
    r"|posts?|points?|members?|subscribers?)\W*$"
)
# Where in a short line, and what: `RefinedWeb` names one of each.
_BEGINS: Final = r"^(?:sign|log)[ -]?(?:in|out|up)\b"
_ENDS: Final = r"(?:read|see|show|learn|view|find out) more\W*$|continue reading\W*$"
_STANDS: Final = r"\bitems? in (?:your )?(?:shopping )?(?:cart|basket|bag)\b"
_PHRASES: Final = "|".join(
    (
        r"^\W*(?:skip|jump) to (?:main |the )?(?:content|navigation|search)",
        r"^\W*(?:add to|view|your) (?:shopping )?(?:cart|basket|bag|wish ?list)\b",
        r"^\W*(?:share|tweet|pin|email|print) (?:this|on|it|via)\b",
        r"^\W*share (?:on|via|with) (?:facebook|twitter|whatsapp|email|linkedin|pinterest)",
        r"^\W*(?:follow|like|join|find) us\b",
        r"^\W*(?:leave|post|add|write) a (?:comment|reply|review)\b",
        r"^\W*(?:subscribe|register|sign up) (?:to|now|for|here|today)\b",
        r"^\W*click here\b",
        r"^\W*(?:posted|filed|tagged|published|written|submitted) (?:in|on|by|under|at)\b",
        r"^\W*(?:home|about|about us|contact|contact us|menu|search|sitemap|site map|help|faq)\W*$",
        r"^\W*(?:related|recent|popular|latest|more|similar|previous|next|older|newer) "
        r"(?:posts?|articles?|stories|news|items|topics?|entries|comments|threads?|page)\b",
        r"^\W*(?:copyright|©|\(c\)) ",
        r"\ball rights reserved\b",
        r"\b(?:privacy|cookies?) (?:policy|settings|notice|preferences)\b",
        r"\bterms (?:of (?:use|service)|and conditions|& conditions)\b",
        r"\b(?:uses?|accept(?: all)?|our use of) cookies\b",
        r"^\W*back to (?:top|home|main|search|results)\b",
        r"\bpeople found this\b",
        r"^\W*powered by\b",
    )
)


class Found(NamedTuple):
    """What of some texts is boilerplate, line by line.

    Attributes:
        lines: the lines that are not blank.
        kinds: (lines,) int8, a place in `KINDS`; -1: the line stays.
        starts: (lines,) int64, the first byte to cut, from the beginning of the text.
        ends: (lines,) int64, the byte past the last one to cut.
    """

    lines: Lines
    kinds: npt.NDArray[np.int8]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]


@dataclass(frozen=True)
class CutBoilerplate(Rewriter):
    """Cuts boilerplate lines, and drops documents of which too much would go.

    Attributes:
        max_removed: share of a document's words in [0, 1]; with more cut it is dropped, with the
            reason `lines.boilerplate.share`. None: what RefinedWeb takes, 0.05.
        kinds: of `KINDS`, which lines are cut.
    """

    name: ClassVar[str] = "lines.boilerplate"
    version: ClassVar[int] = 1
    notes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field(
                "boilerplate_lines", unit="lines", better="lower", kind=pa.int64(),
                about="Lines that are boilerplate, in whole or in part.",
            ),
            score_field(
                "boilerplate_share", unit="share in [0, 1]", better="lower", kind=pa.float64(),
                about="Words that are boilerplate.",
            ),
        ]
    )  # fmt: skip

    max_removed: float | None = None
    kinds: tuple[str, ...] = KINDS

    def rewrite(self, model: Any, table: pa.Table) -> pa.Table:
        """Return the texts without boilerplate, how many lines had some, and its share of words."""
        from curator.text.spans import merge_spans, replace_spans  # bring numba
        from curator.text.words import word_counts

        texts = table["text"]
        found = find_boilerplate(texts, self.kinds)
        cut = np.flatnonzero(found.kinds >= 0)
        rows = found.lines.rows[cut]
        spans = merge_spans(
            len(texts), rows, found.starts[cut], found.ends[cut], np.zeros(len(cut), np.uint8)
        )
        changed = np.bincount(rows, minlength=len(texts))
        new = replace_spans(texts, spans)
        share = removed_share(word_counts(texts), word_counts(new))
        most = MAX_REMOVED if self.max_removed is None else self.max_removed
        over = pa.array(share > most)
        return pa.table(
            {
                "text": pc.if_else(pa.array(changed > 0), new, None),
                "reason": pc.if_else(over, f"{self.name}.share", None),
                "boilerplate_lines": changed.astype(np.int64),
                "boilerplate_share": share,
            }
        )


def find_boilerplate(texts: pa.Array | pa.ChunkedArray, kinds: tuple[str, ...] = KINDS) -> Found:
    """Return the lines of some texts, what kind of boilerplate each is, and what of it to cut."""
    from curator.text.line_shapes import line_shapes  # brings numba: recipes do without

    lines = line_shapes(texts)
    judged = np.full(len(lines.rows), -1, np.int8)
    starts, ends = _whole_lines(lines)
    for kind, holds in _by_shape(lines):
        if kind in kinds:
            judged[holds & (judged < 0)] = KINDS.index(kind)
    _by_words(texts, lines, judged, starts, ends, kinds)
    return Found(lines, judged, starts, ends)


def _by_shape(lines: Lines) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    yield "capitals", lines.upper > MAX_UPPER * lines.characters
    yield "numbers", lines.numbers == lines.visible
    yield "word", lines.words <= 1
    yield "letterless", lines.letters == 0


def _by_words(
    texts: pa.Array | pa.ChunkedArray,
    lines: Lines,
    judged: npt.NDArray[np.int8],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    kinds: tuple[str, ...],
) -> None:
    """Judge the short lines that are left by what they say; of patterns cut no more than them."""
    from curator.text.line_shapes import line_texts

    short = np.flatnonzero((judged < 0) & (lines.words <= MAX_WORDS))
    said = pl.Series(pl.from_arrow(line_texts(texts, lines, short)), dtype=pl.String)
    said = said.str.strip_chars_end()
    for kind, expression in (("counter", _COUNTER), ("phrase", _PHRASES)):
        if kind in kinds:
            hit = short[said.str.contains(f"(?i){expression}").to_numpy()]
            judged[hit[judged[hit] < 0]] = KINDS.index(kind)
    if "pattern" not in kinds:
        return
    for expression in (_BEGINS, _ENDS, _STANDS):
        pattern = f"(?i)({expression})"
        begin = said.str.find(pattern)
        here = begin.is_not_null().to_numpy() & (judged[short] < 0)
        hit = short[here]
        size = said.str.extract(pattern).str.len_bytes().filter(here).to_numpy()
        low = lines.firsts[hit] + begin.filter(here).to_numpy()
        part = size < said.str.len_bytes().filter(here).to_numpy()  # else the line goes whole
        starts[hit[part]], ends[hit[part]] = low[part], (low + size)[part]
        judged[hit] = KINDS.index("pattern")


def _whole_lines(lines: Lines) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return what to cut of each line: all of it and the newline after it, or before the last."""
    last = np.ones(len(lines.rows), np.bool_)
    last[:-1] = lines.rows[1:] != lines.rows[:-1]
    starts = np.where(last & (lines.starts > 0), lines.starts - 1, lines.starts)
    return starts, np.where(last, lines.ends, lines.ends + 1)
