"""Run by data-juicer's own Python: its text filters over a JSONL file, one core.

    juicer_filters.py SAMPLE.jsonl FOLDER

Filters take batches of 1,000 documents (data-juicer's default) through its executor for fused
operators, so that words and lines are taken once for all that need them; its data set library, its
cache on disk and its deep copies stay out of the way: all in its favor. FOLDER gets the word list
that its stop word filter asks for. Prints one JSON object: seconds of CPU for the chain (a dropped
document goes no further) of the filters that share a rule with Gopher, for these on all documents,
for the chain of all filters, for each filter alone on all documents and for reading; and how many
documents the first chain keeps.
"""

import json
import sys
import time
from pathlib import Path

import pyarrow.json as pj
from data_juicer.ops.filter import (
    AlphanumericFilter,
    AverageLineLengthFilter,
    CharacterRepetitionFilter,
    MaximumLineLengthFilter,
    SpecialCharactersFilter,
    StopWordsFilter,
    TextLengthFilter,
    WordRepetitionFilter,
    WordsNumFilter,
)
from data_juicer.ops.fused_batch_executor import (
    SequentialBatchExecutionPolicy,
    execute_sequential_batch,
)
from data_juicer.utils.constant import Fields

BATCH = 1000
POLICY = SequentialBatchExecutionPolicy(
    shared_context=True, use_op_wrappers=False, validate=False, ensure_fields=False
)
# The eight words of Rae et al. 2021, arXiv:2112.11446, appendix A.1.1.
STOP_WORDS = ["the", "be", "to", "of", "and", "that", "have", "with"]


def shared(folder: str, *, everything: bool = False) -> list:
    """The filters that share a rule with Gopher, at its thresholds, or keeping every document."""
    (Path(folder) / "stopwords.json").write_text(json.dumps({"en": STOP_WORDS}))
    return [
        TextLengthFilter(min_len=0 if everything else 1),
        WordsNumFilter(min_num=0 if everything else 50, max_num=10**9 if everything else 100_000),
        StopWordsFilter(min_ratio=0.0, stopwords_dir=folder),
        WordRepetitionFilter(rep_len=10, max_ratio=1.0 if everything else 0.10),
    ]


def beyond() -> list:
    """Its other filters of text that need no model, with its own thresholds."""
    return [
        AverageLineLengthFilter(),
        MaximumLineLengthFilter(),
        AlphanumericFilter(),
        SpecialCharactersFilter(),
        CharacterRepetitionFilter(),
    ]


def timed(work):
    """(what the work returns, seconds of CPU)."""
    start = time.process_time()
    found = work()
    return found, time.process_time() - start


def read(path: str) -> list:
    options = pj.ReadOptions(use_threads=False, block_size=1 << 26)
    table = pj.read_json(path, options)
    texts = table["text"].to_pylist()
    return [
        {
            "text": texts[at : at + BATCH],
            Fields.stats: [{} for _ in texts[at : at + BATCH]],
        }
        for at in range(0, len(texts), BATCH)
    ]


def run(batches, chosen) -> int:
    """How many documents are kept."""
    return sum(
        len(execute_sequential_batch(batch, chosen, policy=POLICY)["text"]) for batch in batches
    )


def main(path: str, folder: str) -> None:
    chosen, more = shared(folder), beyond()
    run([{key: values[:20] for key, values in read(path)[0].items()}], [*chosen, *more])
    kept, chain = timed(lambda: run(read(path), chosen))
    each = timed(lambda: run(read(path), shared(folder, everything=True)))[1]
    chain_all = timed(lambda: run(read(path), [*chosen, *more]))[1]
    rules = {}
    for one in [*chosen, *more]:
        batches = read(path)
        rules[one._name] = timed(lambda one=one, batches=batches: run(batches, [one]))[1]
    batches, parse = timed(lambda: read(path))
    found = {
        "documents": sum(len(batch["text"]) for batch in batches),
        "kept": kept,
        "chain": chain,
        "each": each,
        "chain_all": chain_all,
        "parse": parse,
        "rules": rules,
    }
    print()
    print(json.dumps(found))


main(*sys.argv[1:])
