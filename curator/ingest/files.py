"""Find input files, open them, and digest them: local paths and any fsspec URL alike.

A file is known by its content. Its size and stamp only save reading it again (`Digests`); an
object without a stamp is always read.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from curator.errors import RecipeError
from curator.shards import write_atomically

_WILD = re.compile(r"[*?\[]")
_SCAN_BYTES = 4 << 20


@dataclass(frozen=True)
class InputFile:
    """One file that a pattern matched."""

    path: str  # local path or URL: how to open it
    label: str  # how origins call it: what the user wrote, without absolute folders
    size_bytes: int
    stamp: str  # of a local file its times and inode, else a version tag; "" if unknown


@dataclass(frozen=True)
class Cut:
    """A byte range of a file that begins and ends at a record's border."""

    start: int
    stop: int
    first_line: int
    digest: str


@dataclass
class Digests:
    """What is known of files already read: (size, stamp) and their cuts, kept in one JSON file."""

    path: Path | None = None
    _known: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path is not None and self.path.exists():
            # Only a cache: what is damaged is dropped, and reading the files again restores it.
            with contextlib.suppress(ValueError, RecursionError):
                self._known = _well_formed(json.loads(self.path.read_text()))

    def cuts(self, file: InputFile, every_bytes: int) -> list[Cut]:
        """Return the cuts of `file`, reading it only if it changed since the last time."""
        name = f"{file.path}|{every_bytes}"
        mark = [file.size_bytes, file.stamp]
        known = self._known.get(name)
        if not known or known["mark"] != mark or not file.stamp:
            found = [[c.start, c.stop, c.first_line, c.digest] for c in cut_file(file, every_bytes)]
            known = self._known[name] = {"mark": mark, "cuts": found}
        return [Cut(*cut) for cut in known["cuts"]]

    def save(self) -> None:
        """Write what is known, if there is a file to write it to."""
        if self.path is not None:
            write_atomically(self.path, json.dumps(self._known, sort_keys=True).encode())


def _well_formed(content: object) -> dict[str, Any]:
    """Return the entries of a cache that are what `Digests` writes."""
    if not isinstance(content, dict):
        return {}
    return {name: entry for name, entry in content.items() if _is_entry(entry)}


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, dict) or set(entry) != {"mark", "cuts"}:
        return False
    cuts = entry["cuts"]
    return isinstance(cuts, list) and bool(cuts) and all(map(_is_cut, cuts))


def _is_cut(cut: object) -> bool:
    if not isinstance(cut, list) or len(cut) != 4:
        return False
    # `type`, not isinstance: true and false would pass as numbers.
    return all(type(number) is int for number in cut[:3]) and isinstance(cut[3], str)


def find_files(
    patterns: Sequence[str], base: str, *, suffixes: Sequence[str] = ()
) -> list[InputFile]:
    """Return the files that `patterns` match, each once, sorted by label.

    Args:
        patterns: paths, globs (** crosses folders), folders, or fsspec URLs of these.
        base: what relative local patterns are relative to.
        suffixes: in a folder, take only files whose names end so; all if empty.

    Raises:
        RecipeError: naming every pattern that matches nothing.
    """
    if not patterns:
        raise RecipeError("`files` is missing; name a path, a glob or a URL")
    found: dict[str, InputFile] = {}
    missing = []
    for pattern in patterns:
        search = _find_remote if "://" in pattern else _find_local
        matched = search(pattern, base, tuple(suffixes))
        if not matched:
            missing.append(pattern)
        found.update((file.path, file) for file in matched)
    if missing:
        raise RecipeError(
            f"no file matches {', '.join(map(repr, missing))} (looked in {str(base)!r}); "
            "check the spelling, or leave the entry out"
        )
    return sorted(found.values(), key=lambda file: (file.label, file.path))


def open_file(path: str) -> BinaryIO:
    """Return `path`, local or remote, opened for reading bytes."""
    if "://" not in path:
        return Path(path).open("rb")
    filesystem, inner = _filesystem(path)
    return cast(BinaryIO, filesystem.open(inner, "rb"))


