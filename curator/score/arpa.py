"""N-gram models as ARPA files, which KenLM, SRILM and others read and write.

A file that is read is somebody else's: its size, its numbers and its n-grams are checked before
they become a table, and nothing in it is taken on trust.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.score.ngram_lm import Columns, NgramModel, Words, filled_table, letter_bits
from curator.text.lm_stream import FIRST_WORD, WordStream
from curator.text.lm_table import MOST_ORDER

_SPECIAL: Final = ("<unk>", "<s>", "</s>")
_LONGEST_LINE: Final = 1 << 20  # characters
_SHORTEST_NGRAM: Final = 3  # bytes that an n-gram takes in a file at least
_COUNT: Final = re.compile(r"ngram ([0-9]{1,2})=([0-9]{1,12})")


def write_arpa(model: NgramModel, path: Path) -> None:
    """Write the model with all its n-grams; nine digits, so that reading gives the same floats."""
    names = [*_SPECIAL, *model.words.spelled.to_pylist()]
    orders = _by_order(model, names)
    with path.open("w", encoding="utf-8") as file:
        file.write("\\data\\\n")
        file.writelines(f"ngram {n}={len(found)}\n" for n, (found, _) in enumerate(orders, 1))
        for n, (texts, rows) in enumerate(orders, 1):
            file.write(f"\n\\{n}-grams:\n")
            last = n == model.order
            for text, row in zip(texts, rows, strict=True):  # a line an n-gram: the format is text
                tail = "" if last else f"\t{row['backoff']:.9g}"
                file.write(f"{row['prob']:.9g}\t{text}{tail}\n")
        file.write("\n\\end\\\n")


def _by_order(model: NgramModel, names: list[str]) -> list[tuple[list[str], NDArray[np.void]]]:
    """Return the n-grams of each order as text, sorted by it, and their records."""
    found: list[tuple[list[str], NDArray[np.void]]] = []
    for slots, texts in _walk(model, names):
        order = np.array(sorted(range(len(texts)), key=texts.__getitem__), np.int64)
        found.append(([texts[row] for row in order], model.table[slots[order]]))
    return found


def _walk(model: NgramModel, names: list[str]) -> Iterator[tuple[NDArray[np.int64], list[str]]]:
    """Yield the slots of each order's n-grams and their words, from short to long."""
    keys = model.table["key"]
    word = keys >> np.uint64(63) == 1
    slots = model.slots_of_words()
    text_at = dict(zip(slots.tolist(), names, strict=True))
    yield slots, names
    rest = np.flatnonzero((keys != 0) & ~word)
    shorter = (keys[rest] >> np.uint64(32)).astype(np.int64) - 1
    first = (keys[rest] & np.uint64(0xFFFFFFFF)).astype(np.int64)
    above = slots
    for _ in range(model.order - 1):
        own = np.isin(shorter, above)
        pairs = zip(first[own].tolist(), shorter[own].tolist(), strict=True)
        texts = [f"{text_at[one]} {text_at[other]}" for one, other in pairs]
        above = rest[own]
        text_at |= dict(zip(above.tolist(), texts, strict=True))
        yield above, texts


def read_arpa(path: Path, *, most_ngrams: int = 100_000_000) -> NgramModel:
    """Return the model of an ARPA file whose words are those of `curator.text.lm_words`.

    Words that this package would never read from a text (capitals, word pieces) are refused: they
    could never be asked for, and the model would silently know less than its file says.

    Args:
        path: of the file, UTF-8 text.
        most_ngrams: more of them in all orders are refused before anything is read.

    Raises:
        RecipeError: the file is no such ARPA file; says the line.
    """
    with path.open(encoding="utf-8", errors="strict") as file:
        reader = _Reader(file, path)
        try:
            counts = reader.counts(most_ngrams, path.stat().st_size)
            columns, words = _read_orders(reader, counts)
            reader.expect("\\end\\")
        except UnicodeDecodeError as error:
            raise reader.fault(f"not UTF-8 ({error.reason})") from None
    known = _known(words[len(_SPECIAL) :], reader)
    order = np.concatenate([np.arange(FIRST_WORD), FIRST_WORD + known.order])
    columns = _renumbered(columns, order)
    table = filled_table(columns, known.words.hashes)
    about = {"ngrams": counts, "vocabulary": len(known.words.spelled)}
    bits = letter_bits(known.words.spelled)
    return NgramModel(len(counts), table, known.words, bits, about)


