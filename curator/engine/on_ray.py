"""The Ray engine: the same jobs, run by Ray tasks on this machine or on a cluster.

Rows stay on disk; only file names travel. Ray retries a task whose worker or node died; an
exception of the work itself is raised here as it was there.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ray
import ray.exceptions

from curator.engine.run import ONE_THREAD, RETRIES, Job, Result
from curator.errors import RecipeError, ShardError

_PATIENCE_SECONDS = 10.0
_IN_FLIGHT_PER_WORKER = 2  # keeps every worker busy without flooding the scheduler


class OnRay:
    """A Ray cluster: that at `address`, or a local one of `workers` processes."""

    def __init__(self, workers: int | None = None, address: str | None = None) -> None:
        options: dict[str, Any] = {"runtime_env": {"env_vars": ONE_THREAD}}
        if address is None:
            options |= {"num_cpus": workers or len(os.sched_getaffinity(0))}
            options |= {"include_dashboard": False, "address": "local"}
        else:
            options |= {"address": address}
        self._owner = not ray.is_initialized()
        if self._owner:
            _look_for(address)
            try:
                ray.init(log_to_driver=False, logging_level=logging.WARNING, **options)
            except (ConnectionError, ValueError) as error:
                raise RecipeError(
                    f"no Ray cluster at {address!r} ({error}); start one, or give RAY_AUTH_TOKEN "
                    "the token of the one there"
                ) from error
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        self.workers = workers or int(resources.get("CPU", 1))

    def map(
        self, work: Callable[[Job], Result], jobs: Sequence[Job]
    ) -> Iterator[tuple[int, Result]]:
        """Yield (number of the job, its result) in the order in which jobs end."""
        remote = ray.remote(num_cpus=1, max_retries=RETRIES)(work)
        todo = list(range(len(jobs)))[::-1]
        running: dict[Any, int] = {}
        try:
            while todo or running:
                while todo and len(running) < _IN_FLIGHT_PER_WORKER * self.workers:
                    number = todo.pop()
                    running[remote.remote(jobs[number])] = number
                done, _ = ray.wait(list(running), num_returns=1)
                number = running.pop(done[0])
                yield number, _result(done[0], jobs[number], number)
        except BaseException:
            for reference in running:
                ray.cancel(reference, force=True)
            raise

    def close(self) -> None:
        """Leave the cluster, and end it if it was started here."""
        if self._owner and ray.is_initialized():
            ray.shutdown()


def _look_for(address: str | None) -> None:
    """Refuse a HOST:PORT where nobody listens: Ray itself would try for minutes.

    Raises:
        RecipeError: nobody listens there.
    """
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return  # none, or a word that Ray knows: "auto"
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise RecipeError(f"no Ray cluster at {address!r} ({error}); start one") from error


def _result(reference: Any, job: Any, number: int) -> Any:
    """Return what a task returned, or raise what it raised."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise ShardError(
            f"its worker died {RETRIES + 1} times ({type(error).__name__}); use fewer --workers or "
            "smaller shards, then rerun: finished shards are kept",
            where=str(getattr(job, "name", f"job {number}")),
        ) from error
    except ray.exceptions.RayError as error:  # a node or the cluster itself is gone
        raise ShardError(
            f"Ray failed ({type(error).__name__}: {str(error).splitlines()[0]}); rerun: finished "
            "shards are kept",
            where=str(getattr(job, "name", f"job {number}")),
        ) from error
