"""Labels that another score gave, and what a cheap model may learn from them.

A label may exist for a sample only. Every labelled document belongs, by the chance of its id, to
the documents that are learned from or to those held out, and the classes are balanced afterwards:
so the held-out ones are a fair sample of the labelled, and may say where a threshold lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.errors import PluginError, RecipeError
from curator.identity import id_array, id_matrix, uniform
from curator.schema import field_note
from curator.stage import Corpus

_HELD_OUT: Final = "distill.heldout"
_BALANCE: Final = "distill.balance"
_TIES: Final = "distill.ties"
_MOST_HELD_OUT: Final = 50_000  # bounds the texts in memory; an AUC is then good to 0.005


@dataclass(frozen=True)
class Labels:
    """Distinct labelled documents, sorted by id.

    Attributes:
        ids: (n, 16) uint8.
        values: (n,) float64, higher is better whatever the column's direction.
        flipped: whether they are the column's values negated.
        unlabelled: documents that had no label.
    """

    ids: NDArray[np.uint8]
    values: NDArray[np.float64]
    flipped: bool
    unlabelled: int

    def chance(self, purpose: str, seed: int) -> NDArray[np.float64]:
        """Return the chance of every document, (n,) in (0, 1)."""
        return uniform(self.ids, purpose, seed)


@dataclass(frozen=True)
class Plan:
    """Who is learned from and who is held out, as flags beside `Labels`, each (n,) bool.

    Attributes:
        positive: the class of the best.
        negative: the class that it is told from. A document may belong to neither.
        learned: in the training set: balanced for classes, all that may be for values.
        heldout: judged by, at most 50,000.
        seen: whose labels had a part in the model, were it by making a class smaller. What is not
            seen was left out by chance alone, not by its label, and may say where thresholds lie.
    """

    positive: NDArray[np.bool_]
    negative: NDArray[np.bool_]
    learned: NDArray[np.bool_]
    heldout: NDArray[np.bool_]
    seen: NDArray[np.bool_]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return documents by class: learned from, and held out."""
        return {
            part: {
                "positive": int((chosen & self.positive).sum()),
                "negative": int((chosen & self.negative).sum()),
                "neither": int((chosen & ~self.positive & ~self.negative).sum()),
            }
            for part, chosen in (("documents", self.learned), ("heldout", self.heldout))
        }


@dataclass(frozen=True)
class Split:
    """How labels become classes and parts: the settings of a distilled scorer that say so.

    Attributes:
        positives: the share of labelled documents in the class of the best, or "best": those that
            have the very best label.
        least_label: if given, the positives are those with this label or a better one instead.
        negatives: "rest", all others, or "worst": from the worst label on, as many as positives.
        examples: of each class at most.
        heldout: share held out.
        least_positives: fewer positives are refused.
        seed: of all chance.
    """

    positives: float | Literal["best"] = 0.1
    least_label: float | None = None
    negatives: Literal["rest", "worst"] = "rest"
    examples: int = 200_000
    heldout: float = 0.2
    least_positives: int = 100
    seed: int = 0


def read_labels(corpus: Corpus, column: str, *, where: str) -> Labels:
    """Return the labels of a corpus in the direction in which higher is better.

    Raises:
        RecipeError: no such column, one that is no number or has no better end, one without a
            label, or with one that is infinite.
    """
    ids, values, unlabelled, better = [], [], 0, "higher"
    try:
        for table in corpus.tables(("doc_id", column)):
            field = table.schema.field(column)
            better = field_note(field, "better", "higher")
            _refuse_direction(field, better, where)
            known = table.filter(pc.is_valid(table[column]))
            unlabelled += table.num_rows - known.num_rows
            ids.append(id_matrix(known["doc_id"]))
            values.append(known[column].cast(pa.float64()).to_numpy())
    except PluginError as error:
        raise RecipeError(
            f"there are no labels {column!r}: {error.message}; `of` names an earlier entry of "
            "`score`, or one of its columns as NAME.COLUMN",
            where=where,
        ) from error
    every = np.concatenate(values) if values else np.zeros(0)
    if not len(every):
        raise RecipeError(
            f"none of {unlabelled} documents has a label {column!r}; label a sample of them first",
            where=where,
        )
    if not np.isfinite(every).all():
        raise RecipeError(f"labels {column!r} are not all finite; wanted numbers", where=where)
    flipped = better == "lower"
    if flipped:
        every = -every
    # Copies of a document may have other labels, as where one counts as new and the next as its
    # repeat: the best of them is the document's, whatever the order of rows.
    falling = np.argsort(-every, kind="stable")
    distinct, rows = np.unique(np.concatenate(ids)[falling], axis=0, return_index=True)
    return Labels(distinct, every[falling][rows], flipped, unlabelled)


def _refuse_direction(field: pa.Field, better: str, where: str) -> None:
    number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    if better not in ("higher", "lower") or not (number or pa.types.is_boolean(field.type)):
        raise RecipeError(
            f"labels {field.name!r} are {field.type}, better {better!r}; wanted numbers of which "
            "the higher or the lower are better",
            where=where,
        )


