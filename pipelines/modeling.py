"""Reference models: alone or in a swarm, trained side by side on documents that leave the pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.clean.setaside import SetAsideReference, SetAsideSwarm, reference_chance
from curator.engine.driver import Driver
from curator.errors import BudgetError, RecipeError
from curator.identity import id_matrix
from curator.ledger import Artifact
from curator.mix.swarm import cut_points, draw_mixtures, within
from curator.recipe import ModelSpec, TrainModelSpec, suggestion
from curator.shards import Shard, read_shard
from pipelines.mixing import encode_mixture
from pipelines.pool import Pool
from pipelines.scoring import Teachers, keep_from_final, texts_named
from pipelines.tokenizing import Tokens, total_tokens
from pipelines.trained_on import require_apart
from pipelines.training import TrainJob, train_jobs

_OVER = 1.1  # tokens set aside for each that is trained on: documents are whole
_MOST = 0.5  # of the pool's tokens, for one model or one swarm
_CONCENTRATION = 0.5
_NOTHING = Teachers()


def reference_models(
    specs: Mapping[str, ModelSpec],
    pool: Pool,
    tokens: Tokens,
    driver: Driver,
    teachers: Teachers = _NOTHING,
) -> tuple[Pool, dict[str, Path]]:
    """Return the pool without the documents that reference models are trained on, and the models.

    A swarm's models are there one by one: NAME-1, NAME-2, ... One that learns from benchmarks
    takes nothing out of the pool: their items have left it before.

    Raises:
        BudgetError: a reference asks for more than half of the pool's tokens.
        RecipeError: two models have one name; a model learns from nothing that is known, or from
            items that repeat the final target; one on disk was trained on documents of the pool.
    """
    models = {
        name: Path(str(spec.path or spec.gguf))
        for name, spec in specs.items()
        if spec.pruned is None
    }
    jobs: dict[str, TrainJob] = {}
    for name, spec in sorted(specs.items()):
        if spec.train is None:
            continue
        del models[name]
        told = texts_called(spec.train.learns_from, teachers.roles)
        keep_from_final(told, teachers, where=f"models.{name}")
        benchmarks = teachers.benchmarks
        splits = [benchmarks[what].items for what in told if what in benchmarks]
        decision = None
        if not splits:
            pool, decision = _set_aside(name, spec.train, told, pool, driver)
        for called in members(name, spec):
            if called in models or called in jobs or (called != name and called in specs):
                raise RecipeError(
                    f"two models are called {called!r}, one of them in the swarm {name!r}; give "
                    "the other another name",
                    where="models",
                )
            if decision is None:
                shards, chosen = splits, _items(splits, tokens)
            else:
                role = f"{called}-1" if told else called  # sources are set aside as a swarm of one
                shards, chosen = list(pool.corpus.shards), _chosen(role, pool, decision)
            mixture = encode_mixture(f"reference.{called}", chosen, shards, tokens, driver)
            train = spec.train
            jobs[called] = TrainJob(
                mixture, train.proxy, train.tokens, train.seed, driver.store, f"model {called}",
                as_trunk=train.state,
            )  # fmt: skip
    for name, folder in models.items():
        require_apart(name, folder, pool)
    folders = train_jobs(list(jobs.values()), driver) if jobs else []
    models |= dict(zip(jobs, folders, strict=True))
    return pool, models | _pruned(specs, models, driver)


def _pruned(
    specs: Mapping[str, ModelSpec], models: Mapping[str, Path], driver: Driver
) -> dict[str, Path]:
    """Return the models of a recipe that are damaged copies of others.

    Raises:
        RecipeError: a copy of no model, or of a copy.
        LedgerError: the original is no finished proxy.
    """
    from curator.train.damage import content_of, prune_model  # loads torch

    found = {}
    for name, spec in sorted(specs.items()):
        if spec.pruned is None:
            continue
        if spec.pruned.of not in models:
            raise RecipeError(
                f"pruned of {spec.pruned.of!r}; wanted a model that is trained here or on disk"
                f"{suggestion(spec.pruned.of, models)}",
                where=f"models.{name}",
            )
        source, share = models[spec.pruned.of], spec.pruned.share
        identity = {"name": "pruned", "version": 1, "of": content_of(source), "share": share}
        found[name] = driver.folder_of(f"model.{name}", identity, prune_model, source, share)
    return found


def members(name: str, spec: ModelSpec) -> list[str]:
    """Return the names of the models that one entry of a recipe's `models` stands for."""
    if spec.train is None or spec.train.count is None:
        return [name]
    return [f"{name}-{number}" for number in range(1, spec.train.count + 1)]


