from __future__ import annotations

import pyarrow as pa
import pytest

from curator.clean.setaside import (
    SetAside,
    SetAsideReference,
    SetAsideSwarm,
    reference_chance,
)
from curator.errors import RecipeError
from curator.identity import document_ids

TEXTS = [f"Document {n} says something of its own." for n in range(2000)]
TABLE = pa.table(
    {
        "text": pa.array(TEXTS, pa.large_string()),
        "source": ["wiki", "web"] * 1000,
        "doc_id": document_ids("any", pa.array(TEXTS)),
    }
)
HALVES = SetAside("benchmark", (("wiki", (("train", 0.25), ("test", 0.25))),))


def test_about_the_asked_share_of_a_source_gets_each_role_and_leaves_the_pool():
    decided = HALVES.process(None, TABLE)
    roles = decided["role"].to_pylist()

    assert decided.schema.equals(HALVES.writes)
    assert not any(roles[1::2])
    # 1000 documents: six standard deviations of a share of 0.25 are 0.082
    assert roles.count("train") / 1000 == pytest.approx(0.25, abs=0.082)
    assert roles.count("test") / 1000 == pytest.approx(0.25, abs=0.082)
    assert [role is None for role in roles] == decided["keep"].to_pylist()
    assert set(decided["reason"].to_pylist()) == {None, "benchmark"}


def test_position_does_not_decide():
    backwards = TABLE.take(list(range(TABLE.num_rows))[::-1])

    assert (
        HALVES.process(None, backwards).to_pylist() == HALVES.process(None, TABLE).to_pylist()[::-1]
    )


def test_texts_that_differ_by_case_and_spaces_go_together():
    pair = pa.table({"text": ["One  text of two.", "one text of TWO."], "source": ["web", "web"]})
    shares = [n / 40 for n in range(1, 40)]
    decided = [SetAside("heldout", (("web", (("out", s),)),)).process(None, pair) for s in shares]

    assert all(len(set(d["keep"].to_pylist())) == 1 for d in decided)


def test_references_of_two_models_are_independent():
    decided = [SetAsideReference(name, 0.5).process(None, TABLE) for name in "ab"]
    one, two = (set(d["role"].is_valid().to_numpy().nonzero()[0].tolist()) for d in decided)

    assert set(decided[0]["role"].to_pylist()) == {None, "a"}
    assert len(one & two) / 2000 == pytest.approx(0.25, abs=0.06)  # six standard deviations


def test_shares_beyond_the_whole_are_refused():
    with pytest.raises(RecipeError, match="wiki"):
        SetAside("heldout", (("wiki", (("a", 0.6), ("b", 0.6))),))


def test_a_swarm_takes_disjoint_lots_of_each_source_by_its_cuts():
    stage = SetAsideSwarm("many", (("web", (0.1, 0.3)), ("wiki", (0.05, 0.05))))
    decided = stage.process(None, TABLE)
    chance = reference_chance("many", TABLE["doc_id"])
    lot = [
        None if u >= cuts[1] else "many-1" if u < cuts[0] else "many-2"
        for u, cuts in zip(chance, [(0.05, 0.05), (0.1, 0.3)] * 1000, strict=True)
    ]

    assert decided["role"].to_pylist() == lot
    assert decided["keep"].to_pylist() == [role is None for role in lot]
    assert set(decided["reason"].to_pylist()) == {None, "reference"}


def test_sources_without_cuts_stay_with_the_pool():
    decided = SetAsideSwarm("many", (("web", (1.0,)),)).process(None, TABLE)

    assert decided["role"].to_pylist() == [None, "many-1"] * 1000
