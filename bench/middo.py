"""Whether each of Middo's diagnoses flags its own kind, and what one turn of the loop is worth.

    python -m bench.middo [--data ../shared/data/corpora] [--tokens 400000] [--seeds 3]
                          [--right 0.9] [--documents 100000] [--write FOLDER]

Of questions and answers of three sites a part is held out and a part teaches the models that
diagnose; into the rest each of three kinds is planted, 5 %: *garbled* (letters of every word mixed
up), *alone* (an article on something else, each on something of its own) and *mislabelled* (the
second half of another text). The judge is scripted: it knows what is mislabelled, or takes one for
the other, and is right with `--right`. Printed: how many of every kind each diagnosis flags, and
precision and recall of its own; how many of the clean pool it would flag, with its floor and
without. Then proxies on the same held-out text, bits per byte: the pool as it is; without the
flagged; one turn with a writer that always writes what the text was before (the best there is);
the same writer sent to as many documents by chance; the clean pool. Floors are set from the clean
part, never from the pool. About 8 minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.families import records
from curator.embed.vectors import Embed
from curator.evaluate.language_models import load_language_model
from curator.identity import id_matrix, uniform
from curator.score.likelihood import document_bits
from curator.shards import write_shard
from curator.stage import Corpus, FittedScorer, Site
from curator.testing import documents
from curator.train.loop import train
from curator.train.proxy import find_proxy
from curator.train.tokenizer import encode, load_tokenizer, train_bpe
from scorers.middo import Complexity, Diversity, Quality
from tests.support.mixtures import write_mixture

KINDS: Final = ("clean", "garbled", "alone", "mislabelled")
AXES: Final = ("complexity", "diversity", "quality")  # of which each has the kind after `clean`
SITES: Final = ("se_music", "se_matheducators", "se_beer")
SHARE, LONGEST, LEAST, VOCABULARY = 0.05, 1200, 300, 2048
MIDDLE = 5.0  # of the grades
SPREAD = 1.0  # standard deviation of the scripted judge's grades
_TAG = re.compile(r"<[^<>]{1,200}>")


class Pool(NamedTuple):
    """Texts as planted, as they were before, and the place in `KINDS` of each."""

    texts: list[str]
    before: list[str]
    kinds: NDArray[np.int64]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/corpora"))
    parser.add_argument("--tokens", type=int, default=400_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--right", type=float, default=0.9)
    parser.add_argument("--proxy", default="d2")
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    pieces = of_sites(asked.data)[: asked.documents]
    chance = uniform(id_matrix(documents(pieces)["doc_id"]), "bench.middo", 0)
    held, taught, rest = (
        [piece for piece, at in zip(pieces, chance.tolist(), strict=True) if low <= at < high]
        for low, high in ((0, 0.15), (0.15, 0.45), (0.45, 1.0))
    )
    articles = records(asked.data / "encyclopedia/vital_articles_en.jsonl.zst")
    pool = planted(rest, [one["text"][:LONGEST] for one in articles[::7]])
    if asked.write:
        write(asked.write, pool, taught, held)
        return
    print(f"{len(rest):,} documents, {len(taught):,} to teach, {len(held):,} held out")
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(Path(folder), taught, asked.proxy)
        models = [trainer.run(taught, tokens, 1) for tokens in (50_000, asked.tokens)]
        clean = diagnosed(taught, np.zeros(len(taught), np.int64), models, asked.right, {})
        floors = {axis: table.floor for axis, table in clean.items()}
        found = diagnosed(pool.texts, pool.kinds, models, asked.right, floors)
        print_flags(found, pool.kinds)
        untouched = diagnosed(rest, np.zeros(len(rest), np.int64), models, asked.right, floors)
        for axis, table in untouched.items():
            print(f"clean, {axis}: {table.flagged.sum()} flagged, {table.moving} without floor")
        flagged = np.any([table.flagged for table in found.values()], axis=0)
        print_loop(trainer, pool, flagged, held, asked.tokens, asked.seeds)


def write(folder: Path, pool: Pool, taught: Sequence[str], held: Sequence[str]) -> None:
    """Write the three sources as JSON lines, each text of the pool with what was planted."""
    folder.mkdir(parents=True, exist_ok=True)
    planted_as = [KINDS[kind] for kind in pool.kinds.tolist()]
    sources = {"pool": pool.texts, "taught": taught, "held": held}
    for name, texts in sources.items():
        kinds = planted_as if name == "pool" else [KINDS[0]] * len(texts)
        lines = [
            json.dumps({"text": text, "kind": kind}, ensure_ascii=False) + "\n"
            for text, kind in zip(texts, kinds, strict=True)
        ]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


def of_sites(data: Path) -> list[str]:
    """Return pieces of threads, each of whole paragraphs, without tags."""
    found: list[str] = []
    for site in SITES:
        for record in records(data / f"qa/{site}.jsonl.zst"):
            size, part = 0, list[str]()
            for paragraph in _TAG.sub("", record["text"]).split("\n\n"):
                if size + len(paragraph) > LONGEST and part:
                    found.append("\n\n".join(part).strip()[: 2 * LONGEST])
                    size, part = 0, []
                part.append(paragraph.strip())
                size += len(paragraph)
            found.append("\n\n".join(part).strip()[: 2 * LONGEST])
    return [piece for piece in dict.fromkeys(found) if len(piece) >= LEAST]


def planted(texts: Sequence[str], strangers: Sequence[str]) -> Pool:
    """Return a pool with each kind in 5 % of its places."""
    rng, count = np.random.default_rng(7), int(SHARE * len(texts))
    places = rng.permutation(len(texts))
    kinds, made = np.zeros(len(texts), np.int64), list(texts)
    for kind in (1, 2, 3):
        kinds[places[(kind - 1) * count : kind * count]] = kind
    for row in np.flatnonzero(kinds == 1).tolist():
        made[row] = garbled(texts[row], rng)
    for row, text in zip(np.flatnonzero(kinds == 2).tolist(), strangers, strict=False):
        made[row] = text
    wrong = np.flatnonzero(kinds == 3)
    for row, other in zip(wrong.tolist(), np.roll(wrong, 1).tolist(), strict=True):
        half = len(texts[row]) // 2
        made[row] = texts[row][:half] + texts[other][len(texts[other]) // 2 :]
    return Pool(made, list(texts), kinds)


def garbled(text: str, rng: np.random.Generator) -> str:
    """Return a text with the letters of every word in an order by chance."""
    return re.sub(
        r"\w+", lambda found: "".join(rng.permutation(list(found.group())).tolist()), text
    )


class Diagnosis(NamedTuple):
    """What one scorer said: (n,) flags, how many without a floor, and a floor for other text."""

    flagged: NDArray[np.bool_]
    moving: int
    floor: float


def diagnosed(
    texts: Sequence[str],
    kinds: NDArray[np.int64],
    models: Sequence[Path],
    right: float,
    floors: dict[str, float],
) -> dict[str, Diagnosis]:
    """Return what each axis says of a pool; without floors what the worst hundredth is beyond."""
    table = documents(texts)
    size = np.array([len(text.encode()) for text in texts])
    for name, model in zip(("before", "after"), models, strict=True):
        bits = document_bits(load_language_model(str(model), Site()), texts, context=256)[0] / size
        table = table.append_column(name, pa.array(bits.astype(np.float32)))
    embed = Embed()
    table = table.append_column("vector", embed.process(embed.load(Site()), table)["vector"])
    table = table.append_column("grade", pa.array(grades(kinds, right).astype(np.float32)))
    found = {}
    for axis in AXES:
        floor = floors.get(axis, 0.0 if axis == "complexity" else 99.0)
        floor = MIDDLE if axis == "quality" else floor
        scorer = {
            "complexity": Complexity(floor=floor, deviations=1.0),
            "diversity": Diversity(floor=floor, deviations=1.0),
            "quality": Quality(grades=("grade",), floor=floor, deviations=1.0),
        }[axis]
        found[axis] = diagnosis(scorer, axis, table)
    return found


def diagnosis(scorer: FittedScorer, axis: str, table: pa.Table) -> Diagnosis:
    """Return what one scorer says of a table."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        corpus = Corpus((write_shard(table, out / "all.arrow", name="all"),))
        scorer.fit({"raw": corpus}, out, Site())
        model = scorer.load(Site(fitted=out))
        said = scorer.process(model, table)
        report = (out / "report.json").read_text()
    moving = int(re.search(r'"flagged_without_floor": (\d+)', report)[1])  # type: ignore[index]
    columns = {"complexity": ("before", "after"), "quality": ("grade",)}.get(axis)
    sources = [said["nearness"]] if columns is None else [table[name] for name in columns]
    at = 0.99 if axis == "complexity" else 0.01
    ends = [float(np.quantile(column.to_numpy(), at)) for column in sources]
    floor = max(ends) if axis == "complexity" else min(ends)
    return Diagnosis(said["flagged"].to_numpy().astype(bool), moving, floor)


