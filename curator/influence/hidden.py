"""What a model in training makes of a text: the mean of a layer's hidden states, as a direction.

INGENIOUS (Renduchintala et al. 2023, arXiv:2305.06677) takes the ninth of BERT's twelve layers,
mask-mean pooled: three quarters of the way up states say most of meaning and least of the next
token. Here it is one of our proxies, its stream after a block and the norm that follows.
"""

# Shapes: N documents, B rows of a batch, T positions, C width.
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from curator.embed.vectors import VECTOR
from curator.errors import RecipeError
from curator.evaluate.language_models import model_digest
from curator.influence.rows import document_rows, document_tokens
from curator.stage import Site, Stage, circumstance
from curator.train.checkpoint import load_model
from curator.train.model import Gpt
from curator.train.tokenizer import load_tokenizer

DEPTH = 0.75  # of the model, where states are taken: the ninth of twelve layers


class Reader(NamedTuple):
    """A model with its tokenizer, and the block after which its states are taken."""

    model: Gpt
    tokenizer: Any
    block: int
    device: str


@dataclass(frozen=True)
class HiddenStates(Stage):
    """Writes each document's mean hidden state, of length one; null for a text without tokens.

    Attributes:
        model: folder of one of our runs; a recipe's name of one becomes its folder. Where it lies
            is a circumstance; its content is part of the identity.
        layer: 1 to the model's depth; null: three quarters of it, rounded.
        max_tokens: only the beginning of a document is read, one window of the model at most.
        precision: of matrix products.
    """

    model: str = circumstance("")
    layer: int | None = None
    max_tokens: int = 256
    precision: Literal["float32", "bfloat16"] = "float32"

    name: ClassVar[str] = "hidden_states"
    libraries: ClassVar[tuple[str, ...]] = ("tokenizers", "torch")
    writes: ClassVar[pa.Schema] = pa.schema([VECTOR])

    def __post_init__(self) -> None:
        """Refuse no model, and a beginning of no tokens."""
        if not self.model:
            raise RecipeError("model is missing; name one of the recipe's `models`, or a folder")
        if self.max_tokens < 1:
            raise RecipeError(f"max_tokens is {self.max_tokens!r}; wanted 1 or more")

    def identity(self) -> dict[str, Any]:
        """Return what names the vectors: the settings and the model's content."""
        return {**super().identity(), "model": model_digest(self.model)}

    def load(self, site: Site) -> Reader:
        """Return the model.

        Raises:
            RecipeError: it has no such layer.
        """
        torch.set_num_threads(site.threads)
        folder = Path(self.model)
        compute = getattr(torch, self.precision)
        model = load_model(folder, device=site.device, compute=compute).eval()
        depth = model.shape.depth
        layer = max(1, round(DEPTH * depth)) if self.layer is None else self.layer
        if not 1 <= layer <= depth:
            raise RecipeError(
                f"layer is {layer!r}, the model has {depth}; wanted 1 to {depth}", where=self.name
            )
        return Reader(model, load_tokenizer(folder / "tokenizer.json"), layer - 1, site.device)

    def process(self, model: Reader, table: pa.Table) -> pa.Table:
        """Return the vectors, one a document."""
        longest = min(self.max_tokens, model.model.shape.context)
        tokens = document_tokens(model.tokenizer, table["text"], longest)
        vectors_NC = np.zeros((table.num_rows, model.model.shape.width), np.float32)
        for rows in document_rows(tokens, longest, model.device):
            found_BC = mean_states(model.model, rows.inputs, rows.weights, model.block)
            vectors_NC[rows.texts] = found_BC[: len(rows.texts)]
        return pa.table([_directions(vectors_NC)], schema=self.writes)


@torch.no_grad()
def mean_states(
    model: Gpt, inputs_BT: Tensor, weights_BT: Tensor, block: int
) -> NDArray[np.float32]:
    """Return (B, C), the mean over the positions that count of the normed stream after a block."""
    kept: list[Tensor] = []
    handle = model.blocks[block].register_forward_hook(lambda _, __, out: kept.append(out[1]))
    try:
        model(inputs_BT)
    finally:
        handle.remove()
    states_BTC = kept[0].float() * weights_BT.unsqueeze(-1)
    counts_B1 = weights_BT.sum(dim=1, keepdim=True).clamp(min=1)
    found: NDArray[np.float32] = (states_BTC.sum(dim=1) / counts_B1).cpu().numpy()
    return found


def _directions(vectors_NC: NDArray[np.float32]) -> pa.ListArray:
    """Return the vectors at length one, null for one of zeros."""
    norms_N1 = np.linalg.norm(vectors_NC, axis=1, keepdims=True)
    some = norms_N1[:, 0] > 0
    units = (vectors_NC[some] / norms_N1[some]).astype(np.float16)
    ends = np.concatenate([[0], np.cumsum(some * vectors_NC.shape[1])]).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(ends), pa.array(units.reshape(-1)), type=VECTOR.type, mask=pa.array(~some)
    )
