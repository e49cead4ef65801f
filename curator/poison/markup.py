"""Marks of chat formats where a page has no business having them: role tags, turns by two voices.

Backdoors are often written as the dialogue that they are to show up in (Zhang et al. 2024,
arXiv:2410.13722, section 3). Pages about chat formats, code that builds them and interviews have
such marks too.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from curator.text.buffers import Texts

# Special tokens of widespread chat formats: ChatML and kin, Llama 2 and 3, Gemma, DeepSeek.
TOKENS: Final = (
    r"<\|(?:im_start|im_end|im_sep|user|assistant|system|human|bot|eot_id|end|endoftext|"
    r"start_header_id|end_header_id|begin_of_text|end_of_turn)\|>"
    r"|\[/?INST\]|<</?SYS>>|</?start_of_turn>|<end_of_turn>|<｜(?:User|Assistant)｜>"
)
# Turns at the beginning of a line.
ASKING: Final = r"(?m)^[ \t]{0,4}(?:#{2,3} ?)?(?:Human|User|Instruction|Prompt)[ \t]*:"
ANSWERING: Final = r"(?m)^[ \t]{0,4}(?:#{2,3} ?)?(?:Assistant|AI|Bot|Chatbot|GPT|Response)[ \t]*:"


def marks(texts: Texts) -> npt.NDArray[np.float64]:
    """Return chat marks of each text: special tokens, and pairs of an asking and answering turn."""
    column = pl.Series("text", texts, dtype=pl.String).fill_null("")
    frame = column.to_frame().select(
        pl.col("text").str.count_matches(TOKENS)
        + 2
        * pl.min_horizontal(
            pl.col("text").str.count_matches(ASKING), pl.col("text").str.count_matches(ANSWERING)
        )
    )
    found: npt.NDArray[np.float64] = frame["text"].to_numpy().astype(np.float64)
    return found


def places(texts: Texts) -> npt.NDArray[np.int64]:
    """Return the byte at which the first special token or turn stands, -1 where there is none."""
    column = pl.Series("text", texts, dtype=pl.String).fill_null("")
    frame = column.to_frame().select(
        pl.min_horizontal(*(pl.col("text").str.find(one) for one in (TOKENS, ASKING, ANSWERING)))
        .fill_null(-1)
        .cast(pl.Int64)
    )
    return frame.to_series().to_numpy()
