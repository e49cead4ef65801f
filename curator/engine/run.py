"""The seam between what is done and where, and the inline engine: a pool of spawned processes.

Work is a top-level function, a job any picklable value that names files. Workers are recycled,
ignore Ctrl-C (the driver decides) and end with the driver. A job whose worker dies is tried twice
more; then the run fails with the name of the job. Jobs are handed out few at a time, so a dead
worker incriminates few.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol, TypeVar

from curator.errors import ShardError

Job = TypeVar("Job")
Result = TypeVar("Result")

RETRIES = 2
# A worker is replaced after so many jobs: leaks of native libraries end there. A new one costs more
# than a second of CPU, for imports and kernels.
_JOBS_PER_WORKER = 256
# One thread a worker: parallelism is over shards, and results of BLAS must not depend on cores.
_LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON", "ARROW")
ONE_THREAD = {
    **{f"{library}_NUM_THREADS": "1" for library in _LIBRARIES},
    "POLARS_MAX_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class Engine(Protocol):
    """Maps work over jobs, anywhere."""

    workers: int

    def map(
        self, work: Callable[[Job], Result], jobs: Sequence[Job]
    ) -> Iterator[tuple[int, Result]]:
        """Yield (number of the job, its result) in the order in which jobs end.

        Raises:
            ShardError: a job's worker died three times.
            Exception: whatever the work raised; jobs that have ended stay ended.
        """
        ...

    def close(self) -> None:
        """End all workers."""
        ...


class Inline:
    """A pool of processes on this machine; with one worker, this process itself."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or len(os.sched_getaffinity(0))
        self._pool: ProcessPoolExecutor | None = None

    def map(
        self, work: Callable[[Job], Result], jobs: Sequence[Job]
    ) -> Iterator[tuple[int, Result]]:
        """Yield (number of the job, its result) in the order in which jobs end."""
        if self.workers == 1:
            return ((number, work(job)) for number, job in enumerate(jobs))
        return self._map_pool(work, jobs)

    def close(self) -> None:
        """End all workers."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _map_pool(
        self, work: Callable[[Job], Result], jobs: Sequence[Job]
    ) -> Iterator[tuple[int, Result]]:
        todo = list(range(len(jobs)))[::-1]
        strikes = [0] * len(jobs)
        running: dict[Future[Result], int] = {}
        try:
            while todo or running:
                while todo and len(running) < self.workers:
                    number = todo.pop()
                    try:
                        running[self._executor().submit(work, jobs[number])] = number
                    except BrokenProcessPool:  # broke while idle: start another, nobody's fault
                        self._abandon()
                        todo.append(number)
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                lost = [f for f in done if isinstance(f.exception(), BrokenProcessPool)]
                for future in done:
                    if future not in lost:
                        yield running.pop(future), future.result()
                if lost:
                    todo += self._strike(running, strikes, jobs)
        except BaseException:
            self._abandon()
            raise

    def _strike(
        self, running: dict[Future[Any], int], strikes: list[int], jobs: Sequence[Any]
    ) -> list[int]:
        """Return the jobs to do again after a worker died: one broken worker breaks the pool."""
        self._abandon()
        again = sorted(running.values(), reverse=True)
        running.clear()
        for number in again:
            strikes[number] += 1
            if strikes[number] > RETRIES:
                raise ShardError(
                    f"its worker died {strikes[number]} times (killed, or out of memory); "
                    "use fewer --workers or smaller shards, then rerun: finished shards are kept",
                    where=str(getattr(jobs[number], "name", f"job {number}")),
                )
        return again

    def _executor(self) -> ProcessPoolExecutor:
        if self._pool is None:
            os.environ.update({k: v for k, v in ONE_THREAD.items() if k not in os.environ})
            self._pool = ProcessPoolExecutor(
                max_workers=self.workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin_worker,
                initargs=(os.getpid(),),
                max_tasks_per_child=_JOBS_PER_WORKER,
            )
        return self._pool

    def _abandon(self) -> None:
        """Kill the pool's processes without waiting for what they are doing."""
        if self._pool is None:
            return
        processes = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            if process.is_alive():
                process.kill()
        self._pool = None


def _begin_worker(driver: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(driver,), daemon=True).start()


def _end_with(driver: int) -> None:
    """End this process when the driver is gone: nobody would read what it makes."""
    while os.getppid() == driver:
        time.sleep(0.5)
    os._exit(1)