def cut_file(file: InputFile, every_bytes: int) -> list[Cut]:
    """Return `file` cut after the first newline past every `every_bytes`; 0 leaves it whole.

    One pass hashes and cuts, so that each range has a digest of its own: appending to a file
    leaves all ranges but the last as they were.
    """
    cuts: list[Cut] = []
    start, position, first_line, lines = 0, 0, 1, 0
    state = hashlib.blake2b(digest_size=16)
    with open_file(file.path) as handle:
        while chunk := handle.read(_SCAN_BYTES):
            rest = memoryview(chunk)
            while every_bytes and position + len(rest) - start >= every_bytes:
                border = bytes(rest).find(b"\n", max(0, start + every_bytes - 1 - position)) + 1
                if not border:
                    break
                state.update(rest[:border])
                lines += bytes(rest[:border]).count(b"\n")
                position += border
                cuts.append(Cut(start, position, first_line, state.hexdigest()))
                start, first_line, lines = position, first_line + lines, 0
                state = hashlib.blake2b(digest_size=16)
                rest = rest[border:]
            state.update(rest)
            lines += bytes(rest).count(b"\n") if every_bytes else 0
            position += len(rest)
    if position > start or not cuts:
        cuts.append(Cut(start, position, first_line, state.hexdigest()))
    return cuts


def _find_local(pattern: str, base: str, suffixes: tuple[str, ...]) -> list[InputFile]:
    given = Path(pattern).expanduser()
    target = given if given.is_absolute() else Path(base) / given
    paths = (
        [target]
        if target.exists()
        else [
            Path(p)
            for p in glob.glob(str(target), recursive=True)  # noqa: PTH207 - absolute patterns
        ]
    )
    files = []
    for path in paths:
        if path.is_dir():
            inner = (p for p in path.rglob("*") if p.is_file())
            files += [p for p in inner if not suffixes or p.name.endswith(suffixes)]
        elif path.is_file():
            files.append(path)
    anchor = Path(base) if not given.is_absolute() else _static_root(target).parent
    found = []
    for path in files:
        status = path.stat()
        label = path.relative_to(anchor).as_posix()
        # A tool can set the modification time back (rsync -t, tar, os.utime); ctime no tool sets.
        stamp = f"{status.st_mtime_ns}.{status.st_ctime_ns}.{status.st_ino}"
        found.append(InputFile(str(path), label, status.st_size, stamp))
    return found


def _static_root(target: Path) -> Path:
    """Return the folder that a pattern names before its first wildcard (a file's own folder)."""
    if target.is_dir():
        return target
    parts = target.parts
    wild = next((i for i, part in enumerate(parts) if _WILD.search(part)), len(parts) - 1)
    return Path(*parts[:wild])


def _find_remote(pattern: str, base: str, suffixes: tuple[str, ...]) -> list[InputFile]:
    filesystem, inner = _filesystem(pattern)
    if _WILD.search(inner):
        entries = filesystem.glob(inner, detail=True)
    elif filesystem.isdir(inner):
        entries = filesystem.find(inner, detail=True)
        entries = {k: v for k, v in entries.items() if not suffixes or k.endswith(suffixes)}
    else:
        entries = {inner: filesystem.info(inner)} if filesystem.exists(inner) else {}
    found = []
    for name, about in entries.items():
        if about.get("type") == "directory":
            continue
        url = filesystem.unstrip_protocol(name)
        stamp = str(about.get("ETag") or about.get("etag") or about.get("mtime") or "")
        found.append(InputFile(url, url, int(about.get("size") or 0), stamp))
    return found


def _filesystem(url: str) -> tuple[Any, str]:
    import fsspec

    try:
        filesystem, inner = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise RecipeError(
            f"{url!r} cannot be opened ({error}); install the package that speaks it, "
            "such as `pip install curator-lm[s3]` for s3://"
        ) from error
    return filesystem, str(inner)
