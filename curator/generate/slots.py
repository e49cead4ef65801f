"""Many answers at once: a fixed number of slots, each refilled as soon as its answer is written.

Every step of the model has the same shape, B rows of one token before memories of C positions, full
or not: an answer does not depend on what is written beside it. Prompts are read one by one, padded
to a length that their own decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from curator.batches import padded_lengths
from curator.errors import RecipeError
from curator.generate.asking import LENGTH, STOP
from curator.generate.drawing import Draw, next_tokens

if TYPE_CHECKING:
    import torch

# Shapes: B slots, C positions of a slot, T positions of a prompt, V vocabulary.
# A step of a small model takes hardly longer for 16 rows than for one; memories are bounded.
_SLOTS = {"cpu": 16}
_SLOTS_GPU = 256
_MEMORY = {"cpu": 1 << 29}  # bytes of keys and values
_MEMORY_GPU = 8 << 30


@dataclass
class Continued:
    """An answer that is being written.

    Attributes:
        place: whose it is.
        opening: tokens that many prompts begin with.
        rest: further tokens of the prompt.
        most: tokens to write at most.
        draw: how a token is drawn, by its place in the answer.
        stopped: whether the answer ends with the tokens so far, where the request said.
        ids: the tokens so far.
        finish: why it ended; "" while it has not.
    """

    place: int
    opening: tuple[int, ...]
    rest: list[int]
    most: int
    draw: Callable[[int], Draw]
    stopped: Callable[[list[int]], bool]
    ids: list[int] = field(default_factory=list)
    finish: str = ""

    @property
    def size(self) -> int:
        """Positions that it takes at most."""
        return len(self.opening) + len(self.rest) + self.most

    def take(self, token: int, ends: set[int]) -> None:
        """Write one more token, or the end."""
        if token in ends:
            self.finish = STOP
            return
        self.ids.append(token)
        if self.stopped(self.ids):
            self.finish = STOP
        elif len(self.ids) == self.most:
            self.finish = LENGTH


class Slots:
    """Writes answers with one model.

    Args:
        model: of `transformers`, in evaluation mode; one that remembers keys and values.
        device: where it is.
        context: positions that it can read.
        ends: tokens that end an answer.
        past: what the model remembers of an opening, to be added to; None without one.
    """

    def __init__(
        self,
        model: Any,
        *,
        device: str,
        context: int,
        ends: set[int],
        past: Callable[[tuple[int, ...]], Any],
    ) -> None:
        self._model = model
        self._device = device
        self._context = context
        self._ends = ends
        self._past = past

    def write(self, answers: Sequence[Continued]) -> Iterator[Continued]:
        """Yield the answers, each once, as they are finished; those of like size together."""
        sizes = np.array([one.size for one in answers], np.int64)
        capacities = padded_lengths(sizes, self._context)
        for capacity in np.unique(capacities).tolist():
            rows = np.flatnonzero(capacities == capacity).tolist()
            # Those with one opening follow each other, the longest first: short ones fill the end.
            rows.sort(key=lambda row: (answers[row].opening, -answers[row].most, row))
            yield from self._written([answers[row] for row in rows], capacity)

    def _written(self, waiting: list[Continued], capacity: int) -> Iterator[Continued]:
        memory: _Memory | None = None
        slots: list[Continued | None] = []
        coming = iter(waiting)
        while True:
            for slot in range(max(1, len(slots))):
                while not slots or slots[slot] is None:
                    following = next(coming, None)
                    if following is None:
                        break
                    past, token_logits = self._read(following)
                    if memory is None:
                        memory = _Memory(past, self._device, capacity)
                        slots = [None] * memory.slots
                    following.take(next_tokens(token_logits, [following.draw(0)])[0], self._ends)
                    if following.finish:
                        yield following
                        continue
                    memory.fill(slot, past, len(following.opening) + len(following.rest))
                    slots[slot] = following
            if memory is None or not any(slots):
                return
            yield from self._step(memory, slots)

    def _read(self, answer: Continued) -> tuple[Any, torch.Tensor]:
        """Return what the model remembers of a prompt, and the logits after it, (1, V)."""
        import torch

        room = self._context - len(answer.opening)
        length = int(padded_lengths(np.array([len(answer.rest)]), room)[0])
        tokens_T = [*answer.rest, *[0] * (length - len(answer.rest))]  # padding: never looked at
        said = self._model(
            input_ids=torch.tensor([tokens_T], device=self._device),
            past_key_values=self._past(answer.opening),
            use_cache=True,
            logits_to_keep=torch.tensor([len(answer.rest) - 1], device=self._device),
        )
        return said.past_key_values, said.logits[:, -1].float()

    def _step(self, memory: _Memory, slots: list[Continued | None]) -> Iterator[Continued]:
        """Write one token in every slot that is taken; yield what is finished with it."""
        taken = [(row, one) for row, one in enumerate(slots) if one is not None]
        tokens_B = [0 if one is None else one.ids[-1] for one in slots]
        logits_BV = memory.step(self._model, tokens_B)
        rows = [row for row, _ in taken]
        tokens = next_tokens(logits_BV[rows], [one.draw(len(one.ids)) for _, one in taken])
        for (row, one), token in zip(taken, tokens, strict=True):
            one.take(token, self._ends)
            memory.advance(row)
            if one.finish:
                slots[row] = None
                yield one


class _Memory:
    """Keys and values of B slots of C positions; each slot is filled to a place of its own."""

    def __init__(self, past: Any, device: str, capacity: int) -> None:
        import torch
        from transformers.cache_utils import Cache

        for layer in past.layers:
            if getattr(layer, "keys", None) is None or getattr(layer, "is_sliding", False):
                raise RecipeError(
                    f"the model remembers by {type(layer).__name__}; wanted keys and values of "
                    "every position: serve it at an endpoint instead"
                )
        a_position = sum(
            (layer.keys[0, :, 0].numel() + layer.values[0, :, 0].numel()) * layer.keys.itemsize
            for layer in past.layers
        )
        most, room = _SLOTS.get(device, _SLOTS_GPU), _MEMORY.get(device, _MEMORY_GPU)
        self.slots = int(min(most, max(1, room // (a_position * capacity))))
        self._at = torch.zeros(self.slots, dtype=torch.int64, device=device)
        self._positions = torch.arange(capacity, device=device)
        kind = _layer_kind()
        self._layers = [kind(layer, self._at, capacity) for layer in past.layers]
        self._cache = Cache(layers=self._layers)
        self._dtype = past.layers[0].keys.dtype

    def fill(self, slot: int, past: Any, size: int) -> None:
        """Put what is remembered of `size` tokens into a slot."""
        for mine, theirs in zip(self._layers, past.layers, strict=True):
            mine.keys[slot, :, :size] = theirs.keys[0, :, :size]
            mine.values[slot, :, :size] = theirs.values[0, :, :size]
        self._at[slot] = size

    def advance(self, slot: int) -> None:
        """Count the token that the last step has read in a slot."""
        self._at[slot] += 1

    def step(self, model: Any, tokens_B: list[int]) -> torch.Tensor:
        """Return the logits after one more token in each slot, (B, V) float32."""
        import torch

        seen_BC = self._positions[None] <= self._at[:, None]
        least = torch.finfo(self._dtype).min
        mask_BC = torch.zeros(seen_BC.shape, dtype=self._dtype, device=self._at.device)
        mask_BC = mask_BC.masked_fill(~seen_BC, least)
        said = model(
            input_ids=torch.tensor(tokens_B, device=self._at.device)[:, None],
            attention_mask=mask_BC[:, None, None],
            position_ids=self._at[:, None],
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits_BV: torch.Tensor = said.logits[:, -1].float()
        return logits_BV


def _layer_kind() -> Any:
    """Return the class of one layer's memory; made here, since transformers loads slowly."""
    import torch
    from transformers import cache_utils

    plain: Any = cache_utils.DynamicLayer  # without types

    class SlotLayer(plain):  # type: ignore[misc]
        """Writes each row's key and value where the row has got to, and returns all places."""

        def __init__(self, like: Any, at: torch.Tensor, capacity: int) -> None:
            super().__init__()
            rows = len(at)
            self.keys = like.keys.new_zeros(
                (rows, like.keys.shape[1], capacity, like.keys.shape[3])
            )
            shape = (rows, like.values.shape[1], capacity, like.values.shape[3])
            self.values = like.values.new_zeros(shape)
            self.dtype, self.device, self.is_initialized = like.keys.dtype, like.keys.device, True
            self._at = at
            self._rows = torch.arange(rows, device=like.keys.device)

        def update(self, key_states: Any, value_states: Any, *_: Any, **__: Any) -> Any:
            self.keys[self._rows, :, self._at] = key_states[:, :, 0]
            self.values[self._rows, :, self._at] = value_states[:, :, 0]
            return self.keys, self.values

    return SlotLayer
