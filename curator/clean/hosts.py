"""The host and path of a URL in one spelling, so that the same place is one string.

Hosts come in lower case, without user, port or trailing dot, international names in their
ASCII form (punycode), IPv4 addresses as four numbers whatever they were written as. Paths come in
lower case and decoded, without fragment, dot segments, doubled and trailing slashes. What browsers
forgive is forgiven (URL Standard of WHATWG: white space, backslashes, more slashes than two).

Nearly all URLs are ordinary: those are read by expressions over the whole column. The others go
through `canonical` one by one, and both ways agree.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from contextlib import suppress
from typing import Final, NamedTuple
from urllib.parse import unquote

import polars as pl
import pyarrow as pa

_LONGEST_HOST: Final = 253  # characters (RFC 1035, 2.3.4); of a longer one the end is looked at
_LONGEST_URL: Final = 8192  # characters; what follows is not looked at
_C0_AND_SPACE: Final = "".join(map(chr, range(0x21)))
_SCHEME: Final = re.compile(r"(?:https?|ftp|wss?):/*|[a-z][a-z0-9+.-]*:/{2,}|/{2,}", re.IGNORECASE)
_DOTS: Final = str.maketrans("。．｡", "...")  # other full stops of IDNA (RFC 3490, 3.1)
# A scheme or none, plain labels of which the last begins with a letter (so no IPv4), a port.
_ORDINARY: Final = (
    r"^(?:(?:https?|ftp|wss?)://|//)?((?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]*)\.?(?::[0-9]*)?"
    r"((?:[/?#][!-~]*)?)$"
)
_TO_DECODE: Final = r"%|\\|//|/\."  # in a path: something to decode or to put right


class Place(NamedTuple):
    """Where a URL leads.

    Attributes:
        host: "" if there is none.
        path: "" or a slash and what follows, without a slash at its end.
        query: "" or a question mark and what follows.
    """

    host: str
    path: str
    query: str


def places(urls: pa.ChunkedArray | pa.Array) -> pl.DataFrame:
    """Return the columns of `Place` (string) for each URL; null reads as empty."""
    column = pl.Series("url", urls.cast(pa.large_string()).to_pylist(), dtype=pl.String)
    frame = pl.DataFrame({"url": column.fill_null("").str.slice(0, _LONGEST_URL)})
    parts = pl.col("url").str.to_lowercase().str.extract_groups(_ORDINARY)
    found = frame.select(parts.alias("parts")).unnest("parts")
    found.columns = ["host", "rest"]
    rest = pl.col("rest").str.replace(r"#.*$", "")
    odd = (
        pl.col("host").is_null()
        | (pl.col("host").str.len_bytes() > _LONGEST_HOST)
        | rest.str.replace(r"\?.*$", "").str.contains(_TO_DECODE)
    )
    found = found.select(
        pl.col("host"),
        rest.str.replace(r"\?.*$", "").str.replace(r"/$", "").alias("path"),
        rest.str.extract(r"(\?.*)$").fill_null("").alias("query"),
        odd.alias("odd"),
    )
    return _with_odd(frame["url"], found)


def _with_odd(urls: pl.Series, found: pl.DataFrame) -> pl.DataFrame:
    at = found["odd"].fill_null(value=True).arg_true()
    # A few in a hundred: IDNA, IPv6, escapes and dot segments have no expression over columns.
    read = [canonical(url) for url in urls.gather(at).to_list()]
    columns = {
        name: found[name].scatter(at, [getattr(each, name) for each in read])
        for name in Place._fields
    }
    return pl.DataFrame(columns)


def canonical(url: str) -> Place:
    """Return where one URL leads."""
    text = re.sub(r"[\t\r\n]", "", url[:_LONGEST_URL].strip(_C0_AND_SPACE)).replace("\\", "/")
    text = _SCHEME.sub("", text, count=1) if _SCHEME.match(text) else text
    authority, rest = _parted(text, "/?#")
    path, after = _parted(rest, "?#")
    query = after.partition("#")[0] if after.startswith("?") else ""
    return Place(_host(authority.rpartition("@")[2]), _path(path), query.lower())


def _parted(text: str, marks: str) -> tuple[str, str]:
    """Return the text before the first of some marks, and the text from it on."""
    at = min((place for mark in marks if (place := text.find(mark)) >= 0), default=len(text))
    return text[:at], text[at:]


def _host(written: str) -> str:
    if written.startswith("["):
        with suppress(ValueError):
            address = ipaddress.IPv6Address(written[1:].partition("]")[0].partition("%")[0])
            return str(address.ipv4_mapped or address)
        return ""
    name = unquote(written.partition(":")[0])[-4 * _LONGEST_HOST :]
    name = unicodedata.normalize("NFKC", name.translate(_DOTS)).lower()
    labels = [_ascii(label) for label in name.split(".") if label]
    host = ".".join(labels)[-_LONGEST_HOST:]
    return _ipv4(labels) or host


def _ascii(label: str) -> str:
    """Return a label in ASCII; one that IDNA refuses stays as it is."""
    if label.isascii():
        return label
    with suppress(UnicodeError):
        return label.encode("idna").decode("ascii")
    return label


def _ipv4(labels: list[str]) -> str:
    """Return the dotted address that one to four numbers stand for, as browsers read them."""
    if not 1 <= len(labels) <= 4:
        return ""
    numbers = []
    for label in labels:
        base = 16 if label.startswith("0x") else 8 if label.startswith("0") and label > "0" else 10
        digits = label[2:] or "0" if base == 16 else label
        if not re.fullmatch(r"[0-9a-f]{1,32}" if base == 16 else r"[0-9]{1,32}", digits):
            return ""
        with suppress(ValueError):  # an 8 or 9 in an octal number
            numbers.append(int(digits, base))
    if len(numbers) < len(labels) or any(number > 255 for number in numbers[:-1]):
        return ""
    if numbers[-1] >= 256 ** (5 - len(numbers)):
        return ""
    value = numbers[-1] + sum(
        number << (8 * (3 - place)) for place, number in enumerate(numbers[:-1])
    )
    return str(ipaddress.IPv4Address(value))


def _path(written: str) -> str:
    kept: list[str] = []
    for part in unquote(written).lower().split("/"):
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    return "".join(f"/{part}" for part in kept)
