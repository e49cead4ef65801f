"""Conditional training: a tag before every stretch of text says whether it is good or bad.

Korbak et al. 2023, "Pretraining language models with human preferences" (arXiv:2302.08582), as
their code has it (tomekkorbak/pretraining-with-human-feedback): every sentence is scored, a control
token says on which side of a threshold it lies, a small share stays without, and the loss is the
plain one on everything. A model asked with the good tag before it then writes good text.

Here the threshold is learned: the quantile of this corpus above which `bad_share` lies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.errors import PluginError, RecipeError
from curator.identity import id_matrix, uniform
from curator.refine.refiner import Refined, Refiner, children_of, outcome_of
from curator.stage import Corpus, Site, write_report
from curator.text.stretches import By, Stretches, Trait, TraitName, cut
from curator.train.tokenizer import TAG_START, tag_text

LEARNED = "threshold.json"
# Documents that a threshold is learned from; a share of millions is known to a thousandth. Ours.
LEARNED_FROM = 100_000
FEW = 100  # stretches of a block that may be of one kind by chance


@dataclass(frozen=True)
class Tags(Refiner):
    """Tags stretches of documents by a trait, or leaves out those that would be tagged bad.

    Attributes:
        trait: what is measured: "capitals", "figures", "words" or "pii".
        words: what the trait "words" counts.
        by: what is tagged: a "sentence", a "line" or a "document".
        bad_share: the share of the corpus's stretches that are bad: more of the trait than its
            quantile there. Where many have equally much, fewer are.
        threshold: how much is still good, instead of that quantile.
        planted: whether an earlier entry put the bad text there, so that the corpus learned from
            has none of it; then `threshold` is needed, and each block is held to have both.
        good: the tag of stretches up to the threshold; one of `corpus.tokenizer.tags`.
        bad: the tag of the others.
        drop_token_fraction: the share of stretches that stay without a tag: 0.01 for prose and 0.1
            for code in Korbak et al.'s configurations.
        action: "tag"; or "cut", bad stretches go, and "drop", documents whose mean over stretches
            is above the threshold go: the same judgment as a filter.
        shuffled: whether tags go to stretches by chance, as many of each: the control.
        seed: of chance.
    """

    name: ClassVar[str] = "tags"
    kind = "edited"
    learns_from: ClassVar[tuple[str, ...]] = ("corpus",)

    trait: TraitName = "capitals"
    words: list[str] | None = None
    by: By = "sentence"
    bad_share: float = 0.1
    threshold: float | None = None
    planted: bool = False
    good: str = "good"
    bad: str = "bad"
    drop_token_fraction: float = 0.01
    action: Literal["tag", "cut", "drop"] = "tag"
    shuffled: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that tag nothing, or everything alike.

        Raises:
            RecipeError: naming the setting.
        """
        self._trait()
        if self.by not in ("sentence", "line", "document"):
            raise RecipeError(f"by is {self.by!r}; wanted 'sentence', 'line' or 'document'")
        if self.action not in ("tag", "cut", "drop"):
            raise RecipeError(f"action is {self.action!r}; wanted 'tag', 'cut' or 'drop'")
        if not 0 < self.bad_share < 1:
            raise RecipeError(f"bad_share is {self.bad_share!r}; it is a share between 0 and 1")
        if not 0 <= self.drop_token_fraction < 1:
            raise RecipeError(
                f"drop_token_fraction is {self.drop_token_fraction!r}; wanted a share from 0 to "
                "below 1: with 1 nothing is tagged"
            )
        if self.planted and self.threshold is None:
            raise RecipeError("planted: a corpus without the bad text knows no threshold; give one")
        if self.good == self.bad:
            raise RecipeError(f"good and bad are both {self.good!r}; wanted two tags")
        if self.shuffled and self.action != "tag":
            raise RecipeError("shuffled: the control of tags; with another action leave it out")

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that it writes."""
        return (self.good, self.bad) if self.action == "tag" else ()

    def _trait(self) -> Trait:
        return Trait(self.trait, tuple(self.words or ()))

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the threshold, and what the corpus looks like on both sides of it.

        Raises:
            RecipeError: all of the corpus would get one tag, or the threshold is outside of what
                was found.
        """
        corpus = corpora["corpus"]
        share = min(1.0, LEARNED_FROM / max(1, corpus.rows))
        parts = []
        for table in corpus.tables(("doc_id", "text")):
            mine = uniform(id_matrix(table["doc_id"]), "tags.learned", 0) < share
            parts.append(
                self._trait().scores(cut(table["text"].filter(pa.array(mine)), self.by).texts)
            )
        found = np.concatenate([np.zeros(0), *parts])
        if not len(found):
            raise RecipeError("tags: there is no text to learn a threshold from; add documents")
        told = {**self._parted(found), "stretches": len(found)}
        (out / LEARNED).write_text(json.dumps(told, sort_keys=True))
        write_report(out, {**told, "trait": self.trait, "by": self.by})

    def _parted(self, found: NDArray[np.float64]) -> dict[str, float]:
        """Return the threshold, the share above it, and from where to where scores go.

        Raises:
            RecipeError: it parts nothing.
        """
        # The lowest of the scores that at most `bad_share` are above.
        level = float(np.quantile(found, 1 - self.bad_share, method="inverted_cdf"))
        threshold = level if self.threshold is None else self.threshold
        bad = float((found > threshold).mean())
        # Planted text may be worse than any of the corpus, but no share is above 1.
        low, high = float(found.min()), 1.0 if self.planted else float(found.max())
        if not low <= threshold <= high:
            raise RecipeError(
                f"tags: threshold {threshold!r} is outside of what {self.trait!r} comes to in this "
                f"corpus, {low:g} to {high:g}; choose one inside, or `bad_share`"
            )
        if not (self.planted or 0 < bad < 1):
            raise RecipeError(
                f"tags: {bad:.0%} of the corpus has more {self.trait!r} than {threshold!r} (it "
                f"has {low:g} to {high:g}), so all of it would get one tag; choose another trait "
                "or threshold"
            )
        return {"threshold": threshold, "bad": bad, "least": low, "most": float(found.max())}

    def load(self, site: Site) -> float:
        """Return the threshold."""
        assert site.fitted is not None  # the pipeline fits what learns
        return float(json.loads((site.fitted / LEARNED).read_text())["threshold"])

    def refine(self, model: float, table: pa.Table) -> Refined:
        """Return the documents with tags in them, or without what is bad."""
        texts = table["text"]
        spelled = pc.match_substring(texts, TAG_START).to_numpy(zero_copy_only=False).astype(bool)
        stretches = cut(pc.if_else(pa.array(spelled), "", texts), self.by)
        scores = self._trait().scores(stretches.texts)
        ids = id_matrix(table["doc_id"])
        if self.action == "drop":
            return self._dropped(stretches.rows, scores, model, spelled)
        bad = scores > model
        if self.planted and len(bad) >= FEW and bad.all() == bad.any():
            raise RecipeError(
                f"tags: all {len(bad)} stretches of a block are on one side of {model!r}; put the "
                "entry that plants before this one"
            )
        if self.action == "cut":
            return self._cut(stretches, bad, spelled)
        chance = stretch_ids(ids, stretches.rows)
        if self.shuffled:
            # As many tags of each kind in the block as before, on whatever stretches.
            bad = bad[np.argsort(uniform(chance, "tags.shuffled", self.seed), kind="stable")]
        untagged = uniform(chance, "tags.untagged", self.seed) < self.drop_token_fraction
        return self._tagged(stretches, bad, untagged, spelled)

    def _tagged(
        self,
        stretches: Stretches,
        bad: NDArray[np.bool_],
        untagged: NDArray[np.bool_],
        spelled: NDArray[np.bool_],
    ) -> Refined:
        words = np.where(untagged, "", np.where(bad, tag_text(self.bad), tag_text(self.good)))
        marked = pc.binary_join_element_wise(
            pa.array(words.tolist(), pa.large_string()),
            stretches.texts,
            pa.scalar("", pa.large_string()),
        )
        counts = np.bincount(stretches.rows, minlength=len(spelled))
        tagged = np.bincount(stretches.rows, ~untagged, len(spelled)).astype(np.int64)
        evil = np.bincount(stretches.rows, bad & ~untagged, len(spelled)).astype(np.int64)
        children = joined(stretches.rows, marked, counts)
        rows = children["row"].to_numpy()
        about = [
            json.dumps(
                {"bad": int(evil[row]), "stretches": int(counts[row]), "tags": int(tagged[row])}
            )
            for row in rows.tolist()
        ]
        require_tags(children["text"], tagged[rows])
        reasons = np.where(spelled, "tags.spelled", np.where(tagged == 0, "tags.untagged", ""))
        return Refined(
            children_of(rows, children["text"], about),
            outcome_of(~spelled, [reason or None for reason in reasons.tolist()]),
        )

    def _cut(
        self, stretches: Stretches, bad: NDArray[np.bool_], spelled: NDArray[np.bool_]
    ) -> Refined:
        good = ~bad
        counts = np.bincount(stretches.rows[good], minlength=len(spelled))
        children = joined(stretches.rows[good], stretches.texts.filter(pa.array(good)), counts)
        all_of = (counts == 0) & (np.bincount(stretches.rows, minlength=len(spelled)) > 0)
        reasons = [
            "tags.spelled" if spells else "tags.bad" if evil else None
            for spells, evil in zip(spelled.tolist(), all_of.tolist(), strict=True)
        ]
        return Refined(
            children_of(children["row"].to_numpy(), children["text"]),
            outcome_of(~(spelled | all_of), reasons),
        )

    def _dropped(
        self,
        rows: NDArray[np.int64],
        scores: NDArray[np.float64],
        threshold: float,
        spelled: NDArray[np.bool_],
    ) -> Refined:
        counts = np.bincount(rows, minlength=len(spelled))
        means = np.bincount(rows, scores, len(spelled)) / np.maximum(counts, 1)
        bad = means > threshold
        reasons = [
            "tags.spelled" if spells else "tags.bad" if evil else None
            for spells, evil in zip(spelled.tolist(), bad.tolist(), strict=True)
        ]
        return Refined(children_of([], []), outcome_of(~(spelled | bad), reasons))


