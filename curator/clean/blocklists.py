"""Lists of domains and URLs as one table that workers map: read once, looked up by hash.

The form is that of UT1 (the blacklists of the University of Toulouse, dsi.ut-capitole.fr) and of
squidGuard, for which they are made: a folder a category, in it the files `domains` and `urls`, one
entry a line. A domain stands for itself and all below it; a URL has no scheme and no `www.` and
stands for itself and all paths below it, on that host only. A plain file is a list of both, told
apart by a slash. Any of them may be gzipped. Nothing is ever downloaded.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curator.clean.hosts import places
from curator.errors import RecipeError
from curator.identity import file_digest
from curator.recipe import suggestion
from curator.shards import write_shard

BLOCKLIST: Final = pa.schema(
    [
        pa.field("hash", pa.uint64(), nullable=False),  # of the entry, rising
        pa.field("entry", pa.large_string(), nullable=False),  # a domain; with a slash, a URL
        pa.field("category", pa.string(), nullable=False),
        pa.field("rank", pa.uint32(), nullable=False),  # of the category, as it was asked for
    ],
    metadata={"curator.schema": "blocklist/1"},
)
_FILES: Final = ("domains", "urls")
_MOST_BYTES: Final = 1 << 30  # of one list once unpacked; all of UT1 has 0.1 GB
# What squidGuard takes off the front of a URL's host (its documentation, "URLlists"). Never off a
# listed domain: `www.com` or `web.de` would become all of `com` and `de`.
_WWW: Final = r"^(?:www|web|ftp)[0-9]*\.(.+\..+)$"
_SLICE_LINES: Final = 1 << 20
_COMMENT: Final = re.compile(r"(?:^|\s)#.*$")
_HOST: Final = re.compile(r"[a-z0-9._-]+|[0-9a-f:]+")  # a spelling that `places` gives, or IPv6
_HEAD_BYTES: Final = 1 << 16  # looked at before a run begins, of which so many lines
_LOOKED_AT: Final = 1000
_ENTRIES: Final = {"entry": pl.String, "category": pl.String, "rank": pl.UInt32}


@dataclass(frozen=True)
class ListFile:
    """One file of entries.

    Attributes:
        path: where it is.
        category: what its entries are reported as.
    """

    path: Path
    category: str

    def identity(self) -> list[Any]:
        """Return what names its content: the category and the digest of the file."""
        return [self.category, file_digest(self.path)]


def find_lists(lists: Sequence[str], categories: Sequence[str] | None = None) -> list[ListFile]:
    """Return the files of some lists, in the order of `categories`, else of lists and names.

    Raises:
        RecipeError: a path or a category leads to no file, or a file is in another form. All
            mistakes at once.
    """
    found: list[ListFile] = []
    faults: list[str] = []
    for path in map(Path, lists):
        here = list(_files_of(path))
        if not here:
            faults.append(
                f"{str(path)!r} has no list; wanted a file of one entry a line, or a folder with "
                "`domains` or `urls` in it or in its folders"
            )
        found += here
    known = list(dict.fromkeys(each.category for each in found))
    if categories is not None:
        faults += [
            f"no category {name!r}{suggestion(name, known)}"
            for name in categories
            if name not in known
        ]
        known = list(categories)
    chosen = [each for name in known for each in found if each.category == name]
    faults += [fault for each in chosen for fault in _misread(each.path)]
    if faults:
        raise RecipeError("; ".join(faults), where="clean.urls")
    return chosen


def _files_of(path: Path) -> Iterator[ListFile]:
    if path.is_file():
        yield ListFile(path, path.name.removesuffix(".gz").partition(".")[0] or path.name)
        return
    if not path.is_dir():
        return
    for folder in (path, *sorted(each for each in path.iterdir() if each.is_dir())):
        for name in _FILES:
            for file in (folder / name, folder / f"{name}.gz"):
                if file.is_file():
                    yield ListFile(file, folder.resolve().name if folder == path else folder.name)


def _misread(path: Path) -> Iterator[str]:
    """Yield what is wrong with a file that begins with mostly something else than addresses.

    A hosts file or a list of an ad blocker would block nothing, and nobody would know.
    """
    stripped = (_COMMENT.sub("", line).strip() for line in _head(path).splitlines())
    lines = [line for line in stripped if line][:_LOOKED_AT]
    hosts = places(pa.array(lines, pa.large_string()))["host"]
    strange = [
        line
        for line, host in zip(lines, hosts.to_list(), strict=True)
        if " " in line or "\t" in line or not _HOST.fullmatch(host)
    ]
    if 2 * len(strange) > len(lines):
        yield (
            f"{str(path)!r} has lines that are no domain or URL, such as {strange[0][:80]!r}; "
            "wanted one a line and nothing else: convert the list"
        )


def _head(path: Path) -> str:
    """Return the beginning of a list; of a broken one what there is: reading it whole tells."""
    opened = gzip.open if path.suffix == ".gz" else open
    raw = b""
    with suppress(OSError, EOFError, zlib.error), opened(path, "rb") as file:
        raw = file.read(_HEAD_BYTES)
    return raw.decode("utf-8-sig", errors="ignore")


def write_blocklist(lists: Iterable[ListFile], path: Path) -> None:
    """Write the entries of some lists as the table `BLOCKLIST`.

    An entry that several categories have counts for the first. Lines that are no address (empty,
    comments after `#`) are left out.

    Raises:
        RecipeError: a file does not unpack, or unpacks to more than 1 GiB.
    """
    pieces = [pl.DataFrame(schema=_ENTRIES)]
    ranks: dict[str, int] = {}
    for each in lists:
        rank = ranks.setdefault(each.category, len(ranks))
        said = pl.lit(each.category).alias("category"), pl.lit(rank, pl.UInt32).alias("rank")
        pieces += [keys.to_frame("entry").with_columns(said) for keys in _keys(each.path)]
    frame = pl.concat(pieces).sort("entry", "rank").unique("entry", keep="first")
    hashed = entry_hashes(frame["entry"])
    frame = frame.select(pl.Series("hash", hashed), "entry", "category", "rank")
    frame = frame.sort("hash", "entry")
    extent = {name: str(most) for name, most in _extent(frame).items()}
    schema = BLOCKLIST.with_metadata({**BLOCKLIST.metadata, **extent})
    write_shard(frame.to_arrow().cast(schema), path, name=path.stem)


def _extent(frame: pl.DataFrame) -> dict[str, int]:
    """Return how far a search has to go: `run`, `labels` and `depth` of `curator.clean.urls`."""
    entry = pl.col("entry")
    deep = entry.str.contains("/", literal=True)
    most = frame.select(
        pl.col("hash").rle().struct.field("len").max().alias("run"),
        entry.filter(~deep).str.count_matches(".", literal=True).max().alias("labels") + 1,
        entry.filter(deep).str.count_matches("/", literal=True).max().alias("depth"),
    ).row(0)
    absent = {"run": 0, "labels": 0, "depth": -1}
    return {
        name: least if found is None else int(found)
        for (name, least), found in zip(absent.items(), most, strict=True)
    }


def entry_hashes(entries: pl.Series) -> npt.NDArray[np.uint64]:
    """Return (n,) uint64: what entries are looked up by."""
    from curator.text.bytehash import byte_hash  # brings numba: checking a recipe does without

    return byte_hash(entries.to_arrow().cast(pa.large_string()))


def _keys(path: Path) -> Iterator[pl.Series]:
    """Yield the entries of a file in the spelling in which they are looked up."""
    lines = _text(path).splitlines()
    for start in range(0, len(lines), _SLICE_LINES):
        urls = pl.Series(lines[start : start + _SLICE_LINES], dtype=pl.String)
        urls = urls.str.replace(_COMMENT.pattern, "").str.strip_chars().str.strip_chars_start(".")
        found = places(urls.to_arrow())
        deep = urls.str.replace(r"^[^/]*//", "").str.contains("/", literal=True)
        keys = pl.select(pl.when(deep).then(url_keys(found)).otherwise(found["host"])).to_series()
        yield keys.filter(found["host"] != "")


def url_keys(found: pl.DataFrame) -> pl.Series:
    """Return host, path and query of each row of `places` as one string with a slash in it."""
    host = found["host"].str.replace(_WWW, "$1")
    path = pl.when(found["path"] == "").then(pl.lit("/")).otherwise(found["path"])
    return pl.select(host + path + found["query"]).to_series()


def _text(path: Path) -> str:
    raw = path.read_bytes() if path.suffix != ".gz" else _unpacked(path)
    if len(raw) > _MOST_BYTES:
        raise RecipeError(f"{str(path)!r} holds over {_MOST_BYTES:,} bytes; split the list")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")  # older lists; what is not ASCII matches nothing then


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise RecipeError(f"{str(path)!r} is no whole gzip file ({error}); get it anew") from None
