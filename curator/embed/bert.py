"""BERT (Devlin et al. 2019, arXiv:1810.04805) over packed documents, in bfloat16 or float32.

In bfloat16 only what is multiplied is rounded: weights, and the inputs and outputs of matrix
products. The residual stream, layer norms and the mean over tokens stay float32. That is what
keeps a document's nearest neighbors (`python -m bench.embedding`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from curator.embed.attention import attended, groups
from curator.embed.packing import Packed

Precision = Literal["bfloat16", "float32"]
Linear = Callable[[torch.Tensor], torch.Tensor]

# Shapes: T rows (tokens) of a batch, N documents of it, D dimensions.
_CHANGES_TEXTS = (
    ("sentence_bert_config.json", "do_lower_case"),
    ("config_sentence_transformers.json", "default_prompt_name"),
)
_F: Any = torch.nn.functional
_MKLDNN: Any = torch.ops.mkldnn


class Layer(NamedTuple):
    """One block: attention and two products, each followed by a layer norm."""

    qkv: Linear
    out: Linear
    norm: tuple[torch.Tensor, torch.Tensor]
    up: Linear  # with GELU
    down: Linear
    last_norm: tuple[torch.Tensor, torch.Tensor]


def is_bert(folder: Path) -> bool:
    """Whether a sentence-transformers folder holds what `Bert` can run.

    That is BERT with GELU and learned positions, then the mean over tokens, and nothing done to
    texts before the tokenizer sees them.
    """
    if any(_settings(folder / name).get(key) for name, key in _CHANGES_TEXTS):
        return False
    if not all((folder / name).is_file() for name in ("model.safetensors", "tokenizer.json")):
        return False
    shape, pooled = _settings(folder / "config.json"), _settings(folder / "1_Pooling/config.json")
    modes = {key for key, on in pooled.items() if key.startswith("pooling_mode_") and on is True}
    mean = modes == {"pooling_mode_mean_tokens"} or pooled.get("pooling_mode") == "mean"
    kinds = [part["type"].rsplit(".", 1)[-1] for part in _modules(folder)]
    return (
        shape.get("model_type") == "bert"
        and shape.get("hidden_act") == "gelu"
        and shape.get("position_embedding_type", "absolute") == "absolute"
        and mean
        and kinds in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
    )


def longest_input(folder: Path) -> int:
    """Return the tokens that a model reads at most, as sentence-transformers finds out."""
    most = int(_settings(folder / "config.json")["max_position_embeddings"])
    told = _settings(folder / "sentence_bert_config.json").get("max_seq_length")
    own = _settings(folder / "tokenizer_config.json").get("model_max_length")
    return min(int(told or own or most), most)


class Bert:
    """The model, its weights prepared for products of `rows` rows."""

    def __init__(self, folder: Path, *, precision: Precision, device: str, rows: int) -> None:
        from safetensors.torch import load_file

        shape = _settings(folder / "config.json")
        weights = load_file(folder / "model.safetensors")
        self._weights = {
            name.removeprefix("bert."): w.float().to(device) for name, w in weights.items()
        }
        self._rounded = torch.bfloat16 if precision == "bfloat16" else torch.float32
        self._device = device
        self._rows = rows
        self._by_torch = device != "cpu" or precision == "float32"
        self._heads = int(shape["num_attention_heads"])
        self._epsilon = float(shape["layer_norm_eps"])
        self.dimensions = int(shape["hidden_size"])
        self._words_VD = self._weights["embeddings.word_embeddings.weight"]
        self._places_LD = (
            self._weights["embeddings.position_embeddings.weight"]
            + self._weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._first_norm = self._norm("embeddings.LayerNorm")
        layers = range(int(shape["num_hidden_layers"]))
        self._layers = [self._layer(f"encoder.layer.{number}.") for number in layers]
        self._weights.clear()

    def means(
        self,
        ids_T: NDArray[np.int64],
        places_T: NDArray[np.int64],
        batch: Packed,
        lengths: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Return (N, D): for each document of a batch the mean of its tokens' last states.

        Args:
            ids_T: tokens; anything where there is none.
            places_T: of the tokens in their documents, from 0.
            batch: where the documents lie.
            lengths: (N,) their tokens.
        """
        with torch.inference_mode():
            ids, places = (torch.from_numpy(of).to(self._device) for of in (ids_T, places_T))
            state_TD = self._normed(self._words_VD[ids] + self._places_LD[places], self._first_norm)
            for layer in self._layers:
                qkv_T3D = layer.qkv(state_TD.to(self._rounded))
                seen_TD = attended(qkv_T3D, batch, lengths, self._heads, by_torch=self._by_torch)
                state_TD = self._normed(state_TD + layer.out(seen_TD), layer.norm)
                wide = layer.up(state_TD.to(self._rounded))
                state_TD = self._normed(state_TD + layer.down(wide), layer.last_norm)
            found: NDArray[np.float32] = self._pooled(state_TD, batch, lengths).cpu().numpy()
        return found

    def _pooled(
        self, state_TD: torch.Tensor, batch: Packed, lengths: NDArray[np.int64]
    ) -> torch.Tensor:
        """Return the means: document by document on a CPU, by groups where calls are what costs."""
        if self._device == "cpu":
            spans = zip(batch.starts.tolist(), lengths.tolist(), strict=True)
            return torch.stack(
                [state_TD[start : start + tokens].mean(dim=0) for start, tokens in spans]
            )
        found = []
        for place, seen_NL in groups(batch, lengths, state_TD.device):
            state_NLD = state_TD[place].view(*seen_NL.shape, -1) * seen_NL[:, :, None]
            found.append(state_NLD.sum(dim=1) / seen_NL.sum(dim=1, keepdim=True))
        return torch.cat(found)

    def _layer(self, prefix: str) -> Layer:
        parts = [f"{prefix}attention.self.{part}" for part in ("query", "key", "value")]
        return Layer(
            self._linear(parts),
            self._linear([f"{prefix}attention.output.dense"]),
            self._norm(f"{prefix}attention.output.LayerNorm"),
            self._linear([f"{prefix}intermediate.dense"], gelu=True),
            self._linear([f"{prefix}output.dense"]),
            self._norm(f"{prefix}output.LayerNorm"),
        )

    def _linear(self, names: list[str], *, gelu: bool = False) -> Linear:
        """Return the product with one or more layers' weights beside each other."""
        weight = torch.cat([self._weights[f"{name}.weight"] for name in names]).to(self._rounded)
        bias = torch.cat([self._weights[f"{name}.bias"] for name in names]).to(self._rounded)
        if self._by_torch:
            return _plain(weight, bias, gelu=gelu)
        if not has_bfloat16():
            return _rounding(weight.float(), bias.float(), gelu=gelu)
        return _prepared(weight, bias, self._rows, gelu=gelu)

    def _norm(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        return self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]

    def _normed(
        self, state_TD: torch.Tensor, norm: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        normed: torch.Tensor = _F.layer_norm(state_TD, (self.dimensions,), *norm, self._epsilon)
        return normed


def _plain(weight: torch.Tensor, bias: torch.Tensor, *, gelu: bool) -> Linear:
    def product(rows: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = _F.linear(rows, weight, bias)
        return torch.nn.functional.gelu(found) if gelu else found

    return product


def _rounding(weight: torch.Tensor, bias: torch.Tensor, *, gelu: bool) -> Linear:
    """Bfloat16 where the processor has no products of it: rounded alike, multiplied in float32."""
    multiplied = _plain(weight, bias, gelu=gelu)
    return lambda rows: multiplied(rows.float()).bfloat16()


def _prepared(weight: torch.Tensor, bias: torch.Tensor, rows: int, *, gelu: bool) -> Linear:
    """oneDNN's product with weights laid out once for it, GELU in the same pass."""
    laid_out = _MKLDNN._reorder_linear_weight(weight, rows)
    after: tuple[Any, ...] = ("gelu", [], "none") if gelu else ("none", [], "")
    return lambda found: _MKLDNN._linear_pointwise(found, laid_out, bias, *after)


def has_bfloat16() -> bool:
    """Whether torch multiplies bfloat16 on this processor otherwise than number by number."""
    return bool(_MKLDNN._is_mkldnn_bf16_supported())


def _settings(path: Path) -> dict[str, Any]:
    """Return what a file of settings says; nothing if it is not there."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found


def _modules(folder: Path) -> list[dict[str, Any]]:
    modules: list[dict[str, Any]] = json.loads((folder / "modules.json").read_text("utf-8"))
    return modules
