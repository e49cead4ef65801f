from __future__ import annotations

import polars as pl
import pytest

from curator.errors import PluginError, RecipeError
from curator.select.pool import Pool
from tests.support.pools import pool


def test_repeats_are_found_in_parts_of_the_id_space_as_in_one():
    frame = pool(300, nulls=0)
    doubled = pl.concat([frame, frame[100:150]]).lazy()
    for part_rows in (7, 1 << 25):
        found = {}
        for rows in Pool(doubled, part_rows=part_rows, batch_rows=31).batches():
            found |= dict(zip(map(bytes, rows.doc_id), rows.copies.tolist(), strict=True))
        assert len(found) == 300
        assert {key for key, copies in found.items() if copies == 2} == set(
            frame["doc_id"][100:150]
        )


def test_a_score_missing_on_one_copy_is_the_other_copys():
    frame = pool(10, nulls=0)
    blank = frame[:3].with_columns(score=pl.lit(None, dtype=pl.Float64))
    rows = list(Pool(pl.concat([blank, frame]).lazy(), by="score").batches())
    assert all(each.scored.all() for each in rows)


def test_ids_of_other_lengths_and_missing_costs_are_refused():
    frame = pool(5)
    with pytest.raises(PluginError, match="16-byte"):
        Pool(frame.with_columns(doc_id=pl.lit(b"short")).lazy())
    with pytest.raises(PluginError, match="tokens"):
        list(Pool(frame.with_columns(tokens=pl.lit(None, dtype=pl.UInt32)).lazy()).batches())


@pytest.mark.parametrize("column", ["doc_id", "bits"])
def test_lists_and_bytes_are_no_groups(column):
    frame = pool(5).with_columns(bits=pl.lit([1.0, 2.0])).lazy()
    for use in ("group", "within"):
        with pytest.raises(RecipeError, match=f"column '{column}' is .*groups by words"):
            Pool(frame, **{use: column})


def test_text_cannot_be_ranked_by():
    with pytest.raises(RecipeError, match="ranks by numbers"):
        Pool(pool(5).lazy(), by="source")
