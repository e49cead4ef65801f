"""Hugging Face datasets: a dataset saved with `save_to_disk`, or a hub id, streamed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from curator.errors import RecipeError, ShardError
from curator.identity import file_digest
from curator.ingest.columnar import ColumnarReader
from curator.ingest.files import Digests
from curator.ingest.reader import Batch, Piece, Unit
from curator.ingest.records import row_origins
from curator.stage import circumstance

_OFFLINE = (
    "check the name and the network; with HF_HUB_OFFLINE=1 nothing is asked for, so unset it or "
    "give `files` a folder written by save_to_disk"
)


@dataclass(frozen=True)
class HubReader(ColumnarReader):
    """One document a row. Give `files` (saved folders) or `dataset` (a hub id), not both."""

    name: ClassVar[str] = "hub"
    version: ClassVar[int] = 1
    libraries: ClassVar[tuple[str, ...]] = ("datasets",)

    dataset: str = ""
    config: str = ""
    split: str = ""  # all splits of a saved dataset, "train" of a hub id
    revision: str = ""  # a commit: the only way to name a hub dataset's content for good
    unit_rows: int = circumstance(200_000)
    batch_rows: int = circumstance(1024)

    def __post_init__(self) -> None:
        if bool(self.dataset) == bool(self.files):
            raise RecipeError("give one of `dataset` (a hub id) and `files` (saved folders)")

    def plan(self, digests: Digests | None = None) -> list[Unit]:
        """Return units of `unit_rows` rows of a saved dataset; one unit for a hub id."""
        if self.dataset:
            return [self._hub_unit()]
        units = []
        for given in self.files:
            folder = Path(self.base) / given
            for split, table in _saved(folder, self.split).items():
                label = f"{folder.name}/{split}" if split else folder.name
                digest = _folder_digest(folder / split)
                for start in range(0, max(len(table), 1), self.unit_rows):
                    stop = min(start + self.unit_rows, len(table))
                    piece = Piece(str(folder), label, digest, 0, start, stop)
                    units.append(Unit(f"{label}@{start}", (piece,)))
        return units

    def documents(self, unit: Unit) -> Iterator[Batch]:
        """Yield the rows of a unit, `batch_rows` at a time."""
        piece = unit.pieces[0]
        if self.dataset:
            yield from self._streamed(piece)
            return
        folder = Path(piece.path)
        split = piece.label.removeprefix(folder.name).lstrip("/")
        rows = _saved(folder, split)[split].with_format("arrow")
        stop = len(rows) if piece.stop is None else piece.stop
        for first in range(piece.start, stop, self.batch_rows):
            last = min(first + self.batch_rows, stop)
            yield self.read_table(
                rows[first:last], row_origins(piece.label, range(first + 1, last + 1))
            )

    def _hub_unit(self) -> Unit:
        from huggingface_hub import HfApi

        try:
            about = HfApi().dataset_info(self.dataset, revision=self.revision or None, timeout=30)
        except _network_errors() as error:
            raise RecipeError(
                f"the hub dataset {self.dataset!r} cannot be reached; {_OFFLINE}"
            ) from error
        label = f"hf://datasets/{self.dataset}/{self.config or 'default'}/{self.split or 'train'}"
        note = f"{self.dataset} is streamed by one task"
        return Unit(label, (Piece(self.dataset, label, str(about.sha)),), note)

    def _streamed(self, piece: Piece) -> Iterator[Batch]:
        import datasets

        try:
            rows = datasets.load_dataset(
                self.dataset, self.config or None, split=self.split or "train",
                streaming=True, revision=piece.digest,
            )  # fmt: skip
            first = 1
            for table in rows.with_format("arrow").iter(self.batch_rows):
                origins = row_origins(piece.label, range(first, first + table.num_rows))
                yield self.read_table(table, origins)
                first += table.num_rows
        except _network_errors() as error:
            said = f"the hub dataset {self.dataset!r} cannot be read ({error}); {_OFFLINE}"
            raise ShardError(said, where=piece.label) from error


def _network_errors() -> tuple[type[Exception], ...]:
    """Return what the hub's client raises for a wrong name or without a network."""
    found: list[type[Exception]] = [OSError, ValueError]
    for module in ("httpx", "httpx2", "httpcore2"):
        try:
            error = getattr(__import__(module), "HTTPError", None)
        except ImportError:
            continue
        if error is not None:
            found.append(error)
    return tuple(found)


def _saved(folder: Path, split: str) -> dict[str, Any]:
    """Return the splits of a saved dataset; "" names the only one of a Dataset without splits."""
    import datasets

    try:
        loaded = datasets.load_from_disk(str(folder))
    except (FileNotFoundError, ValueError, pa.ArrowInvalid, KeyError) as error:
        raise RecipeError(
            f"{str(folder)!r} is no dataset written by save_to_disk ({error}); check `files`"
        ) from error
    splits = dict(loaded) if isinstance(loaded, datasets.DatasetDict) else {"": loaded}
    if split and split not in splits:
        raise RecipeError(f"there is no split {split!r}; splits: {', '.join(splits) or 'none'}")
    return {split: splits[split]} if split else splits


def _folder_digest(folder: Path) -> str:
    listed = [f"{p.name} {file_digest(p)}" for p in sorted(folder.glob("*")) if p.is_file()]
    return hashlib.blake2b("\n".join(listed).encode(), digest_size=16).hexdigest()
