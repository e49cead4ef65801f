"""Facility location by submodlib over clipped cosines, computed in float32 as ours are."""

import json
import os
import resource
import sys
import time


def main() -> None:
    vectors_file, out, count, optimizer, threads = sys.argv[1:6]
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = threads  # read when the libraries are loaded
    import numpy as np
    from submodlib.functions.facilityLocation import FacilityLocationFunction

    def chosen(vectors: np.ndarray, k: int) -> list[int]:
        kernel = np.maximum(vectors @ vectors.T, 0)
        function = FacilityLocationFunction(
            n=len(vectors), mode="dense", separate_rep=False, sijs=kernel
        )
        pairs = function.maximize(
            budget=k,
            optimizer=optimizer,
            stopIfZeroGain=False,
            stopIfNegativeGain=False,
            show_progress=False,
        )
        return [element for element, _ in pairs]

    vectors = np.load(vectors_file)
    chosen(vectors[:200], 20)  # as for those that compile
    wall, cpu = time.monotonic(), time.process_time()
    order = chosen(vectors, int(count))
    told = {"seconds": time.monotonic() - wall, "cpu_seconds": time.process_time() - cpu}
    np.save(out, np.asarray(order, np.int64))
    told["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(told))


main()
