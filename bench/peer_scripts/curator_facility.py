"""Our own facility location, in a process of its own as the peers have."""

import json
import os
import resource
import sys
import time


def main() -> None:
    vectors_file, out, count, threads = sys.argv[1:5]
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = threads  # read when the libraries are loaded
    import numpy as np

    from curator.submodular.facility import facility_location

    vectors = np.load(vectors_file)
    facility_location(vectors[:700], 70, threads=int(threads))  # what numba compiles
    wall, cpu = time.monotonic(), time.process_time()
    found = facility_location(vectors, int(count), threads=int(threads))
    told = {"seconds": time.monotonic() - wall, "cpu_seconds": time.process_time() - cpu}
    np.save(out, found.order)
    told["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(told))


main()
