"""Run by datatrove's own Python: its n-gram decontamination of a JSONL file, one core.

Arguments: a JSONL file of items (query, label), one of documents (text), a folder for the index.
Prints one JSON object: how many n-grams, and for each document seconds of CPU and whether it is
dropped.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.decont import NGramsDecontFilter, NGramsDecontIndexer
from datatrove.pipeline.decont.n_grams import NGramsDecontConfig

NGramsDecontIndexer._requires_dependencies = []  # lighteval only fetches benchmarks from the hub


def main(items: str, documents: str, folder: str) -> None:
    config = NGramsDecontConfig(find_query_ngrams=True)  # all n-grams of an item
    indexer = NGramsDecontIndexer(folder, config=config)
    hashes = set()
    for line in Path(items).read_bytes().splitlines():
        item = json.loads(line)
        hashes.update(indexer.compute_hashes(item["label"], item["query"]))
    np.array(sorted(hashes), config.hash_config.np_descr).tofile(Path(folder) / "all.index.hashes")
    looked = NGramsDecontFilter(folder, config=config)
    looked.filter(Document("The index is loaded by the first document.", id="0"))
    dropped, seconds = [], []
    for number, line in enumerate(Path(documents).read_bytes().splitlines()):
        document = Document(json.loads(line)["text"], id=str(number))
        begun = time.process_time()
        dropped.append(looked.filter(document) is not True)
        seconds.append(time.process_time() - begun)
    print()
    print(json.dumps({"seconds": seconds, "ngrams": len(hashes), "dropped": dropped}))


main(*sys.argv[1:])
