"""Run by datatrove's own Python: its four MinHash steps over a JSONL file, one after the other.

Prints one JSON object: seconds of CPU of each step, and the numbers of the removed documents. The
steps are run directly, without the executor, whose helper processes only add time.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import JsonlReader
from datatrove.utils.hashing import HashConfig


def main(path: str) -> None:
    config = MinhashConfig(hash_config=HashConfig(precision=64))
    reader = JsonlReader(str(Path(path).parent), glob_pattern=Path(path).name)
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        signatures, buckets, removed = f"{folder}/signatures", f"{folder}/buckets", f"{folder}/gone"
        step = MinhashDedupSignature(signatures, config)
        step.get_shingles("The tokenizer is loaded by the first document.")
        begun = time.process_time()
        step.run(reader.run(), 0, 1)
        seconds["signatures"] = time.process_time() - begun
        for bucket in range(config.num_buckets):
            MinhashDedupBuckets(signatures, buckets, config=config).run(
                None, bucket, config.num_buckets
            )
        seconds["buckets"] = time.process_time() - begun - sum(seconds.values())
        MinhashDedupCluster(buckets, removed, config=config).run(None, 0, 1)
        seconds["cluster"] = time.process_time() - begun - sum(seconds.values())
        stays = [document.id for document in MinhashDedupFilter(removed).run(reader.run(), 0, 1)]
        seconds["filter"] = time.process_time() - begun - sum(seconds.values())
    ids = [json.loads(line)["id"] for line in Path(path).read_bytes().splitlines()]
    kept = set(stays)
    gone = [number for number, name in enumerate(ids) if name not in kept]
    print()
    print(json.dumps({"seconds": seconds, "removed": gone}))


main(sys.argv[1])
