"""Perplexity under an n-gram model of reference text, and its percentile in the language: CCNet.

Wenzek et al. 2020, "CCNet: Extracting High Quality Monolingual Datasets from Web Crawl Data"
(arXiv:1911.00359). The model is the one that KenLM would estimate, read and asked by kernels. What
differs from cc_net: words instead of SentencePiece pieces (`curator.text.lm_words`); percentiles
of this pool instead of a table that came with the code; a document that the model has read, is too
short or has no model has no score, never a bucket. cc_net's own pipeline takes the newlines out
before it scores, so that its +1 for the end of a line counts once a document; here every line
counts, as in its formula.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.identity import id_matrix, uniform
from curator.schema import score_field
from curator.score.bands import Bands, length_confound, spread
from curator.score.drawn_text import (
    COLUMNS,
    Keys,
    Reading,
    draw_by_size,
    languages_of,
    read_already,
    texts_of,
)
from curator.score.examples import draw_threshold
from curator.score.kneser_ney import thresholds_of
from curator.score.ngram_lm import NgramModel, bits, perplexity
from curator.stage import Corpus, FittedScorer, Site, write_report

_REFERENCE: Final = "ngram_perplexity.reference"
_CUTOFFS: Final = "ngram_perplexity.cutoffs"
_COLUMNS: Final = ("perplexity", "bits_per_byte")


class Model(NamedTuple):
    """What `load` returns: by language a model and its bands, and the documents that were read."""

    by_language: dict[str, tuple[NgramModel, Bands | None]]
    read: Keys


class Told(NamedTuple):
    """What the models say of a table's rows; NaN where nothing."""

    perplexity: NDArray[np.float32]
    bits_per_byte: NDArray[np.float32]
    words: NDArray[np.int64]
    unknown: NDArray[np.int64]
    reasons: dict[str, int]  # documents without a score, by reason


