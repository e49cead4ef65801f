"""Draw a mixture: which documents, how often, and in what order.

Every source gets a whole number of tokens and is walked epoch by epoch: all its documents once
before any a second time, each epoch in an order of its own by a hash of id and seed. Sources are
then interleaved so that the shares hold all along the mixture and not only at its end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import BudgetError, RecipeError
from curator.identity import id_array, id_matrix, random_bits, uniform
from curator.mix import share
from curator.mix.spec import MixEntry, MixSpec
from curator.schema import DRAW
from curator.select.manifest import draw_hash, id_keys, id_order, manifest_hash
from curator.select.poisson import WEIGHT
from curator.select.quota import Shortfall, divide, fill

VERSION = 2  # raise it when the same selection and spec start giving another mixture
SHUFFLE = "draw"
INTERLEAVE = "draw.interleave"


@dataclass(frozen=True)
class Draw:
    """A mixture's documents in training order.

    Attributes:
        table: `DRAW` rows.
        asked: source -> tokens it should give.
        obtained: source -> {"tokens", "documents" (distinct), "draws", "epochs" (tokens drawn
            over tokens there are)}; tokens are those asked for to within half a document.
        shortfalls: sources whose part was given to others.
        selection: the rows of the selection that are drawn, by id; `epochs` is aligned with it.
        epochs: (n,) times each of those documents is drawn, at least 1.
    """

    table: pa.Table
    asked: Mapping[str, int]
    obtained: Mapping[str, Mapping[str, float]]
    shortfalls: tuple[Shortfall, ...]
    selection: pa.Table
    epochs: NDArray[np.uint32]

    @property
    def tokens(self) -> int:
        """All tokens of the mixture, repeats included."""
        return int(sum(each["tokens"] for each in self.obtained.values()))

    def manifest_hash(self, tokenizer_digest: str) -> str:
        """Return the hash of which documents are drawn and how often."""
        return manifest_hash(self.selection, tokenizer_digest, self.epochs)

    def draw_hash(self, tokenizer_digest: str) -> str:
        """Return the hash of the order as well."""
        return draw_hash(self.table, tokenizer_digest)

    def account(self) -> dict[str, Any]:
        """Return asked against obtained for every source, as plain JSON types."""
        return {
            "tokens": self.tokens,
            "asked": dict(self.asked),
            "sources": {name: dict(each) for name, each in self.obtained.items()},
            "shortfalls": [vars(each) for each in self.shortfalls],
        }


def draw(selection: pa.Table, spec: MixSpec, tokens: int | None = None, *, seed: int = 0) -> Draw:
    """Return a mixture of whole documents from a selection.

    Args:
        selection: `SELECTION` rows in any order. `copies` is recorded, never a reason to repeat;
            a column `weight` goes along with every draw of its document.
        spec: weights, caps and what to do about shortfalls.
        tokens: size of the mixture if `spec` names none; None: every document once for natural
            shares, else as many tokens as the selection has.
        seed: of the order.

    Raises:
        BudgetError: a source cannot give its part within its epochs; all of them are named. Or the
            selection has no text, and tokens are asked for.
        RecipeError: a named source is not in the selection.
    """
    parts = _by_source(selection)
    sizes = {name: int(each.tokens.sum()) for name, each in parts.items()}
    wanted = spec.tokens or tokens or sum(sizes.values())
    if wanted and not sizes:
        raise BudgetError(
            "there is no text to mix: all documents were left out, by the selection or by what "
            "the arm's `refine` (its record counts the reasons); select more, or let its refiners "
            "keep what they cannot change"
        )
    entries = _entries(spec, sizes, wanted)
    asked, short = _asked(spec, entries, sizes, wanted)
    drawn = {
        name: parts[name].walk(asked[name], entries[name].max_epochs, seed)
        for name in sorted(asked)
        if asked[name] > 0
    }
    table = _weighed(_interleaved(drawn, seed), selection)
    rows, epochs = _drawn_rows(selection, table)
    obtained = {name: _obtained(each, sizes[name]) for name, each in drawn.items()}
    return Draw(table, asked, obtained, tuple(short), rows, epochs)


@dataclass(frozen=True)
class _Part:
    """The documents of one source, sorted by id; or its draws in their order."""

    name: str
    doc_id: NDArray[np.uint8]  # (n, 16)
    tokens: NDArray[np.int64]  # (n,)
    epoch: NDArray[np.uint16]  # (n,)

    def walk(self, target: int, max_epochs: float, seed: int) -> _Part:
        """Return draws epoch by epoch, as near to `target` tokens as whole documents come.

        The last document is drawn if that leaves the total nearer to the target, and one document
        always is: a selection made for a budget is drawn once, not once and a bit.
        """
        left = min(target, math.floor(max_epochs * int(self.tokens.sum())))
        rows: list[NDArray[np.int64]] = []
        while left > 0:
            order = np.argsort(
                random_bits(self.doc_id, f"{SHUFFLE}.{len(rows)}", seed), kind="stable"
            )
            lengths = self.tokens[order]
            middle = np.cumsum(lengths) - lengths / 2
            taken = order[middle <= left] if rows else order[: max(1, int((middle <= left).sum()))]
            rows.append(taken)
            left -= int(self.tokens[taken].sum())
            if len(taken) < len(order):
                break
        picked = np.concatenate(rows)
        epochs = np.repeat(np.arange(len(rows), dtype=np.uint16), [len(each) for each in rows])
        return _Part(self.name, self.doc_id[picked], self.tokens[picked], epochs)

    def positions(self, seed: int) -> NDArray[np.float64]:
        """Return where in the mixture, in (0, 1), each draw stands: rising within the source."""
        chance = np.empty(len(self.tokens))
        for epoch in range(int(self.epoch[-1]) + 1):
            rows = self.epoch == epoch
            chance[rows] = uniform(self.doc_id[rows], f"{INTERLEAVE}.{epoch}", seed)
        before = np.cumsum(self.tokens) - self.tokens
        position: NDArray[np.float64] = (before + chance * self.tokens) / self.tokens.sum()
        return position


def _by_source(selection: pa.Table) -> dict[str, _Part]:
    """Return each source's documents, sorted by id: the order of the selection has no effect."""
    ordered = selection.take(pa.array(id_order(selection)))
    keys = id_keys(ordered)
    if (keys[1:] == keys[:-1]).any():
        raise RecipeError("the selection has a document twice; a selection has each one once")
    encoded = ordered["source"].combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    ids = id_matrix(ordered["doc_id"])
    tokens = ordered["tokens"].to_numpy().astype(np.int64)
    parts = {}
    for code, name in enumerate(encoded.dictionary.to_pylist()):
        rows = codes == code
        if tokens[rows].sum() > 0:
            none = np.zeros(int(rows.sum()), np.uint16)
            parts[name] = _Part(name, ids[rows], tokens[rows], none)
    return parts


