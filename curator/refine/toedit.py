"""ToEdit: replace the tokens that a model finds too easy, in one pass over the text as it is.

After Zhu and others 2024, "How to synthesize text data without model collapse?", as its code does
it (Xuekai-Zhu/toedit, toedit_resampling.py): edits never feed back, so nothing is generated. A weak
model is almost never sure: then next to nothing changes, and what an arm shows is chance. The rates
are measured on a sample first, and a vacuous edit is refused.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.evaluate.language_models import load_language_model, model_digest
from curator.identity import id_matrix, uniform
from curator.refine.refiner import Refined, Refiner, children_of, outcome_of
from curator.score.examples import draw_examples
from curator.stage import REPORT, Corpus, Site, circumstance, write_report

if TYPE_CHECKING:
    from curator.evaluate.token_odds import OddsModel, TokenOdds

# Shapes: N texts, S sites, K candidates.
_PURPOSE = "toedit"
_SAMPLE = "toedit.sample"
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: spreads positions over an id
# Refine methods, part R4 (5): below this share of changed tokens an effect is not spoken of.
LEAST_CHANGED = 0.001
# Of the published code: one for `up_revise`, one where unlikely tokens go as well.
_BETA = {"up_revise": 1.5, "low_drop_up_revise": 1.0, "filtering": 1.0}


class _Opened(NamedTuple):
    """A model, and which tokens of its vocabulary are whole characters of text.

    `rates` are the shares of tokens that a placebo replaces and deletes; None: by their odds.
    """

    model: OddsModel
    whole: NDArray[np.bool_]
    rates: tuple[float, float] | None = None


@dataclass(frozen=True)
class ToEdit(Refiner):
    """Makes each document anew with other tokens where a model is sure of the one that stands.

    Attributes:
        model: the prior: a proxy of the recipe's `models` or its run folder, a transformers
            folder, a .gguf file, a hub id in the local cache, or a name of `curator.weights`. An
            endpoint tells no odds of tokens that it reads.
        precision: what matrices are multiplied in.
        strategy: "up_revise" replaces what is likelier than `threshold`; "low_drop_up_revise" also
            deletes what is less likely than `low`; "filtering" only deletes that.
        threshold: probability above which a token is drawn anew.
        low: probability below which a token is deleted.
        candidates: how many likeliest tokens are drawn from, the token itself among them.
        beta: divides their logarithms: above 1 the unlikely are drawn more often. Null: 1.5 for
            "up_revise", else 1, as published.
        context: tokens that the model reads at once; its own context if that is shorter.
        longer: of a document of more tokens: "windows" reads it in windows that overlap by half,
            "truncate" cuts it, as published, "keep" leaves it as it is, with a reason.
        placebo: the control: as many tokens change, at places by chance.
        documents: how many are looked at first, by chance of their ids, for rates to report.
        least_changed: share of tokens changed below which the edit is refused as vacuous; 0 lets
            any through.
        seed: of all chance.
    """

    model: str = circumstance("")
    precision: Literal["float32", "bfloat16"] = "float32"
    strategy: Literal["up_revise", "low_drop_up_revise", "filtering"] = "up_revise"
    threshold: float = 0.99
    low: float = 0.001
    candidates: int = 8
    beta: float | None = None
    context: int = 2048
    longer: Literal["windows", "truncate", "keep"] = "windows"
    placebo: bool = False
    documents: int = 200
    least_changed: float = LEAST_CHANGED
    seed: int = 0

    name: ClassVar[str] = "toedit"
    kind: ClassVar[Literal["edited", "synthetic"]] = "edited"
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    libraries: ClassVar[tuple[str, ...]] = ("tokenizers", "torch", "transformers")

    def __post_init__(self) -> None:
        """Refuse probabilities that are none, and draws that change nothing."""
        if not self.model:
            raise RecipeError("model is missing; name one of the recipe's `models`, or a path")
        for name in ("threshold", "low"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise RecipeError(f"{name}={getattr(self, name)!r}; wanted above 0, and 1 at most")
        if self.candidates < 2:
            raise RecipeError(f"candidates={self.candidates!r}; wanted 2 or more to draw from")
        if not (self._beta > 0 and np.isfinite(self._beta)):
            raise RecipeError(f"beta={self.beta!r}; wanted above 0")
        if self.context < 2 or self.documents < 1:
            raise RecipeError(
                f"context={self.context!r}, documents={self.documents!r}; wanted 2 or more, 1 or "
                "more"
            )
        if not 0.0 <= self.least_changed < 1.0:
            raise RecipeError(f"least_changed={self.least_changed!r}; wanted a share below 1")

    @property
    def _beta(self) -> float:
        return _BETA[self.strategy] if self.beta is None else self.beta

    def identity(self) -> dict[str, Any]:
        """Return what names the edit: the settings and the model's content, not its place."""
        return {**super().identity(), "model": model_digest(self.model)}

    def load(self, site: Site) -> _Opened:
        """Return the model and which of its tokens can be written by themselves."""
        model: Any = load_language_model(self.model, site, self.precision)
        fast = model.tokenizer
        size = fast.get_vocab_size()
        texts = fast.decode_batch([[n] for n in range(size)], skip_special_tokens=True)
        # Not: parts of characters, which decode to U+FFFD, and special tokens, which decode to "".
        whole = np.array([bool(text) and "\ufffd" not in text for text in texts])
        if not self.placebo or site.fitted is None:
            return _Opened(model, whole)
        report = json.loads((site.fitted / REPORT).read_text())
        return _Opened(model, whole, (report["revised_share"], report["deleted_share"]))

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Measure on a sample how much is edited, and write it down.

        Raises:
            RecipeError: fewer tokens would change than `least_changed`.
        """
        sample = draw_examples(
            corpora["raw"], self.documents, purpose=_SAMPLE, seed=self.seed, where=self.name
        )
        unfitted = dataclasses.replace(site, fitted=None)
        report = self._report(self._edits(self.load(unfitted), sample))
        write_report(out, report)
        if report["changed_share"] < self.least_changed:
            raise RecipeError(
                f"{report['changed_share']:.3%} of {report['tokens']:,} tokens change in "
                f"{report['documents']} documents ({report['site_share']:.2%} are likelier than "
                f"{self.threshold:g}); below {self.least_changed:.1%} training on them shows "
                "nothing of editing: take a stronger prior or one trained on such text, lower "
                "threshold, raise beta or candidates, or set least_changed to 0 and say so",
                where=self.name,
            )

    def refine(self, model: _Opened, table: pa.Table) -> Refined:
        """Return the edited documents; one that no edit changes stays as it is."""
        edits = self._edits(model, table)
        rows = [row for row, text in enumerate(edits.texts) if text is not None]
        about = [
            json.dumps(
                {
                    "changed": int(edits.changed[row]),
                    "sites": int(edits.sites[row]),
                    "tokens": int(edits.tokens[row]),
                },
                sort_keys=True,
            )
            for row in rows
        ]
        children = children_of(rows, [edits.texts[row] for row in rows], about)
        return Refined(children, outcome_of([True] * table.num_rows, edits.reasons))

    def _report(self, edits: _Edits) -> dict[str, Any]:
        counts = (edits.tokens, edits.sites, edits.changed, edits.deleted)
        tokens, sites, changed, deleted = (int(each.sum()) for each in counts)
        return {
            "documents": len(edits.texts),
            "tokens": tokens,
            "sites": sites,
            "site_share": sites / max(1, tokens),
            "changed": changed,
            "changed_share": changed / max(1, tokens),
            "revised_share": (changed - deleted) / max(1, tokens),
            "deleted_share": deleted / max(1, tokens),
            "not_looked_at": sum(reason is not None for reason in edits.reasons),
            "model": model_digest(self.model),
        }

    def _edits(self, opened: _Opened, table: pa.Table) -> _Edits:
        """Return what becomes of every document."""
        from curator.evaluate.token_odds import encode, token_odds

        texts = table["text"].to_pylist()
        context = min(self.context, opened.model.context)
        offsets, ids = encode(opened.model, texts)
        reasons: list[str | None] = [None] * len(texts)
        if self.longer != "windows":
            offsets, ids = self._shortened(offsets, ids, context, reasons)
        places = _Places.of(offsets, id_matrix(table["doc_id"]))
        chance = None
        if opened.rates is not None:
            chance = uniform(places.names, f"{_PURPOSE}.place", self.seed)
        odds = token_odds(
            opened.model,
            offsets,
            ids,
            context=context,
            candidates=0 if self.strategy == "filtering" else self.candidates,
            above=float(self.threshold),
            wanted=None if chance is None or opened.rates is None else chance < opened.rates[0],
        )
        new = ids.copy()
        site = np.zeros(len(ids), np.bool_)
        site[odds.sites] = places.inner[odds.sites] & opened.whole[ids[odds.sites]]
        drawn = self._drawn(opened, odds, places.names[odds.sites])
        new[odds.sites] = np.where(site[odds.sites], drawn, ids[odds.sites])
        gone = np.zeros(len(ids), np.bool_)
        if self.strategy != "up_revise":
            gone = places.inner & (np.exp(odds.nats) < self.low)
        if chance is not None and opened.rates is not None:
            gone = places.inner & (chance >= 1 - opened.rates[1])
        return _spelled(opened, odds, texts, reasons, _Marks(new, site, gone))

    def _shortened(
        self,
        offsets: NDArray[np.int64],
        ids: NDArray[np.int64],
        context: int,
        reasons: list[str | None],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return texts within the context; those to be kept have no tokens, and a reason."""
        lengths = np.diff(offsets) - 1
        if self.longer == "keep":
            for row in np.flatnonzero(lengths > context).tolist():
                reasons[row] = "toedit.long"
        taken = np.where(lengths > context, 0 if self.longer == "keep" else context, lengths)
        place = np.arange(len(ids)) - np.repeat(offsets[:-1], np.diff(offsets))
        kept = place <= np.repeat(taken, np.diff(offsets))
        return np.concatenate([[0], np.cumsum(taken + 1)]), ids[kept]

    def _drawn(
        self, opened: _Opened, odds: TokenOdds, names_S: NDArray[np.uint8]
    ) -> NDArray[np.int64]:
        """Return a token for each site, (S,): drawn from the softmax of ln p / beta."""
        own_S = odds.ids[odds.sites]
        if not len(odds.sites) or not odds.candidates.shape[1]:
            return own_S
        nats_SK = odds.candidate_nats.astype(np.float64)
        weight_SK = np.exp((nats_SK - nats_SK[:, :1]) / self._beta)
        weight_SK *= opened.whole[odds.candidates]
        if opened.rates is not None:  # a placebo's site is one that changes
            weight_SK *= odds.candidates != own_S[:, None]
        sums_SK = weight_SK.cumsum(axis=1)
        chance_S = uniform(names_S, _PURPOSE, self.seed)
        at_S = (sums_SK <= (chance_S * sums_SK[:, -1])[:, None]).sum(axis=1)
        at_S = np.minimum(at_S, odds.candidates.shape[1] - 1)
        found: NDArray[np.int64] = odds.candidates[np.arange(len(at_S)), at_S]
        return np.where(sums_SK[:, -1] > 0, found, own_S)


