"""A trained proxy as a folder of the transformers library, for its tools and its evaluators.

    AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)
    AutoTokenizer.from_pretrained(folder, trust_remote_code=True)

load it offline: the folder holds the code (`modeling_proxy.py`, which needs no curator), config,
weights, tokenizer and the run's record. The model was trained on documents that begin with the
first token, and whatever asks it must put that token first: the exported tokenizer does so by
itself, and calls it `bos_token`. Nothing marks a document's end but the next one's beginning, so
the same token is `eos_token`, which ends a generation, and `pad_token`.

lm-evaluation-harness: `lm_eval --model hf --model_args pretrained=FOLDER,trust_remote_code=True`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, processors

from curator.errors import LedgerError
from curator.shards import write_atomically
from curator.train.attention import QUERY_KEY_GAIN, ROTARY_BASE
from curator.train.checkpoint import RECORD, WEIGHTS, load_model, read_record
from curator.train.kernels import CAP
from curator.train.proxy import Shape
from curator.train.tokenizer import FILE, bos_id, digest, load_tokenizer

CODE = "modeling_proxy.py"


def export_transformers(run: Path, folder: Path) -> None:
    """Write a finished run as a model of transformers into the existing folder `folder`.

    Raises:
        LedgerError: the run is not finished, or its tokenizer is missing or another one.
    """
    model = load_model(run)  # refuses a run without weights that fit its record
    record = read_record(run)
    assert record is not None
    tokenizer = _tokenizer(run, record)
    first = bos_id(tokenizer)
    spelled = str(tokenizer.id_to_token(first))
    # A pretrained model's tokenizer may end texts, or begin them twice: ours begin once.
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{spelled} $A", pair=f"{spelled} $A $B", special_tokens=[(spelled, first)]
    )
    special = {"bos_token_id": first, "eos_token_id": first, "pad_token_id": first}
    write_atomically(folder / FILE, tokenizer.to_str(pretty=False).encode())
    _write(folder / "tokenizer_config.json", _tokenizer_config(spelled, model.shape.context))
    _write(folder / "special_tokens_map.json", _special_tokens(spelled))
    _write(folder / "generation_config.json", {**special, "_from_model_config": False})
    code = Path(__file__).with_name(CODE)
    for name, source in ((CODE, code), (WEIGHTS, run / WEIGHTS), (RECORD, run / RECORD)):
        write_atomically(folder / name, source.read_bytes())
    # Last: a folder without it is not taken for a model.
    _write(folder / "config.json", _config(model.shape) | special)


def _tokenizer(run: Path, record: dict[str, Any]) -> Tokenizer:
    path = run / FILE
    if not path.is_file():
        raise LedgerError(f"holds no {FILE}; train it again from its mixture", where=str(run))
    wanted = record["mixture"]["tokenizer_digest"]
    if digest(path) != wanted:
        raise LedgerError(
            f"{FILE} has digest {digest(path)}, trained with {wanted}; train it again",
            where=str(run),
        )
    return load_tokenizer(path)


def _config(shape: Shape) -> dict[str, Any]:
    module = CODE.removesuffix(".py")
    return {
        "model_type": "curator_proxy",
        "architectures": ["ProxyForCausalLM"],
        "auto_map": {
            "AutoConfig": f"{module}.ProxyConfig",
            "AutoModelForCausalLM": f"{module}.ProxyForCausalLM",
        },
        "dtype": "float32",
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.width,
        "intermediate_size": shape.hidden,
        "num_hidden_layers": shape.depth,
        "num_attention_heads": shape.heads,
        "max_position_embeddings": shape.context,
        "arch": shape.arch,
        "logit_cap": CAP,
        "query_key_gain": QUERY_KEY_GAIN,
        "rotary_base": ROTARY_BASE,
        "valued_layers": list(shape.valued_layers),
        "gate_inputs": shape.gate_inputs,
        "smear_inputs": shape.smear_inputs,
        "tie_word_embeddings": False,
        "use_cache": True,
    }


def _tokenizer_config(spelled: str, context: int) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **_special_tokens(spelled),
        "add_bos_token": True,
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
        # Text that spells the first token is text: `curator.train.tokenizer` reads it so too.
        "split_special_tokens": True,
    }


def _special_tokens(spelled: str) -> dict[str, str]:
    return {"bos_token": spelled, "eos_token": spelled, "pad_token": spelled}


def _write(path: Path, content: dict[str, Any]) -> None:
    write_atomically(path, json.dumps(content, indent=1).encode())
