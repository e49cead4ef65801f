"""How much training on a document would lower a model's loss on a target: MATES' probes.

Yu et al. 2024, "MATES: Model-Aware Data Selection for Efficient Pretraining with Data Influence
Models", NeurIPS, arXiv:2406.06046, section 3: documents are probed at the state of a model that is
being trained. The probe is to first order unless asked for the step itself
(`curator.influence`). Only a sample is probed: `distill` learns from it what to make of the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from curator import weights
from curator.dedup.target_overlap import refuse_overlap
from curator.errors import RecipeError
from curator.generate.targets import ROLE as FINAL_TARGET
from curator.identity import id_array, id_matrix, uniform
from curator.influence.moments import with_moments
from curator.influence.probes import (
    Prober,
    reference_of,
    refuse_few,
    refuse_lost,
    refuse_unreliable,
    reliability,
    taken,
)
from curator.influence.rows import Tokens, document_tokens, item_tokens, reference_rows
from curator.influence.state import State, open_state, state_digest
from curator.schema import score_field
from curator.score.examples import draw_examples, draw_threshold
from curator.score.grid import declared, on_grid
from curator.score.heldout import rounded
from curator.shards import read_shard
from curator.stage import Corpus, FittedScorer, Site, circumstance, write_report
from curator.train.checkpoint import TOKENIZER
from curator.train.tokenizer import load_tokenizer

_GRID: Final = 1e-3  # of z-scores
_PILOT: Final = 64  # documents whose gradients say what a step does to them; a backward pass each
_SAMPLE: Final = "influence"
_ITEMS: Final = "influence.reference"
_MOMENTS: Final = "influence.moments"
_PROBES: Final = "probes.npz"
_AT_ONCE: Final = 1000  # documents tokenized and probed together: fewer leave batches half empty


class Opened(NamedTuple):
    """A model with its state and tokenizer, and the target's items as it reads them."""

    state: State
    tokenizer: Any
    items: Tokens


class Probes(NamedTuple):
    """What probing gave.

    Attributes:
        ids: (n, 16) uint8, distinct, sorted.
        nats: (n,) fall of the reference's loss; NaN where a document has no tokens, or was lost.
        empty: (n,) which have no tokens.
    """

    ids: NDArray[np.uint8]
    nats: NDArray[np.float64]
    empty: NDArray[np.bool_]


