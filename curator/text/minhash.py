"""MinHash signatures over word n-grams, and the band keys that bring near-duplicates together.

Broder, "On the resemblance and containment of documents" (1997): the share of equal places in two
signatures estimates the Jaccard similarity of the two sets of shingles, with standard deviation
`sqrt(J (1 - J) / permutations)`. Banding after Leskovec, Rajaraman and Ullman, "Mining of Massive
Datasets", section 3.4: a pair meets in a band or more with probability `1 - (1 - J**rows)**bands`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import block, compiled
from curator.text.hashing import STEP, mixed, power
from curator.text.ngrams import slide
from curator.text.unicode import Characters, characters
from curator.text.word_hashes import SPARE, hash_words

_32 = np.uint64(32)
_EMPTY = np.uint32(0xFFFFFFFF)
_BATCH = 4  # shingles permuted at once
_WORDS = 1024 + SPARE  # hashed at once: 8 KiB stay in the first cache


def minhash_signatures(
    texts: Texts, *, ngram: int = 5, permutations: int = 112, seed: int = 0
) -> npt.NDArray[np.uint32]:
    """(n, permutations) uint32: the least permuted hash of each text's shingles.

    `minhash_signatures(texts: pa.Array | pa.ChunkedArray, *, ngram=5, permutations=112, seed=0)`.
    A shingle is `ngram` words in a row (`curator.text.words`); a text of fewer words has one
    shingle of all of them; a text without words has a row of 0xFFFFFFFF (see `has_words`).

    Raises:
        ValueError: `ngram` or `permutations` is below 1.
    """
    if ngram < 1 or permutations < 1:
        raise ValueError(f"ngram = {ngram}, permutations = {permutations}: both start at 1")
    column = utf8(texts)
    factors, shifts = _permutations(permutations, seed)
    out = np.full((len(column), permutations), _EMPTY, np.uint32)
    _sign(column.offsets, column.data, ngram, factors, shifts, characters(), out)
    return out


def has_words(signatures: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """(n,) bool: False where a text had no words, so belongs in no band."""
    return np.asarray((signatures != _EMPTY).any(axis=1))


def band_keys(
    signatures: npt.NDArray[np.uint32], *, bands: int = 14, rows: int = 8
) -> npt.NDArray[np.uint64]:
    """(n, bands) uint64: equal where `rows` places agree; keys of different bands never meet.

    Rows without words (`has_words`) get keys too: leave them out before grouping.

    Raises:
        ValueError: the signatures are narrower than `bands * rows`.
    """
    if bands < 1 or rows < 1 or signatures.shape[1] < bands * rows:
        raise ValueError(
            f"{bands} bands of {rows} rows need signatures of {bands * rows} places, "
            f"found {signatures.shape[1]}: ask minhash_signatures for more permutations"
        )
    return _band(np.ascontiguousarray(signatures), bands, rows)


def _permutations(count: int, seed: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Odd factors and shifts of `count` bijections `x * factor + shift` modulo 2**32."""
    words = np.random.Philox(key=seed).random_raw(2 * count) >> _32
    return (words[:count] | np.uint64(1)).astype(np.uint32), words[count:].astype(np.uint32)


@compiled
def _sign(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    ngram: int,
    factors: npt.NDArray[np.uint32],
    shifts: npt.NDArray[np.uint32],
    tables: Characters,
    out: npt.NDArray[np.uint32],
) -> None:
    ring = np.zeros(ngram, np.uint64)
    top = power(STEP, ngram)
    least = np.empty(len(factors), np.uint32)
    batch = np.zeros(_BATCH, np.uint32)
    hashes = np.empty(_WORDS, np.uint64)
    for row in range(len(offsets) - 1):
        at, end = offsets[row], offsets[row + 1]
        ring[:] = 0
        least[:] = 0xFFFFFFFF
        rolling = np.uint64(0)
        words, slot, held = 0, 0, 0
        while at < end:
            found, at = hash_words(data, at, end, tables, hashes)
            for place in range(found):
                hashed = hashes[place]
                rolling = slide(rolling, hashed, ring[slot], top)
                ring[slot] = hashed
                slot = slot + 1 if slot + 1 < ngram else 0
                words += 1
                if words >= ngram:
                    batch[held] = np.uint32(mixed(rolling) >> _32)
                    held += 1
                    if held == _BATCH:
                        _take_least(batch, factors, shifts, least)
                        held = 0
        if 0 < words < ngram:
            batch[0] = np.uint32(mixed(rolling) >> _32)
            held = 1
        if held:
            # A shingle twice changes no minimum: the last one fills up the batch.
            batch[held:] = batch[held - 1]
            _take_least(batch, factors, shifts, least)
        if words:
            out[row] = least


@block
def _take_least(
    batch: npt.NDArray[np.uint32],
    factors: npt.NDArray[np.uint32],
    shifts: npt.NDArray[np.uint32],
    least: npt.NDArray[np.uint32],
) -> None:
    """Permute four shingles and keep the least of each permutation."""
    first, second, third, fourth = batch[0], batch[1], batch[2], batch[3]
    for place in range(len(factors)):
        factor, shift = factors[place], shifts[place]
        low = min(np.uint32(first * factor + shift), np.uint32(second * factor + shift))
        high = min(np.uint32(third * factor + shift), np.uint32(fourth * factor + shift))
        least[place] = min(least[place], min(low, high))


@compiled
def _band(signatures: npt.NDArray[np.uint32], bands: int, rows: int) -> npt.NDArray[np.uint64]:
    keys = np.empty((len(signatures), bands), np.uint64)
    for row in range(len(signatures)):
        for band in range(bands):
            key = mixed(np.uint64(band) + STEP)
            for place in range(band * rows, (band + 1) * rows):
                key = mixed(key ^ np.uint64(signatures[row, place])) + STEP
            keys[row, band] = key
    return keys
