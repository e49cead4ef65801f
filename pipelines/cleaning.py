"""What cleaning does beside language and rules: encodings mended, lists applied, lines cut.

Every function takes its part of the recipe's `clean` section and returns the pool as it is
afterwards; without that part the pool is returned untouched and nothing is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from curator.clean.blocklists import ListFile, find_lists, write_blocklist
from curator.clean.boilerplate import CutBoilerplate
from curator.clean.encoding import RepairEncoding
from curator.clean.lines import EditLines
from curator.clean.urls import BlockUrls
from curator.clean.wordlists import BlockWords, find_words
from curator.corpus_spec import LinesSpec, UrlsSpec, WordsSpec
from curator.engine.driver import Driver
from curator.ledger import Artifact
from curator.rewrite import Rewriter
from curator.stage import Stage
from pipelines.pool import Pool, folder_shard


def repair_encoding(spec: str | None, pool: Pool, driver: Driver) -> Pool:
    """Return the pool with texts that were decoded wrongly mended."""
    if spec is None:
        return pool
    return _rewritten(RepairEncoding(), "clean.encoding", pool, driver)


def block_urls(spec: UrlsSpec | None, pool: Pool, driver: Driver) -> Pool:
    """Return the pool without documents whose URL a list names, or with the category beside it."""
    if spec is None:
        return pool
    found = find_lists(spec.lists, spec.categories)
    identity = {"lists": [each.identity() for each in found], "form": 1}
    folder = driver.folder_of("clean.blocklist", identity, _write_blocklist, found)
    written = folder_shard(folder, "blocklist")
    stage = BlockUrls(blocklist=written.digest, path=written.path, action=spec.action)
    return _judged(stage, "clean.urls", spec.action, pool, driver)


def _write_blocklist(found: Sequence[ListFile], out: Path) -> None:
    write_blocklist(found, out / "blocklist.arrow")


def block_words(spec: WordsSpec | None, pool: Pool, driver: Driver) -> Pool:
    """Return the pool without documents of too many listed words, or with their counts beside."""
    if spec is None:
        return pool
    stage = BlockWords(
        lists=find_words(spec.lists),
        paths=tuple(spec.lists.values()),
        max_words=spec.max_words,
        max_share=spec.max_share,
        action=spec.action,
    )
    return _judged(stage, "clean.words", spec.action, pool, driver)


def edit_lines(spec: str | LinesSpec | None, pool: Pool, driver: Driver) -> Pool:
    """Return the pool with lines cut from its texts: new documents that name their parents."""
    if spec is None:
        return pool
    asked = LinesSpec.model_validate({"edit": spec}) if isinstance(spec, str) else spec
    kinds = {"c4": EditLines, "boilerplate": CutBoilerplate}
    stage: Rewriter = kinds[asked.edit](max_removed=asked.max_removed)
    return _rewritten(stage, "clean.lines", pool, driver)


def _judged(stage: Stage, step: str, action: str, pool: Pool, driver: Driver) -> Pool:
    made: Artifact = driver.map_stage(stage, pool.corpus, step=step, alive=pool.alive)
    return pool.beside(made) if action == "annotate" else pool.decided(made).beside(made)


def _rewritten(stage: Rewriter, step: str, pool: Pool, driver: Driver) -> Pool:
    made = driver.rewrite(stage, pool.corpus, step=step, alive=pool.alive)
    return pool.rewritten(made)
