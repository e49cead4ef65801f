"""Documents by their license: told for all, and dropped where a recipe names the tiers it keeps."""

from __future__ import annotations

from curator.clean.licenses import Licenses
from curator.corpus_spec import LicensesSpec
from curator.engine.driver import Driver
from pipelines.pool import Pool


def licenses(spec: LicensesSpec | None, pool: Pool, driver: Driver) -> Pool:
    """Return the pool with each document's license beside it, without the tiers that go."""
    if spec is None:
        return pool
    stage = Licenses(tuple(spec.keep or ()), spec.unknown == "keep", spec.text)
    made = driver.map_stage(stage, pool.corpus, step="clean.licenses", alive=pool.alive)
    return pool.decided(made).beside(made) if spec.keep else pool.beside(made)
