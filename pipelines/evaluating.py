"""One proxy becomes numbers: bits of every text, an answer to every question, their means.

A folder an evaluation: `bits-N.arrow` has a row a document, `options-N.arrow` a row an option,
`choices-N.arrow` and `pairs-N.arrow` a row an item, where N is the place of the set;
`samples.arrow` has a row a text that the proxy wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.arm_spec import ArmSpec
from curator.evaluate import VERSION
from curator.evaluate.metrics import OF_CHOICES, OF_PAIRS
from curator.evaluate.questions import spread_items
from curator.identity import fingerprint
from curator.ledger import Store, folder_digest
from curator.recipe import Recipe, SamplesSpec
from curator.shards import Shard, read_shard, write_shard
from curator.stage import library_versions
from pipelines.splitting import Asked, Benchmark
from pipelines.training import TOKENIZER, WEIGHTS

if TYPE_CHECKING:
    from curator.evaluate.emergence import Chance
    from curator.text.stretches import By

EVALUATION = "evaluation"
HELDOUT = "heldout"
SAMPLES = "samples"
ALONE = ("gold_bits",)  # with a single option there is nothing to choose


@dataclass(frozen=True)
class TextSet:
    """What a proxy is measured on together: documents, and questions where they ask any."""

    name: str
    documents: Shard
    sources: tuple[str, ...] = ()  # all if empty
    asked: Asked | None = None
    items: int | None = None  # of documents and of questions, evenly over them; all if None


@dataclass(frozen=True)
class EvaluateJob:
    """Measure one proxy on every set of texts."""

    run: Path
    sets: tuple[TextSet, ...]
    tokenizer: Path
    store: Store
    prefix: tuple[str, ...] = ()  # tags before every text
    prefix_by: By = "document"
    samples: SamplesSpec | None = None  # texts that it writes

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"evaluation of {self.run.name}"

    @property
    def identity(self) -> dict[str, Any]:
        """Return what names the evaluation."""
        sets = [
            [each.name, each.documents.digest, list(each.sources), each.items, _named(each.asked)]
            for each in self.sets
        ]
        return {
            "version": VERSION,
            "libraries": library_versions(("torch", "tokenizers")),
            "run": folder_digest(self.run, (WEIGHTS, TOKENIZER)),
            "sets": sets,
            **({"prefix": list(self.prefix)} if self.prefix else {}),
            **({"prefix_by": self.prefix_by} if self.prefix_by != "document" else {}),
            **({"samples": self.samples.model_dump()} if self.samples else {}),
        }

    @property
    def folder(self) -> Path:
        """Where the result lies."""
        return self.store.folder_path(EVALUATION, self.identity)


def sets_of(
    recipe: Recipe, benchmarks: Mapping[str, Benchmark], heldout: Shard | None
) -> tuple[TextSet, ...]:
    """Return every set that the recipe evaluates on: held-out sources, then benchmarks."""
    wanted = recipe.evaluate
    assert wanted is not None
    final = [wanted.final_target.partition("#")[0]] if wanted.final_target else []
    names = dict.fromkeys([*wanted.benchmarks, *final])
    sets = [
        TextSet(name, benchmarks[name].items, (), benchmarks[name].asked, wanted.items)
        for name in names
    ]
    if heldout is None:
        return tuple(sets)
    held = [TextSet(f"{HELDOUT}/{source}", heldout, (source,)) for source in wanted.heldout]
    return (*held, *sets)


def job_of(
    run: Path,
    arm: ArmSpec | None,
    sets: tuple[TextSet, ...],
    recipe: Recipe,
    tokenizer: Path,
    store: Store,
) -> EvaluateJob:
    """Return what measures one run, asked as its arm says."""
    samples = recipe.evaluate.samples if recipe.evaluate else None
    prefix: tuple[str, ...] = tuple(arm.prefix) if arm else ()
    by: By = arm.prefix_by if arm else "document"
    return EvaluateJob(run, sets, tokenizer, store, prefix, by, samples)


def run_evaluate(job: EvaluateJob) -> Path:
    """Write the numbers of every document and item of every set, and return the folder."""
    from curator.evaluate.bits import bits_per_byte

    def make(out: Path) -> None:
        for number, each in enumerate(job.sets):
            texts = read_shard(each.documents, ("doc_id", "source", "text"))
            if each.sources:
                texts = texts.filter(pc.is_in(texts["source"], pa.array(each.sources)))
            texts = spread_items(texts, each.items)
            measured = bits_per_byte(
                job.run, texts, job.tokenizer, prefix=job.prefix, by=job.prefix_by
            )
            write_shard(measured, out / f"bits-{number}.arrow", name=f"bits-{number}")
            if each.asked is not None:
                _ask(
                    job,
                    each.asked,
                    spread_items(read_shard(each.asked.shard), each.items),
                    number,
                    out,
                )
        if job.samples is not None:
            written = _written(job, job.samples)
            write_shard(written, out / f"{SAMPLES}.arrow", name=SAMPLES)

    return job.store.folder(EVALUATION, job.identity, make)


def _written(job: EvaluateJob, asked: SamplesSpec) -> pa.Table:
    """Return what a proxy writes after its arm's tags."""
    from curator.evaluate.generated import generate
    from curator.text.stretches import Trait
    from curator.train.sample import Sampling

    sampling = Sampling(
        max_tokens=asked.tokens,
        temperature=asked.temperature,
        top_p=asked.top_p,
        seed=asked.seed,
    )
    trait = Trait(asked.trait, tuple(asked.words))  # type: ignore[arg-type] # Trait checks it
    return generate(
        job.run,
        job.tokenizer,
        asked.count,
        sampling,
        trait,
        by=asked.by,
        above=asked.above,
        prefix=job.prefix,
        everywhere=job.prefix_by != "document",
    )


