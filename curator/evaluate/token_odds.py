"""What a causal language model thinks of every token of many texts, in one pass.

Short texts share rows of one width, none seeing another (siyan-zhao/prepacking); longer ones stand
alone, like lengths together: hardly a position is padding. Odds are the same as of a text by itself
to within 1e-4. Candidates are looked up only where they are asked for: sorting a vocabulary at
every position costs as much as a small model.
"""

# Shapes: N texts, W windows, B rows, T positions of a row, V vocabulary, S sites, K candidates.
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.evaluate.prepack import first_fit
from curator.evaluate.windows import Windows, cut_windows

_ROW = 512  # positions that short texts share: wider rows spend more on what no text may look at
_LOGITS = 1024 * 49_152  # of a batch at most: 200 MB of float32
_BATCH_TOKENS = 8192
_TEXTS_AT_ONCE = 1000  # tokenized together: bounds the Python lists that tokenizers return


class OddsModel(Protocol):
    """A causal model and its tokenizer (of the `tokenizers` library)."""

    tokenizer: Any
    first_token: int
    context: int

    def logits(
        self, tokens_BT: NDArray[np.int64], blocks_BT: NDArray[np.int64] | None = None
    ) -> torch.Tensor:
        """Return log-odds of every next token, (B, T, V) float32; blocks do not see each other."""


@dataclass(frozen=True)
class TokenOdds:
    """Every token of N texts, one text after the other, each behind the first token.

    Attributes:
        offsets: (N + 1,) where texts begin, with their first token.
        ids: (tokens,).
        nats: (tokens,) float32, ln p of each token given its text up to there; 0 of first tokens.
        sites: (S,) places of tokens whose probability is above what was asked, rising.
        candidates: (S, K) the likeliest tokens there, the likeliest first.
        candidate_nats: (S, K) float32, ln p of each.
    """

    offsets: NDArray[np.int64]
    ids: NDArray[np.int64]
    nats: NDArray[np.float32]
    sites: NDArray[np.int64]
    candidates: NDArray[np.int64]
    candidate_nats: NDArray[np.float32]


