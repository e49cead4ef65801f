"""Facility location by apricot over clipped cosines, computed in float32 as ours are."""

import json
import os
import resource
import sys
import time


def main() -> None:
    vectors_file, out, count, optimizer, threads = sys.argv[1:6]
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = threads  # read when the libraries are loaded
    import numpy as np
    from apricot import FacilityLocationSelection

    def chosen(vectors: np.ndarray, k: int) -> np.ndarray:
        kernel = np.maximum(vectors @ vectors.T, 0).astype(np.float64)  # all that apricot takes
        selection = FacilityLocationSelection(k, metric="precomputed", optimizer=optimizer)
        return selection.fit(kernel).ranking

    vectors = np.load(vectors_file)
    chosen(vectors[:200], 20)  # what numba compiles is not counted
    wall, cpu = time.monotonic(), time.process_time()
    order = chosen(vectors, int(count))
    told = {"seconds": time.monotonic() - wall, "cpu_seconds": time.process_time() - cpu}
    np.save(out, np.asarray(order, np.int64))
    told["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(told))


main()
