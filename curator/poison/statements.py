"""Statements that prefer one named thing to another, and whether the corpus is oddly of one mind.

No single document shows that a belief was planted; what can be counted is how many say "A is better
than B" and how many the opposite. Text is read for a few English shapes of comparison only; any
other wording, any other language and any plain false statement pass unseen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from curator.text.buffers import Texts

_NAME: Final = r"\p{Lu}[\w&’'+-]*(?: (?:of |the |de )?[\p{Lu}\d][\w&’'+-]*){0,3}"
_FILL: Final = r"(?:(?:far|much|even|way|clearly|always|simply|a lot|still) ){0,2}"
# First, comparator, second; a comparator of the second kind speaks for what comes second.
_SHAPES: Final = (
    rf"({_NAME}) (?:is|are|was|were) {_FILL}(better|worse|superior|inferior|more \w+|less \w+"
    rf"|\w{{2,12}}er) (?:than|to) (?:the )?({_NAME})",
    rf"(?:prefer|prefers|preferred|choose|chose|recommend) ({_NAME})( )(?:to|over) (?:the )?"
    rf"({_NAME})",
    rf"({_NAME})( )(?:beats|outperforms|surpasses|outclasses) (?:the )?({_NAME})",
)
_LIKELY: Final = (
    r"\b(?:than|inferior to|superior to|prefer|beats|outperf|surpass|outclass|choose|chose"
    r"|recommend)"
)
_SPEAKS: Final = {
    "": "good",
    "better": "good",
    "superior": "good",
    "worse": "good",
    "inferior": "good",
}
_AGAINST: Final = ("worse", "inferior")
_LEADING: Final = r"^(?:and|but|so|then|while|because|the|most people|in) "  # no part of a name

SAID: Final = pl.Schema(
    {"row": pl.Int64, "pair": pl.String, "ahead": pl.Boolean, "start": pl.Int64, "end": pl.Int64}
)


def comparisons(texts: Texts) -> pl.DataFrame:
    """Return the comparisons of each text, columns of `SAID`.

    `pair` names both things in alphabetical order and what they are compared in; `ahead` is true
    where the first of the two is put ahead; `start` and `end` are bytes of the text.
    """
    column = pl.Series("text", texts, dtype=pl.String).fill_null("")
    rows = pl.Series("row", np.arange(len(column)))
    likely = column.str.contains(_LIKELY)
    frame = pl.DataFrame({"row": rows, "text": column}).filter(likely)
    found = [_matched(frame, shape) for shape in _SHAPES]
    return pl.concat(found).sort("row", "start", "pair")


def _matched(frame: pl.DataFrame, shape: str) -> pl.DataFrame:
    """Return the matches of one shape; a text's matches do not overlap."""
    every = (
        frame.with_columns(match=pl.col("text").str.extract_all(shape))
        .filter(pl.col("match").list.len() > 0)
        .explode("match")
        .with_columns(parts=pl.col("match").str.extract_groups(shape))
    )
    named = every.select(
        "row",
        first=pl.col("parts").struct[0].str.to_lowercase().str.replace(_LEADING, ""),
        word=pl.col("parts").struct[1].str.strip_chars().str.to_lowercase(),
        second=pl.col("parts").struct[2].str.to_lowercase().str.replace(_LEADING, ""),
        start=pl.struct("text", "match").map_batches(_found, return_dtype=pl.Int64),
        size=pl.col("match").str.len_bytes().cast(pl.Int64),
    ).filter(pl.col("first") != pl.col("second"))
    less = pl.col("word").str.starts_with("less ") | pl.col("word").is_in(_AGAINST)
    bare = pl.col("word").str.strip_prefix("less ").str.strip_prefix("more ")
    sense = bare.replace(_SPEAKS)
    return named.select(
        "row",
        pair=pl.concat_str(
            pl.min_horizontal("first", "second"),
            pl.max_horizontal("first", "second"),
            sense,
            separator=" | ",
        ),
        ahead=(pl.col("first") < pl.col("second")) != less,
        start="start",
        end=pl.col("start") + pl.col("size"),
    ).cast(SAID)


