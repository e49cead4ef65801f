"""One trained proxy, one file: what it needs for the text and what it answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from curator.corpus_spec import ChoicesSpec, PairsSpec
from curator.errors import LedgerError, RecipeError, shown
from curator.recipe import override
from curator.report.visible import one_line
from pipelines.looking import Found
from pipelines.training import TOKENIZER, WEIGHTS


def ask_proxy(
    proxy: Path,
    file: Path,
    *,
    text: str,
    choices: str,
    pairs: str,
    id_field: str,
    items: int | None,
) -> Found:
    """Return bits per byte of a benchmark's text and, where fields are named, its answers.

    Args:
        proxy: folder of a finished run.
        file: JSON lines (plain, .gz, .zst), one item a line.
        text: fields of the text, with commas between; those of the questions if "".
        choices: keys of `corpus.benchmarks.NAME.choices` as KEY=FIELD,KEY=FIELD; or "".
        pairs: the same of `pairs`; or "".
        id_field: names the item.
        items: so many, evenly over the file; all if None.

    Raises:
        RecipeError: the file or the fields are not what they should be.
        LedgerError: the run is not finished.
    """
    if not (proxy / WEIGHTS).exists():
        raise LedgerError(
            f"{proxy} holds no {WEIGHTS}; give a proxy's folder: run.json of a run names those of "
            "its arms"
        )
    if choices and pairs:
        raise RecipeError("--choices and --pairs are given; the items are one of them")
    asked = ChoicesSpec, choices, "--choices"
    spec = (
        spec_from(*(asked if choices else (PairsSpec, pairs, "--pairs")))
        if choices or pairs
        else None
    )
    rows, counts = _answers(proxy, file, spec, id_field, items) if spec else ([], {})
    rows.insert(0, _bits(proxy, file, _fields(text, spec), id_field, items))
    summary = {"proxy": str(proxy), "file": str(file), **counts, "metrics": rows}
    return Found(summary, _drawn(rows, f"{proxy.name} on {file.name}", counts))


def spec_from(wanted: type[Any], told: str, option: str) -> Any:
    """Return the section that KEY=FIELD,KEY=FIELD stands for; fields can be YAML lists.

    Raises:
        RecipeError: a part has no "=" or is not YAML, or a key is unknown or missing.
    """
    parts = re.split(r",(?=\w+=)", told)
    odd = [part for part in parts if "=" not in part]
    if odd:
        raise RecipeError(f"{option}: {shown(odd[0])} has no '='; write KEY=FIELD,KEY=FIELD")
    given = override({}, parts)
    try:
        return wanted.model_validate(given)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        known = ", ".join(wanted.model_fields)
        raise RecipeError(f"{option}: {'; '.join(faults)}; known: {known}") from error


def _fields(text: str, spec: ChoicesSpec | PairsSpec | None) -> list[str]:
    from curator.evaluate.questions import text_fields

    if text:
        return [field.strip() for field in text.split(",")]
    return text_fields(spec) if spec else ["text"]


def _bits(
    proxy: Path, file: Path, fields: list[str], id_field: str, items: int | None
) -> dict[str, Any]:
    """Return the row of bits per byte of the items' text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from curator.dedup.benchmarks import read_benchmark
    from curator.evaluate.bits import bits_per_byte
    from curator.evaluate.questions import spread_items
    from curator.identity import document_ids

    read = spread_items(read_benchmark(file.name, file, fields, id_field=id_field), items)
    texts = {
        "doc_id": document_ids(file.name, read["text"]),
        "source": read["benchmark"],
        "text": read["text"],
    }
    found = bits_per_byte(proxy, pa.table(texts), proxy / TOKENIZER)
    value = float(pc.sum(found["bits"]).as_py()) / max(1, pc.sum(found["bytes"]).as_py())
    return _row("", value, None)


def _answers(
    proxy: Path, file: Path, spec: ChoicesSpec | PairsSpec, id_field: str, items: int | None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a row for every metric, and how many items there are and were left out."""
    from curator.evaluate import pairs, questions
    from curator.evaluate.choices import score_items, score_options
    from curator.train.checkpoint import load_model
    from curator.train.tokenizer import load_tokenizer
    from pipelines.evaluating import item_chances, item_means

    model, tokenizer = load_model(proxy), load_tokenizer(proxy / TOKENIZER)
    if isinstance(spec, PairsSpec):
        read = questions.read_pairs(file.name, file, spec, id_field=id_field)
        found = pairs.score_pairs(model, tokenizer, questions.spread_items(read.table, items))
        groups = [spec.group] if isinstance(spec.group, str) else spec.group
        more = {
            "groups": {
                name: pairs.by_group(found, "accuracy", place) for place, name in enumerate(groups)
            }
        }
    else:
        read = questions.read_choices(file.name, file, spec, id_field=id_field)
        options = score_options(model, tokenizer, questions.spread_items(read.table, items))
        found, more = score_items(options, questions.length_of(spec)), {}
    chances = dict(item_chances(found))
    rows = [_row(kind, mean, chances.get(kind)) for kind, mean in item_means(found).items()]
    return rows, {"items": found.num_rows, "left_out": list(read.left_out), **more}


def _row(kind: str, value: float, chance: Any) -> dict[str, Any]:
    from curator.evaluate.emergence import above_chance
    from curator.evaluate.metrics import KINDS

    about = KINDS[kind]
    return {
        "metric": kind or "bits",
        "value": value,
        "unit": about.unit,
        "better": about.better,
        "chance": None if chance is None else chance.level,
        "at_chance": None if chance is None else not above_chance([value], [chance]),
    }


def _drawn(rows: list[dict[str, Any]], title: str, counts: Mapping[str, Any]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(one_line(title, 200)))
    for heading in ("metric", "value", "unit", "better", "chance", ""):
        table.add_column(heading, justify="right" if heading in ("value", "chance") else "left")
    for row in rows:
        level = "" if row["chance"] is None else f"{row['chance']:.4f}"
        told = "at chance" if row["at_chance"] else ""
        value = f"{row['value']:.4f}"
        table.add_row(row["metric"], value, row["unit"], row["better"], level, told)
    if counts:
        table.caption = f"{counts['items']:,} items, {len(counts['left_out'])} left out"
    return table
