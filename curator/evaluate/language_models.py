"""Any causal language model that can be asked for bits, by where it lies: ours, or one on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curator import weights
from curator.identity import file_digest, fingerprint
from curator.stage import Site

if TYPE_CHECKING:
    from curator.score.likelihood import LanguageModel
    from curator.score.pretrained import Precision

_PROXY_RECORD = "run.json"  # what a folder of curator.train has and no other


def load_language_model(name: str, site: Site, precision: Precision = "float32") -> LanguageModel:
    """Return a model with its tokenizer.

    Args:
        name: a proxy's run folder, a transformers folder, a .gguf file, a hub id in the local
            cache, or a name of `curator.weights`.
        site: where it runs.
        precision: what matrices are multiplied in.

    Raises:
        RecipeError: it is not here, or cannot be read.
    """
    path = weights.find(name)
    if (path / _PROXY_RECORD).is_file():
        from curator.train.language_model import ProxyModel

        return ProxyModel(path, device=site.device, threads=site.threads, precision=precision)
    from curator.score.pretrained import PretrainedModel

    return PretrainedModel(path, device=site.device, threads=site.threads, precision=precision)


def model_digest(name: str) -> str:
    """Return what names a model by content, the same wherever it lies and however fast it trained.

    A proxy is its weights and its tokenizer: its record also says how long the run took.

    Raises:
        RecipeError: it is not here.
    """
    path = weights.find(name)
    if (path / _PROXY_RECORD).is_file():
        return fingerprint(
            [file_digest(path / "model.safetensors"), file_digest(path / "tokenizer.json")]
        )
    return weights.digest(path)
