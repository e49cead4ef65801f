"""Benchmark files as questions with options, or as pairs of texts: what a proxy is asked.

Fields are declared, never guessed. A record without them is an error that names file, line and
field. An item that no one could answer (options alike or empty, no blank to fill) is left out
and told; more than 1 % of those is an error too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from curator.corpus_spec import ChoicesSpec, PairsSpec
from curator.dedup.benchmarks import complaint, field_of, item_name, numbered_lines, parsed
from curator.errors import RecipeError, shown

VERSION = 1  # raise it when the same file and fields start giving other questions
# Ours: the official tests of ARC have 0.3 % of items with two options alike.
MOST_LEFT_OUT = 0.01
OPTIONS = pa.schema(
    [
        pa.field("item", pa.string(), nullable=False),
        pa.field("option", pa.int32(), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),  # the question with this option in it
        pa.field("start", pa.int64(), nullable=False),  # characters before the part to score
        pa.field("gold", pa.bool_(), nullable=False),
    ]
)
PAIRS = pa.schema(
    [
        pa.field("item", pa.string(), nullable=False),
        pa.field("good", pa.large_string(), nullable=False),
        pa.field("bad", pa.large_string(), nullable=False),
        pa.field("groups", pa.list_(pa.string()), nullable=False),
    ]
)


Length = Literal["character", "byte", "token", "option"]


@dataclass(frozen=True)
class Questions:
    """What was read: `OPTIONS` or `PAIRS`, and a line for each item that was left out."""

    table: pa.Table
    left_out: tuple[str, ...] = ()


class _Unanswerable(ValueError):
    """An item that says nothing about a model, whatever it answers."""


def length_of(spec: ChoicesSpec) -> Length:
    """Return what log-likelihoods are divided by: characters, or with a blank tokens."""
    return spec.per or ("token" if spec.blank is not None else "character")


def text_fields(spec: ChoicesSpec | PairsSpec) -> list[str]:
    """Return the fields that are an item's text where a recipe names none."""
    if isinstance(spec, PairsSpec):
        return [spec.good]
    options = [spec.options] if isinstance(spec.options, str) else spec.options
    return [*([spec.context] if spec.context else []), *options]


def spread_items(table: pa.Table, items: int | None) -> pa.Table:
    """Return so many items evenly over a table, all if it has no more or `items` is None.

    Files lie sorted by kind of item more often than not, so the first ones would be of one kind.

    Args:
        table: `OPTIONS`, whose items are several rows side by side, or a row an item.
        items: at least 1.
    """
    first = np.ones(table.num_rows, dtype=np.bool_)
    if "option" in table.column_names:
        first = table["option"].to_numpy() == 0
    total = int(first.sum())
    if items is None or items >= total:
        return table
    taken = np.zeros(total, dtype=np.bool_)
    taken[np.arange(items) * total // items] = True
    return table.filter(pa.array(taken[np.cumsum(first) - 1]))


def read_choices(
    name: str, path: str | Path, spec: ChoicesSpec, *, id_field: str = "id"
) -> Questions:
    """Return `OPTIONS` of one JSONL file, one row an option, those of an item side by side.

    The context and the options lose the white space around them; `between` stands between
    them. The scored part begins where the context ends. With `blank`, the option replaces that
    mark in the context, and what follows it is scored as well.

    Args:
        name: what errors call it, such as "arc_easy/test".
        path: plain, .gz or .zst.
        spec: which fields say what.
        id_field: names the item; where a line lacks it, its line number does.

    Raises:
        RecipeError: a record lacks a field or holds another type; more than 1 % of the items
            cannot be answered.
    """

    def read(record: dict[str, Any], item: str) -> list[tuple[Any, ...]]:
        options = _options(record, spec)
        contexts = _contexts(record, spec, options)
        texts = [_filled(*part, spec) for part in zip(contexts, options, strict=True)]
        _all_different([text for text, _ in texts])
        gold = _gold(record, options, spec)
        return [
            (item, place, text, start, place == gold) for place, (text, start) in enumerate(texts)
        ]

    return _read(name, Path(path), id_field, read, OPTIONS)


def read_pairs(name: str, path: str | Path, spec: PairsSpec, *, id_field: str = "id") -> Questions:
    """Return `PAIRS` of one JSONL file, one row an item.

    Raises:
        RecipeError: as `read_choices`.
    """
    groups = [spec.group] if isinstance(spec.group, str) else spec.group

    def read(record: dict[str, Any], item: str) -> list[tuple[Any, ...]]:
        good, bad = (_string(record, field).strip() for field in (spec.good, spec.bad))
        if not good or not bad:
            raise _Unanswerable("one of the two texts is empty")
        _all_different([good, bad])
        return [(item, good, bad, [_string(record, field) for field in groups])]

    return _read(name, Path(path), id_field, read, PAIRS)


def _read(
    name: str,
    path: Path,
    id_field: str,
    read: Callable[[dict[str, Any], str], list[tuple[Any, ...]]],
    schema: pa.Schema,
) -> Questions:
    """Return all items of a file, all faults at once."""
    rows: list[tuple[Any, ...]] = []
    faults, left_out, items = [], [], 0
    for place, line in numbered_lines(name, path):
        items += 1
        item = f"line {place}"
        try:
            record = parsed(line)
            item = item_name(record, id_field, place)
            item.encode()  # as in `_word`
            found = read(record, item)
            rows += found
        except _Unanswerable as error:
            left_out.append(f"{path}:{place}: item {shown(item)}: {error}")
        except (ValueError, RecursionError) as error:
            faults.append(f"{path}:{place}: item {shown(item)}: {error or 'nested too deeply'}")
    if faults or not items:
        raise RecipeError(complaint(path, faults), where=f"benchmark {name}")
    if len(left_out) > MOST_LEFT_OUT * items:
        told = f"{len(left_out)} of {items} items cannot be answered: {complaint(path, left_out)}"
        raise RecipeError(f"{told}. Mend them or take them out", where=f"benchmark {name}")
    columns = zip(*rows, strict=True)
    arrays = [pa.array(part, field.type) for part, field in zip(columns, schema, strict=True)]
    return Questions(pa.table(arrays, schema=schema), tuple(left_out))


def _string(record: Mapping[str, Any], field: str) -> str:
    """Return a field that holds a string or a number, as text."""
    return _word(field_of(dict(record), field), field)


def _word(value: Any, field: str) -> str:
    if isinstance(value, str):
        value.encode()  # JSON can spell half of a surrogate pair, UTF-8 cannot
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"field {field!r} holds {shown(value)}; wanted a string or a number")


