"""Picking rows while a run trains: the reference beside it, and the batches that are left.

Scores are of the learner as it stands before each step, with dropout off, so what is picked at a
step depends on all steps before. The rows picked are part of a run's checkpoint: a cut run goes
on with the same bytes, and the order log tells what was trained on and not what was read.
"""

# Shapes: B rows of a super-batch, T positions.
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from curator.errors import LedgerError, RecipeError
from curator.identity import settings_of
from curator.train.checkpoint import load_model, read_record
from curator.train.loader import Batches, Mixture
from curator.train.model import Gpt, document_mask
from curator.train.packing import Coverage
from curator.train.pick import (
    BY_CHANCE,
    LEARNER,
    REFERENCE,
    Cost,
    Pick,
    best_rows,
    cost_of,
    row_chance,
    row_scores,
)
from curator.train.proxy import Proxy, proxy_from

Picks = list[NDArray[np.int32]]  # for each step, the rows of its super-batch, ascending


@dataclass(frozen=True)
class Picking:
    """A pick checked against one run: what it costs, and which reference it asks."""

    pick: Pick
    cost: Cost
    budget_steps: int  # plain steps whose arithmetic it may spend
    reference: str = ""  # identity of its run; "" without one

    @property
    def steps(self) -> int:
        """How many steps the budget pays for.

        Raises:
            BudgetError: too few.
        """
        return self.cost.steps(self.budget_steps)

    def open(self, device: str, compute: torch.dtype) -> Gpt | None:
        """Return the reference, frozen; None if the method asks none of its losses."""
        if not self.reference or self.pick.method in BY_CHANCE:
            return None
        model = load_model(self.pick.reference, device=device, compute=compute)
        for weight in model.parameters():
            weight.requires_grad = False
        return model


def open_picking(pick: Pick, mixture: Mixture, proxy: Proxy, steps: int) -> Picking:
    """Return a pick with its reference checked and its cost known.

    Args:
        pick: the settings.
        mixture: what the run reads.
        proxy: of the run.
        steps: the budget, in plain steps.

    Raises:
        RecipeError: rows do not come out whole; the reference reads other tokens, shorter rows,
            or was trained on the run's own documents.
        LedgerError: the reference is no finished run.
    """
    learner = proxy.shape(mixture.vocab_size)
    if not pick.asks(REFERENCE):
        return Picking(pick, cost_of(pick, proxy, learner, None), steps)
    record = _reference_record(pick, mixture)
    reference = proxy_from(record["proxy"]).shape(record["vocab_size"])
    wanted = pick.read_tokens(proxy.context)
    if reference.context < wanted:
        raise RecipeError(
            f"the reference reads {reference.context} tokens at a time, and {wanted} of each row "
            "are scored; lower scored_tokens, or train a reference of a longer context",
            where=pick.reference,
        )
    return Picking(pick, cost_of(pick, proxy, learner, reference), steps, record["identity"])


def _reference_record(pick: Pick, mixture: Mixture) -> dict[str, Any]:
    """Return the record of the reference's run.

    Raises:
        LedgerError: there is none.
        RecipeError: its losses would not be of the same tokens, or not of text it has not seen.
    """
    record = read_record(pick.reference)
    if record is None or record["status"] != "finished":
        found = "no run.json" if record is None else f"a run with status {record['status']!r}"
        raise LedgerError(
            f"holds {found}; wanted a proxy that this product has trained: a reference must give "
            "losses of the very tokens that the learner reads",
            where=pick.reference,
        )
    own, its = mixture.identity(), record["mixture"]
    if its["tokenizer_digest"] != own["tokenizer_digest"]:
        raise RecipeError(
            f"the reference has tokenizer {its['tokenizer_digest']!r}, the mixture "
            f"{own['tokenizer_digest']!r}; losses of other tokens cannot be compared: train the "
            "reference with the corpus's own tokenizer",
            where=pick.reference,
        )
    trunk = record.get("trunk") or {}
    seen = {its["draw_hash"], (trunk.get("mixture") or {}).get("draw_hash")}
    if own["draw_hash"] in seen:
        raise RecipeError(
            f"the reference was trained on the documents to pick from (draw {own['draw_hash']!r}), "
            "so its losses are of text it has seen; train it on documents held out of the pool: "
            "`models: {NAME: {train: ...}}`",
            where=pick.reference,
        )
    return record


