"""Selections become mixtures on disk: drawn, encoded shard by shard, laid down in draw order."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.arm_spec import ArmSpec
from curator.engine.driver import Driver
from curator.engine.tasks import Sight
from curator.errors import RecipeError
from curator.identity import id_matrix
from curator.ledger import Artifact
from curator.mix.draw import VERSION, Draw, draw
from curator.mix.spec import MixSpec, parse_mix
from curator.mix.tokens import Encoded, write_tokens
from curator.recipe import Recipe
from curator.schema import SELECTION, conform
from curator.select.manifest import id_keys
from curator.shards import Shard, read_shard, write_shard
from curator.stage import library_versions
from pipelines.arms import Selected
from pipelines.pool import Pool
from pipelines.refining import RefinedArm, mix_of
from pipelines.tokenizing import Tokens
from pipelines.training import DIFFICULTY


@dataclass(frozen=True)
class Mixed:
    """One arm's mixture: a folder of tokens, the selection it was drawn from, its shares."""

    selected: Selected
    folder: Path
    account: Mapping[str, Any]
    refined: RefinedArm | None = None


@dataclass(frozen=True)
class EncodeJob:
    """Encode the wanted documents of one shard into a file of its own."""

    sight: Sight
    wanted: Path  # an Arrow file with the column doc_id
    tokenizer: Path
    out: Path

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"encoding of {self.sight.name}"


def mix_arm(
    selected: Selected,
    arm: ArmSpec,
    recipe: Recipe,
    pool: Pool,
    tokens: Tokens,
    driver: Driver,
    viewed: Artifact | None = None,
    refined: RefinedArm | None = None,
) -> Mixed:
    """Return an arm's mixture: as many tokens as its proxies train on, or the whole selection.

    What became of the selection (`refined`) is mixed in its place.

    With an `order`, how hard its documents are by a column of `viewed` lies beside their tokens;
    the draw and its name are those of the arm without.
    """
    spec = parse_mix(arm.mix)
    wanted = recipe.train.tokens if recipe.train else None
    if wanted and arm.prune is not None:
        wanted //= arm.prune.epochs  # these are read over and over
    if refined is not None:
        spec = mix_of(arm, spec, refined, wanted)
    held = refined.account if refined else selected.summary
    if wanted and not spec.weighted and int(held["tokens"]) > wanted:
        wanted = None  # the whole selection once: each seed then reads another part of it
    chosen = refined.selection if refined else selected.shard
    drawn = draw(read_shard(chosen), spec, wanted, seed=recipe.seed)
    identity = {
        "version": VERSION,
        "selection": chosen.digest,
        "spec": asdict(spec),
        "tokens": wanted,
        "seed": recipe.seed,
        "tokenizer": tokens.digest,
    }
    shards, beside = refined.shards if refined else pool.corpus.shards, None
    if arm.order is not None and viewed is not None:
        beside = _difficulties(drawn, viewed, arm.order.by)
        identity |= {"order": [arm.order.by, viewed.digest]}
    folder = _write(f"mixture.{selected.name}", identity, drawn, shards, tokens, driver, beside)
    account = json.loads((folder / "mixture.json").read_text())
    return Mixed(selected, folder, account, refined)


def _difficulties(drawn: Draw, viewed: Artifact, column: str) -> pa.Table:
    """Return `difficulty` of every draw, (n,) float64 in their order: nan where the column is null.

    Raises:
        RecipeError: the column has no numbers.
    """
    keys = id_keys(drawn.table)
    order = np.argsort(keys, kind="stable")
    found, ordered = np.full(len(keys), np.nan), keys[order]
    for shard in viewed.shards:
        table = read_shard(shard, ("doc_id", column))
        kind = table.schema.field(column).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise RecipeError(
                f"order.by: column {column!r} is of {kind}; wanted numbers, so that some documents "
                "are harder than others"
            )
        values = pc.fill_null(table[column].cast(pa.float64()), np.nan).to_numpy()
        own = id_keys(table)
        place = np.searchsorted(ordered, own, side="left")
        last = np.searchsorted(ordered, own, side="right")
        # A document is drawn once or a few times: each turn gives its number to one more draw.
        while len(place):
            there = place < last
            place, last, values = place[there], last[there], values[there]
            found[order[place]] = values
            place = place + 1
    return pa.table({"difficulty": pa.array(found)})


def encode_mixture(
    name: str, chosen: pa.Table, shards: Sequence[Shard], tokens: Tokens, driver: Driver
) -> Path:
    """Return a mixture of some documents (doc_id, source, tokens) of shards, each once."""
    rows = chosen.append_column("copies", pa.array(np.ones(chosen.num_rows, np.uint32)))
    rows = rows.append_column("key", pa.array(np.zeros(chosen.num_rows)))
    drawn = draw(conform(rows, SELECTION), MixSpec(), None)
    identity = {"draw": drawn.draw_hash(tokens.digest), "tokenizer": tokens.digest}
    return _write(f"mixture.{name}", identity, drawn, shards, tokens, driver)


def run_encode(job: EncodeJob) -> Path:
    """Write doc_id and tokens of the wanted documents among a shard's living ones."""
    from curator.train.tokenizer import encode, load_tokenizer

    table = job.sight.columns(("doc_id", "text"))
    wanted = read_shard(job.wanted, ("doc_id",))["doc_id"].combine_chunks()
    rows = table.filter(pc.is_in(table["doc_id"], wanted))
    offsets, ids = encode(load_tokenizer(job.tokenizer), rows["text"])
    tokens = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(ids))
    content = pa.table({"doc_id": rows["doc_id"].combine_chunks(), "tokens": tokens})
    write_shard(content, job.out, name=job.sight.name)
    return job.out


def _write(
    name: str,
    identity: Mapping[str, Any],
    drawn: Draw,
    shards: Sequence[Shard],
    tokens: Tokens,
    driver: Driver,
    beside: pa.Table | None = None,
) -> Path:
    """Return the folder of a mixture, made once: encoded in parallel, then laid down in order.

    `beside` is `_difficulties`, where documents are to be ordered.
    """
    from curator.train.tokenizer import bos_id, load_tokenizer

    def make(out: Path) -> None:
        if beside is not None:
            write_shard(beside, out / DIFFICULTY, name="difficulty")
        parts = out / "parts"
        wanted = parts / "wanted.arrow"
        write_shard(drawn.selection.select(["doc_id"]), wanted, name="wanted")
        jobs = [
            EncodeJob(
                Sight(shard.name, (shard,), None),
                wanted,
                tokens.path,
                parts / f"{number:06d}.arrow",
            )
            for number, shard in enumerate(shards)
        ]
        files = driver.run(run_encode, jobs)
        tokenizer = load_tokenizer(tokens.path)
        write_tokens(
            drawn,
            _encoded(files),
            out,
            tokenizer_digest=tokens.digest,
            vocab_size=tokenizer.get_vocab_size(),
            bos_id=bos_id(tokenizer),
        )
        for file in (*files, wanted):
            file.unlink()
        parts.rmdir()
        shutil.copyfile(tokens.path, out / "tokenizer.json")  # ids mean nothing without it

    libraries = library_versions(("tokenizers",))
    return driver.folder(name, {**identity, "libraries": libraries}, make)


def _encoded(files: list[Path]) -> Iterator[Encoded]:
    for file in files:
        table = read_shard(file).combine_chunks()
        if table.num_rows:
            column = table["tokens"].combine_chunks()
            offsets = column.offsets.to_numpy()
            yield Encoded(
                id_matrix(table["doc_id"]), offsets - offsets[0], column.flatten().to_numpy()
            )
