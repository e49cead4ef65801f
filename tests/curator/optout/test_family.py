"""Versions go together, what came of them goes too, and other parents stay."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from curator.optout.family import Family, ids_of, keys_of


def one(n: int) -> bytes:
    return bytes([n]) + bytes(15)


def keys(*numbers: int):
    return keys_of(pa.array([one(n) for n in numbers], pa.binary(16)))


def numbers(found) -> list[int]:
    return [value[0] for value in ids_of(found).to_pylist()]


def family(*rows: tuple[int, int | None, str, list[int]]) -> Family:
    known = Family()
    table = pa.table(
        {
            "doc_id": pa.array([one(row[0]) for row in rows], pa.binary(16)),
            "parent_id": pa.array([row[1] and one(row[1]) for row in rows], pa.binary(16)),
            "kind": [row[2] for row in rows],
            "parents": pa.array(
                [[one(n) for n in row[3]] for row in rows], pa.list_(pa.binary(16))
            ),
        }
    )
    known.read(table)
    return known


def test_what_was_made_goes_with_what_it_was_made_of_however_far_down():
    known = family((2, 1, "edited", []), (3, 2, "synthetic", [2]), (4, 3, "synthetic", [3]))

    assert numbers(known.derived_from(keys(1))) == [1, 2, 3, 4]
    assert numbers(known.derived_from(keys(3))) == [3, 4]


def test_a_document_of_several_goes_with_any_of_them():
    known = family((9, 1, "synthetic", [1, 5, 7]))

    assert numbers(known.derived_from(keys(5))) == [5, 9]
    assert numbers(known.derived_from(keys(9))) == [9]


def test_versions_are_one_document_and_what_is_synthetic_is_another():
    known = family((2, 1, "edited", []), (3, 2, "edited", []), (4, 3, "synthetic", [3]))

    assert numbers(known.versions_of(keys(3))) == [1, 2, 3]
    assert numbers(known.versions_of(keys(4))) == [4]


def test_documents_of_cleaning_say_no_kind_and_are_versions():
    known = Family()
    ids = pa.array([one(2)], pa.binary(16))
    known.read(pa.table({"doc_id": ids, "parent_id": pa.array([one(1)], pa.binary(16))}))

    assert numbers(known.versions_of(keys(2))) == [1, 2]


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), max_size=60))
def test_the_closure_is_that_of_a_plain_search(edges):
    rows = [(child, parent, "synthetic", []) for child, parent in edges]
    reached, waiting = {1}, [1]
    while waiting:
        here = waiting.pop()
        new = {child for child, parent in edges if parent == here} - reached
        reached |= new
        waiting += new

    assert numbers(family(*rows).derived_from(keys(1))) == sorted(reached)
