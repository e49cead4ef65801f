"""A list of what somebody wants out, read whole or not at all.

One request a line, its kind first; blank lines and lines that begin with # are none:

    id      0123456789abcdef0123456789abcdef      a document, as `curator show` names it
    url     https://example.org/people/jane/      a page, and what lies below it
    domain  example.org                           and the domains below it
    sha256  9f86d081...                           of the text's UTF-8 bytes
    text    letter.txt                            a file in the folder of the list: copies of it
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from curator.clean.hosts import Place, canonical
from curator.errors import RecipeError, shown
from curator.identity import fingerprint

KINDS: Final = ("id", "url", "domain", "sha256", "text")
_MOST_BYTES: Final = 64 << 20  # of a list
_MOST_TEXT: Final = 16 << 20  # of one file that copies are looked for of
_LONGEST_LINE: Final = 8192  # characters: a URL is shorter
_SHOWN: Final = 20
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_URL: Final = re.compile(r"https?://[^/?#@\s]+([/?#]\S*)?$", re.IGNORECASE)
# Below these anybody registers: "co.uk" would take out half of a country.
_REGISTRY: Final = re.compile(r"(?:ac|co|com|edu|go|gob|gov|gouv|ne|net|or|org|nom|sch)\.[a-z]{2}")


@dataclass(frozen=True)
class Requests:
    """What a list asks for; every part sorted and without repeats.

    Attributes:
        ids: 32 hex digits.
        urls: as `place_of` names what `curator.clean.hosts` reads of them.
        domains: in lower case.
        hashes: 64 hex digits.
        texts: (name of the file, its text).
    """

    ids: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> str:
        """What names the requests: not their order, nor where texts lie."""
        texts = sorted({_sha256(text) for _, text in self.texts})
        return fingerprint([self.ids, self.urls, self.domains, self.hashes, texts])

    def told(self) -> dict[str, list[str]]:
        """Return the requests as a receipt has them: of a text its name and digest alone."""
        texts = [f"{name} sha256 {_sha256(text)}" for name, text in self.texts]
        return {
            "id": list(self.ids), "url": list(self.urls), "domain": list(self.domains),
            "sha256": list(self.hashes), "text": texts,
        }  # fmt: skip


def read_requests(path: Path) -> Requests:
    """Return what a list asks for.

    Raises:
        RecipeError: it cannot be read, asks for nothing, or has lines that are no requests: all
            are named, and nothing of it is done.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise RecipeError(f"has more than {_MOST_BYTES} bytes; split it", where=str(path))
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot be read as UTF-8 ({error})", where=str(path)) from None
    found: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    faults = []
    for number, line in enumerate(lines, 1):
        try:
            for kind, value, content in _request(line.strip(), path.parent):
                found[kind][value] = content
        except RecipeError as error:
            faults.append(f"line {number}: {error.message}")
    if faults:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise RecipeError(
            f"{'; '.join(faults[:_SHOWN])}{more}. Nothing of the list was done: repair it first",
            where=str(path),
        )
    if not any(found.values()):
        raise RecipeError(f"asks for nothing; wanted lines such as 'id HEX' ({', '.join(KINDS)})",
                          where=str(path))  # fmt: skip
    ids, urls, domains, hashes = (tuple(sorted(found[kind])) for kind in KINDS[:4])
    return Requests(ids, urls, domains, hashes, tuple(sorted(found["text"].items())))


def _request(line: str, folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the request of a line, if there is one.

    Raises:
        RecipeError: it is none.
    """
    if not line or line.startswith("#"):
        return
    if len(line) > _LONGEST_LINE:
        raise RecipeError(f"has {len(line)} characters, which no request has")
    kind, value = (*line.split(maxsplit=1), "")[:2]
    if kind not in KINDS:
        raise RecipeError(f"{shown(line[:80])} begins with no kind; wanted {', '.join(KINDS)}")
    if not value:
        raise RecipeError(f"{kind!r} of nothing")
    if kind == "text":
        yield kind, value, _text_of(value, folder)
    else:
        yield kind, _READ[kind](value), ""


def _id(value: str) -> str:
    folded = value.lower()
    if not re.fullmatch("[0-9a-f]{32}", folded):
        raise RecipeError(f"id {shown(value[:80])}; wanted 32 hex digits, the whole doc_id")
    return folded


def _hash(value: str) -> str:
    folded = value.lower()
    if not re.fullmatch("[0-9a-f]{64}", folded):
        raise RecipeError(f"sha256 {shown(value[:80])}; wanted 64 hex digits")
    return folded


def _domain(value: str) -> str:
    folded = value.lower().rstrip(".")
    if not _DOMAIN.fullmatch(folded) or re.fullmatch(r"[0-9.]+", folded):
        raise RecipeError(
            f"domain {shown(value[:80])}; wanted one such as example.org (beyond ASCII as xn--...)"
        )
    if _REGISTRY.fullmatch(folded):
        raise RecipeError(f"domain {value!r} is one that anybody registers under; name yours")
    return folded


def _url(value: str) -> str:
    place = canonical(value)
    if not _URL.match(value) or not _DOMAIN.fullmatch(place.host):
        raise RecipeError(f"url {shown(value[:80])}; wanted https://HOST/PATH")
    if "#" in value or value.endswith("*"):
        raise RecipeError(
            f"url {shown(value[:80])} ends in a fragment or in *; name the page, or what all lies "
            "below: it needs no *, and where in a page something stands is in no address"
        )
    return place_of(place)


def place_of(place: Place) -> str:
    """Return what a place is called in `Requests.urls`: host, path and query."""
    return "".join(place)


def _text_of(value: str, folder: Path) -> str:
    """Return the text of a file that lies in the folder of the list."""
    if "\0" in value:
        raise RecipeError(f"text {shown(value[:80])} is no name of a file")
    place = (folder / value).resolve()
    if not place.is_relative_to(folder.resolve()):
        raise RecipeError(f"text {shown(value[:80])} lies outside of the folder of the list")
    try:
        if place.exists() and not place.is_file():  # a pipe would be waited for without end
            raise RecipeError(f"text {value!r} is no file")
        if place.stat().st_size > _MOST_TEXT:
            raise RecipeError(f"text {value!r} has more than {_MOST_TEXT} bytes")
        text = place.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise RecipeError(f"text {shown(value[:80])} cannot be read ({error})") from None
    if not text.strip():
        raise RecipeError(f"text {value!r} is empty")
    return text


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


_READ: Final[dict[str, Callable[[str], str]]] = {
    "id": _id, "url": _url, "domain": _domain, "sha256": _hash,
}  # fmt: skip