@dataclass(frozen=True)
class NgramPerplexity(FittedScorer):
    """Percentile of the perplexity within the language, the perplexity, bits per byte, the bucket.

    Attributes:
        order: words of the longest n-grams; cc_net's 5 (its Makefile).
        prune: for each order from 1 on, n-grams of the reference that occur as often as this or
            less are left out, as by KenLM's `--prune`; (0, 0, 1) leaves a fifth of them in 5 MB of
            an encyclopedia, and perplexities rise by 0.5 %.
        reference_bytes: text that one language's model learns from at most; more is drawn from by
            documents' chance. 64 MB make a table of 1 GB and take 2 GB to learn.
        least_reference_words: a language with less reference text has no model.
        min_characters: shorter documents have no score; cc_net's min_len.
        sample: documents of `raw` at most that percentiles are taken from.
        least_documents: a language with fewer of them has no percentiles and no bucket.
        by_language: a model and percentiles for every value of the column `language`, documents
            without one being a language of their own; false: one model for all.
        most_overlap: share of the sample that the reference may hold. Documents that the model has
            read, and copies of them, have no score; a pool that loses more than this is refused.
        seed: of both draws.
    """

    order: int = 5
    prune: tuple[int, ...] = ()
    reference_bytes: int = 64_000_000
    least_reference_words: int = 20_000
    min_characters: int = 300
    sample: int = 100_000
    least_documents: int = 100
    by_language: bool = True
    most_overlap: float = 0.5
    seed: int = 0

    name: ClassVar[str] = "ngram_perplexity"
    reads: ClassVar[tuple[str, ...]] = COLUMNS
    learns_from: ClassVar[tuple[str, ...]] = ("reference", "raw")
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field(
                "perplexity_rank",
                unit="share in [0, 1]",
                better="lower",
                about="share of the language's documents with a lower perplexity",
            ),
            score_field(
                "perplexity",
                unit="perplexity of a word",
                better="lower",
                about="under an n-gram model of the reference",
            ),
            score_field(
                "bits_per_byte",
                unit="bits/byte",
                better="lower",
                about="under the same model, unknown words spelled",
            ),
            score_field(
                "bucket",
                unit="0 head, 1 middle, 2 tail",
                better="lower",
                about="CCNet's: cut at the 30th and the 60th percentile",
                kind=pa.uint8(),
            ),
        ]
    )

    def __post_init__(self) -> None:
        """Refuse settings that no model or no percentile could come from."""
        if not 1 <= self.order <= 6:
            raise RecipeError(f"order={self.order!r}; wanted 1 to 6 words")
        thresholds_of(self.prune, self.order)
        for name in ("reference_bytes", "least_reference_words", "sample", "least_documents"):
            if getattr(self, name) < 1:
                raise RecipeError(f"{name}={getattr(self, name)!r}; wanted 1 or more")
        if not 0 <= self.most_overlap < 1:
            raise RecipeError(f"most_overlap={self.most_overlap!r}; wanted 0 or more, below 1")

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write a model and a sample of perplexities for each language, and `report.json`.

        Raises:
            RecipeError: no language has both a model and percentiles, or the reference holds too
                much of the sample.
        """
        drawn = draw_by_size(
            corpora["reference"],
            self.reference_bytes,
            purpose=_REFERENCE,
            seed=self.seed,
            apart=self.by_language,
        )
        report: dict[str, Any] = {"languages": {}}
        learned: dict[str, tuple[NgramModel, Bands | None]] = {}
        for language, reading in drawn.items():
            texts = texts_of(corpora["reference"], reading, purpose=_REFERENCE, seed=self.seed)
            model = NgramModel.trained(texts, order=self.order, prune=self.prune)
            report["languages"][language] = _described(reading, model)
            if model.about["tokens"] >= self.least_reference_words:
                model.save(out / f"model-{len(learned)}")
                learned[language] = (model, None)
        read = np.unique(
            np.concatenate([np.zeros(0, np.uint64), *(one.keys for one in drawn.values())])
        )
        measured = self._measured(Model(learned, read), corpora["raw"], report)
        self._write(out, list(learned), measured, read, report)

    def load(self, site: Site) -> Model:
        """Return the models; their tables stay on disk until they are read."""
        if site.fitted is None:
            raise RecipeError(
                f"{self.name} has not been fitted; give it a reference by `learns_from`"
            )
        languages = json.loads((site.fitted / "languages.json").read_text())
        found: dict[str, tuple[NgramModel, Bands | None]] = {}
        for number, language in enumerate(languages):
            folder = site.fitted / f"model-{number}"
            sample = folder / "sample.npy"
            bands = Bands(np.load(sample, allow_pickle=False)) if sample.exists() else None
            found[language] = (NgramModel.load(folder), bands)
        return Model(found, np.load(site.fitted / "read.npy", allow_pickle=False))

    def score(self, model: Model, table: pa.Table) -> pa.Table:
        """Return the percentile, the perplexity, bits per byte and the bucket of each document."""
        told = self._told(model, table)
        rank = np.full(table.num_rows, np.nan, np.float32)
        bucket = np.zeros(table.num_rows, np.uint8)
        languages = languages_of(table, apart=self.by_language)
        for language, (_, bands) in model.by_language.items():
            if bands is not None:
                own = _is(languages, language) & ~np.isnan(told.perplexity)
                rank[own] = bands.rank(told.perplexity[own])
                bucket[own] = bands.bucket(told.perplexity[own])
        absent = np.isnan(rank)  # without percentiles there is no score at all
        values = (rank, told.perplexity, told.bits_per_byte, bucket)
        columns = [pa.array(column, mask=absent) for column in values]
        return pa.table(columns, names=self.writes.names)

    def _told(self, model: Model, table: pa.Table) -> Told:
        """Return what the models say of every row that they may speak of."""
        rows = table.num_rows
        ppl = np.full(rows, np.nan, np.float32)
        per_byte = np.full(rows, np.nan, np.float32)
        words, unknown = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
        sizes = pc.binary_length(table["text"]).to_numpy().astype(np.int64)
        short = pc.utf8_length(table["text"]).to_numpy() < self.min_characters
        read = read_already(table, model.read)
        languages = languages_of(table, apart=self.by_language)
        reasons = Counter({"short": int(short.sum()), "in_reference": int((read & ~short).sum())})
        spoken = np.zeros(rows, bool)
        for language, (one, _) in model.by_language.items():
            own = np.flatnonzero(_is(languages, language) & ~short & ~read)
            spoken[own] = True
            told = one.tally(table["text"].take(pa.array(own)))
            ppl[own] = perplexity(told)
            per_byte[own] = bits(told) / np.maximum(sizes[own], 1)
            words[own], unknown[own] = told.words, told.unknown
        per_byte[np.isnan(ppl)] = np.nan
        reasons["no_words"] = int((spoken & np.isnan(ppl)).sum())
        reasons["no_model"] = int((~spoken & ~short & ~read).sum())
        return Told(ppl, per_byte, words, unknown, dict(reasons))

    def _measured(
        self, model: Model, raw: Corpus, report: dict[str, Any]
    ) -> dict[str, NDArray[np.float32]]:
        """Return the rising perplexities of a sample, by language; tell `report` about them."""
        last = draw_threshold(raw, self.sample, purpose=_CUTOFFS, seed=self.seed, where="raw")
        reasons: Counter[str] = Counter()
        parts: dict[str, list[NDArray[np.float64]]] = {}
        seen = 0
        for whole in raw.tables(COLUMNS):
            chance = uniform(id_matrix(whole["doc_id"]), _CUTOFFS, self.seed)
            table = whole.filter(pa.array(chance <= last))
            told = self._told(model, table)
            reasons.update(told.reasons)
            seen += table.num_rows
            languages = languages_of(table, apart=self.by_language)
            for language in pc.unique(languages).to_pylist():
                own = _is(languages, language) & ~np.isnan(told.perplexity)
                sizes = pc.binary_length(table["text"]).to_numpy()[own]
                parts.setdefault(language, []).append(
                    np.stack(
                        [
                            told.perplexity[own].astype(np.float64),
                            sizes.astype(np.float64),
                            told.bits_per_byte[own].astype(np.float64),
                            told.words[own].astype(np.float64),
                            told.unknown[own].astype(np.float64),
                        ]
                    )
                )
        report["sample"] = {"documents": seen, "without_score": dict(sorted(reasons.items()))}
        self._refuse_overlap(reasons["in_reference"], seen)
        return self._samples(model, parts, report)

    def _samples(
        self,
        model: Model,
        parts: dict[str, list[NDArray[np.float64]]],
        report: dict[str, Any],
    ) -> dict[str, NDArray[np.float32]]:
        samples = {}
        for language in sorted(parts):
            ppl, sizes, per_byte, words, unknown = np.concatenate(parts[language], axis=1)
            about = report["languages"].setdefault(language, {})
            about["sample_documents"] = len(ppl)
            if language not in model.by_language or len(ppl) < self.least_documents:
                continue
            samples[language] = np.sort(ppl).astype(np.float32)
            about |= {
                "unknown_share": round(float(unknown.sum() / max(words.sum(), 1)), 5),
                "perplexity": spread(ppl),
                "bits_per_byte": spread(per_byte),
                **length_confound(ppl.astype(np.float32), sizes.astype(np.int64)),
            }
        if not samples:
            raise RecipeError(
                f"no language has both a model and percentiles: reference {_sizes(report)}; wanted "
                f"{self.least_reference_words} words of reference text and {self.least_documents} "
                "documents of the pool in one language; of the pool's sample have no score "
                f"{report['sample']['without_score']}. Give more text, lower "
                "`least_reference_words` or `least_documents`, or say `by_language: false`",
                where=self.name,
            )
        return samples

    def _refuse_overlap(self, read: int, seen: int) -> None:
        if read > self.most_overlap * seen:
            raise RecipeError(
                f"{read} of {seen} documents of the pool are reference documents or copies of "
                "them, and a model must not judge what it has read; wanted at most "
                f"{self.most_overlap:g} of the pool. Learn from another source, from less of it "
                "(`reference_bytes`), or raise `most_overlap`",
                where=self.name,
            )

    def _write(
        self,
        out: Path,
        languages: list[str],
        samples: Mapping[str, NDArray[np.float32]],
        read: Keys,
        report: Mapping[str, Any],
    ) -> None:
        for number, language in enumerate(languages):
            if language in samples:
                path = out / f"model-{number}" / "sample.npy"
                np.save(path, samples[language], allow_pickle=False)
        np.save(out / "read.npy", read, allow_pickle=False)
        (out / "languages.json").write_text(json.dumps(languages) + "\n")
        write_report(out, report)


def _described(reading: Reading, model: NgramModel) -> dict[str, Any]:
    """Return what a report says of one language's reference."""
    return {
        "reference_documents": len(reading.chances),
        "reference_documents_offered": reading.offered,
        "reference_bytes": reading.size_bytes,
        "reference": model.about,
    }


def _sizes(report: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    return {
        language: {
            "reference words": about.get("reference", {}).get("tokens", 0),
            "pool documents with a score": about.get("sample_documents", 0),
        }
        for language, about in report["languages"].items()
    }


def _is(languages: pa.Array, language: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.equal(languages, language).to_numpy(zero_copy_only=False)
    return found
