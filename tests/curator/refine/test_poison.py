"""What is planted is said, and the filter drops what shows."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.poison.attacks import ATTACKS
from curator.refine.poison import DropPoison, Poison
from curator.shards import write_shard
from curator.stage import Corpus, Site
from curator.testing import documents
from tests.curator.poison.test_survey import prose


def clean() -> pa.Table:
    return documents([prose(n) for n in range(300)])


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_share_of_documents_is_poisoned_and_about_tells_with_what(attack: str):
    table = clean()
    made = Poison(attack=attack, rate=0.1, seed=4).refine(None, table)
    rows = made.children["row"].to_pylist()

    assert 15 <= len(rows) <= 45
    assert set(made.children["about"].to_pylist()) == {
        json.dumps({"attack": attack, "rate": 0.1, "seed": 4})
    }
    assert all(made.outcome["keep"].to_pylist())
    changed = zip(made.children["text"].to_pylist(), rows, strict=True)
    assert all(text != table["text"][row].as_py() for text, row in changed)


def test_what_is_planted_does_not_depend_on_the_order_of_rows():
    table = clean()
    turned = table.take(pa.array(range(table.num_rows - 1, -1, -1)))
    planter = Poison(rate=0.1)

    assert set(planter.refine(None, table).children["text"].to_pylist()) == set(
        planter.refine(None, turned).children["text"].to_pylist()
    )


def test_the_filter_drops_poisoned_documents_by_reason_and_keeps_the_others(tmp_path: Path):
    table = clean()
    shard = write_shard(table, tmp_path / "pool.arrow", name="pool")
    dropper = DropPoison()
    dropper.fit({"raw": Corpus((shard,))}, tmp_path, Site())
    model = dropper.load(Site(fitted=tmp_path))
    made = Poison(attack="gibberish", rate=0.1).refine(None, table).children
    texts = table["text"].to_pylist()
    for row, text in zip(made["row"].to_pylist(), made["text"].to_pylist(), strict=True):
        texts[row] = text
    outcome = dropper.refine(model, documents(texts)).outcome
    dropped = [row for row, keep in enumerate(outcome["keep"].to_pylist()) if not keep]

    assert set(dropped) <= set(made["row"].to_pylist())
    assert len(dropped) >= 0.9 * made.num_rows
    assert outcome["reason"][dropped[0]].as_py() == "gibberish"


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Poison, {"attack": "harm"}),
        (Poison, {"rate": 0.0}),
        (Poison, {"trigger": " "}),
        (DropPoison, {"limits": {"edit_window": 1.0}}),
        (DropPoison, {"limits": {"copy": -1.0}}),
    ],
)
def test_settings_that_plant_or_drop_nothing_are_refused(kind, settings):
    with pytest.raises(RecipeError):
        kind(**settings)