def _entries(spec: MixSpec, sizes: Mapping[str, int], wanted: int) -> dict[str, MixEntry]:
    """Return every source's weight and cap: the recipe's own, or the scheme's."""
    if spec.entries:
        absent = sorted({each.source for each in spec.entries if each.weight > 0} - set(sizes))
        if absent:
            raise RecipeError(
                f"mix: sources {absent} are not in the selection, which has {sorted(sizes)}; "
                "drop them or select from them"
            )
        return {each.source: each for each in spec.entries if each.source in sizes}
    if spec.scheme == "natural":
        # Sizes themselves: exact integers divide without rounding.
        weights: Mapping[str, float] = sizes
    elif spec.scheme == "uniform":
        weights = share.uniform(sizes)
    elif spec.scheme == "temperature":
        weights = share.temperature(sizes, spec.temperature)
    else:
        weights = share.unimax(sizes, wanted, spec.max_epochs)
    return {name: MixEntry(name, weight, spec.max_epochs) for name, weight in weights.items()}


def _asked(
    spec: MixSpec, entries: Mapping[str, MixEntry], sizes: Mapping[str, int], wanted: int
) -> tuple[dict[str, int], list[Shortfall]]:
    """Return whole tokens a source, none beyond its cap, and who fell short.

    Raises:
        BudgetError: a source falls short and the spec does not redistribute, or all of them do.
    """
    weights = {name: each.weight for name, each in entries.items()}
    able = {name: math.floor(each.max_epochs * sizes[name]) for name, each in entries.items()}
    if spec.scheme == "unimax" and not spec.entries:
        # Its weights are rounded fractions of exact caps: allow the unit that rounding may add.
        parts = divide(wanted, weights)
        return {name: min(part, able[name]) for name, part in parts.items()}, []
    parts, short = fill(wanted, weights, able)
    if short and (spec.shortfall == "error" or sum(parts.values()) < wanted):
        lines = [
            f"  {each}: {sizes[each.name]:,} distinct, would need "
            f"{each.wanted / sizes[each.name]:.2f} epochs of at most "
            f"{entries[each.name].max_epochs:g}"
            for each in short
        ]
        raise BudgetError(
            f"{wanted:,} tokens cannot be drawn with these shares:\n"
            + "\n".join(lines)
            + "\nraise `max_epochs`, lower the weight, select more, or `shortfall: redistribute`"
        )
    return parts, short


