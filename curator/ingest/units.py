"""Group files into units of work so that one more file changes one unit only.

Files are taken in the order of their labels and a group ends where a hash of the label says so
(content-defined chunking, here over names): borders do not move when files come or go elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from curator.ingest.files import InputFile
from curator.ingest.reader import Piece, Unit

_UNIT_BYTES = 8 << 20  # of input, perhaps compressed: what a group of small files amounts to
_FILE_COST = 16 << 10  # opening a file costs about as much as reading so much of it


def grouped_units(
    files: Sequence[InputFile], pieces_of: Callable[[InputFile], tuple[list[Piece], str]]
) -> list[Unit]:
    """Return units: each piece of a file cut in several, or of at least a unit's size, alone.

    Args:
        files: sorted by label.
        pieces_of: a file's pieces, and a note for the user or "".
    """
    units: list[Unit] = []
    group: list[Piece] = []
    for file in files:
        pieces, note = pieces_of(file)
        if len(pieces) > 1 or file.size_bytes >= _UNIT_BYTES or note:
            units += [_unit((piece,), note) for piece in pieces]
            continue
        group += pieces
        if _ends_group(file):
            units.append(_unit(tuple(group), ""))
            group = []
    if group:
        units.append(_unit(tuple(group), ""))
    return distinct(units)


def distinct(units: list[Unit]) -> list[Unit]:
    """Return `units` with other labels where two would have one key: a file given twice."""
    seen: set[str] = set()
    result = []
    for unit in units:
        fresh, turn = unit, 1
        while fresh.key in seen:
            turn += 1
            fresh = replace(
                unit,
                pieces=tuple(replace(p, label=f"{p.label}({turn})") for p in unit.pieces),
            )
        seen.add(fresh.key)
        result.append(fresh)
    return result


def _unit(pieces: tuple[Piece, ...], note: str) -> Unit:
    first = pieces[0]
    name = first.label if first.start == 0 else f"{first.label}@{first.start}"
    more = f" and {len(pieces) - 1} more" if len(pieces) > 1 else ""
    return Unit(name + more, pieces, note)


def _ends_group(file: InputFile) -> bool:
    """Return True with probability size / `_UNIT_BYTES`, fixed by the label."""
    draw = int.from_bytes(hashlib.blake2b(file.label.encode(), digest_size=8).digest(), "big")
    return draw / 2**64 < (file.size_bytes + _FILE_COST) / _UNIT_BYTES
