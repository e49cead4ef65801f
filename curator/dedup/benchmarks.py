"""Benchmark files as items: what a document must not repeat.

Benchmarks are small, so lines are parsed one by one with a place for every fault. A line that
cannot be read is an error and not a skip: an item left out would silently not be guarded.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np
import pyarrow as pa

from curator.errors import RecipeError
from curator.text.words import word_counts

VERSION: Final = 2  # raise it when the same file and fields start giving other items
PART: Final = pa.struct(
    [
        pa.field("start", pa.int64(), nullable=False),  # bytes in the item's text: one field of it
        pa.field("end", pa.int64(), nullable=False),
        pa.field("prompt", pa.bool_(), nullable=False),  # what is asked, not what is answered
    ]
)
ITEMS: Final = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False),  # such as "gsm8k/test"
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("parts", pa.list_(PART)),  # null: the text is all there is
    ],
    metadata={"curator.schema": "benchmark-items/2"},
)
_LARGEST: Final = 4 << 30  # bytes unpacked; no benchmark comes near, a decompression bomb does
_FAULTS_SHOWN: Final = 5


def read_benchmark(
    name: str,
    path: str | Path,
    text: Sequence[str],
    *,
    id_field: str = "id",
    prompt: Sequence[str] = (),
) -> pa.Table:
    """Return `ITEMS` of one JSONL file (plain, .gz or .zst), one item a line.

    Args:
        name: what reports and reasons call it, such as "gsm8k/test".
        path: the file.
        text: the fields to guard, in order; "a.b" reaches into objects. All strings and numbers
            in a field count, however nested (lists of choices), joined by line breaks.
        id_field: names the item; where a line lacks it, its line number does.
        prompt: those of the fields that ask; none: all of them.

    Raises:
        RecipeError: the file cannot be read, or lines are broken, lack a field or have no words:
            the first five are named with their line.
    """
    ids, texts, parts, places, faults = [], [], [], [], []
    for place, line in numbered_lines(name, Path(path)):
        try:
            record = parsed(line)
            fields = {wanted: "\n".join(_strings(field_of(record, wanted))) for wanted in text}
            found = "\n".join(part for part in fields.values() if part)
            named = item_name(record, id_field, place)
            (found + named).encode()  # JSON can spell half of a surrogate pair, UTF-8 cannot
        except (ValueError, RecursionError) as error:
            faults.append(f"{path}:{place}: {error or 'nested too deeply'}")
            continue
        ids.append(named)
        texts.append(found)
        parts.append(_parts(fields, prompt or text))
        places.append(place)
    column = pa.array(texts, pa.large_string())
    wordless = np.flatnonzero(word_counts(column) == 0)
    faults += [f"{path}:{places[at]}: fields {list(text)} have no words" for at in wordless]
    if faults or not texts:
        mend = ". Every line must be guarded: mend the file or name other fields under `text`"
        told = complaint(path, faults) + (mend if faults else "")
        raise RecipeError(told, where=f"benchmark {name}")
    kept = pa.array(parts, ITEMS.field("parts").type)
    return pa.table(
        [pa.repeat(name, len(ids)), pa.array(ids, pa.string()), column, kept], schema=ITEMS
    )


def _parts(fields: Mapping[str, str], prompt: Sequence[str]) -> list[dict[str, Any]]:
    """Return where each field that is not empty stands in the fields joined by line breaks."""
    parts, at = [], 0
    for name, value in fields.items():
        if value:
            end = at + len(value.encode())
            parts.append({"start": at, "end": end, "prompt": name in prompt})
            at = end + 1
    return parts


def complaint(path: str | Path, faults: Sequence[str]) -> str:
    """Return the first faults of a file in words; without any, that it is empty."""
    if not faults:
        return f"{path} has no items; wanted one JSON object a line"
    more = len(faults) - _FAULTS_SHOWN
    return "; ".join(faults[:_FAULTS_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def numbered_lines(name: str, path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, counted from 1, unpacked no further than a stated limit.

    Raises:
        RecipeError: the file cannot be read.
    """
    yield from ((at, line) for at, line in enumerate(_lines(name, path), start=1) if line.strip())


def _lines(name: str, path: Path) -> Iterator[bytes]:
    read = 0
    try:
        with _opened(path) as file:
            while line := file.readline(_LARGEST):
                read += len(line)
                if read >= _LARGEST:
                    raise RecipeError(
                        f"{path} unpacks to {_LARGEST >> 30} GiB or more; wanted a benchmark file",
                        where=f"benchmark {name}",
                    )
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise RecipeError(
            f"{path} cannot be read ({error}); give the path of a JSONL file",
            where=f"benchmark {name}",
        ) from error


def _opened(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(path, "rb"))
    if path.suffix == ".zst":
        return cast("BinaryIO", io.BufferedReader(pa.CompressedInputStream(str(path), "zstd")))
    return path.open("rb")


def parsed(line: bytes) -> dict[str, Any]:
    """Return one line's record.

    Raises:
        ValueError: it is no JSON object.
    """
    try:
        record = json.loads(line)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 ({error.reason} at byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg} at column {error.colno})") from error
    if not isinstance(record, dict):
        raise ValueError(f"a {type(record).__name__}; wanted a JSON object")
    return record


def item_name(record: dict[str, Any], id_field: str, place: int) -> str:
    """Return what names an item: its own name or its line."""
    given = record.get(id_field)
    return str(place if given is None else given)


def field_of(record: dict[str, Any], wanted: str) -> Any:
    """Return a field's value; "a.b" reaches into objects.

    Raises:
        ValueError: there is none.
    """
    if wanted in record:
        return record[wanted]
    value: Any = record
    for part in wanted.split("."):
        if not isinstance(value, dict) or part not in value:
            raise ValueError(f"no field {wanted!r}; it has {sorted(record)}")
        value = value[part]
    return value


def _strings(value: Any) -> Iterator[str]:
    """Yield the strings and numbers in a JSON value, in order; true, false and null say nothing."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
