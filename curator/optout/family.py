"""Everything that came of some documents, and the versions of them that came before.

Edits of cleaning leave one document in the place of another, so all versions are one document and
go together. What was made of a document besides (a summary, an answer, a chain of several) goes
with it, and so does what was made of that; but the other documents that it was made of stay.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curator.identity import id_array, id_matrix


@dataclass
class Family:
    """Who came of whom, read from documents, shard by shard; only derived ones take room."""

    children: list[npt.NDArray[np.bytes_]] = field(default_factory=list)
    parents: list[npt.NDArray[np.bytes_]] = field(default_factory=list)
    versions: list[npt.NDArray[np.bool_]] = field(default_factory=list)

    def read(self, table: pa.Table) -> None:
        """Take the ancestry that a shard of documents tells of.

        Args:
            table: doc_id and parent_id; `parents` (a list of ids) and `kind` where there are any.
        """
        made = pc.is_valid(table["parent_id"])
        derived = table.filter(made).combine_chunks()
        if not derived.num_rows:
            return
        version = np.ones(derived.num_rows, np.bool_)
        if "kind" in derived.column_names:
            synthetic = pc.fill_null(pc.equal(derived["kind"], "synthetic"), fill_value=False)
            version = ~np.asarray(synthetic.to_numpy(zero_copy_only=False))
        children = keys_of(derived["doc_id"])
        self._add(children, keys_of(derived["parent_id"]), version)
        if "parents" in derived.column_names:
            lists = derived["parents"].combine_chunks()
            counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
            listed = keys_of(lists.flatten().cast(pa.binary(16)))
            self._add(np.repeat(children, counts), listed, np.zeros(len(listed), np.bool_))

    def _add(
        self,
        children: npt.NDArray[np.bytes_],
        parents: npt.NDArray[np.bytes_],
        versions: npt.NDArray[np.bool_],
    ) -> None:
        self.children.append(children)
        self.parents.append(parents)
        self.versions.append(versions)

    def versions_of(self, known: npt.NDArray[np.bytes_]) -> npt.NDArray[np.bytes_]:
        """Return some documents with those that they are edited versions of, sorted."""
        children, parents, version = self._joined()
        return _closed(known, children[version], parents[version])

    def derived_from(self, known: npt.NDArray[np.bytes_]) -> npt.NDArray[np.bytes_]:
        """Return some documents with all that came of them, however far down, sorted."""
        children, parents, _ = self._joined()
        return _closed(known, parents, children)

    def _joined(
        self,
    ) -> tuple[npt.NDArray[np.bytes_], npt.NDArray[np.bytes_], npt.NDArray[np.bool_]]:
        none = np.zeros(0, "S17")
        return (
            np.concatenate([none, *self.children]),
            np.concatenate([none, *self.parents]),
            np.concatenate([np.zeros(0, np.bool_), *self.versions]),
        )


def keys_of(ids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bytes_]:
    """Return ids as (n,) keys that sort and compare; a byte more keeps zeros at the end."""
    plain = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    padded = np.ones((len(plain), 17), np.uint8)
    padded[:, :16] = id_matrix(plain)
    return padded.view("S17").ravel()


def ids_of(keys: npt.NDArray[np.bytes_]) -> pa.Array:
    """Return the ids of some keys: the other way from `keys_of`."""
    plain = np.ascontiguousarray(keys).view(np.uint8).reshape(-1, 17)[:, :16]
    return id_array(plain)


def _closed(
    known: npt.NDArray[np.bytes_],
    before: npt.NDArray[np.bytes_],
    after: npt.NDArray[np.bytes_],
) -> npt.NDArray[np.bytes_]:
    """Return all that edges before -> after lead to, `known` included, sorted."""
    reached: npt.NDArray[np.bytes_] = np.unique(known)
    while True:
        more: npt.NDArray[np.bytes_] = np.unique(
            np.concatenate([reached, after[np.isin(before, reached)]])
        )
        if len(more) == len(reached):
            return reached
        reached = more
