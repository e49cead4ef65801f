"""Run by NeMo Curator's own Python: its heuristic filters over a JSONL file, one core.

The filters are those of its English configuration (config/text, heuristic_filter_english_pipeline)
that have a counterpart among Gopher, C4 and FineWeb, in that file's order and with its thresholds.
Its reader (pyarrow) makes one batch, and one `ScoreFilter` stage with the list of filters is run in
this process: no Ray, nothing written, both in its favor. Prints one JSON object: seconds of CPU
for reading, for the chain (a dropped document goes no further) and for each filter on all
documents, and how many documents the chain keeps.
"""

import json
import sys
import time

from nemo_curator.stages.text.filters import ScoreFilter
from nemo_curator.stages.text.filters.heuristic.repetition import (
    RepeatedLinesByCharFilter,
    RepeatedLinesFilter,
    RepeatedParagraphsByCharFilter,
    RepeatedParagraphsFilter,
    RepeatingDuplicateNGramsFilter,
    RepeatingTopNGramsFilter,
)
from nemo_curator.stages.text.filters.heuristic.string import (
    BoilerPlateStringFilter,
    BulletsFilter,
    CommonEnglishWordsFilter,
    EllipsisFilter,
    LongWordFilter,
    MeanWordLengthFilter,
    PunctuationFilter,
    SymbolsToWordsFilter,
    WordCountFilter,
    WordsWithoutAlphabetsFilter,
)
from nemo_curator.stages.text.io.reader.jsonl import JsonlReaderStage
from nemo_curator.tasks import DocumentBatch

FILTERS = [
    SymbolsToWordsFilter(),
    BoilerPlateStringFilter(),
    RepeatedLinesFilter(),
    RepeatedParagraphsFilter(),
    RepeatedLinesByCharFilter(),
    RepeatedParagraphsByCharFilter(),
    WordCountFilter(),
    PunctuationFilter(),
    WordsWithoutAlphabetsFilter(),
    CommonEnglishWordsFilter(),
    MeanWordLengthFilter(),
    LongWordFilter(),
    EllipsisFilter(),
    *(RepeatingTopNGramsFilter(n, at) for n, at in ((2, 0.2), (3, 0.18), (4, 0.16))),
    *(
        RepeatingDuplicateNGramsFilter(n, at)
        for n, at in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
    ),
    BulletsFilter(),
]


def timed(work):
    """(what the work returns, seconds of CPU)."""
    start = time.process_time()
    found = work()
    return found, time.process_time() - start


def read(path: str) -> DocumentBatch:
    table = JsonlReaderStage(fields=["text"]).read_data([path], fields=["text"])
    return DocumentBatch(dataset_name="sample", data=table)


def main(path: str) -> None:
    stage = ScoreFilter(filter_obj=FILTERS, text_field="text")
    stage.setup()
    batch = read(path)
    frame = batch.to_pandas()
    stage.process(DocumentBatch(dataset_name="warm", data=frame.head(20)))
    kept, chain = timed(lambda: stage.process(read(path)))
    parse = timed(lambda: read(path).to_pandas())[1]
    invert = False
    rules = {
        each.name: timed(
            lambda each=each: stage.compute_filter_mask(frame, each, "text", None, invert)
        )[1]
        for each in FILTERS
    }
    found = {
        "documents": len(frame),
        "kept": kept.num_items,
        "chain": chain,
        "each": parse + sum(rules.values()),
        "parse": parse,
        "rules": rules,
    }
    print()
    print(json.dumps(found))


main(sys.argv[1])
