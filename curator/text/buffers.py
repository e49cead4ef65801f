"""An Arrow text column as the two plain arrays that kernels read."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Texts: TypeAlias = pa.Array | pa.ChunkedArray


class Utf8(NamedTuple):
    """UTF-8 texts end to end.

    Attributes:
        offsets: (n + 1,) int64; text i is `data[offsets[i]:offsets[i + 1]]`.
        data: uint8, shared with Arrow, read-only.
    """

    offsets: npt.NDArray[np.int64]
    data: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        """The number of texts."""
        return len(self.offsets) - 1


def utf8(texts: Texts) -> Utf8:
    """The column's buffers: a slice stays a view, chunks are joined, null reads as empty text.

    Raises:
        TypeError: the column holds no text.
    """
    if isinstance(texts, pa.ChunkedArray):
        texts = (
            texts.chunk(0)
            if texts.num_chunks == 1
            else pa.concat_arrays(
                [chunk.cast(pa.large_string()) for chunk in texts.chunks]
                or [pa.array([], pa.large_string())]
            )
        )
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        raise TypeError(f"a text column was wanted, found {texts.type}: cast it to large_string")
    if texts.type != pa.large_string():
        texts = texts.cast(pa.large_string())
    if texts.null_count:
        texts = pc.fill_null(texts, "")
    _, offsets_buffer, data_buffer = texts.buffers()
    if len(texts) == 0 or offsets_buffer is None:
        return Utf8(np.frombuffer(bytes(8), np.int64), np.frombuffer(b"", np.uint8))
    offsets = np.frombuffer(offsets_buffer, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = np.frombuffer(data_buffer or b"", np.uint8)
    # Mapped files give read-only arrays and memory gives others; kernels are compiled anew, in half
    # a minute, for each kind of array.
    offsets.flags.writeable = data.flags.writeable = False
    return Utf8(offsets, data)
