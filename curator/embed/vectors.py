"""The sidecar of vectors: every document's direction in an encoder's space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import numpy as np
import polars as pl
import pyarrow as pa

from curator.embed.encoder import Encoder, encoder_digest, open_encoder
from curator.errors import RecipeError
from curator.stage import Site, Stage, Work, circumstance

# Half precision keeps a cosine to about 0.001 and is half the disk: 2 D bytes a document.
VECTOR: Final = pa.field("vector", pa.list_(pa.float16()))


@dataclass(frozen=True)
class Embed(Stage):
    """Writes each document's unit vector; null for a text without tokens.

    Attributes:
        encoder: as `curator.embed.encoder.open_encoder` takes it. Where it lies is a circumstance;
            its content is part of the vectors' identity.
        max_characters: only the beginning of a document is encoded.
        precision: of a sentence encoder's matrix products. bfloat16 is twice as fast and keeps
            99 % of the ten nearest neighbors (docs/scorers.md).
    """

    name: ClassVar[str] = "embed"
    version: ClassVar[int] = 2
    libraries: ClassVar[tuple[str, ...]] = ("sentence-transformers", "tokenizers", "torch")
    writes: ClassVar[pa.Schema] = pa.schema([VECTOR])

    encoder: str = circumstance("wordllama")
    max_characters: int = 8192
    precision: Literal["bfloat16", "float32"] = "bfloat16"

    def __post_init__(self) -> None:
        """Refuse a beginning of no characters, and a precision that there is not."""
        if self.max_characters < 1:
            raise RecipeError(f"max_characters is {self.max_characters}; wanted 1 or more")
        if self.precision not in ("bfloat16", "float32"):
            raise RecipeError(f"precision is {self.precision!r}; wanted 'bfloat16' or 'float32'")

    def identity(self) -> dict[str, Any]:
        """Return what names the vectors: the settings and the encoder's content."""
        return {**super().identity(), "encoder": encoder_digest(self.encoder)}

    def load(self, site: Site) -> Encoder:
        """Return the encoder."""
        return open_encoder(
            self.encoder, device=site.device, threads=site.threads, precision=self.precision
        )

    def process(self, model: Encoder, table: pa.Table) -> pa.Table:
        """Return the vectors, one a document."""
        texts: list[str] = pl.Series(table["text"]).str.slice(0, self.max_characters).to_list()
        vectors = model.encode(texts)
        lengths = np.where(np.any(vectors != 0, axis=1), vectors.shape[1], 0)
        offsets = np.concatenate([np.zeros(1, np.int32), np.cumsum(lengths, dtype=np.int32)])
        values = pa.array(vectors[lengths > 0].astype(np.float16).reshape(-1))
        lists = pa.ListArray.from_arrays(
            pa.array(offsets), values, type=VECTOR.type, mask=pa.array(lengths == 0)
        )
        return pa.table([lists], schema=self.writes)


class OfVectors(Work):
    """Work that reads the vectors of documents, and is named by their encoder's content too.

    Attributes:
        encoder: as `curator.embed.encoder.open_encoder` takes it; a setting of the subclass.
        max_characters: only the beginning of a document is encoded; likewise.
    """

    encoder: str
    max_characters: int

    @property
    def beside(self) -> tuple[Stage, ...]:
        """The vectors."""
        return (Embed(self.encoder, self.max_characters),)

    def identity(self) -> dict[str, Any]:
        """Return what names the work: the settings and the encoder's content, not its place."""
        return {**super().identity(), "encoder": encoder_digest(self.encoder)}