def _options(record: dict[str, Any], spec: ChoicesSpec) -> list[str]:
    """Return the options' texts without white space around them."""
    if isinstance(spec.options, list):
        found = [_string(record, field) for field in spec.options]
    else:
        value = field_of(record, spec.options)
        if isinstance(value, dict):
            inner = ", ".join(f"{spec.options}.{key}" for key in sorted(value))
            raise ValueError(f"field {spec.options!r} is an object; name a list in it: {inner}")
        values = value if isinstance(value, list) else [value]
        found = [_word(each, spec.options) for each in values]
        if not isinstance(value, list) and spec.context is not None:
            context = field_of(record, spec.context)
            found *= len(context) if isinstance(context, list) else 1
    if not found:
        raise ValueError(f"field {spec.options!r} is an empty list; wanted options")
    stripped = [option.strip() for option in found]
    if not all(stripped):
        raise _Unanswerable("an option is empty")
    return stripped


def _contexts(record: dict[str, Any], spec: ChoicesSpec, options: Sequence[str]) -> list[str]:
    """Return what stands before each option: one text for all, or a list of one each."""
    if spec.context is None:
        return [""] * len(options)
    value = field_of(record, spec.context)
    if not isinstance(value, list):
        return [_word(value, spec.context).strip()] * len(options)
    if len(value) != len(options):
        raise ValueError(
            f"field {spec.context!r} lists {len(value)} contexts for {len(options)} options"
        )
    return [_word(each, spec.context).strip() for each in value]


def _filled(context: str, option: str, spec: ChoicesSpec) -> tuple[str, int]:
    """Return a question with one option in it, and how many characters stand before what counts."""
    if spec.blank is not None:
        if context.count(spec.blank) != 1:
            found = context.count(spec.blank)
            raise _Unanswerable(f"has {found} blanks {spec.blank!r}; wanted one")
        before, _, after = context.partition(spec.blank)
        return f"{before}{option}{after}", len(before.rstrip())
    if not context:
        return option, 0
    return f"{context}{spec.between}{option}", len(context)


def _all_different(texts: Sequence[str]) -> None:
    alike = next((text for text in texts if texts.count(text) > 1), None)
    if alike is not None:
        raise _Unanswerable(f"two options are alike: {shown(alike)}")


def _gold(record: dict[str, Any], options: Sequence[str], spec: ChoicesSpec) -> int:
    """Return the place of the right option, by the one reading of the answer there is."""
    if spec.answer is None:
        if len(options) == 1:
            return 0
        raise ValueError(f"has {len(options)} options; name the field of the right one: `answer`")
    value = field_of(record, spec.answer)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(
            f"field {spec.answer!r} holds {shown(value)}; wanted an option's index, letter, label "
            "or text"
        )
    readings = dict(_readings(value, record, options, spec))
    places = sorted(set(readings.values()))
    if len(places) == 1:
        return places[0]
    if places:
        told = ", ".join(f"{how} of option {place}" for how, place in readings.items())
        raise ValueError(
            f"field {spec.answer!r} holds {shown(value)}, which is the {told}; say which by "
            "`answer_is`"
        )
    how = spec.answer_is or ("label" if spec.labels else "index, letter or text")
    raise ValueError(
        f"field {spec.answer!r} holds {shown(value)}, the {how} of none of {len(options)} options "
        f"counted from {spec.first_index}"
    )


def _readings(
    value: int | str, record: dict[str, Any], options: Sequence[str], spec: ChoicesSpec
) -> Iterator[tuple[str, int]]:
    """Yield the ways to read an answer that lead to an option."""
    word = str(value).strip()
    wanted = spec.answer_is or ("label" if spec.labels else "")
    if isinstance(value, int) and not wanted:
        wanted = "index"  # a number is an index unless something else is said
    if wanted == "label":
        field = spec.labels or "labels"
        labels = field_of(record, field)
        known = [str(label).strip() for label in labels] if isinstance(labels, list) else []
        if len(known) != len(options):
            raise ValueError(f"field {field!r}: {len(known)} labels for {len(options)} options")
        if len(set(known)) < len(known):
            raise ValueError(f"field {field!r} has a label twice: {shown(known)}")
        if word in known:
            yield "label", known.index(word)
    if wanted in ("", "index") and re.fullmatch("[0-9]{1,6}", word):
        place = int(word) - spec.first_index
        if 0 <= place < len(options):
            yield "index", place
    if wanted in ("", "letter") and re.fullmatch("[A-Z]", word):
        place = ord(word) - ord("A")
        if place < len(options):
            yield "letter", place
    if wanted in ("", "text") and word in options:
        yield "text", options.index(word)
