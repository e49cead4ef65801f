"""Run by dolma's own Python: its regular expressions for personal data over lines of JSON strings.

The tagger is `pii_regex_with_counts_fast_v2`. Prints one JSON object: seconds of CPU and, for each
text, the spans found as [start, end] in characters.
"""

import json
import sys
import time
from pathlib import Path

import dolma.taggers  # noqa: F401  registers them
from dolma.core.data_types import Document
from dolma.core.registry import TaggerRegistry

KINDS = ("EMAIL_ADDRESS", "PHONE_NUMBER", "IP_ADDRESS")


def main(path: str) -> None:
    texts = [json.loads(line) for line in Path(path).read_text().splitlines()]
    tagger = TaggerRegistry.get("pii_regex_with_counts_fast_v2")()
    documents = [Document(source="", version="", id="", text=text) for text in texts]
    start = time.process_time()
    results = [tagger.predict(document) for document in documents]
    seconds = time.process_time() - start
    spans = [
        [[span.start, span.end] for span in result.spans if span.type in KINDS]
        for result in results
    ]
    print()
    print(json.dumps({"seconds": seconds, "spans": spans}))


main(sys.argv[1])
