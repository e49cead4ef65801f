"""Run by text-dedup's own Python: its command `text_dedup.minhash`, 14 bands of 8, one process.

Prints one JSON object: seconds of CPU, and the numbers of the removed documents. The faster of its
two hash functions is taken; it checks no candidate.
"""

import json
import os
import resource
import sys
import tempfile
from pathlib import Path

os.environ["HF_DATASETS_OFFLINE"] = "1"

import datasets
from text_dedup.minhash import main as dedup


def cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main(path: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        words = ["--path", "json", "--data_files", path, "--split", "train", "--column", "text"]
        words += ["--output", f"{folder}/out", "--cache_dir", f"{folder}/cache", "--num_proc", "1"]
        words += ["--ngram", "5", "--min_length", "1", "--num_perm", "112", "--b", "14"]
        words += ["--r", "8", "--threshold", "0.8", "--hash_func", "xxh3", "--hash_bits", "32"]
        begun = cpu()
        dedup(words, standalone_mode=False)
        seconds = cpu() - begun
        kept = set(datasets.load_from_disk(f"{folder}/out")["id"])
    names = [json.loads(line)["id"] for line in Path(path).read_bytes().splitlines()]
    removed = [number for number, name in enumerate(names) if name not in kept]
    print()
    print(json.dumps({"seconds": seconds, "removed": removed}))


main(sys.argv[1])
