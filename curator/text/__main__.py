"""`python -m curator.text` compiles every kernel now, so that no run has to wait for it later."""

from __future__ import annotations

import sys
import time

import numpy as np
import pyarrow as pa

from curator.text.buckets import bucket_counts, bucket_sums, bucket_totals
from curator.text.joins import joined
from curator.text.lm_stream import WordStream, spelled_lines
from curator.text.lm_table import compile_kernels
from curator.text.minhash import band_keys, minhash_signatures
from curator.text.ngrams import ngram_hashes
from curator.text.normalized import normalized_hash
from curator.text.pii import find_pii
from curator.text.repeats import piece_spans, windows_of
from curator.text.statistics import count_texts
from curator.text.units import text_units
from curator.text.winnowing import seeds

if __name__ == "__main__":
    begun = time.monotonic()
    texts = pa.array(["Two words, and some more. Then a second sentence!"], pa.large_string())
    count_texts(texts)
    normalized_hash(texts)
    band_keys(minhash_signatures(texts))
    ngram_hashes(texts, 5)
    bucket_counts(texts, 100)
    bucket_totals(texts, 100, 2, "sha256")
    bucket_sums(texts, np.zeros(100))
    find_pii(texts)
    chosen = seeds(texts, 2)
    windows_of(texts, 2, chosen.offsets, chosen.places)
    joined(texts, piece_spans(texts, chosen.offsets, chosen.places, chosen.places + 1))
    text_units(texts)
    WordStream().add(texts)
    spelled_lines(texts)
    compile_kernels()
    print(f"text kernels are compiled ({time.monotonic() - begun:.0f} s)", file=sys.stderr)
