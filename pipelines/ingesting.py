"""Sources become the corpus: plan the units, read them in parallel, hold the error budget."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from curator.corpus_spec import CorpusSpec
from curator.engine.driver import Driver
from curator.engine.tasks import committed
from curator.errors import ShardError
from curator.identity import fingerprint
from curator.ingest.files import Digests
from curator.ingest.pack import ingest_unit, unit_identity
from curator.ingest.reader import HARMLESS, Reader, Unit, make_reader
from curator.ledger import Artifact, Store, TaskRecord
from curator.schema import QUARANTINE
from curator.shards import Shard, read_shard
from pipelines.pool import Pool, counted

STEP = "ingest"
_FEW_BAD_RECORDS = 10  # below this a share says nothing


@dataclass(frozen=True)
class IngestTask:
    """Read one unit of input into shards."""

    reader: Reader
    unit: Unit
    key: str
    store: Store
    shard_bytes: int
    step: str = STEP

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"ingest of {self.unit.name}"


def run_ingest(task: IngestTask) -> TaskRecord:
    """Write one unit's shards and its quarantine, and return the record."""

    def make() -> TaskRecord:
        folder = task.store.task_path(STEP, task.key).with_suffix("")
        made = ingest_unit(task.reader, task.unit, folder, target_bytes=task.shard_bytes)
        return TaskRecord(
            task.key,
            tuple(made.shards),
            made.rows_in,
            made.rows_out,
            quarantined=made.quarantined,
            quarantine=made.quarantine,
            notes={"read": task.unit.size_bytes},
        )

    return committed(task, make)


def ingest(spec: CorpusSpec, driver: Driver, *, share: float = 1.0) -> Pool:
    """Return the corpus of all sources, or of units that hold about `share` of the bytes.

    Raises:
        RecipeError: a pattern matches nothing, a setting is wrong.
        ShardError: a source has more bad records than `max_bad_records`, or nothing but those.
    """
    readers = [
        make_reader(entry, where=f"corpus.ingest.{number}")
        for number, entry in enumerate(spec.ingest)
    ]
    digests = Digests(driver.store.root / "digests.json")
    planned = {
        fingerprint(unit_identity(reader, unit, target_bytes=spec.shard_bytes)): (reader, unit)
        for reader in readers
        for unit in reader.plan(digests)
    }  # a file named twice is read once
    digests.save()
    jobs = [
        IngestTask(reader, unit, key, driver.store, spec.shard_bytes)
        for key, (reader, unit) in planned.items()
    ]
    identity = {"name": STEP, "readers": [reader.identity() for reader in readers]}
    if not driver.quiet:
        for note in sorted({job.unit.note for job in jobs if job.unit.note}):
            print(f"{STEP}: {note}", file=sys.stderr)
    made = driver.run_tasks(run_ingest, jobs if share == 1 else _some(jobs, share))
    artifact = driver.publish(STEP, identity, (), made)
    check_bad_records(artifact, spec.max_bad_records)
    return Pool(artifact)


def _some(jobs: list[IngestTask], share: float) -> list[IngestTask]:
    """Return jobs in the order of their keys (a fixed shuffle), up to a share of all bytes."""
    sizes = {job.key: max(1, job.unit.size_bytes) for job in jobs}  # 0: unknown before reading
    wanted = share * sum(sizes.values())
    chosen: list[IngestTask] = []
    for job in sorted(jobs, key=lambda job: job.key):
        if sum(sizes[each.key] for each in chosen) >= wanted:
            break
        chosen.append(job)
    return chosen


def check_bad_records(artifact: Artifact, allowed: float) -> None:
    """Raise where a source has more unreadable records than its budget, or nothing else.

    Args:
        artifact: what ingest made.
        allowed: share of a source's records in [0, 1]; at least 10 records are always allowed.

    Raises:
        ShardError: naming each source, its counts, reasons, and the first places to look.
    """
    good = counted(read_shard(shard, ("source",))["source"] for shard in artifact.shards)
    bad = _faulty_by_source(quarantine_of(artifact))
    faults = []
    for source, n in sorted(bad.items()):
        total = n + good.get(source, 0)
        if n == total or n > max(_FEW_BAD_RECORDS, allowed * total):
            faults.append(f"source {source!r}: {n} of {total} records are bad ({n / total:.2%})")
    if faults:
        reasons = ", ".join(f"{reason} {n}" for reason, n in artifact.quarantined.items())
        raise ShardError(
            f"{'; '.join(faults)}; allowed are {allowed:.2%} (at least {_FEW_BAD_RECORDS}). "
            f"Reasons: {reasons}. First places: {'; '.join(_first_places(artifact))}. "
            "Repair the files, or raise corpus.max_bad_records; good records are kept in the store",
            where=STEP,
        )
    if not artifact.rows_out:
        raise ShardError("no document was found in any source; check `files`", where=STEP)


def quarantine_of(artifact: Artifact) -> pa.Table:
    """Return every quarantined record of an ingest artifact."""
    tables = [read_shard(shard) for shard in _quarantines(artifact)]
    return pa.concat_tables([QUARANTINE.empty_table(), *tables])


def _quarantines(artifact: Artifact) -> list[Shard]:
    return [task.quarantine for task in artifact.tasks if task.quarantine]


def _faulty_by_source(records: pa.Table) -> dict[str, int]:
    """Return records with a fault of the input, by source; a page without text has none."""
    harmless = pc.is_in(records["reason"], pa.array(sorted(HARMLESS)))
    return counted([records.filter(pc.invert(harmless))["source"]])


def _first_places(artifact: Artifact) -> list[str]:
    return [
        f"{row['origin']} ({row['reason']})"
        for shard in _quarantines(artifact)[:3]
        for row in read_shard(shard, ("origin", "reason")).slice(0, 2).to_pylist()
    ]
