"""Importance of a document for a target by hashed n-grams (DSIR), and how even its weights are.

Xie et al. 2023, "Data Selection for Language Models via Importance Resampling"
(arXiv:2302.03169). The sum over n-grams grows with length until it drowns the noise that
resampling adds, so the default is the mean per n-gram; `normalize: sum` is the paper's. With
`normalize: sum`, `smoothing: 0`, `hash: sha256` and `min_tokens: 100` the weights are those of the
paper's code (`data_selection` 1.0.3) to the last digits, but that it fits the raw text on its first
100,000 n-grams a bucket and this on all of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.identity import id_matrix, uniform
from curator.schema import score_field
from curator.stage import REPORT, Corpus, FittedScorer, Site, write_report
from curator.text.buckets import Naming, bucket_sums, bucket_totals
from curator.text.sha_buckets import MOST_BUCKETS

_ROWS_AT_ONCE = 2048
_FLOOR = 1e-8  # `fit_importance_estimator` of the paper's code
_FEW_NGRAMS = 10_000  # one a bucket at the paper's number of buckets
_REPORTED = 1_000  # documents of the raw text that the effective sample size is measured on


@dataclass(frozen=True)
class Ngrams(FittedScorer):
    """Log of P(document | target) over P(document | raw), per n-gram; null without n-grams.

    Attributes:
        buckets: hash buckets; the paper's 10,000.
        max_n: n-grams of 1 to `max_n` words; the paper's 2.
        normalize: "per_ngram" (nats per n-gram) or "sum" (nats, the paper's log weight).
        smoothing: prior strength in n-grams. The target's shares are pulled towards those of the
            raw text as if that many n-grams of it had been seen (Dirichlet prior, Zhai & Lafferty
            2004), so a bucket that a small target never fills says little. 0: the floor of 1e-8 on
            both shares that the paper's code has, by which one such bucket weighs -18 nats; a
            target of fewer than 10,000 n-grams is then refused.
        min_tokens: documents with fewer n-grams than this many words could give are null; the
            paper's code drops those under 100 tokens.
        hash: what names a bucket: "own", or the paper's code's "sha256", which is slower.
    """

    buckets: int = 10_000
    max_n: int = 2
    normalize: Literal["per_ngram", "sum"] = "per_ngram"
    smoothing: float = 10_000.0
    min_tokens: int = 0
    hash: Naming = "own"

    name: ClassVar[str] = "ngrams"
    version: ClassVar[int] = 3  # sums are added in the order of the text
    learns_from: ClassVar[tuple[str, ...]] = ("target", "raw")

    def __post_init__(self) -> None:
        """Refuse settings by which a weight would be infinite."""
        if self.buckets < 2 or self.max_n < 1:
            raise RecipeError(
                f"buckets={self.buckets!r}, max_n={self.max_n!r}; wanted at least 2 and 1"
            )
        if not 0 <= self.smoothing < math.inf:
            raise RecipeError(
                f"smoothing={self.smoothing!r}; wanted a number of n-grams, or 0 for the floor of "
                "1e-8 that the paper's code has"
            )
        if self.hash not in get_args(Naming) or self.normalize not in ("per_ngram", "sum"):
            raise RecipeError(
                f"hash={self.hash!r}, normalize={self.normalize!r}; wanted 'own' or 'sha256', and "
                "'per_ngram' or 'sum'"
            )
        if self.hash == "sha256" and self.buckets > MOST_BUCKETS:
            raise RecipeError(
                f"buckets={self.buckets!r}; wanted at most {MOST_BUCKETS:,} with hash: sha256"
            )

    @property
    def writes(self) -> pa.Schema:
        """One column, `log_ratio`, in nats per n-gram or in nats."""
        unit = "nats per n-gram" if self.normalize == "per_ngram" else "nats"
        about = "log likelihood ratio of the target over the raw text"
        return pa.schema([score_field("log_ratio", unit=unit, about=about)])

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write `log_ratio.npy` (one float64 a bucket) and `report.json` into `out`."""
        target = self._totals(corpora["target"], site.threads)
        raw = self._totals(corpora["raw"], site.threads)
        for role, totals in (("target", target), ("raw", raw)):
            if not totals.sum():
                raise RecipeError(f"{self.name}: role {role!r} has no n-grams; wanted some text")
        if not self.smoothing and target.sum() < _FEW_NGRAMS:
            raise RecipeError(
                f"{self.name}: the target has {target.sum():,} n-grams; without smoothing wanted "
                f"{_FEW_NGRAMS:,}, or every bucket that it happens not to fill weighs -18 nats. "
                "Give more text, or set `smoothing: 10_000`"
            )
        ratios = log_ratios(target, raw, self.smoothing)
        report = {
            **self._features,
            "target_ngrams": int(target.sum()),
            "raw_ngrams": int(raw.sum()),
            **self._effective_sample_size(corpora["raw"], ratios),
        }
        np.save(out / "log_ratio.npy", ratios, allow_pickle=False)
        write_report(out, report)

    def load(self, site: Site) -> NDArray[np.float64]:
        """Return the log ratio of every bucket, (buckets,) float64.

        Raises:
            RecipeError: nothing was fitted, or by other buckets.
        """
        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted; give it a target by `learns_from`")
        report = json.loads((site.fitted / REPORT).read_text())
        fitted = {name: report.get(name) for name in self._features}
        if fitted != self._features:
            raise RecipeError(
                f"{self.name}: fitted with {fitted}, asked to score with {self._features}; fit "
                "again: the weight of one bucket says nothing of another"
            )
        ratios: NDArray[np.float64] = np.load(site.fitted / "log_ratio.npy", allow_pickle=False)
        return ratios

    @property
    def _features(self) -> dict[str, int | str]:
        """What says which n-grams share a bucket."""
        return {"buckets": self.buckets, "hash": self.hash}

    def score(self, model: NDArray[np.float64], table: pa.Table) -> pa.Table:
        """Return `log_ratio`, one row a document."""
        sums, ngrams = self._sums(model, table["text"])
        values = sums / np.maximum(ngrams, 1) if self.normalize == "per_ngram" else sums
        # A text of t words has t + (t - 1) + ... n-grams.
        least = sum(max(self.min_tokens - n, 0) for n in range(self.max_n))
        mask = (ngrams == 0) | (ngrams < least)
        return pa.table({"log_ratio": pa.array(values.astype(np.float32), mask=mask)})

    def _totals(self, corpus: Corpus, threads: int) -> NDArray[np.int64]:
        """Return how many n-grams of a corpus each bucket has; kernels hold no lock."""
        totals = np.zeros(self.buckets, np.int64)
        with ThreadPoolExecutor(max(1, threads)) as pool:
            for table in corpus.tables(("text",)):
                for part in pool.map(self._bucket_totals, _portions(table["text"])):
                    totals += part
        return totals

    def _bucket_totals(self, texts: pa.ChunkedArray) -> NDArray[np.int64]:
        return bucket_totals(texts, self.buckets, self.max_n, self.hash)

    def _sums(
        self, ratios: NDArray[np.float64], texts: pa.ChunkedArray
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return each text's summed log ratio and its number of n-grams."""
        parts = [
            bucket_sums(portion, ratios, self.max_n, self.hash) for portion in _portions(texts)
        ]
        sums, ngrams = zip((np.zeros(0), np.zeros(0, np.int64)), *parts, strict=True)
        return np.concatenate(sums), np.concatenate(ngrams)

    def _effective_sample_size(
        self, raw: Corpus, ratios: NDArray[np.float64]
    ) -> dict[str, float | int]:
        """Return what resampling by exp(score) would rest on, as shares of a sample of `raw`.

        Kish's (sum w)**2 / sum w**2 over n: 1 means that weights are even and resampling is
        uniform; near 0 that a few documents take all and resampling is top-k.
        """
        sums, ngrams = [np.zeros(0)], [np.zeros(0)]
        share = min(1.0, _REPORTED / max(raw.rows, 1))
        for table in raw.tables(("doc_id", "text")):
            chance = uniform(id_matrix(table["doc_id"]), "ngrams.report", 0)
            part = self._sums(ratios, table.filter(pa.array(chance < share))["text"])
            sums.append(part[0])
            ngrams.append(part[1].astype(np.float64))
        total, length = np.concatenate(sums), np.maximum(np.concatenate(ngrams), 1)
        order = np.argsort(total, kind="stable")  # the same sum whatever the order of shards
        total, length = total[order], length[order]
        return {
            "documents_measured": len(total),
            "effective_share_sum": effective_share(total),
            "effective_share_per_ngram": effective_share(np.sort(total / length)),
        }


def _portions(texts: pa.ChunkedArray) -> Iterator[pa.ChunkedArray]:
    """Yield slices of a column: sparse counts take several times the memory of their texts."""
    for start in range(0, len(texts), _ROWS_AT_ONCE):
        yield texts.slice(start, _ROWS_AT_ONCE)


def log_ratios(
    target: NDArray[np.integer], raw: NDArray[np.integer], smoothing: float
) -> NDArray[np.float64]:
    """Return log(p_target / p_raw) of every bucket, finite for any counts.

    Args:
        target: (buckets,) n-grams of the target in each bucket.
        raw: (buckets,) the same of the raw text; one is added to each (Laplace).
        smoothing: n-grams' worth of belief that the target is like the raw text; 0: nothing is
            added to counts, and 1e-8 to both shares, as in the paper's code.
    """
    if not smoothing:
        floored: NDArray[np.float64] = np.log(target / target.sum() + _FLOOR) - np.log(
            raw / raw.sum() + _FLOOR
        )
        return floored
    p_raw = (raw + 1.0) / (raw.sum() + len(raw))
    p_target = (target + smoothing * p_raw) / (target.sum() + smoothing)
    ratios: NDArray[np.float64] = np.log(p_target) - np.log(p_raw)
    return ratios


def effective_share(log_weights: NDArray[np.float64]) -> float:
    """Return Kish's effective sample size over n for weights exp(log_weights), in (0, 1]."""
    if not len(log_weights):
        return 1.0
    weights = np.exp(log_weights - log_weights.max())
    return float(f"{weights.sum() ** 2 / (weights**2).sum() / len(weights):.4g}")
