"""Chains of documents with questions about them, made into one document each.

A chain is of one source, in the order in which its texts were asked about; its document is made of
the first text and, as `also`, of all others and of whatever document the questions came from.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from curator.identity import id_matrix, uniform
from curator.refine.pair_layout import Told, laid_out, manners
from curator.refine.question_pairs import Pair
from curator.refine.refiner import Refined, children_of, outcome_of
from curator.score.numbers import numbers_of

LONGEST: Final = 512  # documents of a block, which no chain reaches beyond


class Link(NamedTuple):
    """A text of a chain: its row, what was shown of it, the pairs, and the row that they are of."""

    row: int
    text: str
    pairs: tuple[Pair, ...]
    asked_of: int


Chain = list[Link]


def slots(sources: Sequence[str], rounds: int) -> list[list[int]]:
    """Return rows of one source each, at most `rounds` in a slot: chains, if every text has pairs.

    A source's rows are cut into as many stretches as there are rounds; slot j has the j-th row of
    each stretch, as the release of Instruction Pre-Training blocks its texts.
    """
    rows_of: dict[str, list[int]] = {}
    for row, source in enumerate(sources):
        rows_of.setdefault(source, []).append(row)
    found = []
    for rows in rows_of.values():
        count = -(-len(rows) // rounds)
        found += [rows[slot::count] for slot in range(count)]
    return found


def left_alone(
    table: pa.Table, among: str, above: float, share: float, name: str, seed: int
) -> dict[int, str]:
    """Return the rows that nothing is to be made of, and why.

    Args:
        table: the block, with the column `among` if it is not "".
        among: a score; rows at most `above`, or without it, are left alone.
        above: the least score, exclusive.
        share: of the others that something is made of, by chance of their ids.
        name: of the refiner: purpose of its chance, beginning of its reasons.
        seed: of the chance.
    """
    found: dict[int, str] = {}
    if share < 1:
        out = uniform(id_matrix(table["doc_id"]), f"{name}.convert", seed) >= share
        found = dict.fromkeys(np.flatnonzero(out).tolist(), f"{name}.not_converted")
    if among:
        outside = ~(numbers_of(table, among, where=name) > above)
        found |= dict.fromkeys(np.flatnonzero(outside).tolist(), f"{name}.not_among")
    return found


def exchanged(chains: Sequence[Chain], sources: Sequence[str]) -> tuple[list[Chain], set[int]]:
    """Return the chains with the pairs of another text of the same source each, and who had none.

    The control of grounding: same texts, same pairs, same form, but no text stands with its own.
    Pairs go to the next text of the source; a source with one text that has pairs loses it.
    """
    links = [link for chain in chains for link in chain]
    next_of: dict[int, Link] = {}
    alone: set[int] = set()
    of_source: dict[str, list[Link]] = {}
    for link in links:
        of_source.setdefault(sources[link.row], []).append(link)
    for same in of_source.values():
        if len(same) == 1:
            alone.add(same[0].row)
        for place, link in enumerate(same):
            next_of[link.row] = same[(place + 1) % len(same)]
    changed = [
        [
            link._replace(pairs=next_of[link.row].pairs, asked_of=next_of[link.row].row)
            for link in chain
            if link.row not in alone
        ]
        for chain in chains
    ]
    return [chain for chain in changed if chain], alone


def documents_of(
    table: pa.Table, chains: Sequence[Chain], reasons: dict[int, str], *, name: str, seed: int
) -> Refined:
    """Return a document for every chain, and what became of every row.

    Args:
        table: the block.
        chains: each with a link or more.
        reasons: rows of which less was made than asked, and why. Rows of a chain after its first
            stand in the first one's document and have the reason `NAME.in_chain`, unless told
            otherwise.
        name: of the refiner: purpose of its chance, beginning of its reasons.
        seed: of the layout.
    """
    first = [chain[0].row for chain in chains]
    ids = id_matrix(table["doc_id"])
    least = np.array([min(len(link.pairs) for link in chain) for chain in chains], np.int64)
    layout = manners(ids[np.array(first, np.int64)], least, purpose=name, seed=seed)
    told = [[Told(link.text, link.pairs) for link in chain] for chain in chains]
    texts = [laid_out(one, manner) for one, manner in zip(told, layout, strict=True)]
    about = [_about(chain, manner.mode, ids) for chain, manner in zip(chains, layout, strict=True)]
    also = [_further(chain) or None for chain in chains]
    within = {link.row: f"{name}.in_chain" for chain in chains for link in chain[1:]}
    told_of = {**within, **reasons}
    keep = [row not in within for row in range(table.num_rows)]
    said = [told_of.get(row) for row in range(table.num_rows)]
    return Refined(children_of(first, texts, about, also), outcome_of(keep, said))


def _further(chain: Chain) -> list[int]:
    """Return the rows that a chain's document is made of besides its first, each once."""
    rows = [row for link in chain for row in (link.row, link.asked_of)]
    return [row for row in dict.fromkeys(rows) if row != chain[0].row]


def _about(chain: Chain, mode: str, ids: Any) -> str:
    """Return what the account of a child says: manner, texts, pairs, and whose they are if not
    its own."""
    told: dict[str, Any] = {
        "mode": mode,
        "texts": len(chain),
        "pairs": sum(len(link.pairs) for link in chain),
    }
    if any(link.row != link.asked_of for link in chain):
        told["pairs_of"] = [ids[link.asked_of].tobytes().hex() for link in chain]
    return json.dumps(told, sort_keys=True)
