"""Which state of a run may be asked before each of its stages: the last one, and no other.

Influence measured at one state says little of a later one (MATES, arXiv:2406.06046, found its
preferences to drift), and a score from a later state would choose with knowledge of what it is
chosen for. So the scheduler owns the chain of finished pieces: a stage's scores are made from the
checkpoint that it hands out, and it takes back no other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curator.errors import LedgerError, RecipeError
from curator.train.piece import Piece

_RECORD, _STATE = "run.json", "trunk.safetensors"  # what the trainer's torch-bound modules write


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a run where one piece has ended and the next is to be chosen.

    Attributes:
        folder: of the piece that ended.
        identity: of its run.
        steps: done so far.
    """

    folder: Path
    identity: str
    steps: int


class StageScheduler:
    """The pieces of one run and the chain of its checkpoints.

    Args:
        pieces: in order, `pieces_of`.
    """

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = tuple(pieces)
        self.checkpoints: list[Checkpoint] = []

    @property
    def over(self) -> bool:
        """Whether every piece is trained."""
        return len(self.checkpoints) == len(self.pieces)

    @property
    def piece(self) -> Piece:
        """The piece to be chosen and trained next.

        Raises:
            RecipeError: there is none.
        """
        if self.over:
            raise RecipeError("all pieces of the run are trained; there is nothing more to choose")
        return self.pieces[len(self.checkpoints)]

    @property
    def steps(self) -> int:
        """Steps of the next piece."""
        begin, number = self.piece.before, len(self.checkpoints) + 1
        end = self.pieces[number].before if number < len(self.pieces) else self.piece.of
        return end - begin

    def current(self) -> Checkpoint:
        """Return the one state that the next piece's scores may be made from.

        Raises:
            RecipeError: nothing is trained yet, so no state has preferences.
        """
        if not self.checkpoints:
            raise RecipeError(
                "scores ask the run's own model before its first step; give it a `warmup`"
            )
        return self.checkpoints[-1]

    def require_current(self, asked: Checkpoint) -> None:
        """Return only if scores were made from the state that the next piece begins from.

        Raises:
            RecipeError: from an earlier state (stale) or from one of another run.
        """
        if self.over or asked != self.current():
            known = asked in self.checkpoints
            what = f"the stale state after {asked.steps} steps" if known else "another run's state"
            raise RecipeError(
                f"scores were made from {what} ({asked.folder.name}), and the next piece begins "
                f"after {self.checkpoints[-1].steps if self.checkpoints else 0}; score again with "
                "the state that it begins from"
            )

    def finish(self, folder: Path) -> Checkpoint:
        """Take the next piece as trained, and return its checkpoint.

        Raises:
            LedgerError: the folder holds something else than the next piece of this run.
        """
        record, steps = _record(folder), self.piece.before + self.steps
        before = [one.identity for one in self.checkpoints]
        chain = [each["identity"] for each in (record.get("piece") or {}).get("pieces", [])]
        if record.get("steps") != steps or chain != [*before, record.get("identity")]:
            raise LedgerError(
                f"holds {record.get('steps', 'no')} steps of the chain {chain}; wanted the piece "
                f"that ends at step {steps} after {before}",
                where=str(folder),
            )
        made = Checkpoint(folder, record["identity"], steps)
        if steps < self.piece.of and not (folder / _STATE).is_file():
            raise LedgerError(f"has no {_STATE} to go on from; delete it", where=str(folder))
        self.checkpoints.append(made)
        return made


def _record(folder: Path) -> dict[str, Any]:
    """Return a run's record; nothing where there is none."""
    path = folder / _RECORD
    return dict(json.loads(path.read_bytes())) if path.is_file() else {}
