"""Documents by the listed words they hold: counted always, dropped where a recipe asks for it.

The form is that of LDNOOBW ("List of Dirty, Naughty, Obscene or Otherwise Bad Words"): a file a
list, one word or phrase a line, UTF-8, `#` begins no comment. C4 dropped any page with a word of
the English list (Raffel et al. 2020, arXiv:1910.10683, section 2.2). How words are compared:
`curator.text.phrases`. An entry that begins or ends with something else than a letter or number
(`a$$`, an emoji) is looked for as it stands, whatever its case, not inside a longer word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple
from unicodedata import category

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import RecipeError
from curator.identity import file_digest
from curator.schema import DECISION, score_field
from curator.stage import Site, Stage, circumstance

if TYPE_CHECKING:
    from curator.text.phrases import Phrases

_MOST_BYTES: Final = 64 << 20  # of a list; the longest of LDNOOBW has 20 kB
_WORDLIKE: Final = r"\p{L}\p{N}\p{M}"  # what words are made of, as RE2 writes it
_AT_ONCE: Final = 100  # entries in one expression


class Listed(NamedTuple):
    """Lists ready to be looked for.

    Attributes:
        phrases: all that are made of words.
        literal: for each list, expressions of the entries that are not.
    """

    phrases: Phrases
    literal: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class WordList:
    """One list as a recipe names it.

    Attributes:
        name: part of the columns `listed_NAME` and `listed_NAME_share`, and of the reason.
        digest: of the file; where it is, `BlockWords.paths` say.
    """

    name: str
    digest: str


@dataclass(frozen=True)
class BlockWords(Stage):
    """Counts listed words, and drops documents that hold too many of them.

    Attributes:
        lists: in the order in which they are looked at; the first that is too many is the reason.
        paths: the lists' files.
        max_words: a document with more of one list is dropped; None: any number passes.
        max_share: the same, of the document's words.
        action: "drop" decides, with the reason `words:LIST`; "annotate" only counts.
    """

    name: ClassVar[str] = "clean.words"
    version: ClassVar[int] = 1

    lists: tuple[WordList, ...]
    paths: tuple[str, ...] = circumstance(())
    max_words: int | None = 0
    max_share: float | None = None
    action: str = "drop"

    @property
    def writes(self) -> pa.Schema:
        """Two columns a list, after a decision if there is one."""
        fields = [
            field
            for each in self.lists
            for field in (
                score_field(
                    f"listed_{each.name}", unit="words", better="lower", kind=pa.int64(),
                    about=f"Words and phrases of the list {each.name}.",
                ),
                score_field(
                    f"listed_{each.name}_share", unit="per word", better="lower",
                    kind=pa.float64(), about="The same, per word of the document.",
                ),
            )
        ]  # fmt: skip
        return pa.schema(fields if self.action == "annotate" else [*DECISION, *fields])

    def load(self, site: Site) -> Listed:
        """Read the lists.

        Raises:
            RecipeError: a file is no longer the one that the run began with.
        """
        from curator.text.phrases import phrases  # brings numba: recipes do without

        for each, path in zip(self.lists, self.paths, strict=True):
            if file_digest(path) != each.digest:
                raise RecipeError(f"{path!r} changed after the run began; run the recipe again")
        entries = [read_words(Path(path)) for path in self.paths]
        spelled = [[entry for entry in here if not _literal(entry)] for here in entries]
        numbers = [number for number, here in enumerate(spelled) for _ in here]
        return Listed(
            phrases([entry for here in spelled for entry in here], numbers),
            tuple(_expressions([entry for entry in here if _literal(entry)]) for here in entries),
        )

    def process(self, model: Listed, table: pa.Table) -> pa.Table:
        """Return the counts, and the decision if one is asked for."""
        from curator.text.phrases import count_phrases  # as above

        texts = table["text"]
        counts = count_phrases(texts, model.phrases, len(self.lists))
        words = np.maximum(counts[:, -1], 1)
        columns: dict[str, pa.Array] = {}
        reasons = [pa.nulls(len(counts), pa.string())]
        for number, each in enumerate(self.lists):
            found = counts[:, number] + _literal_hits(texts, model.literal[number])
            share = found / words
            columns |= {f"listed_{each.name}": found, f"listed_{each.name}_share": share}
            over = pa.array(self._too_many(found, share))
            reasons.append(pc.if_else(over, f"words:{each.name}", None).cast(pa.string()))
        if self.action != "annotate":
            reason = pc.coalesce(*reasons)
            columns |= {"keep": pc.is_null(reason), "reason": reason}
        return pa.table(columns)

    def _too_many(
        self, found: npt.NDArray[np.int64], share: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.bool_]:
        over = np.zeros(len(found), np.bool_)
        if self.max_words is not None:
            over |= found > self.max_words
        if self.max_share is not None:
            over |= share > self.max_share
        return over


def find_words(lists: Mapping[str, str]) -> tuple[WordList, ...]:
    """Return the lists of a recipe, checked.

    Raises:
        RecipeError: a file is missing, too large, not UTF-8, or empty, or two lists would have
            columns of one name. All mistakes at once.
    """
    faults: list[str] = []
    for name, path in lists.items():
        try:
            if not read_words(Path(path)):
                faults.append(f"{name}: {path!r} has no entry; wanted one a line")
        except RecipeError as error:
            faults.append(f"{name}: {error.message}")
        if name.endswith("_share") and name.removesuffix("_share") in lists:
            faults.append(f"{name}: is the share of {name.removesuffix('_share')!r}; rename it")
    if faults:
        raise RecipeError("; ".join(faults), where="clean.words")
    return tuple(WordList(name, file_digest(path)) for name, path in lists.items())


def read_words(path: Path) -> list[str]:
    """Return the entries of a file, each once, in order.

    Raises:
        RecipeError: it is missing, over 64 MiB, or not UTF-8.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise RecipeError(f"{str(path)!r} has over {_MOST_BYTES:,} bytes; split the list")
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise RecipeError(f"{str(path)!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{str(path)!r} is not UTF-8 ({error.reason}); convert it") from None
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))


def _literal(entry: str) -> bool:
    """Return whether an entry begins or ends with something that is no part of a word."""
    return category(entry[0])[0] not in "LN" or not _in_word(entry[-1])


def _in_word(character: str) -> bool:
    return category(character)[0] in "LNM"


def _expressions(entries: Sequence[str]) -> tuple[str, ...]:
    """Return expressions of RE2 for some entries, each at the edge of words where it begins so."""
    written = [
        (rf"(?:^|[^{_WORDLIKE}])" if _in_word(entry[0]) else "")
        + re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", entry)
        + (rf"(?:$|[^{_WORDLIKE}])" if _in_word(entry[-1]) else "")
        for entry in entries
    ]
    return tuple(
        f"(?i)(?:{'|'.join(written[at : at + _AT_ONCE])})"
        for at in range(0, len(written), _AT_ONCE)
    )


def _literal_hits(texts: pa.ChunkedArray, expressions: Sequence[str]) -> npt.NDArray[np.int64]:
    found = np.zeros(len(texts), np.int64)
    for expression in expressions:
        hits = pc.count_substring_regex(texts, expression)
        found += pc.fill_null(hits, 0).to_numpy().astype(np.int64)
    return found