@dataclass(frozen=True)
class Influence(FittedScorer):
    """The probe in standard deviations of the sample, and in nats; null outside the sample.

    Ranks at one state mean something; signs do not (momentum alone moves the loss), nor do values
    at two states compare.

    Attributes:
        model: of the recipe's `models` with `state: true`, or a folder with a state; a proxy whose
            matrices have Adam's moments, such as `probe`. Where it lies is a circumstance; its
            content is part of the score's identity.
        moments_from: documents of the pool from whose gradients second moments are estimated where
            Muon trained the matrices, which keeps none; 0: such a model is refused.
        documents: how many are probed, chosen by their ids; null: all.
        mode: "first_order", or "one_step": the step itself, forty times as dear for a reference of
            8,000 tokens and four hundred times for one of 100,000.
        probe_lr_scale: of the learning rates at the state. The paper's is 1, where a step on one
            document raises the loss for nearly all and ranks by curvature; .1 is nearly linear.
        audit: documents that first order and step both judge, and that halves of the reference do.
        reference_tokens: of the target, in whole items, drawn by their ids.
        max_tokens: only the beginning of a document is probed; no more than the model's context.
            Twice as many cost twice as much: 128 and 256 agree at a Spearman of .94.
        precision: of forward passes, "float32" or "bfloat16": 1.6 times as fast, and first order
            agrees at .999.
        least_documents: fewer probes are refused.
        least_reliability: a Spearman between halves of the reference below this is refused.
        seed: of the sample, of the items and of their halves.
    """

    model: str = circumstance("")
    moments_from: int = 0
    documents: int | None = 2000
    mode: Literal["first_order", "one_step"] = "first_order"
    probe_lr_scale: float = 0.1
    audit: int = 200
    reference_tokens: int = 100_000
    max_tokens: int = 128
    precision: Literal["float32", "bfloat16"] = "float32"
    least_documents: int = 500
    least_reliability: float = 0.1
    seed: int = 0

    name: ClassVar[str] = "influence"
    learns_from: ClassVar[tuple[str, ...]] = ("target", "raw")
    shuns_final_target: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ("doc_id",)
    libraries: ClassVar[tuple[str, ...]] = ("tokenizers", "torch")
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(
                score_field(
                    "influence",
                    unit="standard deviations",
                    about="fall of a target's loss by one step on it; null: not in the sample",
                ),
                _GRID,
            ),
            score_field("nats", unit="nats", about="the same, not standardized"),
        ]
    )

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        if not self.model:
            raise RecipeError(
                "model is missing; name one of the recipe's `models` with `state: true`"
            )
        if not 0 < self.probe_lr_scale <= 10:
            raise RecipeError(f"probe_lr_scale={self.probe_lr_scale!r}; wanted above 0, at most 10")
        if not -1 <= self.least_reliability <= 1:
            raise RecipeError(
                f"least_reliability={self.least_reliability!r}; wanted a Spearman, from -1 to 1"
            )
        if self.moments_from < 0:
            raise RecipeError(f"moments_from={self.moments_from!r}; wanted 0 or more")
        for name in ("documents", "audit", "reference_tokens", "max_tokens", "least_documents"):
            value = getattr(self, name)
            if value is not None and value < 2:
                raise RecipeError(f"{name}={value!r}; wanted 2 or more")

    def identity(self) -> dict[str, Any]:
        """Return what names the score: the settings and the state's content, not its place."""
        return {**super().identity(), "state": state_digest(weights.find(self.model))}

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the probes of the sample, and whether to believe them, into `out`.

        Raises:
            RecipeError: the model has no state; the target has nothing to read, or an item of the
                final target; probes are lost, too few, or unreliable.
            LedgerError: state, record and tokenizer are not of one run.
        """
        torch.set_num_threads(site.threads)
        opened = self._opened(corpora, site)
        audited, pilot = self._first_drawn(corpora["raw"], opened)
        prober = self._prober(opened, pilot)
        probes = self._probed(corpora["raw"], prober, opened.tokenizer)
        known = np.isfinite(probes.nats)
        refuse_few(int(known.sum()), self.least_documents, where=self.name)
        agreed = reliability(prober.by_half(audited))
        report = {
            **self._told(probes),
            "reference": {
                "items": prober.reference.items,
                "tokens": sum(prober.reference.tokens),
            },
            "steps": opened.state.step,
            "reliability": agreed,
            "audit": prober.audit(audited, opened.items),
        }
        write_report(out, report)
        refuse_unreliable(agreed, self.least_reliability, where=self.name)
        nats = probes.nats[known]
        spread = nats.std() or 1.0
        z = on_grid((nats - nats.mean()) / spread, _GRID)
        np.savez(out / _PROBES, ids=probes.ids[known], z=z, nats=on_grid(nats, _GRID * spread))

    def load(self, site: Site) -> tuple[pa.Array, pa.Table]:
        """Return the sample's ids and its probes."""
        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted; give it a target by `learns_from`")
        with np.load(site.fitted / _PROBES, allow_pickle=False) as kept:
            return id_array(kept["ids"]), pa.table({"influence": kept["z"], "nats": kept["nats"]})

    def score(self, model: tuple[pa.Array, pa.Table], table: pa.Table) -> pa.Table:
        """Return the columns of `writes`, one row a document."""
        ids, probes = model
        return probes.take(pc.index_in(table["doc_id"], value_set=ids).combine_chunks())

    def _opened(self, corpora: Mapping[str, Corpus], site: Site) -> Opened:
        """Return the model's state and the target's items, which the final target has none of."""
        folder = weights.find(self.model)
        state = open_state(folder, site.device, without_moments=self.moments_from > 0)
        tokenizer = load_tokenizer(folder / TOKENIZER)
        if state.missing:
            state = self._estimated(state, tokenizer, corpora["raw"])
        items = _target_items(corpora["target"], self.reference_tokens, self.seed, self.name)
        final = corpora.get(FINAL_TARGET)
        if final is not None:
            shown = pa.concat_tables(list(final.tables(("source", "text"))))
            refuse_overlap(items, shown, where=f"{self.name}: role target")
        told = items["parts"] if "parts" in items.column_names else None
        return Opened(state, tokenizer, item_tokens(tokenizer, items["text"], told))

    def _estimated(self, state: State, tokenizer: Any, raw: Corpus) -> State:
        """Return a state with the second moments that it lacks."""
        drawn = draw_examples(
            raw, self.moments_from, purpose=_MOMENTS, seed=self.seed, where=self.name
        )
        tokens = document_tokens(tokenizer, drawn["text"], state.proxy.context)
        device = str(state.model.head.weight.device)
        rows = reference_rows(tokens, state.proxy.context, device)
        return with_moments(state, rows, where=self.name)

    def _prober(self, opened: Opened, pilot: Tokens) -> Prober:
        device = str(opened.state.model.head.weight.device)
        context = opened.state.proxy.context
        reference = reference_of(opened.items, self.reference_tokens, context, device)
        return Prober(
            opened.state, reference, pilot, self.mode, self.probe_lr_scale,
            self._longest(opened.state), self.precision,
        )  # fmt: skip

    def _longest(self, state: State) -> int:
        return min(self.max_tokens, state.proxy.context)

    def _first_drawn(self, raw: Corpus, opened: Opened) -> tuple[Tokens, Tokens]:
        """Return the documents of the audit and the pilot: those of the sample that draw lowest."""
        drawn = draw_examples(
            raw, self.audit + _PILOT, purpose=_SAMPLE, seed=self.seed, where=self.name
        )
        order = np.argsort(uniform(id_matrix(drawn["doc_id"]), _SAMPLE, self.seed), kind="stable")
        texts = drawn["text"].take(pa.array(order))
        tokens = document_tokens(opened.tokenizer, texts, self._longest(opened.state))
        known = np.flatnonzero(tokens.targets)
        if len(known) < 2:
            raise RecipeError(
                f"{len(known)} documents of the pool have tokens; wanted two or more to compare",
                where=self.name,
            )
        # The pilot is not audited; a small pool is shared between the two.
        audited = min(self.audit, len(known) - min(_PILOT, len(known) // 2))
        return taken(tokens, known[:audited]), taken(tokens, known[audited:])

    def _probed(self, raw: Corpus, prober: Prober, tokenizer: Any) -> Probes:
        """Return the probes of the sample, in the order of ids."""
        ids, nats, empty = [np.zeros((0, 16), np.uint8)], [np.zeros(0)], [np.zeros(0, bool)]
        for table in self._sampled(raw):
            tokens = document_tokens(tokenizer, table["text"], prober.longest)
            ids.append(id_matrix(table["doc_id"]))
            nats.append(prober.probe(tokens))
            empty.append(tokens.targets == 0)
        distinct, first = np.unique(np.concatenate(ids), axis=0, return_index=True)
        found = Probes(distinct, np.concatenate(nats)[first], np.concatenate(empty)[first])
        read = int((~found.empty).sum())
        refuse_lost(read - int(np.isfinite(found.nats).sum()), read, where=self.name)
        return found

    def _sampled(self, raw: Corpus) -> Iterator[pa.Table]:
        """Yield doc_id and text of the sample, `_AT_ONCE` documents or a shard's at a time."""
        last = 1.0
        if self.documents is not None:
            last = draw_threshold(
                raw, self.documents, purpose=_SAMPLE, seed=self.seed, where=self.name
            )
        waiting: list[pa.Table] = []
        for table in raw.tables(("doc_id", "text")):
            drawn = uniform(id_matrix(table["doc_id"]), _SAMPLE, self.seed) <= last
            waiting.append(table.filter(pa.array(drawn)))
            if sum(part.num_rows for part in waiting) >= _AT_ONCE:
                yield pa.concat_tables(waiting)
                waiting = []
        yield from waiting and [pa.concat_tables(waiting)]

    def _told(self, probes: Probes) -> dict[str, Any]:
        """Return what the report says of the sample."""
        known = probes.nats[np.isfinite(probes.nats)]
        return {
            "mode": self.mode,
            "probe_lr_scale": self.probe_lr_scale,
            "probed": len(known),
            "without_tokens": int(probes.empty.sum()),
            "lost": int((~np.isfinite(probes.nats) & ~probes.empty).sum()),
            "helpful_share": rounded(float((known > 0).mean())),
            "mean_nats": float(f"{known.mean():.6g}"),
            "spread_nats": float(f"{known.std():.6g}"),
        }


def _target_items(target: Corpus, most: int, seed: int, where: str) -> pa.Table:
    """Return distinct items in the order of their chance: doc_id, source, text, parts.

    An item has a token at least, so `most` of them are enough.
    """
    last = draw_threshold(target, most, purpose=_ITEMS, seed=seed, where=f"{where}: role target")
    found = []
    for number, shard in enumerate(target.shards):
        here = slice(number, number + 1)
        one = replace(
            target, shards=(shard,), alive=target.alive[here],
            beside=tuple(sidecar[here] for sidecar in target.beside),
        )  # fmt: skip
        # Only items of a benchmark that was read from a file tell what asks and what answers.
        parts = ("parts",) if "parts" in read_shard(shard).column_names else ()
        found += list(one.tables(("doc_id", "source", "text", *parts)))
    items = pa.concat_tables(found, promote_options="default")
    chance = uniform(id_matrix(items["doc_id"]), _ITEMS, seed)
    _, first = np.unique(id_matrix(items["doc_id"]), axis=0, return_index=True)
    kept = first[chance[first] <= last]
    return items.take(pa.array(kept[np.argsort(chance[kept], kind="stable")]))
