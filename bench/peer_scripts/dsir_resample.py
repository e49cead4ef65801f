"""Run by the `data-selection` package's own Python: fit, score and resample a JSONL file.

Prints one JSON object: seconds of CPU (all processes) and by the clock for each step, the log
importance weights in the order of the file, and the rows that were drawn and that rank highest.
Its workers are started, and have loaded what they need, before the clock is.
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
from data_selection import HashedNgramDSIR
from data_selection.utils import parallelize

PROCESSES = 2


def cpu() -> float:
    """Seconds of CPU of this process and its children, those that still run among them."""
    parents: dict[str, str] = {}
    spent: dict[str, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it ended
                continue
            parents[entry.name] = fields[1]
            spent[entry.name] = int(fields[11]) + int(fields[12])
    mine = {str(os.getpid())}
    while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return sum(spent.get(pid, 0) for pid in mine) / os.sysconf("SC_CLK_TCK")


def load(_: int) -> int:
    from data_selection.hashed_ngram_dsir import get_ngram_counts

    time.sleep(0.5)  # so that each worker takes one of these
    return int(get_ngram_counts("two words").sum())


def weights_of(cache: Path) -> np.ndarray:
    """The file's rows went to the workers in turn."""
    parts = [np.load(cache / "log_importance_weights" / f"{at}.npy") for at in range(PROCESSES)]
    weights = np.zeros(sum(map(len, parts)))
    for number, part in enumerate(parts):
        weights[number::PROCESSES] = part
    return weights


def taken(folder: Path) -> list[int]:
    """Return the rows that the package wrote."""
    paths = sorted(folder.rglob("*.jsonl"))
    return [json.loads(line)["id"] for path in paths for line in path.open()]


def main(raw: str, target: str, place: str, count: str) -> None:
    cache = Path(place)
    dsir = HashedNgramDSIR([raw], [target], str(cache), num_proc=PROCESSES)
    parallelize(load, list(range(PROCESSES)), PROCESSES)
    np.random.seed(1)  # noqa: NPY002 - what the package draws by
    seconds, clock = {}, {}
    steps = {
        "fit": dsir.fit_importance_estimator,
        "score": dsir.compute_importance_weights,
        "resample": lambda: dsir.resample(str(cache / "drawn"), int(count), str(cache / "parts")),
    }
    for name, step in steps.items():
        begun, used = time.monotonic(), cpu()
        step()
        clock[name], seconds[name] = time.monotonic() - begun, cpu() - used
    drawn = cache / "drawn"
    ids = taken(drawn)
    shutil.rmtree(drawn)
    dsir.resample(str(drawn), int(count), str(cache / "parts"), top_k=True)
    found = {"weights": weights_of(cache).tolist(), "drawn": ids, "top": taken(drawn)}
    print(json.dumps({"seconds": seconds, "clock": clock, **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
