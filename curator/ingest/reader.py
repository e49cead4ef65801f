"""What a reader is: settings, a plan of units, and documents beside what had to be set aside.

A reader never raises for one bad record: it yields it as `Rejected`, with a reason to count and
a place to look. It raises only where nothing can be read (RecipeError, ShardError). A `Unit` is
input for one task; its key comes from content and labels, never from absolute paths or order.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import pyarrow as pa

from curator.errors import RecipeError
from curator.identity import fingerprint, settings_of
from curator.ingest.files import Digests
from curator.ingest.split import LEAST
from curator.stage import circumstance, library_versions

RAW_BYTES = 512  # how much of a rejected record is kept: enough to recognize it

# Reasons that are no damage: a sound page without main text is counted, not held against a source.
HARMLESS = frozenset({"no_text"})

# Where each reader lives. Modules are imported when used: some pull in large libraries.
READERS: dict[str, str] = {
    "jsonl": "curator.ingest.jsonl:JsonlReader",
    "parquet": "curator.ingest.parquet:ParquetReader",
    "plain": "curator.ingest.plain:PlainReader",
    "html": "curator.ingest.html:HtmlReader",
    "warc": "curator.ingest.warc:WarcReader",
    "hub": "curator.ingest.hub:HubReader",
    "installed": "curator.ingest.installed:InstalledReader",
}


class Rejected(NamedTuple):
    """One record that is no document: counted by `reason`, found again by `origin`."""

    source: str
    origin: str  # file#line, or file@byte
    reason: str  # one word
    error: str  # the full sentence
    raw: bytes  # the first `RAW_BYTES` bytes


@dataclass(frozen=True)
class Batch:
    """A few megabytes of documents, and the records among them that were set aside."""

    documents: pa.Table  # columns of DOCUMENT, without doc_id
    rejected: tuple[Rejected, ...]
    records: int  # seen in the input; counted where they are cut, before they are judged


@dataclass(frozen=True)
class Piece:
    """A file or a part of one: what to read, what origins call it, what it contains."""

    path: str  # path or fsspec URL; no part of identity
    label: str  # what origins say: never an absolute path
    digest: str  # of the content that is read
    size_bytes: int = 0
    start: int = 0  # bytes; row groups for Parquet
    stop: int | None = None  # None: to the end
    first_line: int | None = 1  # None: unknown, origins name bytes instead


@dataclass(frozen=True)
class Unit:
    """Input for one task."""

    name: str  # for messages and for sorting
    pieces: tuple[Piece, ...]
    note: str = ""  # what a user should know: "gzip cannot be split: one task reads all of it"

    @cached_property
    def key(self) -> str:
        """What names this unit: the fingerprint of labels, ranges and content."""
        return fingerprint([[p.label, p.digest, p.start, p.stop] for p in self.pieces])

    @property
    def size_bytes(self) -> int:
        """How much there is to read."""
        return sum(piece.size_bytes for piece in self.pieces)


@dataclass(frozen=True)
class Reader(ABC):
    """Yields the documents of files. Subclasses are frozen dataclasses; fields are settings."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    libraries: ClassVar[tuple[str, ...]] = ()
    needs_source: ClassVar[bool] = True

    source: str = ""  # the name that mixtures weigh
    source_column: str = ""  # where each record says its own source instead
    files: tuple[str, ...] = circumstance(())  # content and labels are in the unit's key
    base: str = circumstance(".")  # what relative paths are relative to
    max_document_bytes: int = 16 << 20
    piece_bytes: int = 0  # longer texts become several documents (`curator.ingest.split`); 0: none

    @abstractmethod
    def plan(self, digests: Digests | None = None) -> list[Unit]:
        """Return the units to read, sorted by name.

        Raises:
            RecipeError: a pattern matches nothing, or nothing can be opened.
        """

    @abstractmethod
    def documents(self, unit: Unit) -> Iterator[Batch]:
        """Yield everything in `unit`, in the order of the input."""

    def identity(self) -> dict[str, Any]:
        """Return what names this reader's work on any unit, as plain JSON types."""
        settings = settings_of(self)
        if not self.piece_bytes:
            del settings["piece_bytes"]  # as before there was such a setting
        return {
            "name": f"ingest.{self.name}",
            "version": self.version,
            "settings": settings,
            "libraries": library_versions(self.libraries),
        }

    def reject(self, origin: str, reason: str, error: str, raw: bytes = b"") -> Rejected:
        """Return a rejected record of this reader's source."""
        return Rejected(self.source or self.name, origin, reason, error, bytes(raw[:RAW_BYTES]))


