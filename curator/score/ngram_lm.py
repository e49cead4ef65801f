"""An n-gram language model: learned from text, kept as a table on disk, asked for perplexities.

Perplexity is CCNet's (cc_net `perplexity.py`): 10 ** (-sum of log10 p / sum of (words + 1)) over
the lines of a document, one more for the end of each; it is the exponential of the mean surprise
whatever base the logarithms have. An unknown word counts as `<unk>`, as in KenLM. Bits per byte of
the text also pay for the letters of unknown words, by a code of order 0 learned from the words of
the reference; so they compare with other models' where the normalization (case, accents, digits,
runs of signs) is forgiven.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import LedgerError, RecipeError
from curator.score.kneser_ney import Estimate, estimate
from curator.shards import read_shard, write_shard
from curator.text.buffers import Texts
from curator.text.lm_stream import WordStream
from curator.text.lm_table import (
    MOST_ORDER,
    RECORD,
    SPECIAL,
    Slots,
    Table,
    Tally,
    empty_table,
    enter_ngrams,
    enter_words,
    slots_of,
    tally,
)

_FORMAT: Final = "curator ngram model/1"
_LETTERS: Final = 257  # bytes, and the end of a word
Rows = NDArray[np.integer[Any]]
Columns = list[tuple[Rows, Rows, NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True)
class Words:
    """What a model knows besides `<unk>`, `<s>` and `</s>`, sorted by bytes.

    Attributes:
        spelled: (w,) large_string.
        hashes: (w,) uint64 of `curator.text.lm_words`.
    """

    spelled: pa.LargeStringArray
    hashes: NDArray[np.uint64]


@dataclass(frozen=True)
class NgramModel:
    """A model ready to be asked.

    Attributes:
        order: words of the longest n-grams.
        table: every n-gram, by `curator.text.lm_table`.
        words: the vocabulary.
        letter_bits: (257,) float64, bits of each byte when an unknown word is spelled.
        about: how it was made, as plain JSON types.
    """

    order: int
    table: Table
    words: Words
    letter_bits: NDArray[np.float64]
    about: dict[str, Any]

    @classmethod
    def trained(cls, texts: Iterable[Texts], *, order: int = 5, prune: Sequence[int] = ()) -> Self:
        """Return the model of some text columns; their order and cuts make no difference.

        Raises:
            RecipeError: the order is out of range, or there are no words.
        """
        if not 1 <= order <= MOST_ORDER:
            raise RecipeError(f"order={order!r}; wanted 1 to {MOST_ORDER} words")
        counted = WordStream()
        for column in texts:
            counted.add(column)
        stream, spelled, hashes = counted.finish()
        found = estimate(stream, len(spelled), order, prune)
        about = {
            "tokens": counted.tokens,
            "lines": counted.lines,
            "vocabulary": len(spelled),
            "ngrams": [len(one.prob) for one in found],
            "discounts": [[float(f"{d:.6g}") for d in one.discounts] for one in found],
            "discounts_fell_back": [one.fell_back for one in found],
        }
        columns = [_logarithms(found.pop(0)) for _ in range(order)]  # one order twice, not all
        table = filled_table(columns, hashes)
        return cls(order, table, Words(spelled, hashes), letter_bits(spelled), about)

    def tally(self, texts: Texts) -> Tally:
        """Return the sums of log10 and the counts of each text."""
        return tally(texts, self.table, self.order, self.letter_bits)

    def slots_of_words(self) -> Slots:
        """Return where `<unk>`, `<s>`, `</s>` and the words stand in the table."""
        return slots_of(self.table, np.concatenate([SPECIAL, self.words.hashes]))

    def save(self, folder: Path) -> None:
        """Write `table.npy`, `words.arrow`, `letter_bits.npy` and `model.json` into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "table.npy", self.table, allow_pickle=False)
        np.save(folder / "letter_bits.npy", self.letter_bits, allow_pickle=False)
        words = pa.table({"word": self.words.spelled, "hash": self.words.hashes})
        write_shard(words, folder / "words.arrow", name="words")
        told = {"format": _FORMAT, "order": self.order, "about": self.about}
        (folder / "model.json").write_text(json.dumps(told, indent=2, sort_keys=True) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return the model that `save` wrote; its table stays on disk until it is read.

        Raises:
            LedgerError: the folder holds no such model.
        """
        try:
            told = json.loads((folder / "model.json").read_text())
            mapped = np.load(folder / "table.npy", mmap_mode="r", allow_pickle=False)
            bits = np.load(folder / "letter_bits.npy", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise LedgerError(f"{folder} holds no n-gram model ({error}); fit it again") from error
        slots = len(mapped) if mapped.ndim == 1 else 0
        fits = mapped.dtype == RECORD and slots and not slots & (slots - 1)
        if told.get("format") != _FORMAT or not fits or bits.shape != (_LETTERS,):
            raise LedgerError(
                f"{folder} has format {told.get('format')!r}, a table {mapped.dtype} of {slots} "
                f"and {bits.shape} letters; wanted {_FORMAT!r}: fit it again"
            )
        words = read_shard(folder / "words.arrow")
        spelled = words["word"].combine_chunks()
        known = Words(spelled, words["hash"].to_numpy())
        return cls(told["order"], mapped.view(np.ndarray), known, bits, told["about"])


def perplexity(told: Tally) -> NDArray[np.float64]:
    """Return CCNet's perplexity of each text, NaN for one without words."""
    length = (told.words + told.lines).astype(np.float64)
    exponent = np.divide(-told.log10, length, out=np.full(len(length), np.nan), where=length > 0)
    found: NDArray[np.float64] = np.power(10.0, exponent)
    return found


def bits(told: Tally) -> NDArray[np.float64]:
    """Return the bits of each text: of its words and line ends, and to spell unknown words."""
    found: NDArray[np.float64] = -told.log10 * np.log2(10.0) + told.spelling
    return found


def letter_bits(spelled: pa.LargeStringArray) -> NDArray[np.float64]:
    """Return the bits of each byte (and, last, of the end) in words spelled like these, (257,).

    Every known word counts once, because words that are not known are rather like the rare ones.
    """
    _, offsets, letters = spelled.buffers()
    counts = np.ones(_LETTERS)
    if len(spelled):
        bounds = np.frombuffer(offsets, np.int64)[spelled.offset :][: len(spelled) + 1]
        used = np.frombuffer(letters or b"", np.uint8)[bounds[0] : bounds[-1]]
        counts[:256] += np.bincount(used, minlength=256)
        counts[256] += len(spelled)
    return np.asarray(np.log2(counts.sum()) - np.log2(counts))


def filled_table(columns: Columns, hashes: NDArray[np.uint64]) -> Table:
    """Return the table of a model given by order: suffix row, first word, log10 p, log10 backoff.

    Raises:
        RecipeError: it has too many n-grams, or a word or n-gram twice.
    """
    try:
        table = empty_table(sum(len(one[0]) for one in columns))
    except ValueError as error:
        raise RecipeError(f"{error}; give less text, or prune") from error
    every = np.concatenate([SPECIAL, hashes])
    _, _, prob, backoff = columns[0]
    words = enter_words(table, every, prob, backoff)
    shorter = words
    for n, (suffix, first, prob, backoff) in enumerate(columns):
        if n:
            shorter = enter_ngrams(table, shorter[suffix], words[first], prob, backoff)
        if len(shorter) and shorter.min() < 0:
            raise RecipeError(f"an n-gram of {n + 1} words is there twice; wanted each once")
    table.flags.writeable = False  # as a mapped one: kernels are compiled for each kind of array
    return table


def _logarithms(
    one: Estimate,
) -> tuple[Rows, Rows, NDArray[np.float32], NDArray[np.float32]]:
    prob = np.minimum(np.log10(one.prob), 0.0).astype(np.float32)
    return one.suffix, one.first, prob, np.log10(one.backoff).astype(np.float32)
