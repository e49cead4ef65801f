"""The whole story, top to bottom: a recipe becomes artifacts, mixtures, proxies and a verdict.

Every step returns at once what it made before; a step's work is done by the modules beside this
one, and the algorithms are in curator/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from curator.engine.driver import Driver, Step
from curator.ledger import Artifact
from curator.recipe import Recipe
from curator.shards import Shard
from pipelines.arms import select_arms
from pipelines.comparing import Evidence, compare_arms
from pipelines.conducting import conducts_of
from pipelines.deduplicating import dedup
from pipelines.expecting import announce
from pipelines.guarding import decontaminate, drop_copies, repeats_of
from pipelines.ingesting import ingest
from pipelines.live import made_before, plain_arms
from pipelines.mixing import Mixed, mix_arm
from pipelines.modeling import reference_models
from pipelines.opting_out import opt_out, opt_out_again
from pipelines.pool import Pool
from pipelines.preparing import clean
from pipelines.privacy import tell_pii
from pipelines.refining import refine_arm
from pipelines.scoring import score, teachers_of
from pipelines.selecting import view
from pipelines.sharing import keep_to_shares
from pipelines.splitting import Benchmark, benchmarks_of, hold_out
from pipelines.staged_arms import StagedArm, with_staged
from pipelines.tokenizing import Tokens, count_tokens
from pipelines.training import train_arms


@dataclass(frozen=True)
class Curated:
    """Everything that a run made, and how its steps went."""

    pool: Pool
    tokens: Tokens | None = None
    benchmarks: Mapping[str, Benchmark] = field(default_factory=dict)
    heldout: Shard | None = None
    models: Mapping[str, Path] = field(default_factory=dict)
    viewed: Artifact | None = None
    arms: Mapping[str, Mixed] = field(default_factory=dict)
    proxies: Mapping[str, list[Path]] = field(default_factory=dict)
    staged: Mapping[str, StagedArm] = field(default_factory=dict)
    evidence: Evidence | None = None
    steps: tuple[Step, ...] = ()


def curate(recipe: Recipe, driver: Driver) -> Curated:
    """Turn the recipe's sources into mixtures and compare them. Finished steps are not repeated."""
    made = prepare(recipe, driver)
    tokens = made.tokens
    if tokens is None:
        return made
    made = choose(recipe, made, driver)
    mixtures = {name: mixed.folder for name, mixed in made.arms.items()}
    announce(recipe, driver.store, quiet=driver.quiet)
    conducts = conducts_of(recipe.arms, made.models)
    proxies = train_arms(recipe.train, mixtures, driver, conducts, models=made.models)
    made = with_staged(recipe, replace(made, proxies=proxies), driver)
    evidence = compare_arms(recipe, made.proxies, made.benchmarks, made.heldout, tokens, driver)
    return replace(made, evidence=evidence, steps=tuple(driver.steps))


def prepare(recipe: Recipe, driver: Driver) -> Curated:
    """Return what recipes on one corpus share: the pool, its tokenizer, what left the pool."""
    spec = recipe.corpus
    pool = opt_out(spec.optout, ingest(spec, driver), driver)
    pool = clean(spec.clean, pool, driver)
    pool = dedup(spec.dedup, pool, driver)
    pool = opt_out_again(spec.optout, pool, driver)
    pool, benchmarks = benchmarks_of(spec.benchmarks, pool, driver)
    pool = decontaminate(spec.decontaminate, pool, benchmarks, driver)
    pool = tell_pii(spec.clean.pii if spec.clean else None, pool, driver)
    pool, heldout = hold_out(spec.heldout, pool, driver)
    pool = drop_copies(heldout, pool, driver)
    if not (recipe.arms or recipe.score or recipe.models):
        return Curated(pool, None, benchmarks, heldout, steps=tuple(driver.steps))

    pool, tokens = count_tokens(spec.tokenizer, pool, driver)
    teachers = teachers_of(recipe, benchmarks)
    pool, models = reference_models(recipe.models, pool, tokens, driver, teachers)
    return Curated(pool, tokens, benchmarks, heldout, models, steps=tuple(driver.steps))


def choose(recipe: Recipe, made: Curated, driver: Driver) -> Curated:
    """Return what is prepared with the recipe's scores beside it and its arms' mixtures.

    Arms that choose while they train have none yet, nor have the scores that only they wait for.
    """
    assert made.tokens is not None  # `prepare` counts them for every recipe with arms
    tokens = made.tokens
    teachers = teachers_of(recipe, made.benchmarks, made.models)
    pool = score(made_before(recipe), made.pool, teachers, driver)
    viewed = view(pool, driver)
    selections = select_arms(plain_arms(recipe.arms), viewed, recipe.seed, tokens, driver)
    keep_to_shares(recipe, selections, pool)

    def repeats(documents: Artifact) -> list[Artifact]:
        against = recipe.corpus.decontaminate
        return repeats_of(documents, against, made.benchmarks, made.heldout, driver)

    arms = {
        name: mix_arm(
            chosen, recipe.arms[name], recipe, pool, tokens, driver, viewed,
            refine_arm(chosen, recipe.arms[name], pool, tokens, teachers, driver, repeats),
        )
        for name, chosen in selections.items()
    }  # fmt: skip
    return replace(made, pool=pool, viewed=viewed, arms=arms, steps=tuple(driver.steps))
