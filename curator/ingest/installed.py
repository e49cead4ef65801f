"""The embedded default corpus: real, noisy text that every installation carries, in 12 sources.

Docstrings (found by `ast`, never by import), documentation, READMEs, licenses, code, headers and
tables of the Python standard library and of curator's own dependencies. The packages are the
requirements, direct and indirect, of a fixed list, so the same versions give the same documents
whatever else is installed. Nothing here knows where the files lie: origins name package, version
and path inside the package.
"""

from __future__ import annotations

import csv
import hashlib
import platform
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import ClassVar

from curator.errors import RecipeError
from curator.ingest.files import Digests
from curator.ingest.installed_code import docstrings, topics
from curator.ingest.reader import Batch, Piece, Reader, Rejected, Unit, suggest
from curator.ingest.records import documents_table, sift

# What curator itself asks for: the corpus must not change with the rest of an environment.
PACKAGES = (
    "datasets", "faiss-cpu", "fastwarc", "fsspec", "msgspec", "numba", "numpy", "polars", "psutil",
    "pyarrow", "pydantic", "ray", "resiliparse", "rich", "ruamel.yaml", "safetensors", "scipy",
    "sentence-transformers", "tokenizers", "torch", "transformers", "typer", "wordllama",
    "zstandard",
)  # fmt: skip
_MATHS = ("mpmath", "networkx", "numpy", "scipy", "sympy")
_LEARNING = (
    "accelerate", "datasets", "faiss-cpu", "huggingface_hub", "safetensors", "scikit-learn",
    "sentence-transformers", "tokenizers", "torch", "transformers", "wordllama",
)  # fmt: skip
_STDLIB = "python"
_SEPARATE = ("test", "tests", "idlelib", "lib2to3", "turtledemo", "site-packages", "__pycache__")
_MAX_FILE_BYTES = 256 << 10  # beyond it lie generated tables and bundles that would fill a source
_MIN_QUOTED_SHARE = 0.15  # of a module's bytes; below it parsing costs more than it yields
_PROSE = (".rst", ".md", ".txt")
_HEADERS = (".h", ".hpp", ".cuh", ".c", ".cpp", ".cu", ".pxd")
_WEB = (".js", ".css", ".ts", ".html")
_TABLES = (".json", ".csv", ".tsv", ".yaml", ".yml")
_TEXT_ENDINGS = (".py", "/METADATA", *_PROSE, *_HEADERS, *_WEB, *_TABLES)
_LICENSE_WORDS = ("license", "licence", "copying", "notice", "authors", "copyright")


@dataclass(frozen=True)
class _File:
    package: str  # distribution name, or "python"
    version: str
    path: str  # inside site-packages or the standard library
    place: Path
    digest: str

    @property
    def origin(self) -> str:
        return f"{self.package}-{self.version}/{self.path}"

    @property
    def order(self) -> bytes:
        """A fixed shuffle, so that a source cut at its size is a fair sample of all packages."""
        return hashlib.blake2b(self.origin.encode(), digest_size=8).digest()


_Found = Iterator[tuple[str, str]]  # (where in the file, text)


def _whole(text: str, file: _File) -> _Found:
    yield "", text


def _docstrings(text: str, file: _File) -> _Found:
    quoted = sum(map(len, text.split('"""')[1::2]))
    if quoted >= _MIN_QUOTED_SHARE * len(text):
        yield from docstrings(text)


def _topics(text: str, file: _File) -> _Found:
    yield from topics(text)


def _description(text: str, file: _File) -> _Found:
    _, _, body = text.partition("\n\n")  # METADATA is a mail message: headers, empty line, body
    if body.strip():
        yield "", body


@dataclass(frozen=True)
class _Kind:
    """One source: which files belong to it, and how they become documents."""

    wants: Callable[[_File], bool]
    documents: Callable[[str, _File], _Found]
    language: str | None = None


def _suffix(*endings: str) -> Callable[[_File], bool]:
    return lambda file: file.path.endswith(endings)


def _is_license(path: str) -> bool:
    stem = path.rsplit("/", 1)[-1].lower()
    return stem.startswith(_LICENSE_WORDS) and not stem.endswith((".py", ".pyi", ".h", ".json"))


def _is_prose(file: _File) -> bool:
    if "dist-info" in file.path or _is_license(file.path):
        return False
    return file.path.endswith(_PROSE)


def _python_of(*packages: str) -> Callable[[_File], bool]:
    return lambda file: file.package in packages and file.path.endswith(".py")


def _other_python(file: _File) -> bool:
    known = (*_MATHS, *_LEARNING, _STDLIB)
    return file.package not in known and file.path.endswith(".py")


KINDS: dict[str, _Kind] = {
    "docs-maths": _Kind(_python_of(*_MATHS), _docstrings, "en"),
    "docs-ml": _Kind(_python_of(*_LEARNING), _docstrings, "en"),
    "docs-systems": _Kind(_other_python, _docstrings, "en"),
    "docs-stdlib": _Kind(_python_of(_STDLIB), _docstrings, "en"),
    "reference": _Kind(lambda file: file.path == "pydoc_data/topics.py", _topics, "en"),
    "readmes": _Kind(_suffix(".dist-info/METADATA"), _description, "en"),
    "licenses": _Kind(lambda file: _is_license(file.path), _whole, "en"),
    "package-docs": _Kind(_is_prose, _whole),
    "python-code": _Kind(_suffix(".py"), _whole),
    "c-headers": _Kind(_suffix(*_HEADERS), _whole),
    "web-code": _Kind(_suffix(*_WEB), _whole),
    "data-tables": _Kind(_suffix(*_TABLES), _whole),
}


