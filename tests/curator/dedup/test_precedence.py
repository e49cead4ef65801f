"""The short order of survivors is the long one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from curator.dedup.precedence import precedence
from curator.dedup.survivors import Survivors
from tests.support.copies import documents_of


@pytest.mark.parametrize(
    "survivors",
    [
        Survivors(),
        Survivors(("books", "web")),
        Survivors(("web",), length="shortest"),
        Survivors(("books",), "votes"),
        Survivors((), "votes", "lower"),
    ],
)
def test_rows_stand_in_the_same_order(survivors):
    rng = np.random.default_rng(0)
    texts = ["x" * n for n in rng.integers(1, 30, 200).tolist()]
    sources = rng.choice(["web", "books", "other"], 200).tolist()
    table = documents_of([f"{t}{n:03d}" for n, t in enumerate(texts)], sources)
    table = table.append_column("row", pa.array(np.arange(200, dtype=np.uint64)))
    table = table.append_column("votes", pa.array(rng.integers(0, 4, 200)))

    short = pa.table({**precedence(survivors, table), "row": table["row"]})
    long = pa.table(survivors.standing(table))

    for order in (short, long):
        order.validate()
    by = [[(name, "ascending") for name in order.column_names] for order in (short, long)]
    assert short.sort_by(by[0])["row"] == long.sort_by(by[1])["row"]
