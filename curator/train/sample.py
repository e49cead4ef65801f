"""Text from a proxy: many documents at once, every token computed once.

Documents begin alike, at the first token, and grow side by side; a prompt is read where it stands
and what follows is drawn. Keys and values of what was read are kept, so a token costs one pass
over one position. A document ends where the model begins the next one, or after `max_tokens`.

Chance belongs to the document and to the place in it: neither the order of documents nor what
else is drawn changes a draw, up to the rounding of matrix products, which depends on how many
rows a batch has.
"""

# Shapes: B documents, T positions, S new positions, C width, H heads, D width of a head, V
# vocabulary.
from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from curator.errors import RecipeError
from curator.identity import uniform
from curator.nucleus import drawn
from curator.train.checkpoint import load_model
from curator.train.growing import Grown
from curator.train.loss import cap_
from curator.train.model import Gpt
from curator.train.tokenizer import bos_id, encode, load_tokenizer

ROWS = 64  # documents at a time: d2's step is then half products; more gained nothing on one core
COMPACT = 0.75  # a batch is made smaller when fewer of its rows still grow
STOP, LENGTH = "stop", "length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are drawn.

    Attributes:
        max_tokens: of what is drawn, the prompt not counted.
        temperature: log-odds are divided by it; 0 takes the likeliest token.
        top_p: tokens are drawn from the fewest likeliest that have this much of the probability
            (nucleus sampling; Holtzman et al. 2019, arXiv:1904.09751, section 3.1).
        seed: of chance; other seeds give independent texts.
        forbidden: ids that are never drawn.
        merged: ids of which only the first is drawn, with the probability of all.
    """

    max_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0
    forbidden: tuple[int, ...] = ()
    merged: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what draws nothing.

        Raises:
            RecipeError: naming the setting.
        """
        if self.max_tokens < 1:
            raise RecipeError(f"max_tokens is {self.max_tokens!r}; draw at least 1 token")
        if not 0 <= self.temperature < math.inf:
            raise RecipeError(f"temperature is {self.temperature!r}; wanted a number of at least 0")
        if not 0 < self.top_p <= 1:
            raise RecipeError(f"top_p is {self.top_p!r}; it is a share above 0, up to 1")


@dataclass(frozen=True)
class Drawn:
    """What was drawn after each prompt: ids, how each ended, and how long all took."""

    tokens: list[NDArray[np.int64]]  # without the prompt and without the token that ended it
    finish: list[str]  # "stop" or "length"
    seconds: float

    @property
    def tokens_per_second(self) -> float:
        """How many tokens a second were drawn."""
        return sum(map(len, self.tokens)) / max(self.seconds, 1e-9)


def sample_texts(
    run: str | Path,
    doc_ids: NDArray[np.uint8],
    sampling: Sampling,
    *,
    prompts: Sequence[str] | None = None,
    device: str = "cpu",
    threads: int = 1,
) -> tuple[pa.LargeStringArray, Drawn]:
    """Return the texts that a finished run's proxy writes, one a document, and their tokens.

    Args:
        run: a run's folder, with its tokenizer.json.
        doc_ids: (n, 16) uint8, whose chance it is.
        sampling: how.
        prompts: what each begins with, which is no part of the text returned; None: nothing.
        device: where the model runs.
        threads: of torch, for the whole process.
    """
    torch.set_num_threads(threads)
    model, tokenizer = load_model(run, device=device), load_tokenizer(Path(run) / "tokenizer.json")
    offsets, ids = encode(tokenizer, pa.array(prompts or [""] * len(doc_ids), pa.large_string()))
    starts = [ids[low:high].astype(np.int64) for low, high in pairwise(offsets.tolist())]
    drawn = sample_tokens(model, starts, doc_ids, sampling, stop=bos_id(tokenizer))
    words = [tokenizer.decode(part.tolist(), skip_special_tokens=False) for part in drawn.tokens]
    return pa.array(words, pa.large_string()), drawn


@torch.inference_mode()
def sample_tokens(
    model: Gpt,
    prompts: Sequence[NDArray[np.int64]],
    doc_ids: NDArray[np.uint8],
    sampling: Sampling,
    *,
    stop: int,
) -> Drawn:
    """Return what a model goes on with after each prompt.

    Args:
        model: asked on the device its weights are on, in the dtype of its matrices.
        prompts: ids, each led by the first token.
        doc_ids: (n, 16) uint8, whose chance it is.
        sampling: how.
        stop: the id that begins a document, and so ends the one before.

    Raises:
        RecipeError: a prompt is empty, or there are not as many as ids of documents.
    """
    if len(prompts) != len(doc_ids) or not all(map(len, prompts)):
        raise RecipeError(
            f"{len(prompts)} prompts for {len(doc_ids)} documents, the shortest of "
            f"{min(map(len, prompts), default=0)} tokens; wanted one a document, each led by the "
            "first token"
        )
    begun = time.perf_counter()
    tokens: list[NDArray[np.int64]] = [np.zeros(0, np.int64)] * len(prompts)
    finish = [LENGTH] * len(prompts)
    order = np.argsort([len(prompt) for prompt in prompts], kind="stable")
    for start in range(0, len(order), ROWS):
        rows = order[start : start + ROWS]
        batch = _Batch(model, [prompts[row] for row in rows], doc_ids[rows], sampling, stop)
        batch.grow()
        for row, text, how in zip(rows.tolist(), batch.texts(), batch.finish, strict=True):
            tokens[row], finish[row] = text, how
    return Drawn(tokens, finish, time.perf_counter() - begun)