class _Places(NamedTuple):
    """Where each token stands: a name of 16 bytes, (tokens, 16), and whether it may be edited."""

    names: NDArray[np.uint8]
    inner: NDArray[np.bool_]

    @staticmethod
    def of(offsets: NDArray[np.int64], documents: NDArray[np.uint8]) -> _Places:
        sizes = np.diff(offsets)
        place = np.arange(int(offsets[-1])) - np.repeat(offsets[:-1], sizes)
        halves = np.repeat(np.ascontiguousarray(documents).view(np.uint64), sizes, axis=0)
        with np.errstate(over="ignore"):
            halves[:, 1] ^= place.astype(np.uint64) * _ODD  # an id, stirred with the place
        # The first token stays: the published code judges from the second on.
        return _Places(halves.view(np.uint8).reshape(-1, 16), place > 1)


class _Marks(NamedTuple):
    """Of every token: what stands there now, whether it was drawn anew, whether it is gone."""

    ids: NDArray[np.int64]
    site: NDArray[np.bool_]
    gone: NDArray[np.bool_]


class _Edits(NamedTuple):
    """What becomes of N documents.

    Attributes:
        texts: of each, None where it stays.
        reasons: why a document was not looked at, None where it was.
        tokens: (N,) of each, as far as it was read.
        sites: (N,) of these drawn anew or deleted.
        changed: (N,) of these not what they were.
        deleted: (N,) of these gone.
    """

    texts: list[str | None]
    reasons: list[str | None]
    tokens: NDArray[np.int64]
    sites: NDArray[np.int64]
    changed: NDArray[np.int64]
    deleted: NDArray[np.int64]