class _Reader:
    """Lines with their numbers, none too long."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self._file, self._path, self._number = file, path, 0

    def fault(self, what: str) -> RecipeError:
        return RecipeError(f"line {self._number}: {what}", where=str(self._path))

    def line(self) -> str:
        self._number += 1
        found = self._file.readline(_LONGEST_LINE)
        if not found:
            raise self.fault("the file ends here; wanted \\end\\")
        if len(found) == _LONGEST_LINE:
            raise self.fault(f"a line of {_LONGEST_LINE} characters or more")
        return found.rstrip("\r\n")

    def text(self) -> str:
        """Return the next line that is not empty."""
        while not (found := self.line().strip()):
            continue
        return found

    def expect(self, wanted: str) -> None:
        found = self.text()
        if found != wanted:
            raise self.fault(f"{found[:80]!r}; wanted {wanted!r}")

    def counts(self, most: int, size_bytes: int) -> list[int]:
        """Return how many n-grams of each order the head of the file declares."""
        self.expect("\\data\\")
        found: list[int] = []
        while line := self.line().strip():
            told = _COUNT.fullmatch(line)
            if not told or int(told[1]) != len(found) + 1 or len(found) == MOST_ORDER:
                raise self.fault(f"{line[:80]!r}; wanted 'ngram {len(found) + 1}=COUNT'")
            found.append(int(told[2]))
        if not found or found[0] < len(_SPECIAL):
            raise self.fault(f"n-grams {found}; wanted {', '.join(_SPECIAL)} at least")
        if sum(found) > min(most, size_bytes // _SHORTEST_NGRAM):
            raise self.fault(
                f"{sum(found)} n-grams in a file of {size_bytes} bytes; wanted at most {most}, and "
                f"{_SHORTEST_NGRAM} bytes for each"
            )
        return found

    def ngram(self, words: int, *, last: bool) -> tuple[float, list[str], float]:
        """Return log10 of a probability, the words, log10 of the backoff weight."""
        parts = self.line().split()
        if len(parts) not in ((words + 1,) if last else (words + 1, words + 2)):
            raise self.fault(f"{len(parts)} fields; wanted a number, {words} words, a weight")
        prob = self._number_in(parts[0])
        backoff = self._number_in(parts[words + 1]) if len(parts) == words + 2 else 0.0
        if prob > 0:
            raise self.fault(f"log10 of a probability is {prob!r}; wanted 0 or less")
        return prob, parts[1 : words + 1], backoff

    def _number_in(self, text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            raise self.fault(f"{text[:40]!r} is no number") from None
        if not math.isfinite(found) or abs(found) > 1000:
            raise self.fault(f"{text[:40]!r}; wanted a number from -1000 to 1000")
        return found


def _read_orders(reader: _Reader, counts: list[int]) -> tuple[Columns, list[str]]:
    """Return the columns of each order, words numbered as they come, and the words."""
    columns: Columns = []
    rows: list[dict[tuple[int, ...], int]] = []
    number: dict[str, int] = {name: place for place, name in enumerate(_SPECIAL)}
    for n, count in enumerate(counts, 1):
        reader.expect(f"\\{n}-grams:")
        prob, backoff = np.zeros(count, np.float32), np.zeros(count, np.float32)
        suffix, first = np.zeros(count, np.int64), np.zeros(count, np.int64)
        own: dict[tuple[int, ...], int] = {}
        for row in range(count):  # text, a line an n-gram: there is no column to read at once
            one, words, weight = reader.ngram(n, last=n == len(counts))
            if n == 1:
                number.setdefault(words[0], len(number))
            gram = tuple(number.get(word, -1) for word in words)
            if gram in own:
                raise reader.fault(f"{' '.join(words)[:80]!r} is there twice")
            own[gram] = row
            if n > 1:
                if gram[1:] not in rows[-1] or gram[:-1] not in rows[-1]:
                    raise reader.fault(
                        f"{' '.join(words)[:80]!r} without its first or its last word is missing; "
                        "wanted a model whose n-grams hold all shorter ones"
                    )
                suffix[row], first[row] = rows[-1][gram[1:]], gram[0]
            prob[row], backoff[row] = one, weight
        if n == 1:
            if len(number) != count:
                raise reader.fault(f"one of {', '.join(_SPECIAL)} is missing")
            place = np.array([own[word,] for word in range(count)], np.int64)
            prob, backoff = prob[place], backoff[place]
            own = {(word,): word for word in range(count)}
            first = np.arange(count, dtype=np.int64)
        rows.append(own)
        columns.append((suffix, first, prob, backoff))
    return columns, list(number)


class _Known:
    def __init__(self, words: Words, order: NDArray[np.int64]) -> None:
        self.words, self.order = words, order


def _known(names: Sequence[str], reader: _Reader) -> _Known:
    """Return the words with their hashes, sorted, and for each its place in `names`."""
    texts = pa.array(names, pa.large_string())
    stream = WordStream()
    stream.add(texts)
    numbers, spelled, hashes = stream.finish()
    order = pc.array_sort_indices(texts).to_numpy().astype(np.int64)
    if len(numbers) != 3 * len(names) or not spelled.equals(texts.take(pa.array(order))):
        read = set(spelled.to_pylist())
        odd = next((name for name in names if name not in read), names[0] if names else "")
        raise reader.fault(
            f"the word {odd[:80]!r} is not as this package reads words (lower case, without "
            "accents, digits as 0, signs apart); train on `curator.text.lm_stream.spelled_lines`"
        )
    return _Known(Words(spelled, hashes), order)


def _renumbered(columns: Columns, order: NDArray[np.int64]) -> Columns:
    """Return the columns with words in this order: `order[new] = old`."""
    new = np.empty(len(order), np.int64)
    new[order] = np.arange(len(order))
    found: Columns = []
    for n, (suffix, first, prob, backoff) in enumerate(columns):
        if n == 0:
            found.append((suffix, first, prob[order], backoff[order]))
        else:
            found.append((new[suffix] if n == 1 else suffix, new[first], prob, backoff))
    return found