@dataclass(frozen=True)
class InstalledReader(Reader):
    """Documents from the running interpreter and curator's own dependencies."""

    name: ClassVar[str] = "installed"
    version: ClassVar[int] = 1
    needs_source: ClassVar[bool] = False

    sources: tuple[str, ...] = ()  # a subset of KINDS; all if empty
    max_bytes: int = 3_000_000  # of text, for each source
    min_characters: int = 300  # shorter docstrings say little

    def __post_init__(self) -> None:
        unknown = [name for name in self.sources if name not in KINDS]
        if unknown:
            raise RecipeError(
                f"installed has no source {unknown[0]!r}{suggest(unknown[0], KINDS)}; "
                f"sources: {', '.join(KINDS)}"
            )

    def plan(self, digests: Digests | None = None) -> list[Unit]:
        """Return one unit a source; its digest is that of every file that could belong to it."""
        files = installed_files()
        units = []
        for name in self.sources or KINDS:
            inputs = [file for file in files if KINDS[name].wants(file)]
            if not inputs:
                continue
            listed = "\n".join(f"{file.origin} {file.digest}" for file in inputs)
            digest = hashlib.blake2b(listed.encode(), digest_size=16).hexdigest()
            units.append(Unit(name, (Piece(name, name, digest),)))
        if not units:
            raise RecipeError("no installed package has text; is this a frozen application?")
        return units

    def documents(self, unit: Unit) -> Iterator[Batch]:
        """Yield the documents of one source until there is enough of it."""
        name = unit.pieces[0].label
        kind = KINDS[name]
        files = sorted((f for f in installed_files() if kind.wants(f)), key=lambda f: f.order)
        origins: list[str] = []
        texts: list[str] = []
        rejected: list[Rejected] = []
        size = 0
        for file in files:
            if size >= self.max_bytes:
                break
            raw = _content(file, limit=_MAX_FILE_BYTES if kind.documents is _whole else None)
            if raw is None:
                continue
            try:
                text = raw.decode()
            except UnicodeDecodeError as error:
                said = f"invalid UTF-8 at byte {error.start}"
                rejected.append(Rejected(name, file.origin, "invalid_utf8", said, raw[:512]))
                continue
            for where, found in kind.documents(text, file):
                if kind.documents is _docstrings and len(found) <= self.min_characters:
                    continue
                origins.append(f"{file.origin}#{where}" if where else file.origin)
                texts.append(found)
                size += len(found)
        optional = {"language": [kind.language] * len(texts)}
        table, unfit = sift(documents_table(name, origins, texts, optional), self)
        yield Batch(table, (*rejected, *unfit), len(texts) + len(rejected))


@lru_cache(maxsize=1)  # an installation does not change while a process runs
def installed_files() -> tuple[_File, ...]:
    """Return every text-like file of the standard library and of `PACKAGES`' requirements.

    Digests of package files are those of the packages' own RECORD: no file is read.
    """
    files = list(_stdlib_files())
    for name in required_packages():
        distribution = metadata.distribution(name)
        root = Path(str(distribution.locate_file("")))
        version = distribution.version  # parsed anew each time it is asked for
        # RECORD is read directly: importlib.metadata makes an object of each of 50,000 lines.
        for row in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
            path, digest = row[0], row[1]
            if not path.startswith("..") and "__pycache__" not in path and _may_be_text(path):
                files.append(_File(name, version, path, root / path, digest))
    return tuple(sorted(files, key=lambda file: file.origin))


def required_packages(roots: tuple[str, ...] = PACKAGES) -> list[str]:
    """Return the installed requirements of `roots`, direct and indirect, sorted, roots included."""
    from packaging.requirements import Requirement

    found: dict[str, None] = {}
    pending = list(roots)
    while pending:
        name = _normal(pending.pop())
        if name in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found[name] = None
        for line in distribution.requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                pending.append(requirement.name)
    return sorted(found)


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _may_be_text(path: str) -> bool:
    return path.endswith(_TEXT_ENDINGS) or _is_license(path)


def _stdlib_files() -> Iterator[_File]:
    """Yield the standard library's modules, without its tests; their digest is of the content."""
    root = Path(sysconfig.get_path("stdlib"))
    for place in sorted(root.rglob("*.py")):
        path = place.relative_to(root)
        if any(part in _SEPARATE for part in path.parts):
            continue
        digest = hashlib.blake2b(place.read_bytes(), digest_size=16).hexdigest()
        yield _File(_STDLIB, platform.python_version(), path.as_posix(), place, digest)


def _content(file: _File, limit: int | None) -> bytes | None:
    """Return a file's bytes; None if it is missing, empty or larger than `limit`."""
    try:
        if limit is not None and file.place.stat().st_size > limit:
            return None
        return file.place.read_bytes() or None
    except OSError:
        return None  # listed in RECORD and removed since: an installation's right
