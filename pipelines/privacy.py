"""Personal data in the pool: documents dropped for it, masked, or with its places beside them."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from curator.clean.pii import DropPii, MaskPii, PiiSpans, placeholder
from curator.corpus_spec import PiiKind, PiiPolicy, PiiSpec
from curator.engine.driver import Driver
from pipelines.pool import Pool


def pii(spec: PiiSpec | None, pool: Pool, driver: Driver) -> Pool:
    """Return the pool after the policies that drop, then those that mask."""
    drop, mask = _kinds(spec, "drop"), _kinds(spec, "mask")
    if spec and drop:
        leave = DropPii(drop, spec.max_spans, spec.private_ips)
        made = driver.map_stage(leave, pool.corpus, step="clean.pii.drop", alive=pool.alive)
        pool = pool.decided(made).beside(made)
    if spec and mask:
        words = tuple((kind, spec.placeholders.get(kind, placeholder(kind))) for kind in mask)
        hide = MaskPii(words, spec.private_ips)
        hidden = driver.rewrite(hide, pool.corpus, step="clean.pii", alive=pool.alive)
        pool = pool.rewritten(hidden).beside(hidden.decision)
    return pool


def tell_pii(spec: PiiSpec | None, pool: Pool, driver: Driver) -> Pool:
    """Return the pool with the places of the kinds to annotate beside it.

    They are places in the texts as they are now: what rewrites texts has to come before.
    """
    tell = _kinds(spec, "annotate")
    if spec is None or not tell:
        return pool
    say = PiiSpans(tell, spec.private_ips)
    return pool.beside(driver.map_stage(say, pool.corpus, step=say.name, alive=pool.alive))


def _kinds(spec: PiiSpec | None, policy: PiiPolicy) -> tuple[PiiKind, ...]:
    policies = spec.policies() if spec else {}
    return tuple(kind for kind, chosen in policies.items() if chosen == policy)


def hiding(spec: PiiSpec | None) -> Callable[[str], str]:
    """Return what takes from a text, before it is shown, all that a recipe looks for in it.

    A document that was dropped, or dropped before anything was masked, still has it.
    """
    kinds = tuple(spec.policies()) if spec else ()
    if spec is None or not kinds:
        return str
    mask = MaskPii(tuple((kind, placeholder(kind)) for kind in kinds), spec.private_ips)

    def hidden(text: str) -> str:
        table = pa.table({"text": pa.array([text], pa.large_string())})
        (made,) = mask.process(None, table).to_pylist()
        if not made["keep"]:
            return ""
        return text if made["text"] is None else str(made["text"])

    return hidden
