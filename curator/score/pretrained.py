"""Causal language models on disk that `transformers` reads: a folder, or one GGUF file."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from curator.errors import RecipeError

Precision = Literal["float32", "bfloat16"]

_NEVER = -1e30  # of a score whose exponential is 0 in every precision; infinity would give NaN

# Shapes: B rows, T positions, V vocabulary.


class PretrainedModel:
    """A model of `transformers`, asked for the bits of given next tokens.

    Nothing is downloaded, no code of the model's folder is run and no pickle is read.

    Args:
        path: a folder with config.json, safetensors and a tokenizer; or a .gguf file.
        device: "cpu", "cuda".
        threads: of torch; a process has one setting.
        precision: what matrices are multiplied in. Bfloat16 is 2 to 3 times as fast where the
            processor has it, and agrees with float32 to about 0.01 bits a byte.
    """

    def __init__(
        self, path: Path, *, device: str, threads: int, precision: Precision = "float32"
    ) -> None:
        torch.set_num_threads(threads)
        model, tokenizer = open_model(path)
        self._model = model.to(device).eval()
        self._device = device
        self._precision = getattr(torch, precision)
        self.tokenizer = tokenizer.backend_tokenizer
        self.tokenizer.encode_special_tokens = True
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.first_token = _first_token(tokenizer, path)
        self.context = int(getattr(model.config, "max_position_embeddings", 0) or 1024)

    def logits(
        self, tokens_BT: NDArray[np.int64], blocks_BT: NDArray[np.int64] | None = None
    ) -> torch.Tensor:
        """Return log-odds of every next token given its row up to there, (B, T, V) float32.

        Args:
            tokens_BT: what stands in the rows.
            blocks_BT: which text of its row a token is of, rising; none sees another, and each
                begins at the model's first position. None: one text a row.
        """
        tokens = torch.from_numpy(tokens_BT).to(self._device)
        lower = self._precision is not torch.float32
        device_type = torch.device(self._device).type
        beside = {} if blocks_BT is None else _beside(torch.from_numpy(blocks_BT).to(self._device))
        with torch.inference_mode(), torch.autocast(device_type, self._precision, enabled=lower):
            said = self._model(input_ids=tokens, use_cache=False, **beside)
        found: torch.Tensor = said.logits.float()
        return found

    def bits(
        self, tokens_BT: NDArray[np.int64], targets_BT: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return -log2 p of each target given its row up to there, (B, T)."""
        tokens = torch.from_numpy(tokens_BT).to(self._device)
        targets = torch.from_numpy(targets_BT).to(self._device)
        lower = self._precision is not torch.float32
        device_type = torch.device(self._device).type
        with torch.inference_mode(), torch.autocast(device_type, self._precision, enabled=lower):
            # No mask: padding stands after what is counted, where a causal model cannot look.
            logits_BTV = self._model(input_ids=tokens, use_cache=False).logits.float()
            wanted_BT = logits_BTV.gather(2, targets[:, :, None])[:, :, 0]
            nats_BT = torch.logsumexp(logits_BTV, dim=2) - wanted_BT
        found: NDArray[np.float32] = (nats_BT.float() / np.log(2)).cpu().numpy()
        return found


def _beside(blocks_BT: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the mask and positions of texts that stand side by side in rows."""
    places = torch.arange(blocks_BT.shape[1], device=blocks_BT.device).expand_as(blocks_BT)
    new = torch.ones_like(blocks_BT, dtype=torch.bool)
    new[:, 1:] = blocks_BT[:, 1:] != blocks_BT[:, :-1]
    begins = torch.where(new, places, 0).cummax(dim=1).values
    seen = (blocks_BT[:, None, :, None] == blocks_BT[:, None, None, :]).tril()
    # Added to scores: every kind of attention takes it so, not every one a mask of true and false.
    mask = torch.zeros(seen.shape, device=seen.device).masked_fill_(~seen, _NEVER)
    return {"attention_mask": mask, "position_ids": places - begins}


def open_model(path: Path) -> tuple[Any, Any]:
    """Return the causal language model at `path`, in float32, and its tokenizer.

    Raises:
        RecipeError: there is none that transformers reads, or a package is missing.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    quiet: Any = logging.disable_progress_bar  # transformers' helpers have no types
    quiet()
    # Unless told no, transformers asks at the terminal whether to run the code of the folder.
    folder, options = path, dict[str, Any](local_files_only=True, trust_remote_code=False)
    if path.suffix == ".gguf":
        folder, options = path.parent, {**options, "gguf_file": path.name}
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **options)
        model = AutoModelForCausalLM.from_pretrained(
            str(folder), dtype=torch.float32, use_safetensors=True, **options
        )
    except ImportError as error:
        raise RecipeError(
            f"{path.name} needs a package that is not installed ({error}); "
            "run: pip install 'curator-lm[llm]'"
        ) from error
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise RecipeError(
            f"transformers cannot read a causal language model here: {error}; wanted a folder "
            "with config.json, model.safetensors and tokenizer.json, or a .gguf file",
            where=str(path),
        ) from error
    return model, tokenizer


def _first_token(tokenizer: Any, path: Path) -> int:
    """Return the token that documents start with: BOS, or EOS for models trained without one."""
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if token is not None:
            return int(token)
    raise RecipeError(
        "its tokenizer has neither a BOS nor an EOS token, so a text's first token cannot be "
        "scored; choose another model",
        where=str(path),
    )
