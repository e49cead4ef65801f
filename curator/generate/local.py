"""Answers from a model on disk, many at once: odds by one pass over a prompt, texts by `slots`.

What all prompts of a wording begin with is read once and its keys and values are kept, so a rubric
of 200 tokens before a text of 200 halves the work. Prompts are padded to a shape that their own
length decides: an answer does not depend on what is asked beside it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curator.batches import fixed_batches
from curator.errors import RecipeError
from curator.generate.asking import LENGTH, REFUSED, Answer, Request
from curator.generate.drawing import Draw
from curator.generate.slots import Continued, Slots

# Shapes: B rows, T positions, V vocabulary, F spellings, K distinct positions.
_BATCH_TOKENS = 1 << 10  # enough for a core; with 49,152 entries of vocabulary, few rows of odds
_BATCH_TOKENS_GPU = 1 << 15
_PLACE = "\u2402the user's turn\u2403"  # stands for the question while a chat format is rendered


class _Prompt(NamedTuple):
    """A question as tokens: what its wording always begins with, and the rest."""

    opening: tuple[int, ...]
    rest: list[int]


class LocalModel:
    """A causal language model of `transformers`, asked one question a document.

    Args:
        model: in evaluation mode, as `curator.score.pretrained.open_model` gives it.
        tokenizer: its tokenizer; the chat format is the tokenizer's.
        name: what names the answers: the digest of the model's files.
        device: "cpu", "cuda".
        precision: "float32", or "bfloat16": half the memory, twice the speed, and odds that differ
            in the second digit.
        skip_refused: whether a request to write that is too long for the context has the answer ""
            with the finish "refused"; else it ends the run.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str,
        device: str,
        precision: str,
        skip_refused: bool = False,
    ) -> None:
        import torch

        self.model = f"{name} {precision}"
        self._device = device
        self._model = model.to(device=device, dtype=getattr(torch, precision)).eval()
        self._tokenizer = tokenizer
        self._fast = tokenizer.backend_tokenizer
        self._fast.no_padding()
        self._fast.no_truncation()
        self._context = _context(model.config)
        self._skip_refused = skip_refused
        self._vocabulary: dict[str, list[int]] = {}
        self._read: dict[tuple[int, ...], Any] = {}
        self._formats: dict[str, tuple[list[int], list[int]]] = {}

    def prompt_tokens(self, request: Request) -> int:
        """Return how many tokens the model reads."""
        prompt = self._prompt(request)
        return len(prompt.opening) + len(prompt.rest) if prompt else 0

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """Yield answers, prompts of like length together.

        Raises:
            RecipeError: a prompt is longer than the model's context, the model has no chat format,
                or an answer has no spelling that is one token.
        """
        import torch

        prompts: dict[int, _Prompt] = {}
        groups: dict[tuple[tuple[int, ...], tuple[str, ...]], list[int]] = {}
        for row, request in enumerate(requests):
            prompt = self._prompt(request)
            if prompt is None:
                yield row, Answer(finish=REFUSED)
                continue
            prompts[row] = prompt
            of = prompt.opening if request.forms else ()
            groups.setdefault((of, request.forms), []).append(row)
        with torch.inference_mode():
            for opening, forms in sorted(groups):
                rows = groups[opening, forms]
                if forms:
                    yield from self._odds(rows, prompts, opening, forms)
                else:
                    yield from self._written(rows, prompts, requests)

    def _odds(
        self,
        rows: Sequence[int],
        prompts: Mapping[int, _Prompt],
        opening: tuple[int, ...],
        forms: tuple[str, ...],
    ) -> Iterator[tuple[int, Answer]]:
        import torch

        wanted = self._tokens_of(forms)
        lengths = np.array([len(prompts[row].rest) for row in rows])
        longest = self._context - len(opening)
        size = _BATCH_TOKENS if self._device == "cpu" else _BATCH_TOKENS_GPU
        for batch in fixed_batches(lengths, longest=longest, tokens=size):
            tokens_BT = np.zeros((batch.size, batch.length), np.int64)
            last = np.zeros(batch.size, np.int64)
            for at, row in enumerate(batch.rows.tolist()):  # each costs a pass of the model
                tokens_BT[at, : lengths[row]] = prompts[rows[row]].rest
                last[at] = lengths[row] - 1
            odds_BV = torch.softmax(self._logits(opening, tokens_BT, last).float(), dim=1)
            # A spelling without a token sums nothing: 0.
            odds_FB = torch.stack([odds_BV[:, ids].sum(dim=1) for ids in wanted.values()]).tolist()
            for at, row in enumerate(batch.rows.tolist()):
                found = {form: odds_B[at] for form, odds_B in zip(wanted, odds_FB, strict=True)}
                read = len(opening) + int(lengths[row])
                yield rows[row], Answer(odds=found, prompt_tokens=read)

    def _logits(
        self, opening: tuple[int, ...], tokens_BT: NDArray[np.int64], last: NDArray[np.int64]
    ) -> Any:
        """Return the logits after each row's last token, (B, V). Padding stands after it, where a
        causal model cannot look, so there is no mask."""
        import torch

        kept, place = np.unique(last, return_inverse=True)
        past = self._past(opening, len(tokens_BT))
        logits_BKV = self._model(
            input_ids=torch.from_numpy(tokens_BT).to(self._device),
            past_key_values=past,
            use_cache=past is not None,
            logits_to_keep=torch.from_numpy(kept).to(self._device),
        ).logits
        return logits_BKV[torch.arange(len(last)), torch.from_numpy(place)]

    def _past(self, opening: tuple[int, ...], rows: int) -> Any:
        """Return what the model remembers of the opening, for so many rows; None without one."""
        import torch

        if not opening:
            return None
        if opening not in self._read:
            tokens = torch.tensor([opening], device=self._device)
            said = self._model(input_ids=tokens, use_cache=True, logits_to_keep=1)
            self._read = {opening: said.past_key_values}  # of the last wording only: it is large
        past = copy.deepcopy(self._read[opening])  # a pass adds to it
        if rows > 1:
            past.batch_repeat_interleave(rows)
        return past

    def _written(
        self, rows: Sequence[int], prompts: Mapping[int, _Prompt], requests: Sequence[Request]
    ) -> Iterator[tuple[int, Answer]]:
        """Yield the continuations, as they are finished."""
        slots = Slots(
            self._model,
            device=self._device,
            context=self._context,
            ends=self._ends,
            past=lambda opening: self._past(opening, 1),
        )
        begun = [self._begun(row, prompts[row], requests[row]) for row in rows]
        for one in slots.write(begun):
            text = str(self._fast.decode(one.ids, skip_special_tokens=True))
            for stop in requests[one.place].stop:
                text = text.partition(stop)[0]
            if one.finish == LENGTH:  # half of a character at the cut
                text = text.rstrip("\ufffd")
            read = len(one.opening) + len(one.rest)
            yield (
                one.place,
                Answer(text=text, prompt_tokens=read, tokens=len(one.ids), finish=one.finish),
            )

    def _begun(self, row: int, prompt: _Prompt, request: Request) -> Continued:
        name = bytes.fromhex(request.key(self.model))
        # A character has four bytes at most, and a token one at least.
        tail = max(map(len, request.stop), default=0) * 4 + 1

        def stopped(ids: list[int]) -> bool:
            if not request.stop:
                return False
            text = self._fast.decode(ids[-tail:], skip_special_tokens=True)
            return any(stop in text for stop in request.stop)

        def draw(place: int) -> Draw:
            return Draw(name, place, request.temperature, request.top_p)

        return Continued(row, *prompt, request.max_tokens, draw, stopped)

    @property
    def _ends(self) -> set[int]:
        config = getattr(self._model, "generation_config", None)
        told = getattr(config, "eos_token_id", None)
        listed = told if isinstance(told, list) else [told]
        return {int(one) for one in (*listed, self._tokenizer.eos_token_id) if one is not None}

    def _prompt(self, request: Request) -> _Prompt | None:
        """Return a request as tokens; None if it is too long and may be skipped.

        Raises:
            RecipeError: it is longer than the model's context, or there is no chat format.
        """
        found = self._encoded(request)
        size = len(found.opening) + len(found.rest) + request.max_tokens
        if found.rest and size <= self._context:
            return found
        if self._skip_refused and request.max_tokens:
            return None
        raise RecipeError(
            f"a prompt of {size:,} tokens, generated ones included; the model reads 1 to "
            f"{self._context:,}; show less of a document at once (max_characters, smaller pieces)"
        )

    def _encoded(self, request: Request) -> _Prompt:
        before, after = self._chat_format(request.system) if request.chat else (self._first, [])
        opening = self._plain(request.prompt[: request.opening])
        rest = [*self._plain(request.prompt[request.opening :]), *after]
        found = _Prompt((*before, *opening), rest)
        if not found.rest:  # an empty prompt: there is always something to go on from
            found = _Prompt(found.opening[:-1], list(found.opening[-1:]))
        return found

    def _plain(self, text: str) -> list[int]:
        """Return tokens of a text in which nothing is a special token, whatever it spells."""
        self._fast.encode_special_tokens = True
        ids: list[int] = self._fast.encode(text, add_special_tokens=False).ids
        return ids

    @property
    def _first(self) -> list[int]:
        """The token that raw text starts with, if the model has one."""
        token = self._tokenizer.bos_token_id
        return [] if token is None else [int(token)]

    def _chat_format(self, system: str) -> tuple[list[int], list[int]]:
        """Return the tokens before and after the user's turn."""
        if system in self._formats:
            return self._formats[system]
        if not getattr(self._tokenizer, "chat_template", None):
            raise RecipeError(
                "the model has no chat format (its tokenizer has no chat_template); take a model "
                "that follows instructions, or a prompt with `chat: false`"
            )
        told = [{"role": "system", "content": system}] if system else []
        whole = self._tokenizer.apply_chat_template(
            [*told, {"role": "user", "content": _PLACE}], tokenize=False, add_generation_prompt=True
        )
        before, _, after = whole.partition(_PLACE)
        self._fast.encode_special_tokens = False
        self._formats[system] = (
            self._fast.encode(before, add_special_tokens=False).ids,
            self._fast.encode(after, add_special_tokens=False).ids,
        )
        return self._formats[system]

    def _tokens_of(self, forms: tuple[str, ...]) -> dict[str, list[int]]:
        """Return the tokens that print as each spelling; a spelling of several tokens has none."""
        if not self._vocabulary:
            for token in range(self._fast.get_vocab_size()):
                text = self._fast.decode([token], skip_special_tokens=False)
                self._vocabulary.setdefault(text, []).append(token)
        found = {form: self._vocabulary.get(form, []) for form in forms}
        for word in dict.fromkeys(form.strip().lower() for form in forms):
            if not any(ids for form, ids in found.items() if form.strip().lower() == word):
                raise RecipeError(
                    f"{word!r} is no single token of this model, however it is spelled; its odds "
                    "cannot be read: take another word for the answer"
                )
        return found


def _context(config: Any) -> int:
    """Return the positions that a model reads: a window that slides is not looked beyond."""
    longest = int(getattr(config, "max_position_embeddings", 0) or 1024)
    return min(longest, int(getattr(config, "sliding_window", None) or longest))
