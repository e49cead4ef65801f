"""A shard appears whole or not at all."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import LedgerError
from curator.identity import file_digest
from curator.shards import read_shard, write_atomically, write_shard

TABLE = pa.table({"n": [1, 2, 3], "text": pa.array(["a", None, "ü"], pa.large_string())})


def test_what_is_written_is_read_back_with_its_digest(tmp_path):
    shard = write_shard(TABLE, tmp_path / "x" / "s.arrow", name="s")

    assert read_shard(shard).equals(TABLE)
    assert shard.rows == 3
    assert shard.digest == file_digest(shard.path)
    assert [p.name for p in (tmp_path / "x").iterdir()] == ["s.arrow"]


def test_only_the_columns_asked_for_are_read_in_their_order(tmp_path):
    shard = write_shard(TABLE, tmp_path / "s.arrow", name="s")

    assert read_shard(shard, ("text", "n")).column_names == ["text", "n"]


@settings(max_examples=20)
@given(cut=st.integers(0, 3))
def test_the_bytes_do_not_depend_on_how_a_table_was_cut(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("cut")
    pieces = pa.concat_tables([TABLE.slice(0, cut), TABLE.slice(cut)])

    one = write_shard(TABLE, folder / "one.arrow", name="s")
    other = write_shard(pieces, folder / "other.arrow", name="s")

    assert one.digest == other.digest


def test_a_failed_write_leaves_nothing(tmp_path):
    class Bad:
        schema = TABLE.schema

        def combine_chunks(self):
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        write_shard(Bad(), tmp_path / "s.arrow", name="s")

    assert list(tmp_path.iterdir()) == []


def test_a_missing_or_broken_shard_is_a_clear_error(tmp_path):
    broken = tmp_path / "broken.arrow"
    broken.write_bytes(b"ARROW1 but not really")

    with pytest.raises(LedgerError, match="is missing; rerun"):
        read_shard(tmp_path / "none.arrow")
    with pytest.raises(LedgerError, match="not a whole Arrow file"):
        read_shard(broken)


def test_a_missing_column_is_named(tmp_path):
    shard = write_shard(TABLE, tmp_path / "s.arrow", name="s")

    with pytest.raises(LedgerError, match=r"has columns \['n', 'text'\]; wanted \['nope'\]"):
        read_shard(shard, ("nope",))


def test_a_small_file_is_replaced_whole(tmp_path):
    path = tmp_path / "f.json"
    write_atomically(path, b"one")
    write_atomically(path, b"two")

    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]
