"""Run by datatrove's own Python: its MinHash signatures over a JSONL file, one core.

Prints one JSON object: seconds of CPU, and for the documents in order the 14 buckets of 8 hashes.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.utils.hashing import HashConfig


def main(path: str) -> None:
    lines = Path(path).read_bytes().splitlines()
    with tempfile.TemporaryDirectory() as folder:
        step = MinhashDedupSignature(folder, MinhashConfig(hash_config=HashConfig(precision=64)))
        step.get_shingles("The tokenizer is loaded by the first document.")
        start = time.process_time()
        signatures = []
        for line in lines:
            shingles = step.get_shingles(json.loads(line)["text"])
            signatures.append(step.get_signature(shingles) if shingles.size else None)
        seconds = time.process_time() - start
    # Twelve decimal digits tell equal hashes from unequal ones and keep the answer small.
    short = [
        None if found is None else (np.array(found, np.uint64) % 10**12).ravel().tolist()
        for found in signatures
    ]
    print()
    print(json.dumps({"seconds": seconds, "signatures": short}))


main(sys.argv[1])