def encode(model: OddsModel, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where texts begin and all their tokens, each text behind the first token.

    A text that spells a special token is encoded as characters.
    """
    counts = [0]
    parts: list[NDArray[np.int64]] = []
    model.tokenizer.encode_special_tokens = True
    for begin in range(0, len(texts), _TEXTS_AT_ONCE):
        batch = list(texts[begin : begin + _TEXTS_AT_ONCE])
        for one in model.tokenizer.encode_batch_fast(batch, add_special_tokens=False):
            parts.append(np.array([model.first_token, *one.ids], np.int64))
            counts.append(len(parts[-1]))
    ids = np.concatenate([np.zeros(0, np.int64), *parts])
    return np.cumsum(counts), ids


def token_odds(
    model: OddsModel,
    offsets: NDArray[np.int64],
    ids: NDArray[np.int64],
    *,
    context: int,
    candidates: int = 0,
    above: float = 1.0,
    wanted: NDArray[np.bool_] | None = None,
) -> TokenOdds:
    """Return the odds of every token.

    A text longer than the context is read in windows that overlap by half, and every token is
    judged once, with at least half a context before it.

    Args:
        model: asked.
        offsets: (N + 1,) where texts begin in `ids`, each with its first token.
        ids: (tokens,) of all texts.
        context: longest window; the model's own context if that is shorter.
        candidates: how many likeliest tokens are told at each site, of all at most; 0: none.
        above: a token likelier than this is a site.
        wanted: (tokens,) which tokens are sites, however likely; None: those above `above`.

    Raises:
        RecipeError: a token that the model does not have: the tokenizer is another model's.
    """
    candidates = min(candidates, _vocabulary(model, int(ids.max(initial=0))))
    windows = cut_windows(offsets, min(context, model.context))
    nats = np.zeros(len(ids), np.float32)
    sites: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    likeliest = [np.zeros((0, candidates), np.int64)]
    their_nats = [np.zeros((0, candidates), np.float32)]
    tokens = min(_BATCH_TOKENS, max(1, _LOGITS // model.tokenizer.get_vocab_size()))
    for batch in _laid(windows, tokens, min(_ROW, model.context)):
        found = _read(model, ids, windows, batch, candidates, above if wanted is None else wanted)
        nats[found.places] = found.nats
        sites.append(found.places[found.is_site])
        likeliest.append(found.candidates)
        their_nats.append(found.candidate_nats)
    places = np.concatenate(sites)
    order = np.argsort(places, kind="stable")
    return TokenOdds(
        offsets,
        ids,
        nats,
        places[order],
        np.concatenate(likeliest)[order],
        np.concatenate(their_nats)[order],
    )


def _vocabulary(model: OddsModel, largest: int) -> int:
    """Return how many tokens a model has, by asking it for one; tokens beyond them are refused."""
    size = model.logits(np.array([[model.first_token]])).shape[2]
    if largest >= size:
        raise RecipeError(
            f"token {largest:,} of a model with {size:,}; the tokenizer is another model's: wanted "
            "the one that it was trained with"
        )
    return size


class _Batch(NamedTuple):
    """Windows laid out in rows: which, the row of each, and the position it begins at."""

    windows: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]


def _laid(windows: Windows, tokens: int, width: int) -> Iterator[_Batch]:
    """Yield every window once: long ones alone, short ones side by side, in full batches."""
    lengths = windows.inputs
    long = np.flatnonzero(lengths > width)
    long = long[np.argsort(-lengths[long], kind="stable")]
    begin = 0
    while begin < len(long):
        part = long[begin : begin + max(1, tokens // int(lengths[long[begin]]))]
        yield _Batch(part, np.arange(len(part)), np.zeros(len(part), np.int64))
        begin += len(part)
    short = np.flatnonzero((lengths <= width) & (lengths > 0))
    rows, columns = first_fit(lengths[short], width)
    order = np.argsort(rows, kind="stable")
    at_once = max(1, tokens // width)
    for first in range(0, int(rows.max(initial=-1)) + 1, at_once):
        low, high = np.searchsorted(rows[order], [first, first + at_once])
        part = order[low:high]
        yield _Batch(short[part], rows[part] - first, columns[part])


class _Found(NamedTuple):
    """What a batch says: judged tokens' places and odds, and the candidates at sites."""

    places: NDArray[np.int64]
    nats: NDArray[np.float32]
    is_site: NDArray[np.bool_]
    candidates: NDArray[np.int64]
    candidate_nats: NDArray[np.float32]


def _read(
    model: OddsModel,
    ids: NDArray[np.int64],
    windows: Windows,
    batch: _Batch,
    candidates: int,
    sites: float | NDArray[np.bool_],
) -> _Found:
    lengths = windows.inputs[batch.windows]
    width = int((batch.column + lengths).max())
    begins = np.cumsum(lengths) - lengths
    within = np.arange(int(lengths.sum())) - np.repeat(begins, lengths)
    source = np.repeat(windows.start[batch.windows], lengths) + within
    cell = np.repeat(batch.row * width + batch.column, lengths) + within
    tokens_BT = np.zeros((int(batch.row.max()) + 1, width), np.int64)
    tokens_BT.ravel()[cell] = ids[source]
    blocks_BT = None
    if batch.column.any():
        blocks_BT = np.zeros_like(tokens_BT)
        blocks_BT.ravel()[cell] = np.repeat(np.arange(1, len(lengths) + 1), lengths)
    counted = source + 1 >= np.repeat(windows.first[batch.windows], lengths)
    places = source[counted] + 1
    logits_BTV = model.logits(tokens_BT, blocks_BT)
    return _judged(logits_BTV, cell[counted], ids[places], places, candidates, sites)


@torch.inference_mode()
def _judged(
    logits_BTV: torch.Tensor,
    cells: NDArray[np.int64],
    targets: NDArray[np.int64],
    places: NDArray[np.int64],
    candidates: int,
    sites: float | NDArray[np.bool_],
) -> _Found:
    device = logits_BTV.device
    flat_NV = logits_BTV.flatten(0, 1)
    cells_K = torch.from_numpy(cells).to(device)
    totals_K = torch.logsumexp(flat_NV, dim=1)[cells_K]
    nats_K = flat_NV[cells_K, torch.from_numpy(targets).to(device)] - totals_K
    if not candidates:
        site_K = torch.zeros_like(nats_K, dtype=torch.bool)
    elif isinstance(sites, float):
        site_K = nats_K.exp() > sites
    else:
        site_K = torch.from_numpy(sites[places]).to(device)
    best = flat_NV[cells_K[site_K]].topk(candidates, dim=1)
    return _Found(
        places,
        nats_K.float().cpu().numpy(),
        site_K.cpu().numpy(),
        best.indices.cpu().numpy(),
        (best.values - totals_K[site_K, None]).float().cpu().numpy(),
    )