class PickedBatches:
    """Batches of the rows picked from a super-batch by a model that changes.

    Args:
        read: super-batches.
        picking: how to pick.
        rows: how many are trained on a step.
        order_seed: of the run.
        picks: what steps before have picked; each step adds its own.
        reference: the model that `picking` asks.
        masked: whether documents of a row do not see each other, as in training.
    """

    def __init__(
        self,
        read: Batches,
        picking: Picking,
        rows: int,
        order_seed: int,
        picks: Picks,
        reference: Gpt | None = None,
        *,
        masked: bool = False,
    ) -> None:
        self.read, self.picking, self._reference = read, picking, reference
        self.rows, self.context = rows, read.context
        self.mixture = read.mixture
        self.picks = picks
        self._order_seed, self._masked = order_seed, masked
        self._scored = picking.pick.read_tokens(read.context)

    @property
    def batch_tokens(self) -> int:
        """Tokens a step trains on."""
        return self.rows * self.context

    @property
    def window(self) -> tuple[float, float]:
        """Where the part of the mixture that this run reads begins, and its share."""
        return self.read.window

    def choose(self, step: int, model: Gpt) -> None:
        """Pick the rows of `step` with the learner as it is now.

        Raises:
            RecipeError: the rows' scores are all the same.
        """
        inputs, targets = self.read.batch(step)
        chance = row_chance(len(inputs), step, self._order_seed, self.picking.pick.seed)
        scores = self._scores(model, inputs, targets)
        temperature = self.picking.pick.temperature
        self.picks.append(best_rows(scores, self.rows, chance, temperature).astype(np.int32))

    def _scores(
        self, model: Gpt, inputs_BT: NDArray[np.int64], targets_BT: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the score of each row; equal ones where rows go by chance."""
        pick = self.picking.pick
        nothing = np.zeros(len(inputs_BT))
        if pick.method in BY_CHANCE:
            return nothing
        asked = [(LEARNER, model), (REFERENCE, self._reference)]
        losses = {
            whom: self.losses(of, inputs_BT, targets_BT)
            for whom, of in asked
            if of is not None and pick.asks(whom)
        }
        scores = row_scores(
            pick.method, losses.get(LEARNER, nothing), losses.get(REFERENCE, nothing)
        )
        if np.ptp(scores) == 0:
            raise RecipeError(
                f"all {len(scores)} rows score {float(scores[0])!r}: nothing to pick by; a "
                "reference that is the learner itself does that: train it on other text"
            )
        return scores

    def losses(
        self, model: Gpt, inputs_BT: NDArray[np.int64], targets_BT: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the mean loss of each row's scored tokens in nats, (B,), without dropout."""
        device = model.head.weight.device
        parts = []
        # As many rows at a time as a step trains on: what a CPU's cache is known to hold.
        width = self.rows if device.type == "cpu" else len(inputs_BT)
        for start in range(0, len(inputs_BT), width):
            inputs, targets = (
                torch.from_numpy(part[start : start + width, : self._scored]).to(device)
                for part in (inputs_BT, targets_BT)
            )
            mask = document_mask(inputs, self.mixture.bos_id) if self._masked else None
            parts.append(model.row_losses(inputs, targets, mask).double().cpu().numpy())
        return np.concatenate(parts)

    def batch(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return inputs and targets of the rows picked at `step`, each (rows, context) int64."""
        inputs, targets = self.read.batch(step)
        return inputs[self.picks[step]], targets[self.picks[step]]

    def positions(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the places in tokens.bin of trained tokens `start` to `stop`, whole batches."""
        parts = [np.zeros(0, dtype=np.int64)]
        size = self.read.batch_tokens
        # Step by step: what is read is many times what is picked, and need not be held at once.
        for step in range(start // self.batch_tokens, stop // self.batch_tokens):
            places = self.read.positions(step * size, (step + 1) * size)
            parts.append(places.reshape(-1, self.context)[self.picks[step]].ravel())
        return np.concatenate(parts)

    def coverage(self, steps: int) -> dict[str, Coverage]:
        """Return per source what `steps` steps trained on."""
        mixture = self.mixture
        by_place = np.argsort(mixture.offsets, kind="stable")
        places = self.positions(0, steps * self.batch_tokens)
        document = np.searchsorted(mixture.offsets[by_place], places, side="right") - 1
        count = len(mixture.source_names)
        seen = np.bincount(mixture.sources[by_place[document]], minlength=count)
        size = np.bincount(mixture.sources, mixture.lengths, minlength=count).astype(np.int64)
        unseen = np.maximum(size - seen, 0)
        pairs = zip(mixture.source_names, seen.tolist(), unseen.tolist(), strict=True)
        return {name: Coverage(was, rest) for name, was, rest in pairs}

    def account(self, steps: int) -> dict[str, Any]:
        """Return what a record tells of `steps` steps: settings, what was read, what it cost.

        `offered` is tokens read by source, to hold against the coverage, which is of those picked.
        """
        pick, cost = self.picking.pick, self.picking.cost
        scored = steps * self.read.rows * self._scored
        return {
            "settings": settings_of(pick),
            "reference": self.picking.reference,
            "rows": self.rows,
            "super_rows": self.read.rows,
            "tokens_read": steps * self.read.batch_tokens,
            "tokens_scored": {w: scored * pick.asks(w) for w in (LEARNER, REFERENCE)},
            "flops": {LEARNER: steps * cost.learner, REFERENCE: steps * cost.reference},
            "cost_factor": cost.factor,
            "budget_tokens": self.picking.budget_steps * self.batch_tokens,
            "offered": {name: each.seen for name, each in self.read.coverage(steps).items()},
        }
