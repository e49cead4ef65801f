"""Run by the harness's own Python: GPT-3's rule as lm_eval's janitor has it, in pure Python.

Arguments: a JSONL file of items (query, label), one of documents (text), a folder (not used).
Prints one JSON object: how many n-grams, and for each document seconds of CPU, whether it has one
of them, and how many characters are left of it.
"""

import json
import sys
import time
from pathlib import Path

from lm_eval.decontamination.janitor import Janitor, word_ngrams


def main(items: str, documents: str, _: str) -> None:
    janitor = Janitor()
    for line in Path(items).read_bytes().splitlines():
        item = json.loads(line)
        janitor.register_contaminant_python(item["query"] + item["label"])
    dropped, left, seconds = [], [], []
    for line in Path(documents).read_bytes().splitlines():
        text = json.loads(line)["text"]
        begun = time.process_time()
        pieces = janitor.clean_python(text)
        seconds.append(time.process_time() - begun)
        # Short texts without any n-gram in common do not come back either: looked up once more.
        grams = map(janitor.normalize_string, word_ngrams(text, janitor.ngram_n))
        dropped.append(any(gram in janitor.dirt_ngrams for gram in grams))
        left.append(sum(map(len, pieces)))
    found = {"seconds": seconds, "ngrams": len(janitor.dirt_ngrams), "dropped": dropped}
    print()
    print(json.dumps({**found, "left": left}))


main(*sys.argv[1:])