def _ask(job: EvaluateJob, asked: Asked, questions: pa.Table, number: int, out: Path) -> None:
    """Write what a proxy answers to every item of a set; its tokenizer has been checked."""
    from curator.evaluate.choices import score_items, score_options
    from curator.evaluate.conditioned import forget_tags
    from curator.evaluate.pairs import score_pairs
    from curator.train.checkpoint import load_model
    from curator.train.tokenizer import load_tokenizer

    model, tokenizer = load_model(job.run), load_tokenizer(job.tokenizer)
    forget_tags(model, tokenizer)
    found = {}
    if asked.form == "pairs":
        found["pairs"] = score_pairs(model, tokenizer, questions)
    else:
        found["options"] = score_options(model, tokenizer, questions)
        found["choices"] = score_items(found["options"], asked.per)
    for kind, table in found.items():
        write_shard(table, out / f"{kind}-{number}.arrow", name=f"{kind}-{number}")


def metrics_of(folder: Path, sets: Sequence[TextSet]) -> dict[str, float]:
    """Return metric -> what one proxy got; `heldout` is the mean over its sources.

    Sets without text have no bits per byte.
    """
    found = {}
    for number, each in enumerate(sets):
        table = read_shard(folder / f"bits-{number}.arrow")
        size = pc.sum(table["bytes"]).as_py() or 0
        if size:
            found[each.name] = float(pc.sum(table["bits"]).as_py()) / size
        if each.asked is not None:
            items = read_shard(folder / f"{each.asked.form}-{number}.arrow")
            found |= {f"{each.name}#{kind}": mean for kind, mean in item_means(items).items()}
    if (folder / f"{SAMPLES}.arrow").is_file():
        from curator.evaluate.generated import bad_rate

        found[f"{SAMPLES}#bad_rate"] = bad_rate(read_shard(folder / f"{SAMPLES}.arrow"))
    held = [value for name, value in found.items() if name.startswith(f"{HELDOUT}/")]
    return found | ({HELDOUT: sum(held) / len(held)} if len(held) > 1 else {})


def item_means(items: pa.Table) -> dict[str, float]:
    """Return kind of metric -> its mean over items: a paradigm of pairs counts as one."""
    from curator.evaluate.pairs import mean_of

    if "margin_nats" in items.column_names:
        return {kind: mean_of(items, kind) for kind in OF_PAIRS}
    if not items.num_rows:
        return {}
    kinds = OF_CHOICES if pc.max(items["options"]).as_py() > 1 else ALONE
    return {kind: float(pc.mean(items[kind]).as_py()) for kind in kinds}


def item_chances(items: pa.Table) -> Iterator[tuple[str, Chance]]:
    """Yield the kinds of metric that have a level of chance, with it."""
    from curator.evaluate.emergence import chance_of

    if "margin_nats" in items.column_names:
        for kind, level in (("accuracy", 0.5), ("margin_nats", 0.0)):
            yield kind, chance_of(items[kind].to_numpy(), np.full(items.num_rows, level))
    elif items.num_rows and pc.max(items["options"]).as_py() > 1:
        levels = 1 / items["options"].to_numpy()
        for kind in ("accuracy", "accuracy_raw", "norm_prob"):
            yield kind, chance_of(items[kind].to_numpy(), levels)
        yield "margin", chance_of(items["margin"].to_numpy(), items["margin_by_chance"].to_numpy())


def at_chance(folders: Sequence[Path], sets: Sequence[TextSet]) -> tuple[str, ...]:
    """Return the metrics that the proxies of one arm, one a seed, do not lift above chance."""
    from curator.evaluate.emergence import above_chance

    found = []
    for number, each in enumerate(sets):
        if each.asked is None or not folders:
            continue
        tables = [read_shard(one / f"{each.asked.form}-{number}.arrow") for one in folders]
        means = [item_means(table) for table in tables]
        chances = [dict(item_chances(table)) for table in tables]
        found += [
            f"{each.name}#{kind}"
            for kind in chances[0]
            if not above_chance([one[kind] for one in means], [one[kind] for one in chances])
        ]
    return tuple(found)


def texts_of(
    sets: Sequence[TextSet], metrics: Sequence[str], samples: SamplesSpec | None = None
) -> dict[str, str]:
    """Return metric -> the name of what it was measured on; a mean's is made of those averaged."""
    texts = {each.name: fingerprint(_text_of(each)) for each in sets}
    asked = {each.name: fingerprint([_named(each.asked), each.items]) for each in sets}
    asked |= {SAMPLES: fingerprint(samples.model_dump())} if samples else {}
    held = [text for name, text in texts.items() if name.startswith(f"{HELDOUT}/")]
    texts |= {HELDOUT: fingerprint(held)} if len(held) > 1 else {}
    return texts | {name: asked[name.partition("#")[0]] for name in metrics if "#" in name}


def _text_of(each: TextSet) -> list[Any]:
    shares = [] if each.items is None else [each.items]
    return [each.documents.digest, each.sources, *shares]


def _named(asked: Asked | None) -> list[str] | None:
    return None if asked is None else [asked.form, asked.shard.digest, asked.per]
