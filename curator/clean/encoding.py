"""Texts that were decoded wrongly, mended: `â€™` becomes `’` again.

ftfy (Robyn Speer, "ftfy", Zenodo 2019) decides and mends, with every normalization off: quotes,
ligatures, widths, line breaks, control characters, HTML entities and composed letters stay as they
are. What is mended: text decoded in another encoding than it was written in, also within a line
and several times over; C1 controls; escape sequences of terminals. What was lost (U+FFFD) stays.

ftfy takes a second for 5 MB. Its own expression for what looks broken, run over the whole column
by Polars at some 500 MB/s, tells which few texts it has to see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curator.rewrite import Rewriter
from curator.schema import places_of, score_field
from curator.stage import Site

LOST: Final = "\ufffd"
_ESCAPE: Final = r"\x1b\["  # how the escape sequences that ftfy removes begin


class Mender(NamedTuple):
    """ftfy as it is used here.

    Attributes:
        config: ftfy.TextFixerConfig.
        suspicious: an expression of Polars for texts that may change.
    """

    config: Any
    suspicious: str


@dataclass(frozen=True)
class RepairEncoding(Rewriter):
    """Mends texts that were decoded in another encoding than they were written in."""

    name: ClassVar[str] = "clean.encoding"
    version: ClassVar[int] = 1
    libraries: ClassVar[tuple[str, ...]] = ("ftfy",)
    notes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field(
                "mended_lines", unit="lines", better="neither", kind=pa.int64(),
                about="Lines whose encoding was repaired.",
            ),
            score_field(
                "lost_characters", unit="characters", better="lower", kind=pa.int64(),
                about="Replacement characters (U+FFFD): what no repair brings back.",
            ),
        ]
    )  # fmt: skip

    def load(self, site: Site) -> Mender:
        """Settings of ftfy, and its expression for what looks broken."""
        from ftfy import TextFixerConfig
        from ftfy.badness import BADNESS_RE

        config = TextFixerConfig(
            unescape_html=False,
            remove_terminal_escapes=True,
            fix_encoding=True,
            restore_byte_a0=True,
            replace_lossy_sequences=True,
            decode_inconsistent_utf8=True,
            fix_c1_controls=True,
            fix_latin_ligatures=False,
            fix_character_width=False,
            uncurl_quotes=False,
            fix_line_breaks=False,
            fix_surrogates=False,  # UTF-8 has none
            remove_control_chars=False,
            normalization=None,
            explain=False,
        )
        # ftfy asks line by line: `^` is the beginning of a line.
        return Mender(config, f"(?m)(?:{without_layout(BADNESS_RE.pattern)}|{_ESCAPE})")

    def rewrite(self, model: Mender, table: pa.Table) -> pa.Table:
        """Return the mended texts, how many of their lines changed, and what is lost in all."""
        from ftfy import fix_text

        texts = table["text"].combine_chunks()
        column = pl.Series(pl.from_arrow(texts), dtype=pl.String)
        suspects = column.str.contains(model.suspicious).fill_null(value=False).arg_true()
        changed: list[str] = []
        mended = np.zeros(len(texts), np.int64)
        # One text in a thousand comes here: what ftfy does has no form over columns.
        for row, text in zip(suspects.to_list(), column.gather(suspects).to_list(), strict=True):
            fixed = fix_text(text, model.config)
            changed.append(fixed)
            pairs = zip(text.split("\n"), fixed.split("\n"), strict=False)
            mended[row] = sum(before != after for before, after in pairs)
        places = places_of(suspects.to_numpy(), len(texts))
        new = pa.array(changed, pa.large_string()).take(places)
        lost = pc.fill_null(pc.count_substring(pc.coalesce(new, texts), LOST), 0)
        return pa.table(
            {"text": new, "mended_lines": mended, "lost_characters": lost.cast(pa.int64())}
        )


def without_layout(pattern: str) -> str:
    """Return a verbose expression of Python's without white space and comments.

    Other engines ignore white space in the brackets of a verbose expression too; Python does not.
    """
    kept: list[str] = []
    inside, at = False, 0
    while at < len(pattern):
        letter = pattern[at]
        if letter == "\\":
            kept.append(pattern[at : at + 2])
            at += 2
            continue
        if not inside and letter == "#":
            end = pattern.find("\n", at)
            at = len(pattern) if end < 0 else end
            continue
        if inside or not letter.isspace() or letter in "\x85\xa0":
            kept.append(letter)
        inside = letter == "[" or (inside and letter != "]")
        at += 1
    return "".join(kept)
