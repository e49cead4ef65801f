"""Run by datasketch's own Python: MinHash and MinHashLSH of 14 bands of 8 over a JSONL file.

Prints one JSON object: seconds of CPU of each step, and the numbers of the removed documents.
Words are what white space parts. A document is removed if the index returns one whose estimated
similarity is 0.8 or more; others enter the index, so there are no chains.
"""

import json
import sys
import time
from pathlib import Path

from datasketch import MinHash, MinHashLSH

NGRAM = 5


def shingles(text: str) -> set[bytes]:
    words = text.lower().split()
    last = max(1, len(words) - NGRAM + 1)
    return {" ".join(words[place : place + NGRAM]).encode() for place in range(last)}


def main(path: str) -> None:
    seconds = {}
    begun = time.process_time()
    texts = [json.loads(line)["text"] for line in Path(path).read_bytes().splitlines()]
    seconds["parse"] = time.process_time() - begun
    sets = [shingles(text) for text in texts]
    seconds["shingles"] = time.process_time() - begun - sum(seconds.values())
    signed = MinHash.bulk(sets, num_perm=112)
    seconds["signatures"] = time.process_time() - begun - sum(seconds.values())
    index = MinHashLSH(num_perm=112, params=(14, 8))
    removed = []
    for number, signature in enumerate(signed):
        if any(signature.jaccard(signed[other]) >= 0.8 for other in index.query(signature)):
            removed.append(number)
        else:
            index.insert(number, signature, check_duplication=False)
    seconds["index"] = time.process_time() - begun - sum(seconds.values())
    print(json.dumps({"seconds": seconds, "removed": removed}))


main(sys.argv[1])
