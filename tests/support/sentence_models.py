"""Tiny sentence-transformers folders with random weights, as that library saves them."""

from __future__ import annotations

from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,;:!?()"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LONGEST = 40


def tiny_sentence_model(folder: Path, *, pooling: str = "mean") -> Path:
    """A BERT of two layers, 32 dimensions and inputs of at most 40 tokens."""
    parts = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    tokenizer = Tokenizer(WordPiece({part: at for at, part in enumerate(parts)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    shape = BertConfig(
        vocab_size=len(parts),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.4,
    )
    inner = folder / "inner"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(shape).save_pretrained(inner)
    roles = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    names = dict(zip(roles, SPECIAL, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(inner)
    transformer = modules.Transformer(str(inner), max_seq_length=LONGEST)
    pooled = modules.Pooling(32, pooling_mode=pooling)
    model = SentenceTransformer(modules=[transformer, pooled, modules.Normalize()], device="cpu")
    model.save(str(folder / "model"))
    return folder / "model"