class _Batch:
    """Documents that grow together: `growing` are the rows of those that have not ended."""

    def __init__(
        self,
        model: Gpt,
        prompts: Sequence[NDArray[np.int64]],
        doc_ids: NDArray[np.uint8],
        sampling: Sampling,
        stop: int,
    ) -> None:
        self.sampling, self.stop, self.doc_ids = sampling, stop, doc_ids
        self.lengths = np.array([len(prompt) for prompt in prompts])
        self.ends = self.lengths + sampling.max_tokens
        self.ids = np.full((len(prompts), int(self.ends.max())), stop, np.int64)
        for row, prompt in enumerate(prompts):
            self.ids[row, : len(prompt)] = prompt
        self.stops = self.ends.copy()  # where each document's text ends
        self.finish = [LENGTH] * len(prompts)
        self.growing = np.arange(len(prompts))
        self.model = Grown(model)

    def texts(self) -> list[NDArray[np.int64]]:
        """Return what was drawn, by row."""
        spans = zip(self.lengths.tolist(), self.stops.tolist(), strict=True)
        return [self.ids[row, low:high] for row, (low, high) in enumerate(spans)]

    def grow(self) -> None:
        """Draw until every document has ended."""
        # No more at once than fits: where the model then begins anew follows from the place alone.
        place, columns = 0, min(int(self.lengths.min()), self.model.context)
        while len(self.growing):
            new = torch.from_numpy(self.ids[self.growing, place : place + columns])
            logits_BV = self.model.logits(new.to(self.model.device))
            place, columns = place + columns, 1
            self._take(place, logits_BV)

    def _take(self, place: int, logits_BV: Tensor) -> None:
        """Write the next token of every document whose prompt is over; drop those that end."""
        rows = self.growing
        drawn = draw_tokens(logits_BV, self.doc_ids[rows], self.sampling, place)
        # Rows that have ended stay until the batch is made smaller; nothing is told of them.
        drawing = (place >= self.lengths[rows]) & (self.ends[rows] > 0)
        self.ids[rows[drawing], place] = drawn[drawing]
        ended = drawing & (drawn == self.stop)
        for row in rows[ended].tolist():
            self.stops[row], self.finish[row] = place, STOP
        over = ended | (place + 1 >= self.ends[rows])
        self._close(over)

    def _close(self, over: NDArray[np.bool_]) -> None:
        """Leave out ended documents, once there are enough of them to be worth a copy."""
        self.ends[self.growing[over]] = 0
        left = self.ends[self.growing] > 0
        if not left.any():
            self.growing = self.growing[:0]
        elif left.mean() < COMPACT:
            self.growing = self.growing[left]
            self.model.keep(torch.from_numpy(np.flatnonzero(left)))


def draw_tokens(
    logits_BV: Tensor, doc_ids: NDArray[np.uint8], sampling: Sampling, place: int
) -> NDArray[np.int64]:
    """Return one token a document, (B,), by the chance of the document at `place`.

    Args:
        logits_BV: raw ones, float32; they are overwritten.
        doc_ids: (B, 16) uint8.
        sampling: how.
        place: of the token in its document; the first token's is 0.
    """
    cap_(logits_BV)
    if sampling.forbidden:
        logits_BV[:, list(sampling.forbidden)] = -math.inf
    if sampling.merged:
        ids = list(sampling.merged)
        together_B = (logits_BV[:, ids] * math.log(2)).logsumexp(1) / math.log(2)
        logits_BV[:, ids] = -math.inf
        logits_BV[:, ids[0]] = together_B
    if sampling.temperature == 0:
        likeliest: NDArray[np.int64] = logits_BV.argmax(1).cpu().numpy()
        return likeliest
    shares_BV = torch.softmax(logits_BV * (math.log(2) / sampling.temperature), 1)
    chance_B = torch.from_numpy(uniform(doc_ids, f"sampling.{place}", sampling.seed))
    top_p_B = torch.full_like(chance_B, sampling.top_p)
    found = drawn(shares_BV, chance_B.to(shares_BV.device), top_p_B.to(shares_BV.device))
    tokens: NDArray[np.int64] = found.cpu().numpy()
    return tokens