def _spelled(
    opened: _Opened,
    odds: TokenOdds,
    texts: list[str],
    reasons: list[str | None],
    marks: _Marks,
) -> _Edits:
    """Return edited tokens as texts; what tokens do not spell as it was written stays."""
    decode = opened.model.tokenizer.decode
    site, gone = marks.site | marks.gone, marks.gone.copy()
    changed = (marks.ids != odds.ids) | gone
    made: list[str | None] = []
    for row, text in enumerate(texts):  # each has cost a pass of the model
        stretch = slice(int(odds.offsets[row]) + 1, int(odds.offsets[row + 1]))
        if reasons[row] is None and not text.startswith(decode(odds.ids[stretch].tolist())):
            reasons[row] = "toedit.inexact"
        if reasons[row] is not None:
            site[stretch] = changed[stretch] = gone[stretch] = False
            made.append(None)
            continue
        after = decode(marks.ids[stretch][~gone[stretch]].tolist())
        made.append(None if after == text else after)
    counts = (_by_text(flags, odds.offsets) for flags in (site, changed, gone))
    return _Edits(made, reasons, np.diff(odds.offsets) - 1, *counts)


def _by_text(flags: NDArray[np.bool_], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many flags are set in each text, (N,)."""
    sums = np.concatenate([[0], np.cumsum(flags)])
    found: NDArray[np.int64] = sums[offsets[1:]] - sums[offsets[:-1]]
    return found