def grades(kinds: NDArray[np.int64], right: float) -> NDArray[np.float64]:
    """Return the scripted judge's grades, (n,) from 0 to 10: about 3 and 8."""
    rng = np.random.default_rng(11)
    bad = (kinds == KINDS.index("mislabelled")) ^ (rng.random(len(kinds)) > right)
    known: NDArray[np.float64] = np.clip(np.where(bad, 3, 8) + SPREAD * rng.normal(size=len(bad)),
                                         0, 10)  # fmt: skip
    return known


class Trainer:
    """Trains proxies on texts, with one tokenizer, each in a folder of its own."""

    def __init__(self, folder: Path, texts: Sequence[str], proxy: str) -> None:
        self.folder, self.proxy, self.number = folder, find_proxy(proxy), 0
        self.tokenizer = train_bpe([pa.array(texts, pa.large_string())], VOCABULARY, folder)

    def run(self, texts: Sequence[str], tokens: int, seed: int) -> Path:
        """Return the folder of a model of so many tokens of the texts, read again where few."""
        self.number += 1
        place = self.folder / str(self.number)
        offsets, ids = encode(load_tokenizer(self.tokenizer), pa.array(texts, pa.large_string()))
        parts = np.split(ids, offsets[1:-1])
        write_mixture(place / "mixture", [("pool", part[1:]) for part in parts], VOCABULARY)
        (place / "mixture" / "tokenizer.json").write_bytes(self.tokenizer.read_bytes())
        whole = tokens // self.proxy.batch_tokens * self.proxy.batch_tokens
        train(place / "mixture", self.proxy, tokens=whole, seed=seed, order_seed=seed,
              out=place / "run")  # fmt: skip
        return place / "run"


