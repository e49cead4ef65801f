from __future__ import annotations

import collections

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import BudgetError, RecipeError
from curator.mix.draw import draw
from curator.mix.spec import MixEntry, MixSpec
from curator.schema import DRAW
from tests.support.pools import selection

RNG = np.random.default_rng(0)
BIG = {name: RNG.integers(2, 40, n).tolist() for name, n in (("a", 300), ("b", 150), ("c", 50))}


def epochs_of(table):
    return collections.Counter(table["doc_id"].to_pylist())


def test_nothing_asked_for_draws_every_document_once():
    chosen = selection(BIG)
    drawn = draw(chosen, MixSpec())
    assert drawn.table.schema.equals(DRAW)
    assert epochs_of(drawn.table) == dict.fromkeys(chosen["doc_id"].to_pylist(), 1)
    assert drawn.tokens == sum(map(sum, BIG.values()))


@settings(max_examples=50, deadline=None)
@given(
    sizes=st.dictionaries(
        st.sampled_from("abcd"), st.lists(st.integers(1, 30), min_size=1, max_size=20), min_size=1
    ),
    tokens=st.integers(1, 2000),
    seed=st.integers(0, 9),
)
def test_each_source_gives_its_part_to_within_half_a_document(sizes, tokens, seed):
    drawn = draw(selection(sizes), MixSpec(scheme="uniform", max_epochs=3000), tokens, seed=seed)
    assert sum(drawn.asked.values()) == tokens
    for name, asked in drawn.asked.items():
        if asked:
            got, draws = (drawn.obtained[name][key] for key in ("tokens", "draws"))
            assert abs(got - asked) <= max(sizes[name]) / 2 or draws == 1


def test_a_selection_made_for_a_budget_is_drawn_once():
    chosen = selection({"a": [40] * 7, "b": [30] * 5})
    drawn = draw(chosen, MixSpec(), 440)  # the selection has 430: nothing is read again for 10
    assert epochs_of(drawn.table) == dict.fromkeys(chosen["doc_id"].to_pylist(), 1)


def test_no_document_is_seen_twice_before_all_of_its_source_are_seen_once():
    drawn = draw(selection(BIG), MixSpec(entries=(MixEntry("c", 3, 20), MixEntry("a", 1))), 12_000)
    rows = drawn.table.to_pylist()
    assert drawn.obtained["c"]["epochs"] > 3
    for source in ("a", "c"):
        epochs = [row["epoch"] for row in rows if row["source"] == source]
        assert epochs == sorted(epochs)
        whole = collections.Counter(epochs)
        assert all(whole[epoch] == len(BIG[source]) for epoch in range(max(epochs)))
    times = epochs_of(drawn.table)
    found = dict(zip(drawn.selection["doc_id"].to_pylist(), drawn.epochs.tolist(), strict=True))
    assert found == times


def test_epochs_of_one_source_have_orders_of_their_own():
    drawn = draw(selection({"a": [5] * 50}), MixSpec(max_epochs=2), 500)
    ids = drawn.table["doc_id"].to_pylist()
    assert sorted(ids[:50]) == sorted(ids[50:])
    assert ids[:50] != ids[50:]


def test_shares_hold_all_along_the_mixture():
    entries = (MixEntry("a", 0.5, 9), MixEntry("b", 0.3, 9), MixEntry("c", 0.2, 9))
    drawn = draw(selection(BIG), MixSpec(entries=entries), 12_000)
    sources = np.array(drawn.table["source"].to_pylist())
    tokens = drawn.table["tokens"].to_numpy()
    for part in np.array_split(np.arange(len(sources)), 8):
        for entry in entries:
            share = tokens[part][sources[part] == entry.source].sum() / tokens[part].sum()
            # Each source is off by a document or two of at most 40 tokens in about 1,500.
            assert share == pytest.approx(entry.weight, abs=0.08)


def test_the_order_is_a_function_of_ids_and_seed():
    chosen = selection(BIG)
    mixed = chosen.take(pa.array(np.random.default_rng(1).permutation(chosen.num_rows)))
    spec = MixSpec(scheme="temperature", temperature=2.0)
    first = draw(chosen, spec, 9000, seed=1)
    assert draw(mixed, spec, 9000, seed=1).table.equals(first.table)
    assert draw(mixed, spec, 9000, seed=1).manifest_hash("t") == first.manifest_hash("t")
    other = draw(chosen, spec, 9000, seed=2)
    assert other.draw_hash("t") != first.draw_hash("t")


def test_all_sources_that_fall_short_are_named_with_the_epochs_they_would_need():
    spec = MixSpec(entries=(MixEntry("a", 1, 1), MixEntry("b", 1, 1), MixEntry("c", 8, 1)))
    with pytest.raises(BudgetError) as caught:
        draw(selection({"a": [10] * 9, "b": [10] * 2, "c": [10] * 4}), spec, 300)
    text = str(caught.value)
    assert "c: wanted 240 tokens, has 40" in text
    assert "6.00 epochs" in text
    assert "b: wanted 30 tokens, has 20" in text
    assert "a: wanted" not in text


def test_a_redistributed_shortfall_is_recorded_and_the_total_kept():
    entries = (MixEntry("a", 1, 1), MixEntry("c", 1, 1))
    spec = MixSpec(entries=entries, shortfall="redistribute")
    drawn = draw(selection({"a": [10] * 50, "c": [10] * 4}), spec, 200)
    assert drawn.asked == {"a": 160, "c": 40}
    assert [each.name for each in drawn.shortfalls] == ["c"]
    with pytest.raises(BudgetError):
        draw(selection({"a": [10] * 5, "c": [10] * 4}), spec, 200)


def test_unimax_draws_exactly_what_it_is_asked_for_at_the_caps():
    chosen = selection({"a": [7] * 10, "b": [3] * 100})
    assert draw(chosen, MixSpec(scheme="unimax", max_epochs=1), 370).tokens == 370


def test_a_source_that_was_not_selected_is_refused():
    with pytest.raises(RecipeError, match=r"\['z'\] are not in the selection"):
        draw(selection({"a": [5]}), MixSpec(entries=(MixEntry("z", 1),)))


def test_an_empty_selection_draws_nothing():
    assert draw(selection({}), MixSpec()).table.num_rows == 0


@pytest.mark.parametrize("scheme", ["natural", "uniform", "unimax"])
def test_a_mixture_of_nothing_is_refused_with_what_to_do(scheme: str):
    empty = selection({"a": [1]}).slice(0, 0)
    with pytest.raises(BudgetError, match=r"no text to mix.*refine.*reasons"):
        draw(empty, MixSpec(scheme=scheme), 5000)
