"""Run by the peer's Python: seconds for a suffix array and the common prefixes of a file's bytes.

`python divsufsort_array.py FILE`; prints JSON. pydivsufsort is divsufsort in C: the part of
exact-substring deduplication by suffix array that comes before any passage is known.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from pydivsufsort import divsufsort, kasai


def peak_bytes() -> int:
    """The most memory that this process has held."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


content = np.fromfile(Path(sys.argv[1]), np.uint8)
before = peak_bytes()
begun = time.process_time()
array = divsufsort(content)
sorted_by = time.process_time()
kasai(content, array)
done = time.process_time()
peak = peak_bytes() - before
print(json.dumps({"array": sorted_by - begun, "prefixes": done - sorted_by, "peak": peak}))
