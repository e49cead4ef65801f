"""Hold a refiner to its contract: for plug-in authors and for us."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curator.errors import PluginError
from curator.identity import id_matrix, uniform
from curator.refine.refiner import Refined, Refiner, refined
from curator.stage import Corpus, Site
from curator.testing import awkward_documents, check_pickling, corpus, example_texts


def check_refiner(
    refiner: Refiner,
    *,
    corpora: Mapping[str, Corpus] | None = None,
    site: Site | None = None,
    columns: Mapping[str, Any] | None = None,
) -> Refined:
    """Return what comes of `curator.testing.awkward_documents`, held to the contract.

    Checked: it is a frozen dataclass that survives pickling with its identity; it makes the same
    twice; an empty block comes to nothing; every child has a row, text and an `about` that is a
    JSON object or null; no document is gone without a reason. One that learns does so twice and
    must make the same.

    Args:
        refiner: an instance, with settings small enough for a test.
        corpora: by role, what it learns from; made-up sentences if not given.
        site: where to run; one thread of the CPU if not given.
        columns: what it reads beside documents' own columns, one value a document; scores are
            numbers by chance of the document if not given.

    Raises:
        PluginError: the first breach found, with what was wanted.
    """
    where = f"refiner {refiner.name}"
    if not is_dataclass(refiner):
        raise PluginError("is no frozen dataclass; its settings are its fields", where=where)
    check_pickling(refiner, where=where)
    table = _read(refiner, awkward_documents(), columns or {})
    with tempfile.TemporaryDirectory(prefix="curator-check-") as folder:
        sites = _sites(refiner, corpora or {}, site or Site(), Path(folder))
        made = [refined(refiner, refiner.load(one), table, name=refiner.name) for one in sites]
        if not all(_equal(one, made[0]) for one in made[1:]):
            raise PluginError("made other documents of the same ones", where=where)
        nothing = refined(refiner, refiner.load(sites[0]), table.slice(0, 0), name=refiner.name)
    if nothing.children.num_rows:
        raise PluginError("made documents of an empty block", where=where)
    for about in made[0].children["about"].drop_null().unique().to_pylist():
        if not isinstance(json.loads(about), dict):
            raise PluginError(f"about is {about!r}; wanted a JSON object", where=where)
    return made[0]


def _read(refiner: Refiner, table: pa.Table, columns: Mapping[str, Any]) -> pa.Table:
    for name in refiner.reads:
        if name in columns:
            table = table.append_column(name, pa.array(columns[name]))
        elif name not in table.column_names:
            chance = uniform(id_matrix(table["doc_id"]), name, 0)
            table = table.append_column(name, pa.array(np.float32(chance)))
    return table


def _sites(
    refiner: Refiner, given: Mapping[str, Corpus], site: Site, folder: Path
) -> tuple[Site, Site]:
    """Return two places to run: for one that learns, each with what it learned once more."""
    if not refiner.learns_from or site.fitted is not None:
        return site, site
    examples = {
        role: given.get(role) or corpus(folder / role, example_texts(role))
        for role in refiner.learns_from
    }
    places = []
    for name in ("once", "again"):
        out = folder / f"fitted {name}"
        out.mkdir()
        refiner.fit(examples, out, site)
        places.append(replace(site, fitted=out))
    return places[0], places[1]


def _equal(one: Refined, other: Refined) -> bool:
    return bool(one.children.equals(other.children) and one.outcome.equals(other.outcome))