def print_flags(found: dict[str, Diagnosis], kinds: NDArray[np.int64]) -> None:
    """Print how many of each kind every axis flags, and how well it finds its own."""
    print("| axis | " + " | ".join(KINDS) + " | precision | recall | without floor |")
    print("|---|" + "---:|" * (len(KINDS) + 3))
    for own, (axis, said) in enumerate(found.items(), 1):
        counts = [int(said.flagged[kinds == kind].sum()) for kind in range(len(KINDS))]
        precision = counts[own] / max(1, sum(counts))
        recall = counts[own] / max(1, int((kinds == own).sum()))
        cells = " | ".join(map(str, counts))
        print(f"| {axis} | {cells} | {precision:.2f} | {recall:.2f} | {said.moving} |")


def print_loop(
    trainer: Trainer,
    pool: Pool,
    flagged: NDArray[np.bool_],
    held: Sequence[str],
    tokens: int,
    seeds: int,
) -> None:
    """Print bits per byte on held-out text after one turn, and differences from `as it is`."""
    drawn = np.zeros(len(flagged), bool)
    drawn[np.random.default_rng(5).permutation(len(flagged))[: int(flagged.sum())]] = True
    arms = {
        "as it is": pool.texts,
        "flagged dropped": [text for text, out in zip(pool.texts, flagged, strict=True) if not out],
        "one turn": rewritten(pool, flagged),
        "as many by chance": rewritten(pool, drawn),
        "clean": pool.before,
    }
    size = sum(len(text.encode()) for text in held)
    found = {}
    for name, texts in arms.items():
        runs = [trainer.run(texts, tokens, seed) for seed in range(1, seeds + 1)]
        found[name] = np.array(
            [document_bits(load_language_model(str(run), Site()), held, context=256)[0].sum()
             for run in runs]
        ) / size  # fmt: skip
        apart = found[name] - found["as it is"]
        spread = apart.std(ddof=1) / np.sqrt(seeds) if seeds > 1 else np.nan
        print(f"{name}: {len(texts):,} documents, {found[name].mean():.4f} bits/byte, "
              f"{apart.mean():+.4f} (standard error {spread:.4f})", flush=True)  # fmt: skip


def rewritten(pool: Pool, which: NDArray[np.bool_]) -> list[str]:
    """Return the pool with some texts as they were before they were planted."""
    return [before if new else text
            for text, before, new in zip(pool.texts, pool.before, which, strict=True)]  # fmt: skip


if __name__ == "__main__":
    main()