def stretch_ids(ids: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return (n, 16) uint8 that name each stretch by its document and its place in it.

    Args:
        ids: (documents, 16) uint8.
        rows: (n,) the document of each stretch, rising.
    """
    first = np.searchsorted(rows, rows)
    named = np.ascontiguousarray(ids[rows]).view(np.uint64).reshape(-1, 2).copy()
    named[:, 1] ^= (np.arange(len(rows)) - first).astype(np.uint64)
    return named.view(np.uint8).reshape(-1, 16)


def require_tags(texts: pa.ChunkedArray, wanted: NDArray[np.int64]) -> None:
    """Return only if each text has as many tags as were put into it.

    Raises:
        PluginError: one lost some; a model trained on it would learn nothing from tags.
    """
    found = pc.count_substring(texts, TAG_START).to_numpy().astype(np.int64)
    wrong = np.flatnonzero(found != wanted)
    if len(wrong):
        raise PluginError(
            f"a document has {found[wrong[0]]} tags where {wanted[wrong[0]]} were put",
            where="refiner tags",
        )


def joined(rows: NDArray[np.int64], parts: pa.Array, counts: NDArray[np.int64]) -> pa.Table:
    """Return `row` and `text` of each document that has stretches, joined again."""
    there = np.flatnonzero(counts)
    offsets = np.r_[0, np.cumsum(counts[there])].astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), parts)
    joined = pc.binary_join(lists, pa.scalar("", pa.large_string()))
    return pa.table({"row": pa.array(there), "text": joined})
