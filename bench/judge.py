"""Graded judges without a model: planted quality, noisy labels, and what is distilled from them.

    python -m bench.judge [--folder /tmp/judge] [--documents 3000] [--tokens 200000] [--seeds 1 2 3]

Docstrings of this installation get a planted quality: a share of each one's words, drawn evenly
from 0 to 1, is replaced by words drawn evenly from all words. A judge knows the best quarter; 0, 20
and 40 % of its labels are then flipped, and written as transcripts that `judge` replays for half of
the documents. `distill` learns each judge, and the best quarter by its scores is kept. All through
`curator run`. Printed, with what is claimed (Kong et al. 2024, arXiv:2406.04638, as checked without
a language model):

  (i)   AUC for the planted best quarter, on documents that no label was learned from: of the noisy
        labels themselves, and of what was distilled from them
  (ii)  bits per byte of clean held-out text against a random quarter, by noise: paired over seeds
  (iii) the share of the full pool's training tokens at which the noiseless quarter is as good,
        interpolated between its runs
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from bench.rates import run
from curator.evaluate.statistics import mean_interval
from curator.generate.asking import Answer, Request, digest_of
from curator.generate.prompts import cut, find_prompt
from curator.generate.transcripts import entry_of, write_transcript
from curator.identity import document_ids
from curator.ingest.installed import InstalledReader
from curator.ledger import Store
from curator.score.heldout import auc
from curator.shards import read_shard

NOISE = (0.0, 0.2, 0.4)
BEST = 0.25  # of the documents, and of the tokens kept
CLEAN = 0.1  # of the documents, with nothing replaced: what is measured on
CURVE = (0.35, 0.7)  # of the tokens: where the noiseless quarter is trained too
SOURCES = ("docs-maths", "docs-ml", "docs-systems")
LONGEST = 4000  # characters of a document


@dataclass(frozen=True)
class Planted:
    """Documents with known quality, and some without any fault."""

    texts: list[str]
    quality: NDArray[np.float64]  # share of words that are the document's own
    clean: list[str]

    @property
    def best(self) -> NDArray[np.bool_]:
        """Which are the best quarter."""
        return np.asarray(self.quality >= np.quantile(self.quality, 1 - BEST))


def main() -> None:
    asked = arguments()
    asked.folder.mkdir(parents=True, exist_ok=True)
    planted = plant(asked.documents)
    write_texts(planted, asked.folder)
    for noise in NOISE:
        write_judge(planted, noise, asked.folder)
    told = {share: ran(asked, share) for share in (1.0, *CURVE)}
    print(f"{len(planted.texts):,} documents, {sum(map(len, planted.texts)) / 1e6:.1f} MB")
    report_ranking(planted, told[1.0])
    report_training(told[1.0])
    report_tokens(told)


def plant(count: int) -> Planted:
    """Return docstrings, most of them with words replaced; the same every time."""
    reader = InstalledReader(sources=SOURCES, max_bytes=count * 600)
    texts = [
        text[:LONGEST]
        for unit in reader.plan()
        for batch in reader.documents(unit)
        for text in batch.documents["text"].to_pylist()
    ]
    chance = np.random.default_rng(17)
    chosen = [texts[row] for row in chance.permutation(len(texts))[:count]]
    words = np.array(sorted({word for text in chosen for word in text.split()}), object)
    quality = chance.random(round((1 - CLEAN) * len(chosen)))
    spoiled = [spoil(text, q, words, chance) for text, q in zip(chosen, quality, strict=False)]
    return Planted(spoiled, quality, chosen[len(spoiled) :])


def spoil(text: str, quality: float, words: NDArray[Any], chance: np.random.Generator) -> str:
    """Return a text of which about a share `quality` of the words is its own."""
    own = np.array(text.split(" "), object)
    gone = chance.random(len(own)) >= quality
    own[gone] = chance.choice(words, int(gone.sum()))
    return " ".join(own.tolist())


def write_texts(planted: Planted, folder: Path) -> None:
    for name, texts in (("pool", planted.texts), ("clean", planted.clean)):
        lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        (folder / f"{name}.jsonl").write_text(lines)


def write_judge(planted: Planted, noise: float, folder: Path) -> None:
    """Write what a judge would say of every document that it might be asked about."""
    prompt = find_prompt("quality")
    entries = []
    for source, texts, labels in (
        ("pool", planted.texts, noisy(planted.best, noise)),
        ("clean", planted.clean, np.ones(len(planted.clean), bool)),
    ):
        ids = document_ids(source, pa.array(texts, pa.large_string())).to_pylist()
        for doc_id, text, good in zip(ids, texts, labels.tolist(), strict=True):
            (piece,) = cut(text, LONGEST)
            request = Request(
                prompt.ask(piece), prompt.digest, (doc_id.hex(),), digest_of(piece),
                forms=prompt.forms(),
            )  # fmt: skip
            odds = dict.fromkeys(prompt.forms(), 0.0) | {"yes": 0.9 if good else 0.1}
            odds["no"] = 1 - odds["yes"]
            entries.append(entry_of(request, f"planted, {noise:.0%} noise", Answer(odds=odds)))
    write_transcript(entries, folder / f"noise-{round(100 * noise)}.jsonl")


def noisy(labels: NDArray[np.bool_], noise: float) -> NDArray[np.bool_]:
    """Return labels of which a share is flipped; more noise flips the same ones and others."""
    return np.asarray(labels ^ (np.random.default_rng(1).random(len(labels)) < noise))


def recipe(asked: argparse.Namespace, share: float) -> dict[str, Any]:
    """The recipe at a share of the tokens: all arms at 1, below it the noiseless quarter only."""
    folder = asked.folder.resolve()
    score, arms = [], {
        "all": {"select": {"method": "random", "share": 1.0}},
        "random": {"select": {"method": "random", "share": BEST}},
    }  # fmt: skip
    for noise in NOISE:
        name = f"noise-{round(100 * noise)}"
        score += [
            {
                "use": "judge", "as": f"label-{name}", "prompt": "quality",
                "transcript": str(folder / f"{name}.jsonl"),
                "documents": asked.documents // 2, "max_characters": LONGEST,
            },
            {
                "use": "distill", "as": name, "of": f"label-{name}", "model": "ridge",
                "least_label": 0.5, "least_auc": 0.0,  # what noise does is to be seen
            },
        ]  # fmt: skip
        arms[name] = {"select": {"method": "topk", "by": name, "share": BEST}}
    if share < 1:
        arms = {"noise-0": arms["noise-0"]}
    return {
        "name": f"judge-{round(100 * share)}",
        "seed": 17,
        "corpus": {
            "ingest": [
                {"reader": "jsonl", "source": name, "files": str(folder / f"{name}.jsonl")}
                for name in ("pool", "clean")
            ],
            "heldout": {"clean": {"share": 0.9}},
            "tokenizer": {"bpe": 2048},
        },
        "score": score,
        "arms": arms,
        "baseline": "random" if share == 1 else "noise-0",
        "train": {
            "proxy": asked.proxy,
            "tokens": round(share * asked.tokens),
            "seeds": asked.seeds,
        },
        "evaluate": {"heldout": ["clean"]},
    }


def ran(asked: argparse.Namespace, share: float) -> dict[str, Any]:
    """What the run at a share of the tokens says of itself."""
    name = f"judge-{round(100 * share)}"
    run(recipe(asked, share), asked.folder, name, asked.workers)
    found: dict[str, Any] = json.loads((asked.folder / name / "run.json").read_text())
    return found


def report_ranking(planted: Planted, told: Mapping[str, Any]) -> None:
    """Print (i): AUC of labels and of what was distilled from them."""
    ids = document_ids("pool", pa.array(planted.texts, pa.large_string())).to_pylist()
    truth = pl.DataFrame({"doc_id": ids, "best": planted.best, "quality": planted.quality})
    view = Store(Path(told["store"])).artifact(told["artifacts"]["pool"])
    scored = pl.concat([pl.DataFrame(read_shard(shard)) for shard in view.shards])
    print("(i) AUC for the best quarter   labels   distilled   documents")
    for noise in NOISE:
        name = f"noise-{round(100 * noise)}"
        labels = truth.with_columns(label=pl.Series(noisy(planted.best, noise)).cast(pl.Float64))
        joined = labels.join(scored.filter(pl.col(f"{name}.seen") == 0), on="doc_id")
        best = joined["best"].to_numpy()
        values = [joined[column].to_numpy().astype(np.float64) for column in ("label", name)]
        found = [auc(one[best], one[~best]) for one in values]
        print(f"    {noise:4.0%} flipped             {found[0]:.3f}    {found[1]:.3f}      "
              f"{joined.height:,}")  # fmt: skip


def report_training(told: Mapping[str, Any]) -> None:
    """Print (ii): what each arm gains on a random quarter."""
    base = bits_of(told, "random")
    print("(ii) bits per byte of clean text against a random quarter")
    for name in ("all", *(f"noise-{round(100 * noise)}" for noise in NOISE)):
        differences = bits_of(told, name) - base
        mean, low, high = mean_interval(differences)
        print(f"    {name:9} {mean:+.4f}  ({low:+.4f} to {high:+.4f})")


def report_tokens(told: Mapping[float, Mapping[str, Any]]) -> None:
    """Print (iii): where the noiseless quarter's curve meets the full pool's end."""
    shares = sorted(told)
    full = bits_of(told[1.0], "all")
    curve = np.array([bits_of(told[share], "noise-0") for share in shares])
    print("(iii) noiseless quarter, by share of the full pool's tokens; full pool "
          f"{full.mean():.4f}")  # fmt: skip
    for share, bits in zip(shares, curve, strict=True):
        print(f"    {share:4.0%}  {bits.mean():.4f}")
    reached = [share_at(shares, curve[:, seed], full[seed]) for seed in range(len(full))]
    print("    as good at " + ", ".join(reached) + " of the tokens, by seed")


def share_at(shares: Sequence[float], bits: NDArray[np.float64], wanted: float) -> str:
    """Return the share of tokens at which a falling curve of bits meets `wanted`."""
    if bits[0] <= wanted:
        return f"less than {shares[0]:.0%}"
    if bits[-1] > wanted:
        return f"more than {shares[-1]:.0%}"
    log = np.interp(-wanted, -bits, np.log(shares))
    return f"{np.exp(log):.0%}"


def bits_of(told: Mapping[str, Any], arm: str) -> NDArray[np.float64]:
    return np.array(told["arms"][arm]["evaluation"]["heldout/clean"], np.float64)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("/tmp/judge"))
    parser.add_argument("--documents", type=int, default=3000)
    parser.add_argument("--tokens", type=int, default=200_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--proxy", default="demo")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
