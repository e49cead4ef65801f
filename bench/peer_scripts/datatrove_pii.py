"""Run by datatrove's own Python: its PIIFormatter over lines of JSON strings, one core.

Prints one JSON object: seconds of CPU and the texts that come out.
"""

import json
import sys
import time
from pathlib import Path

from datatrove.pipeline.formatters.pii import PIIFormatter


def main(path: str) -> None:
    texts = [json.loads(line) for line in Path(path).read_text().splitlines()]
    formatter = PIIFormatter()
    start = time.process_time()
    changed = [formatter.format(text) for text in texts]
    seconds = time.process_time() - start
    print()
    print(json.dumps({"seconds": seconds, "texts": changed}))


main(sys.argv[1])