def texts_called(
    learns_from: Sequence[str] | str | None, roles: Mapping[str, str | Sequence[str]]
) -> tuple[str, ...]:
    """Return the sources or splits that a model learns from, its role looked up; () for the pool.

    Args:
        learns_from: of a recipe's model: a role, "pool", "source:NAME", "BENCHMARK/SPLIT", or
            several sources or splits.
        roles: of the corpus.

    Raises:
        RecipeError: sources and splits are mixed, or something else is named.
    """
    what = roles.get(learns_from, learns_from) if isinstance(learns_from, str) else learns_from
    named = texts_named(what)
    if named in ((), ("pool",)):
        return ()
    kinds = {"source" if one.startswith("source:") else "/" if "/" in one else one for one in named}
    if not (kinds <= {"source"} or kinds <= {"/"}):
        raise RecipeError(
            f"learns_from {list(named)!r} is neither a role of the corpus nor sources "
            f"('source:NAME') nor splits of benchmarks{suggestion(named[0], roles)}"
        )
    return named


def _set_aside(
    name: str, train: TrainModelSpec, told: Sequence[str], pool: Pool, driver: Driver
) -> tuple[Pool, Artifact]:
    """Return the pool without what a model or a swarm is trained on, and the decision.

    Args:
        name: of the model or swarm.
        train: how it is trained.
        told: "source:NAME" of each source that it learns from; none: all.
        pool: what it is taken from.
        driver: what does the work.

    Raises:
        BudgetError: that is more than half of the pool, or of those sources.
    """
    sources = tuple(one.removeprefix("source:") for one in told)
    available = total_tokens(pool, sources)
    wanted = train.tokens * (train.count or 1)
    share = _OVER * wanted / max(1, available)
    if share > _MOST:
        what = f"the pool's {available:,} tokens"
        if sources:
            what = f"the {available:,} tokens of {', '.join(sources)} in the pool"
        raise BudgetError(
            f"model {name!r} would train on {wanted:,} of {what}, which then leave it; wanted at "
            "most half: ask for fewer"
        )
    stage: SetAsideReference | SetAsideSwarm = SetAsideReference(name, share)
    if sources:
        stage = SetAsideSwarm(name, tuple((source, (share,)) for source in sources))
    if train.count is not None:
        stage = SetAsideSwarm(name, _lots(name, train, train.count, pool))
    decision = driver.map_stage(stage, pool.corpus, step=f"reference.{name}", alive=pool.alive)
    return pool.decided(decision), decision


def _lots(
    name: str, train: TrainModelSpec, count: int, pool: Pool
) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """Return for each source the chances that end the lots of a swarm's models.

    Held in memory: 16 bytes a document, as a selection holds them.
    """
    counted = pool.sidecar("tokens")
    assert counted is not None  # `count_tokens` comes first
    parts: dict[str, list[np.ndarray]] = {}
    for table in pool.learning(beside=(counted,)).tables(("doc_id", "source", "n_tokens")):
        chance = reference_chance(name, table["doc_id"])
        rows = np.stack([chance, table["n_tokens"].to_numpy()])
        for source in pc.unique(table["source"]).to_pylist():
            mine = pc.equal(table["source"], source).to_numpy()
            parts.setdefault(source, []).append(rows[:, mine])
    sources = {source: np.concatenate(parts[source], axis=1) for source in sorted(parts)}
    sizes = np.array([rows[1].sum() for rows in sources.values()])
    concentration = train.concentration or _CONCENTRATION
    drawn = draw_mixtures(sizes / sizes.sum(), count, concentration=concentration, seed=train.seed)
    asked = _OVER * train.tokens
    mixtures = within(drawn, _MOST * sizes / asked, where=f"model {name!r}")
    return tuple(
        (source, tuple(cut_points(rows[0], rows[1].astype(np.int64), asked * shares).tolist()))
        for (source, rows), shares in zip(sources.items(), mixtures.T, strict=True)
    )


def _items(splits: Sequence[Shard], tokens: Tokens) -> pa.Table:
    """Return doc_id, source, tokens of the items of benchmarks, which are few."""
    from curator.train.tokenizer import count_tokens, load_tokenizer

    tables = [read_shard(shard, ("doc_id", "source", "text")) for shard in splits]
    table, tokenizer = _distinct(pa.concat_tables(tables)), load_tokenizer(tokens.path)
    counts = count_tokens(tokenizer, table["text"])
    return table.select(["doc_id", "source"]).append_column("tokens", pa.array(counts))


def _chosen(role: str, pool: Pool, decision: Artifact) -> pa.Table:
    """Return doc_id, source, tokens of what a reference model is trained on."""
    counted = pool.sidecar("tokens")
    assert counted is not None  # `count_tokens` comes first
    pieces = []
    for shard, decided, count in zip(
        pool.corpus.shards, decision.shards, counted.shards, strict=True
    ):
        role_is = pc.equal(read_shard(decided, ("role",))["role"], role)
        mask = pc.fill_null(role_is, fill_value=False)
        table = read_shard(shard, ("doc_id", "source"))
        table = table.append_column("tokens", read_shard(count, ("n_tokens",))["n_tokens"])
        pieces.append(table.filter(mask))
    return _distinct(pa.concat_tables(pieces))


def _distinct(table: pa.Table) -> pa.Table:
    """Return the first row of every doc_id: equal texts have one, and a mixture has each once."""
    first = np.unique(id_matrix(table["doc_id"]), axis=0, return_index=True)[1]
    return table.take(pa.array(np.sort(first)))
