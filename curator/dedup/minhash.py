"""Candidates for near-duplicates: documents that agree on a whole band of their signatures.

A document is known here by a *node*, the first 64 bits of its doc_id: edges then take 16 bytes
and do not depend on files. Two ids with one node (expected once among 6 billion documents) would
only join two clusters, whose members are compared shingle by shingle anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curator.dedup.survivors import segment_heads, segment_starts
from curator.identity import id_matrix
from curator.stage import WideStage
from curator.text.minhash import band_keys, has_words, minhash_signatures

EDGES: Final = pa.schema(
    [
        pa.field("left", pa.uint64(), nullable=False),
        pa.field("right", pa.uint64(), nullable=False),
    ],
    metadata={"curator.schema": "edges/1"},
)


# A shard of short texts under 450 bands of 20 rows would have gigabytes of them.
_SIGNATURE_BYTES: Final = 16 << 20


def nodes(doc_ids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """Return the first 64 bits of each doc_id, (n,) uint64."""
    return np.ascontiguousarray(id_matrix(doc_ids)[:, :8]).view("<u8").reshape(-1)


def band_recall(
    similarity: npt.ArrayLike, *, bands: int = 14, rows: int = 8
) -> npt.NDArray[np.float64]:
    """Return the probability that a pair of this Jaccard similarity shares a band or more.

    `1 - (1 - s**rows)**bands` (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", 3.4).
    The default of 14 bands of 8 rows is datatrove's: 0.56 at 0.7, 0.92 at 0.8, 0.9996 at 0.9.
    """
    return np.asarray(1.0 - (1.0 - np.asarray(similarity, np.float64) ** rows) ** bands)


@dataclass(frozen=True)
class MinHashBands(WideStage):
    """Finds the pairs that share a band. 24 bytes a band and document are shuffled.

    Texts without words belong to no band.
    """

    name: ClassVar[str] = "dedup.minhash.bands"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("text", "doc_id")
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)

    ngram: int = 5
    bands: int = 14
    rows: int = 8
    seed: int = 0

    def emit(self, model: Any, table: pa.Table) -> pa.Table:
        """Return one row a band and document: the band's hash, the node, the row."""
        keys, worded = self._keys(table["text"])
        return pa.table(
            {
                "key": pa.array(keys),
                "node": pa.array(np.repeat(nodes(table["doc_id"])[worded], self.bands)),
                "row": pa.array(np.repeat(table["row"].to_numpy()[worded], self.bands)),
            }
        )

    def _keys(self, texts: pa.ChunkedArray) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
        """Return the band keys of texts with words, text after text, and which texts have words."""
        permutations = self.bands * self.rows
        keys, worded = [np.zeros((0, self.bands), np.uint64)], [np.zeros(0, np.bool_)]
        portion = max(1, _SIGNATURE_BYTES // (4 * permutations))
        for start in range(0, len(texts), portion):
            signatures = minhash_signatures(
                texts.slice(start, portion),
                ngram=self.ngram,
                permutations=permutations,
                seed=self.seed,
            )
            worded.append(has_words(signatures))
            keys.append(band_keys(signatures[worded[-1]], bands=self.bands, rows=self.rows))
        return np.concatenate(keys).reshape(-1), np.concatenate(worded)

    def reduce(self, partition: pa.Table) -> pa.Table:
        """Return `EDGES`, each once: every member of a bucket to the bucket's smallest node.

        A node that fills a bucket alone with two rows or more (identical documents of one source)
        gets an edge to itself.
        """
        first = segment_starts(partition["key"].to_numpy())
        member = partition["node"].to_numpy()
        others = np.flatnonzero(~first)
        left, right = member[segment_heads(first)[others]], member[others]
        order = np.lexsort((right, left))
        left, right = left[order], right[order]
        once = segment_starts(left, right)
        return pa.table([pa.array(left[once]), pa.array(right[once])], schema=EDGES)
