"""Run by rensa's own Python: R-MinHash of 112 places, 14 bands of 8, over a JSONL file.

Prints one JSON object: for three ways of using it, seconds of CPU and the removed documents.

    words      shingles are strings made in Python, as its documentation has it; a document is
               removed by `RMinHashDeduplicator`, which checks candidates by their signatures
    hashed     words are hashed by rensa, n-grams of hashes made by NumPy, and the signature matrix
               from flat hashes: the fastest way to full sets that we found in its API; no check
    rho        the same from its "rho" sketch, which looks at some of the shingles only; no check
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["RAYON_NUM_THREADS"] = "1"

import numpy as np
from rensa import RMinHash, RMinHashDeduplicator, RMinHashLSH

NGRAM = 5


def texts_of(path: str) -> list[str]:
    return [json.loads(line)["text"] for line in Path(path).read_bytes().splitlines()]


def shingles(text: str) -> list[str]:
    words = text.lower().split()
    last = max(1, len(words) - NGRAM + 1)
    return [" ".join(words[place : place + NGRAM]) for place in range(last)]


def by_words(path: str) -> list[int]:
    finder = RMinHashDeduplicator(threshold=0.8, num_perm=112, use_lsh=True, num_bands=14)
    texts = texts_of(path)
    keep = finder.add_pairs((str(number), shingles(text)) for number, text in enumerate(texts))
    return [number for number, kept in enumerate(keep) if not kept]


def by_hashes(path: str, *, rho: bool = False) -> list[int]:
    hashed = RMinHash.hash_token_sets([text.lower().split() for text in texts_of(path)])
    pieces = []
    for words in hashed:
        grams = np.array(words, np.uint64)
        if len(grams) >= NGRAM:
            last = len(grams) - NGRAM + 1
            total = grams[:last].copy()
            for place in range(1, NGRAM):
                total = total * np.uint64(0x9E3779B97F4A7C15) + grams[place : place + last]
            grams = total
        pieces.append(grams)
    borders = np.cumsum([0, *map(len, pieces)]).astype(np.uint64)
    make = (
        RMinHash.digest_matrix_from_flat_token_hashes_rho
        if rho
        else RMinHash.digest_matrix_from_flat_token_hashes
    )
    matrix = make(np.concatenate(pieces), borders, num_perm=112, seed=42)
    index = RMinHashLSH(threshold=0.8, num_perm=112, num_bands=14)
    flags = index.query_duplicate_flags_matrix_one_shot(matrix)
    return [number for number, flagged in enumerate(flags) if flagged]


def main(path: str) -> None:
    found = {}
    ways = {"words": by_words, "hashed": by_hashes, "rho": lambda at: by_hashes(at, rho=True)}
    for name, work in ways.items():
        begun = time.process_time()
        removed = work(path)
        found[name] = {"seconds": time.process_time() - begun, "removed": removed}
    print(json.dumps(found))


main(sys.argv[1])
