"""Long texts become documents of bounded size, cut where a reader would pause.

Books and manuals are drawn, scored and trained on as one document each; a selection of a few
million tokens then hangs on a handful of them. Nothing is lost: the pieces of a text, joined, are
the text.
"""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

# Where to cut, the best first; what stands there stays with the piece before.
_PAUSES = (b"\n\n", b"\n", b". ", b" ")
LEAST = 256  # bytes: below it there is hardly a pause to be found


def split_long(documents: pa.Table, most: int) -> pa.Table:
    """Return the documents with every text of more than `most` bytes as several rows.

    A piece ends at the last paragraph, else line, else sentence, else word that ends in the second
    half of its `most` bytes; else after `most` bytes, or up to three fewer where that would cut
    into a character. White space alone makes no piece of its own. Pieces keep all columns; their
    `origin` has "/1", "/2" and so on at its end.

    Args:
        documents: with `origin` and `text`.
        most: bytes, at least `LEAST`.
    """
    texts = documents["text"].combine_chunks()
    sizes = pc.binary_length(texts).to_numpy(zero_copy_only=False)
    if not (sizes > most).any():
        return documents
    rows, pieces, numbers = [], [], []
    # A loop over documents: those that are short pass as they are, and for the others a search in
    # C finds each of their cuts.
    for row, text in enumerate(texts):
        content = text.as_buffer().to_pybytes()
        cuts = _cuts(content, most) if sizes[row] > most else [0, len(content)]
        rows += [row] * (len(cuts) - 1)
        pieces += [content[start:stop] for start, stop in pairwise(cuts)]
        numbers += list(range(1, len(cuts))) if len(cuts) > 2 else [0]
    parts = pa.array(numbers, pa.int32())
    named = pc.binary_join_element_wise(
        documents["origin"].combine_chunks().take(pa.array(rows)), parts.cast(pa.string()), "/"
    )
    origins = pc.if_else(pc.equal(parts, 0), documents["origin"].take(pa.array(rows)), named)
    # Without the texts: each would be copied whole for every one of its pieces.
    taken = documents.drop_columns(["text"]).take(pa.array(rows))
    made = {"origin": origins, "text": pa.array(pieces, pa.large_binary())}
    columns = [
        made[field.name].cast(field.type) if field.name in made else taken[field.name]
        for field in documents.schema
    ]
    return pa.table(columns, schema=documents.schema)


def _cuts(content: bytes, most: int) -> list[int]:
    """Return rising offsets from 0 to the end of a text of more than `most` bytes."""
    cuts = [0]
    while len(content) - cuts[-1] > most:
        cut = _cut(content, cuts[-1], most)
        blank = not content[cuts[-1] : cut].strip()
        if blank and len(cuts) > 1:
            cuts[-1] = cut
        else:
            cuts.append(cut)
    if not content[cuts[-1] :].strip() and len(cuts) > 1:
        cuts.pop()
    if len(cuts) > 1 and not content[: cuts[1]].strip():
        del cuts[1]  # what a text begins with has no piece before it
    return [*cuts, len(content)]


def _cut(content: bytes, start: int, most: int) -> int:
    middle, stop = start + most // 2, start + most
    for pause in _PAUSES:
        found = content.rfind(pause, middle, stop)
        if found >= 0:
            return found + len(pause)
    while content[stop] & 0xC0 == 0x80:  # in the middle of a character
        stop -= 1
    return stop
