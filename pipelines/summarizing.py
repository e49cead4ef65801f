"""A run as one JSON object: the contract of `curator run --json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curator.engine.driver import Step
from curator.identity import fingerprint
from curator.ledger import Artifact
from curator.recipe import Recipe
from pipelines.runs import budget_of, proxy_called, seed_of

if TYPE_CHECKING:
    from pipelines.comparing import Evidence
    from pipelines.curate import Curated

_OF_METHODS = ("threshold", "effective_share", "poisson")  # of selections that have them
_OF_PROXIES = (
    "tokens", "status", "final_loss", "parameters", "precision", "window",
    "circumstances",
)  # fmt: skip


def summary_of(recipe: Recipe, curated: Curated, out: Path) -> dict[str, Any]:
    """Return what a run is, what each step did, what each arm holds and which is better."""
    return {
        "run": run_id(recipe, curated),
        "out": str(out),
        "recipe": {"name": recipe.name, "digest": recipe.digest},
        "stages": [stage_summary(step) for step in curated.steps],
        "arms": {name: _arm(name, curated) for name in curated.arms},
        "baseline": curated.evidence.baseline if curated.evidence else recipe.baseline,
        "comparison": comparison(curated.evidence),
        "texts": dict(curated.evidence.texts) if curated.evidence else {},
        "report": str(out / "report.html"),
        "artifacts": artifact_names(curated),
        "tokenizer": str(curated.tokens.path) if curated.tokens else None,
        "tokenizer_digest": curated.tokens.digest if curated.tokens else None,
    }


def run_id(recipe: Recipe, curated: Curated) -> str:
    """Return 16 hex digits that name a run: its recipe and the artifacts of its steps."""
    named = [recipe.digest, [file_name(step.artifact) for step in curated.steps]]
    return fingerprint(named)[:16]


def stage_summary(step: Step) -> dict[str, Any]:
    """Return one step's accounts: rows in = rows out + dropped + quarantined."""
    artifact = step.artifact
    return {
        "name": artifact.name,
        "artifact": file_name(artifact),
        "rows_in": artifact.rows_in,
        "rows_out": artifact.rows_out,
        "dropped": artifact.dropped,
        "quarantined": artifact.quarantined,
        "seconds": step.seconds,  # whole: a report made again from it must print the same
        "cached": step.cached,
    }


def file_name(artifact: Artifact) -> str:
    """Return what the artifact's record is called in the store, without its suffix."""
    return f"{artifact.name}-{artifact.id[:12]}"


def artifact_names(curated: Curated) -> dict[str, Any]:
    """Return where the run's artifacts are: what `stats`, `show`, `explain` start from."""
    pool = curated.pool
    return {
        "corpus": file_name(pool.corpus),
        "parents": [
            {"corpus": file_name(parent.corpus), "decisions": parent.decisions}
            for parent in pool.parents
        ],
        "decisions": [file_name(one) for one in pool.decisions],
        "sidecars": [file_name(one) for one in pool.sidecars],
        "pool": file_name(curated.viewed) if curated.viewed else None,
    }


def comparison(evidence: Evidence | None) -> list[dict[str, Any]]:
    """Return one row an arm and metric: effect in the metric's unit, interval, verdict."""
    if evidence is None:
        return []
    return [
        {
            "arm": arm,
            "metric": metric,
            "effect": effect.effect,
            "low": effect.low,
            "high": effect.high,
            "sd": effect.sd,
            "verdict": effect.verdict,
            "seeds": effect.n,
            "seeds_needed": effect.seeds_needed,
            "at_chance": evidence.at_chance(arm, metric),
            "overlap": effect.overlap,
            "covers": effect.covers,
        }
        for arm, metric, effect in evidence.effects
    ]


def _arm(name: str, curated: Curated) -> dict[str, Any]:
    mixed = curated.arms[name]
    selection = dict(mixed.selected.summary)
    proxies = [
        {
            "folder": str(folder),
            "seed": seed_of(run),
            **{key: run[key] for key in _OF_PROXIES if key in run},
            "budget": budget_of(run),
            "proxy": proxy_called(run),  # only like proxies are compared
        }
        for folder in curated.proxies.get(name, [])
        for run in [json.loads((folder / "run.json").read_text())]
    ]
    sources = {source: each["tokens"] for source, each in selection["sources"].items()}
    return {
        "selection": {
            "manifest_hash": selection["manifest_hash"],
            "tokens": selection["tokens"],
            "documents": selection["documents"],
            "sources": sources,
            "shortfalls": selection["shortfalls"],
            **{key: selection[key] for key in _OF_METHODS if key in selection},
            "path": mixed.selected.shard.path,
        },
        **({"refined": mixed.refined.account} if mixed.refined else {}),
        "mixture": {"path": str(mixed.folder), **mixed.account},
        "proxies": proxies,
        "evaluation": dict(curated.evidence.bits[name]) if curated.evidence else {},
        "at_chance": list(curated.evidence.chance.get(name, ())) if curated.evidence else [],
        **({"stages": curated.staged[name].lines} if name in curated.staged else {}),
    }