def _interleaved(drawn: Mapping[str, _Part], seed: int) -> pa.Table:
    """Return all draws in training order: by position, ties by id and epoch."""
    if not drawn:
        return DRAW.empty_table()
    parts = [drawn[name] for name in sorted(drawn)]
    ids = np.concatenate([part.doc_id for part in parts])
    epoch = np.concatenate([part.epoch for part in parts])
    position = np.concatenate([part.positions(seed) for part in parts])
    halves = np.ascontiguousarray(ids).view(">u8").reshape(-1, 2)
    order = np.lexsort((epoch, halves[:, 1], halves[:, 0], position))
    names = np.repeat(np.arange(len(parts)), [len(part.tokens) for part in parts])
    sources = pa.DictionaryArray.from_arrays(
        pa.array(names[order].astype(np.int32)), pa.array([part.name for part in parts])
    )
    tokens = np.concatenate([part.tokens for part in parts])[order]
    columns = [
        id_array(ids[order]),
        sources.cast(pa.string()),
        pa.array(tokens.astype(np.uint32)),
        pa.array(epoch[order]),
    ]
    return pa.table(columns, schema=DRAW)


def _weighed(table: pa.Table, selection: pa.Table) -> pa.Table:
    """Return draws with the weights of their documents, where the selection has any."""
    if WEIGHT.name not in selection.column_names:
        return table
    ordered = selection.take(pa.array(id_order(selection)))
    place = np.searchsorted(id_keys(ordered), id_keys(table))
    return table.append_column(WEIGHT, ordered[WEIGHT.name].take(pa.array(place)))


def _drawn_rows(selection: pa.Table, table: pa.Table) -> tuple[pa.Table, NDArray[np.uint32]]:
    """Return the selection's rows that are drawn, by id, and how often each is."""
    ordered = selection.take(pa.array(id_order(selection)))
    times = np.zeros(ordered.num_rows, np.uint32)
    np.add.at(times, np.searchsorted(id_keys(ordered), id_keys(table)), 1)
    return ordered.filter(pa.array(times > 0)), times[times > 0]


def _obtained(part: _Part, size: int) -> dict[str, float]:
    tokens = int(part.tokens.sum())
    return {
        "tokens": tokens,
        "documents": int((part.epoch == 0).sum()),
        "draws": len(part.tokens),
        "epochs": tokens / size,
    }
