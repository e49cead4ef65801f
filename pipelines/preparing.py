"""The pool before any choice: cleaned, stage by stage."""

from __future__ import annotations

from curator.corpus_spec import CleanSpec
from curator.engine.driver import Driver
from pipelines.cleaning import block_urls, block_words, edit_lines, repair_encoding
from pipelines.judging import judge_of
from pipelines.licensing import licenses
from pipelines.pool import Pool
from pipelines.privacy import pii


def clean(spec: CleanSpec | None, pool: Pool, driver: Driver) -> Pool:
    """Return the pool cleaned: mended, judged by URL, language, rules, words, license, edited."""
    if spec is None:
        return pool
    pool = repair_encoding(spec.encoding, pool, driver)
    pool = block_urls(spec.urls, pool, driver)
    pool = _judged(spec, pool, driver)
    pool = block_words(spec.words, pool, driver)
    pool = licenses(spec.licenses, pool, driver)
    pool = edit_lines(spec.lines, pool, driver)
    return pii(spec.pii, pool, driver)


def _judged(spec: CleanSpec, pool: Pool, driver: Driver) -> Pool:
    """Return the pool without what language identification and rules drop.

    The text is read for its statistics, whose work no threshold names; the verdict reads those.
    """
    judge = judge_of(spec)
    measure = judge.measure(spec.statistics)
    measured = driver.map_stage(measure, pool.corpus, step=measure.name, alive=pool.alive)
    decision = driver.map_stage(judge, measured, step="clean", alive=pool.alive)
    return pool.decided(decision).beside(measured)