def reader_class(name: str) -> type[Reader]:
    """Return the reader called `name`.

    Raises:
        RecipeError: there is none; the message suggests one.
    """
    if name not in READERS:
        raise RecipeError(
            f"there is no reader {name!r}{suggest(name, READERS)}; readers: {', '.join(READERS)}"
        )
    module, _, attribute = READERS[name].partition(":")
    found: type[Reader] = getattr(importlib.import_module(module), attribute)
    return found


def make_reader(spec: Mapping[str, Any], *, base: str = ".", where: str = "ingest") -> Reader:
    """Return the reader that one entry of a recipe's `ingest` list describes.

    Args:
        spec: `reader`, `source` and settings; `source: {column: a.b}` takes it from each record.
        base: the folder that relative patterns are relative to.
        where: the place in the recipe, for messages.

    Raises:
        RecipeError: all mistakes of the entry at once, with suggestions.
    """
    if not isinstance(spec, Mapping):
        raise RecipeError(f"{spec!r} is no mapping; wanted {{reader: ..., ...}}", where=where)
    try:
        kind = reader_class(str(spec.get("reader", "jsonl")))
    except RecipeError as error:
        raise RecipeError(error.message, where=where) from None
    settings = {key: value for key, value in spec.items() if key != "reader"}
    source = settings.get("source")
    if isinstance(source, Mapping) and set(source) == {"column"}:
        del settings["source"]
        settings["source_column"] = source["column"]
    known = {f.name: f for f in dataclasses.fields(kind) if f.name != "base"}
    faults = [f"unknown key {key!r}{suggest(key, known)}" for key in settings if key not in known]
    values = {}
    for key in settings.keys() & known.keys():
        values[key] = _coerce(settings[key], known[key])
        if values[key] is None:
            wanted = type(_default(known[key])).__name__.replace("tuple", "text or list of texts")
            faults.append(f"{key} is {settings[key]!r}; wanted {wanted}")
    if kind.needs_source and not (settings.get("source") or settings.get("source_column")):
        faults.append("`source` is missing; name what mixtures will weigh (source: web)")
    size = values.get("piece_bytes")
    if size is not None and size != 0 and size < LEAST:
        faults.append(f"piece_bytes is {size}; wanted at least {LEAST}, or 0")
    if faults:
        raise RecipeError("; ".join(sorted(faults)), where=where)
    return kind(**values, base=base)


def suggest(word: str, known: Mapping[str, Any]) -> str:
    """Return " (did you mean 'x'?)" for the nearest known word, or nothing."""
    near = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _default(setting: dataclasses.Field[Any]) -> Any:
    if setting.default is not dataclasses.MISSING:
        return setting.default
    return setting.default_factory() if callable(setting.default_factory) else ""


def _coerce(value: Any, setting: dataclasses.Field[Any]) -> Any:
    """Return `value` as the type of the setting's default, or None where it is of another."""
    default = _default(setting)
    if isinstance(default, tuple):
        many = [value] if isinstance(value, str) else value
        if isinstance(many, list | tuple) and many and all(isinstance(one, str) for one in many):
            return tuple(many)
        return None
    if isinstance(default, bool) or isinstance(value, bool):
        return value if isinstance(value, bool) and isinstance(default, bool) else None
    if isinstance(default, float) and isinstance(value, int):
        return float(value)
    return value if isinstance(value, type(default)) else None
