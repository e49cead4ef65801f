"""POT's Sinkhorn in logarithms on unit vectors of two files; see bench/sinkhorn.py.

    python pot_sinkhorn.py FROM.npy TO.npy EPS STOP PRECISION [MOST]

Prints seconds (the matrix of costs included), CPU seconds, passes, L1 and L2 marginal errors of the
columns, cost of the plan, and the most memory beyond the vectors, in bytes.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import ot


def resident(which="VmRSS"):
    """Bytes of this process in memory; asked for VmRSS, its peak VmHWM begins anew."""
    if which == "VmRSS":
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(which)).split()[1])


x, y = (np.load(path) for path in sys.argv[1:3])
eps, stop = float(sys.argv[3]), float(sys.argv[4])
x, y = (v.astype(sys.argv[5]) for v in (x, y))
most = int(sys.argv[6]) if len(sys.argv) > 6 else 100_000
a, b = np.full(len(x), 1 / len(x), x.dtype), np.full(len(y), 1 / len(y), x.dtype)
before = resident()
begun, spent = time.perf_counter(), time.process_time()
costs = np.sqrt(np.maximum(0, 2 - 2 * x @ y.T))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that it did not converge: the error says so
    plan, log = ot.sinkhorn(
        a, b, costs, eps, method="sinkhorn_log", stopThr=stop, numItermax=most, log=True
    )
seconds, spent = time.perf_counter() - begun, time.process_time() - spent
rose = resident("VmHWM") - before
lacking = plan.sum(axis=0, dtype=np.float64) - b
print(
    json.dumps(
        {
            "seconds": seconds,
            "cpu": spent,
            "passes": int(log["niter"]),
            "l1": float(np.abs(lacking).sum()),
            "l2": float(np.linalg.norm(lacking)),
            "value": float((plan * costs).sum(dtype=np.float64)),
            "bytes": rose,
        }
    )
)
