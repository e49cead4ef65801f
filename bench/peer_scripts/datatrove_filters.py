"""Run by datatrove's own Python: its four quality filters over a JSONL file, one core.

Prints one JSON object: seconds of CPU for the chain (a dropped document goes no further), for all
four filters on every document, and each document's verdicts.
"""

import hashlib
import json
import sys
import time
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)

FILTERS = {
    "gopher_quality": GopherQualityFilter(),
    "gopher_repetition": GopherRepetitionFilter(),
    "c4": C4QualityFilter(),
    "fineweb": FineWebQualityFilter(),
}


def reason_of(chosen, document: Document) -> str | None:
    """The reason of the drop, or None. A filter that divides by zero drops as "crash"."""
    try:
        result = chosen.filter(document)
    except (ZeroDivisionError, IndexError):
        return "crash"
    return None if result is True else (result[1] if isinstance(result, tuple) else "dropped")


def chained(text: str) -> str | None:
    """The first drop of the pipeline, where FineWeb sees what C4 left."""
    document = Document(text=text, id="")
    for name, chosen in FILTERS.items():
        reason = reason_of(chosen, document)
        if reason is not None:
            return f"{name}.{reason}"
    return None


def edited(text: str) -> str | None:
    """The text after C4's edits; None: C4 drops the document."""
    document = Document(text=text, id="")
    return None if reason_of(FILTERS["c4"], document) else document.text


def digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def alone(text: str) -> dict:
    """What each filter says of the document as it came."""
    found = {}
    for name, chosen in FILTERS.items():
        document = Document(text=text, id="")
        found[name] = reason_of(chosen, document)
        if name == "c4":
            found["edited"] = digest(document.text)
    return found


def main(path: str) -> None:
    lines = Path(path).read_bytes().splitlines()
    for line in lines[:3]:  # the tokenizer is loaded by the first document
        alone(json.loads(line)["text"])
    start = time.process_time()
    chain = [chained(json.loads(line)["text"]) for line in lines]
    chain_seconds = time.process_time() - start
    start = time.process_time()
    each = [alone(json.loads(line)["text"]) for line in lines]
    each_seconds = time.process_time() - start
    print()
    print(
        json.dumps(
            {
                "chain_seconds": chain_seconds,
                "each_seconds": each_seconds,
                "chain": chain,
                "each": each,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