def split_classes(labels: Labels, split: Split, *, where: str) -> Plan:
    """Return the two classes, what is held out, and a training set with as many of each.

    Ties at the border of a class are broken by chance of the document.

    Raises:
        RecipeError: one class only, or too few positives.
    """
    positive = _positives(labels, split)
    negative = ~positive
    _refuse_classes(positive, labels, split, where)
    heldout, seen = _parts(labels, split)
    if split.negatives == "worst":
        negative &= _lowest(labels, negative, int(positive.sum()), split.seed)
    taking = [flags & seen for flags in (positive, negative)]
    count = min(split.examples, *(int(flags.sum()) for flags in taking))
    if count < 1:
        raise RecipeError(
            f"{int(taking[0].sum())} positive and {int(taking[1].sum())} negative documents are "
            "left to learn from; wanted some of each: label more",
            where=where,
        )
    drawn = labels.chance(_BALANCE, split.seed)
    learned = _drawn(taking[0], drawn, count) | _drawn(taking[1], drawn, count)
    return Plan(positive, negative, learned, heldout, seen)


def split_values(labels: Labels, split: Split, *, where: str) -> Plan:
    """Return a plan that learns the labels themselves; the classes serve the report only."""
    positive = _positives(labels, split)
    _refuse_classes(positive, labels, split, where)
    heldout, seen = _parts(labels, split)
    learned = _drawn(seen, labels.chance(_BALANCE, split.seed), 2 * split.examples)
    return Plan(positive, ~positive, learned, heldout, seen)


def _parts(labels: Labels, split: Split) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return who is judged by, and whose labels may have a part in the model: never both."""
    chance = labels.chance(_HELD_OUT, split.seed)
    seen = chance >= split.heldout
    return _drawn(~seen, chance, _MOST_HELD_OUT), seen


def _positives(labels: Labels, split: Split) -> NDArray[np.bool_]:
    if split.least_label is not None:
        border = -split.least_label if labels.flipped else split.least_label
        return np.asarray(labels.values >= border)
    if split.positives == "best":
        return np.asarray(labels.values == labels.values.max())
    count = round(split.positives * len(labels.values))
    chosen = np.zeros(len(labels.values), bool)
    chosen[_ascending(labels, split.seed)[len(chosen) - count :]] = True
    return chosen


def _lowest(labels: Labels, among: NDArray[np.bool_], count: int, seed: int) -> NDArray[np.bool_]:
    ascending = _ascending(labels, seed)
    chosen = np.zeros(len(among), bool)
    chosen[ascending[among[ascending]][:count]] = True
    return chosen


def _ascending(labels: Labels, seed: int) -> NDArray[np.intp]:
    """Return documents from the worst label to the best, equal ones by chance."""
    return np.lexsort((labels.chance(_TIES, seed), labels.values))


def _drawn(among: NDArray[np.bool_], chance: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """Return the `count` of the flagged documents that draw lowest."""
    if int(among.sum()) <= count:
        return among
    chosen: NDArray[np.bool_] = among & (
        chance <= np.partition(chance[among], count - 1)[count - 1]
    )
    return chosen


def _refuse_classes(positive: NDArray[np.bool_], labels: Labels, split: Split, where: str) -> None:
    count, lowest, best = int(positive.sum()), labels.values.min(), labels.values.max()
    if lowest == best or count == len(positive):
        raise RecipeError(
            f"all {len(positive)} labels make one class (from {lowest:g} to {best:g}, "
            f"{count} of them positive); wanted two classes: label other documents, or set "
            "`positives` or `least_label`",
            where=where,
        )
    if count < split.least_positives:
        raise RecipeError(
            f"{count} of {len(positive)} labelled documents are positive; wanted "
            f"{split.least_positives} (least_positives): label more documents or raise `positives`",
            where=where,
        )


def order_of(ids: NDArray[np.uint8], seed: int) -> NDArray[np.int64]:
    """Return an order of documents by chance of their ids, the same however they are stored."""
    return np.argsort(uniform(ids, "distill.order", seed), kind="stable")


def counts_of(labels: Labels, plan: Plan) -> dict[str, Any]:
    """Return what a report says of the labels and of who was learned from."""
    return {"labelled": len(labels.values), "unlabelled": labels.unlabelled, **plan.counts()}


def documents_of(corpus: Corpus, ids: NDArray[np.uint8], columns: Sequence[str]) -> pa.Table:
    """Return doc_id and `columns` of the documents with these distinct ids, sorted by id."""
    wanted, names = id_array(ids), tuple(dict.fromkeys(("doc_id", *columns)))
    whole = pa.concat_tables(
        table.filter(pc.is_in(table["doc_id"], value_set=wanted)) for table in corpus.tables(names)
    )
    _, rows = np.unique(id_matrix(whole["doc_id"]), axis=0, return_index=True)
    return whole.take(pa.array(rows))
