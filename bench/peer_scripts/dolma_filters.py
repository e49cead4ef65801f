"""Run by dolma's own Python: its Gopher and C4 taggers over a JSONL file, one core.

Each line is decoded by msgspec and handed to the taggers, as `dolma tag` does in its loop; nothing
is written, and the mixer's decision is not run: both in dolma's favor. The list of naughty words
is emptied, for the rules compared have none. Prints one JSON object: seconds of CPU for parsing
alone and for each version of each tagger alone, and the documents read.
"""

import json
import sys
import time
from pathlib import Path

import dolma.taggers  # noqa: F401  registers them
import msgspec
from dolma.core.data_types import InputSpec
from dolma.core.registry import TaggerRegistry
from dolma.taggers import c4

TAGGERS = ("gopher_v1", "gopher_v2", "c4_v1", "c4_v2")


def seconds(work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main(path: str) -> None:
    c4.NAUGHTY_WORDS.clear()
    c4.NAUGHTY_PHRASES.clear()
    decoder = msgspec.json.Decoder(InputSpec)
    # dolma wants an id of every document; ours has none to parse.
    lines = [b'{"id":"",' + line[1:] for line in Path(path).read_bytes().splitlines()]
    taggers = {name: TaggerRegistry.get(name)() for name in TAGGERS}
    rows = [decoder.decode(line) for line in lines]
    for tagger in taggers.values():
        tagger.tag(rows[0])
    found = {
        "documents": len(rows),
        "parse": seconds(lambda: [decoder.decode(line) for line in lines]),
        "rules": {
            name: seconds(lambda tagger=tagger: [tagger.tag(row) for row in rows])
            for name, tagger in taggers.items()
        },
    }
    print()
    print(json.dumps(found))


main(sys.argv[1])
