"""Made-up documents with a known share of words in common, and the sets to check against."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curator.identity import document_ids


def random_words(rng: np.random.Generator, n: int) -> list[str]:
    """Return n words of three letters drawn from 17,576."""
    letters = rng.integers(97, 123, (n, 3)).astype(np.uint8)
    return [bytes(row).decode() for row in letters]


def edited(rng: np.random.Generator, words: list[str], changes: int) -> list[str]:
    """Return the words with that many of them, at random places, replaced."""
    copy = list(words)
    for place in rng.choice(len(words), changes, replace=False).tolist():
        copy[place] = random_words(rng, 1)[0]
    return copy


def shingles(text: str, ngram: int = 5) -> set[tuple[str, ...]]:
    """Return the set of word n-grams of a plain text; of all its words if they are fewer."""
    words = text.lower().split()
    last = max(1, len(words) - ngram + 1)
    return {tuple(words[i : i + ngram]) for i in range(last)}


def jaccard(left: str, right: str) -> float:
    """Return the exact Jaccard similarity of two plain texts' shingles."""
    a, b = shingles(left), shingles(right)
    return len(a & b) / len(a | b)


def documents_of(texts: list[str], sources: list[str] | None = None) -> pa.Table:
    """Return a table of text, source and doc_id; one source unless they are given."""
    column = pa.array(texts, pa.large_string())
    named = sources or ["toy"] * len(texts)
    ids = [document_ids(source, column.slice(i, 1))[0].as_py() for i, source in enumerate(named)]
    return pa.table(
        {"text": column, "source": pa.array(named), "doc_id": pa.array(ids, pa.binary(16))}
    )
