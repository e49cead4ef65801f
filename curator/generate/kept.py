"""Answers that outlive a run: one file that several workers write to and read from.

Only where an answer stands is held in memory. What another worker has written since is found by
reading on from where this one had got to: if a worker dies, the one that takes its place asks
nothing again that was answered.
"""

from __future__ import annotations

from pathlib import Path

from curator.generate.asking import Answer
from curator.generate.transcripts import LONGEST_LINE, Entry, append, entry_in


class Kept:
    """Answers by what they answer.

    Args:
        path: their file, made with the first answer; None: held in memory, for this run alone.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._held: dict[str, Answer] = {}
        self._places: dict[str, int] = {}  # of the line of each, in bytes
        self._read = 0  # bytes that have been looked through
        self.refresh()

    def __contains__(self, key: str) -> bool:
        """Whether there is an answer, as far as the file has been looked through."""
        return key in self._places or key in self._held

    def get(self, key: str) -> Answer | None:
        """Return an answer, None if there is none."""
        if key not in self._places or self._path is None:
            return self._held.get(key)
        with self._path.open("rb") as file:
            file.seek(self._places[key])
            return entry_in(file.readline(LONGEST_LINE).decode(errors="replace")).answer

    def add(self, entry: Entry) -> None:
        """Keep one more answer."""
        if self._path is None:
            self._held[entry.key] = entry.answer
            return
        append(self._path, entry)
        self.refresh()

    def refresh(self) -> None:
        """Look through what was written since; what a killed run left of a line is no answer."""
        if self._path is None or not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            while line := file.readline(LONGEST_LINE):
                if not line.endswith(b"\n") and len(line) < LONGEST_LINE:
                    return  # somebody is writing it, or was killed: looked at again
                if line.strip():
                    self._note(line, self._read)
                self._read += len(line)

    def _note(self, line: bytes, place: int) -> None:
        try:
            self._places[entry_in(line.decode(errors="replace")).key] = place
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return  # asked again
