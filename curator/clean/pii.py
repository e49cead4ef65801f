"""Personal data and secrets in documents: masked, a reason to drop, or only told.

Six kinds are found by the forms that are public (`curator.text.pii` and the modules that it names
say which, with their sources): e-mail and IP addresses, telephone numbers, payment cards, bank
accounts, keys and tokens. Names, postal addresses and numbers of identity papers have no form that
sets them apart and are not looked for: a text without a span is not free of personal data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import RecipeError
from curator.rewrite import Rewriter
from curator.schema import DECISION, places_of
from curator.stage import Stage
from curator.text.pii import KINDS, find_pii
from curator.text.spans import SPANS, Spans, replace_spans, span_lists

# Every span has a digit, an at sign, a colon or hyphens: what has none of them is never found, and
# each replacement leaves fewer of them in the text.
_HARMLESS: Final = re.compile(r"[^0-9@:\-]*")
_TURNS: Final = 32  # of masking; ours to choose: real texts take two or three


def placeholder(kind: str) -> str:
    """What a span of a kind becomes unless something else is asked for: `<email>`."""
    return f"<{kind}>"


@dataclass(frozen=True)
class PiiSpans(Stage):
    """Tells where what was found stands, and how much of it there is.

    Attributes:
        kinds: the kinds to find.
        private_ips: also IP addresses that are not reached over the Internet.
    """

    name: ClassVar[str] = "clean.pii.spans"
    version: ClassVar[int] = 1

    kinds: tuple[str, ...] = KINDS
    private_ips: bool = False

    @property
    def writes(self) -> pa.Schema:
        """The spans and the count of each kind."""
        return pa.schema([pa.field("pii", SPANS), *_counted(self.kinds)])

    def process(self, model: None, table: pa.Table) -> pa.Table:
        """Return the spans and the count of each kind, a row a document."""
        spans = find_pii(table["text"], self.kinds, private_ips=self.private_ips)
        columns = [span_lists(spans, KINDS), *_columns(_counts(spans), self.kinds)]
        return pa.table(columns, schema=self.writes)


@dataclass(frozen=True)
class DropPii(Stage):
    """Drops documents in which too much is found; the reason is the first kind, `pii.email`.

    Attributes:
        kinds: the kinds to find; the first that a document has is the reason.
        max_spans: how many spans of all these kinds a document may have.
        private_ips: also IP addresses that are not reached over the Internet.
    """

    name: ClassVar[str] = "clean.pii.drop"
    version: ClassVar[int] = 1

    kinds: tuple[str, ...] = KINDS
    max_spans: int = 0
    private_ips: bool = False

    @property
    def writes(self) -> pa.Schema:
        """A decision and the count of each kind."""
        return pa.schema([*DECISION, *_counted(self.kinds)])

    def process(self, model: None, table: pa.Table) -> pa.Table:
        """Return keep, reason and the count of each kind, a row a document."""
        spans = find_pii(table["text"], self.kinds, private_ips=self.private_ips)
        counts = _counts(spans)
        wanted = np.array([KINDS.index(kind) for kind in self.kinds])
        first = np.argmax(counts[:, wanted] > 0, axis=1)
        reasons = pa.array([f"pii.{kind}" for kind in self.kinds]).take(pa.array(first))
        keep = pa.array(counts.sum(axis=1) <= self.max_spans)
        reason = pc.if_else(keep, pa.scalar(None, pa.string()), reasons)
        return pa.table([keep, reason, *_columns(counts, self.kinds)], schema=self.writes)


@dataclass(frozen=True)
class MaskPii(Rewriter):
    """Puts a placeholder where something is found, until nothing more is: twice is as once.

    A document in which there still is something after 32 turns is dropped as `clean.pii.chained`:
    numbers written next to each other without end, found one a turn, would take hours.

    Attributes:
        kinds: the kinds to find, each with its placeholder.
        private_ips: also IP addresses that are not reached over the Internet.
    """

    name: ClassVar[str] = "clean.pii"
    version: ClassVar[int] = 2

    kinds: tuple[tuple[str, str], ...] = tuple((kind, placeholder(kind)) for kind in KINDS)
    private_ips: bool = False

    @property
    def notes(self) -> pa.Schema:
        """The count of each kind."""
        return _counted(kind for kind, _ in self.kinds)

    def __post_init__(self) -> None:
        """Refuse placeholders that could be found, or become part of what is found.

        Raises:
            RecipeError: naming them.
        """
        wrong = [word for _, word in self.kinds if not _HARMLESS.fullmatch(word)]
        if wrong:
            raise RecipeError(
                f"placeholders {wrong} have digits or one of @ : - in them and could be taken for "
                "what they hide; write words, such as '<email>'",
                where="clean.pii",
            )

    def rewrite(self, model: Any, table: pa.Table) -> pa.Table:
        """Return the masked texts, null where nothing is found, and the count of each kind."""
        kinds = [kind for kind, _ in self.kinds]
        words = dict(self.kinds)
        replacements = [words.get(kind, "") for kind in KINDS]
        counts = np.zeros((table.num_rows, len(KINDS)), np.int64)
        rows, texts = np.arange(table.num_rows), table["text"].combine_chunks()
        texts = texts.cast(pa.large_string())
        places, masked = [rows[:0]], [texts[:0]]
        # What stood next to a span can itself be one when a placeholder is its neighbor. This ends:
        # each turn leaves fewer of the characters without which there is no span.
        for turn in range(_TURNS):
            spans = find_pii(texts, kinds, private_ips=self.private_ips)
            counts[rows] += _counts(spans)
            found = np.diff(spans.offsets) > 0
            if turn:
                places.append(rows[~found])
                masked.append(texts.filter(pa.array(~found)))
            rows, texts = rows[found], texts.filter(pa.array(found))
            if not len(rows):
                break
            spans = spans._replace(offsets=np.append(0, spans.offsets[1:][found]))
            texts = replace_spans(texts, spans, replacements)
        changed = places_of(np.concatenate(places), table.num_rows)
        new = pa.concat_arrays(masked).take(changed)
        endless = np.isin(np.arange(table.num_rows), rows)
        reason = pc.if_else(pa.array(endless), f"{self.name}.chained", None).cast(pa.string())
        names = ["text", "reason", *self.notes.names]
        return pa.table([new, reason, *_columns(counts, kinds)], names=names)


def _counts(spans: Spans) -> npt.NDArray[np.int64]:
    """(texts, kinds): how many spans of each kind each text has."""
    texts = len(spans.offsets) - 1
    rows = np.repeat(np.arange(texts), np.diff(spans.offsets))
    flat = np.bincount(rows * len(KINDS) + spans.kinds, minlength=texts * len(KINDS))
    return flat.reshape(texts, len(KINDS))


def _counted(kinds: Iterable[str]) -> pa.Schema:
    return pa.schema([pa.field(f"pii_{kind}", pa.int32()) for kind in kinds])


def _columns(counts: npt.NDArray[np.int64], kinds: Sequence[str]) -> list[pa.Array]:
    return [pa.array(counts[:, KINDS.index(kind)].astype(np.int32)) for kind in kinds]