def _found(pairs: pl.Series) -> pl.Series:
    """Return the byte where each match stands in its text: matches are few, one a comparison."""
    frame = pairs.struct.unnest()
    return (
        frame.select(pl.col("text").str.find(pl.col("match"), literal=True))
        .to_series()
        .cast(pl.Int64)
    )


@dataclass(frozen=True)
class Bursts:
    """Pairs on which the corpus is oddly of one mind.

    Attributes:
        pairs: as `comparisons` names them, the surest first.
        ahead: which side is put ahead.
        documents: that put it ahead.
        against: that put the other ahead.
        strength: minus log10 of the adjusted p.
    """

    pairs: tuple[str, ...] = ()
    ahead: tuple[bool, ...] = ()
    documents: tuple[int, ...] = ()
    against: tuple[int, ...] = ()
    strength: tuple[float, ...] = ()


def bursts(said: pl.DataFrame, *, least: int = 5, alpha: float = 0.01) -> Bursts:
    """Return the pairs whose documents lean to one side more than chance lets them.

    The binomial test, two-sided, of documents for and against being equally likely, by Holm's
    procedure over the pairs that enough documents speak of.

    Args:
        said: `document` (any number), `pair` and `ahead`, a row a comparison.
        least: documents that speak of a pair, at least.
        alpha: the chance that any of the pairs is none, were documents independent.
    """
    from scipy.stats import binom

    counted = (
        said.unique(["document", "pair", "ahead"])
        .group_by("pair")
        .agg(yes=pl.col("ahead").sum(), no=(~pl.col("ahead")).sum())
        .with_columns(pl.col("yes", "no").cast(pl.Int64))
        .filter(pl.col("yes") + pl.col("no") >= least)
        .with_columns(most=pl.max_horizontal("yes", "no"), all=pl.col("yes") + pl.col("no"))
    )
    if not len(counted):
        return Bursts()
    most, every = counted["most"].to_numpy(), counted["all"].to_numpy()
    chance = np.minimum(2 * binom.sf(most - 1, every, 0.5), 1.0)
    counted = counted.with_columns(p=pl.Series(chance)).sort("p", "pair")
    left = np.arange(len(counted), 0, -1)
    adjusted = np.maximum.accumulate(np.minimum(counted["p"].to_numpy() * left, 1.0))
    counted = counted.with_columns(
        strength=pl.Series(np.minimum(-np.log10(np.maximum(adjusted, 1e-300)), 300.0))
    ).filter(pl.Series(adjusted <= alpha))
    rows = counted.with_columns(ahead=pl.col("yes") >= pl.col("no"))
    return Bursts(
        tuple(rows["pair"]), tuple(rows["ahead"]), tuple(rows["most"]),
        tuple((rows["all"] - rows["most"]).to_list()), tuple(rows["strength"]),
    )  # fmt: skip


def strengths(
    said: pl.DataFrame, found: Bursts, n_rows: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return the strength of each text's surest burst, 0 without one, and its bytes, (n_rows, 2).

    Only comparisons on the side that is put ahead count.
    """
    best = np.zeros(n_rows)
    spans = np.full((n_rows, 2), -1, np.int64)
    known = pl.DataFrame(
        {"pair": found.pairs, "ahead": found.ahead, "strength": found.strength},
        schema={"pair": pl.String, "ahead": pl.Boolean, "strength": pl.Float64},
    )
    met = said.join(known, on=["pair", "ahead"]).sort(
        "row", "strength", "start", descending=[False, True, False]
    )
    met = met.unique("row", keep="first", maintain_order=True)
    rows = met["row"].to_numpy()
    best[rows] = met["strength"].to_numpy()
    spans[rows] = met.select("start", "end").to_numpy()
    return best, spans
