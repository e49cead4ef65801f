"""CPU seconds to ask a proxy a benchmark: texts one a row or packed, all tokens or the wanted.

    python -m bench.prepack PROXY FILE context=query,options=choices,answer=gold
    python -m bench.prepack PROXY FILE good=sentence_good,bad=sentence_bad

PROXY is the folder of a trained proxy, FILE the benchmark's JSON lines. The best of three rounds.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch

from curator.corpus_spec import ChoicesSpec, PairsSpec
from curator.evaluate.choices import encode_parts
from curator.evaluate.prepack import bits_of_tokens
from curator.evaluate.questions import read_choices, read_pairs, spread_items
from curator.train.checkpoint import load_model
from curator.train.tokenizer import load_tokenizer
from pipelines.asking import spec_from

ITEMS = 1000
ROUNDS = 3


def texts_of(file: Path, fields: str) -> tuple[list[str], list[int]]:
    """Return every text that is scored, and the character from which it is."""
    if fields.startswith("good="):
        every = read_pairs(file.name, file, spec_from(PairsSpec, fields, "fields"))
        pairs = spread_items(every.table, ITEMS)
        both = [*pairs["good"].to_pylist(), *pairs["bad"].to_pylist()]
        return both, [0] * len(both)
    read = read_choices(file.name, file, spec_from(ChoicesSpec, fields, "fields"))
    options = spread_items(read.table, ITEMS)
    return options["text"].to_pylist(), options["start"].to_pylist()


def main(proxy: str, file: str, fields: str) -> None:
    """Print a line a way: CPU seconds and the largest difference from the first."""
    torch.set_num_threads(1)
    model, tokenizer = load_model(proxy), load_tokenizer(Path(proxy) / "tokenizer.json")
    offsets, ids, wanted = encode_parts(tokenizer, *texts_of(Path(file), fields))
    print(f"{len(offsets) - 1} texts, {len(ids)} tokens, {wanted.sum()} of them wanted")
    first = None
    for what in ("wanted", "all"):
        for packed in (False, True):
            seconds, asked = [], wanted if what == "wanted" else None
            for _ in range(ROUNDS):
                begun = time.process_time()
                bits = bits_of_tokens(model, offsets, ids, wanted=asked, packed=packed)
                seconds.append(time.process_time() - begun)
            first = bits if first is None else first
            far = np.abs(np.where(wanted, bits - first, 0)).max()
            rows = "packed" if packed else "one a row"
            print(f"{what:6} {rows:9} {min(seconds):6.2f} CPU s, differs by {far:.1e} bits")


if __name__ == "__main__":
    main(*sys.argv[1:])
